"""`stability`: what happens on saturated networks, beyond the range in which right textbook code keeps its digits?"""

import numpy as np

from verifier.checks.check import Check
from verifier.checks.examination import Examination, Finding, compare_gradients, departs, skipped, worst_of
from verifier.results.outcome import Measurement, Outcome, Status

ID = "stability"
SUMMARY = "what happens on saturated networks; decides only where the manifest says stable = true"


def check(examination: Examination) -> Finding:
    """Gradients on extreme networks: a note, unless the manifest claims that they are right there too."""
    if not examination.extreme:
        return skipped(ID, "No saturated network was drawn.")
    found: list[Measurement] = []
    unanswered = []
    for item in examination.extreme:
        evaluation = examination.evaluations.get(item.index)
        if evaluation is None:
            unanswered.append(item.index)
            continue
        right = item.reference.gradients
        if not all(np.isfinite(g).all() for g in (*right.values(), *item.reference.scatter.gradients.values())):
            continue
        found += compare_gradients(ID, item, evaluation, right, item.reference.gradient_tolerance)
    wrong = [measurement for measurement in found if measurement.status == "fail"]
    networks = {measurement.problem for measurement in found} | set(unanswered)
    failed = {measurement.problem for measurement in wrong} | set(unanswered)
    if not failed:
        return Finding(Outcome(ID, "pass", f"Right on {len(networks)} saturated networks too.", problems=len(networks)), tuple(found))
    status: Status = "fail" if examination.claims.stable else "pass"
    worst = worst_of(wrong)
    text = "no answer" if worst is None else "not finite" if not np.isfinite(worst.claimed or 0.0) else departs(worst)
    message = f"On {len(failed)} of {len(networks)} saturated networks the gradient is off or missing, at worst: {text}"
    return Finding(
        Outcome(
            ID,
            status,
            message if status == "fail" else f"Looked at {len(networks)} saturated networks, outside the range that decides.",
            problems=len(networks),
            failed=len(failed) if status == "fail" else 0,
            error=worst.error if worst is not None and status == "fail" else None,
            tolerance=worst.tolerance if worst is not None and status == "fail" else None,
            tensor=worst.tensor if worst is not None and status == "fail" else None,
            problem=min(failed) if status == "fail" else None,
            notes=() if status == "fail" else (message,),
        ),
        tuple(found),
    )


CHECK = Check(ID, SUMMARY, check, needs=frozenset({"gradients"}), headline=9)
