"""One candidate beside a reference that its test's author names -> a report. Each of the two runs in a process of its own.

The reference's process asks (`oracles.references.process`); this one passes each question on to the candidate's worker, and the answer
back. Neither ever meets the other's code.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from verifier import wire
from verifier.arrays import FloatArray
from verifier.candidates.discovery import Candidate
from verifier.checks.examination import Unanswered
from verifier.contracts.reference.claims import Claims
from verifier.counting import counted
from verifier.errors import RequestError
from verifier.results.evaluation import listed
from verifier.results.outcome import Measurement, Outcome
from verifier.results.report import COUNTEREXAMPLE_FILE, Counterexample, Note
from verifier.verification.channel import Channel
from verifier.verification.exchanging import Exchanging
from verifier.verification.record import Judged, Request, Run, described, report_of
from verifier.verification.witnesses import verdict_of

DRAWS: Mapping[str, int] = {"quick": 30, "ci": 100, "thorough": 1000, "grading": 100}
UNTRUSTED = (
    "names a reference, which is not confined: it runs with your rights, as your tests do. If the file is your own, say so: "
    "--trust-references."
)
SOURCE = "32 x rounding scatter"
CHECK_OF = {"output": "forward", "refused": "forward", "changed": "purity", "calls": "purity"}


def judge(run: Run, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
    """Judge the candidate that a case names. `found` is called with each outcome at once."""
    began = time.perf_counter()
    claims = cast(Claims, candidate.claims)
    refused = _unusable(candidate, claims, run.request)
    if refused:
        return _written(candidate, run.request, [Outcome("contract", "error", f"{candidate.path}: {refused}")], {}, {}, None, 0.0)
    case = Path(cast(Path, candidate.file))
    file = (case.parent / claims.file).resolve()
    contestant = replace(candidate, file=file, readable=(file,), entry=claims.function, root=None)
    with Exchanging(run.zygote, contestant, cast(Any, claims), run.limits) as exchanging:
        try:
            exchanging.load()
            missing = [name for name in (claims.function, claims.backward) if name and name not in exchanging.functions]
            if missing:
                raise Unanswered(f"{claims.file}: there is no function {missing[0]!r}.", fatal=True)
            done, arrays = _ask(run, case, claims, exchanging)
        except Unanswered as error:
            return _written(candidate, run.request, [Outcome("contract", "error", str(error))], {}, {}, exchanging, 0.0)
        outcomes = _outcomes(candidate, done)
        for outcome in outcomes:
            found(outcome)
        return _written(candidate, run.request, outcomes, done, arrays, exchanging, time.perf_counter() - began)


def replay(run: Run, problem: Any, file: str, candidate: Candidate) -> Judged:
    """What a case drew is drawn again by its seed. Raises RequestError."""
    raise RequestError(f"{file}: is asked again by the seed of its report: verifier check {candidate.path} --seed {run.request.seed}.")


def _unusable(candidate: Candidate, claims: Claims, request: Request) -> str:
    if not request.trusts_references:
        return UNTRUSTED
    if candidate.file is None or not (candidate.file.parent / claims.file).is_file():
        return f"there is no file {claims.file} beside it."
    return ""


def _ask(run: Run, case: Path, claims: Claims, exchanging: Exchanging) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """Run the reference's process to its end, and answer its questions."""
    said = {**claims.said, "seed": run.request.seed, "draws": DRAWS.get(run.request.profile.name, 100)}
    first = {"case": str(case), "said": said, "function": claims.function, "backward": claims.backward}
    command = [sys.executable, "-P", "-m", "verifier.oracles.references.process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=case.parent) as process:
        try:
            channel = Channel(process, time.monotonic() + run.limits.all_wall_seconds)
            channel.send(first, {})
            while True:
                message, arrays = channel.receive()
                if "done" in message:
                    return message["done"], arrays
                if "unusable" in message:
                    raise Unanswered(f"{case.name}: {message['unusable']}", fatal=True)
                channel.send(*_answered(exchanging, message["ask"], arrays))
        finally:
            process.kill()


def _answered(
    exchanging: Exchanging, question: Mapping[str, Any], arrays: Mapping[str, FloatArray]
) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """The worker's answer; what the candidate raised as one sentence, a worker's end as another."""
    try:
        message, answered = exchanging.exchange(question, arrays, "asked beside its reference")
    except Unanswered as error:
        if error.fatal:
            raise
        return {"died": str(error)}, {}
    replies = []
    for reply in message["actions"]:
        if "raised" in reply:
            says = exchanging.describe(reply)[0].rstrip(".")
            reply = {"says": says, "phase": reply.get("phase")}
        elif "refused" in reply:
            reply = {"says": str(reply["refused"]), "phase": reply.get("phase")}
        replies.append(reply)
    return {"actions": replies}, dict(answered)


def _outcomes(candidate: Candidate, done: Mapping[str, Any]) -> list[Outcome]:
    asked, message = int(done["asked"]), str(done["message"])
    if done["undecided"]:
        return [Outcome("contract", "inconclusive", done["undecided"])]
    answers = Outcome("contract", "pass", f"The candidate answered at {counted(asked, 'drawn point')}.", problems=asked)
    wrong = CHECK_OF.get(done.get("what", ""), "autograd") if message else ""
    text = message.replace("\n", " ")
    passed = {
        "forward": f"Outputs are the reference's at {counted(asked, 'point')}.",
        "autograd": f"Gradients are those of the reference at {counted(asked, 'point')} ({', '.join(done['axes'][:4])}, …).",
        "purity": "Nothing that it was given was changed, and the same call gave the same answer.",
    }
    found = [answers]
    for check, says in passed.items():
        if check == wrong:
            found.append(Outcome(check, "fail", text, problems=asked, failed=1, tensor=done.get("tensor") or None))
        elif not wrong:
            power = max(done["resolves"].values(), default=None) if check == "autograd" else None
            found.append(Outcome(check, "pass", says, problems=asked, resolves=power))
    return found


def _written(
    candidate: Candidate,
    request: Request,
    outcomes: list[Outcome],
    done: Mapping[str, Any],
    arrays: Mapping[str, FloatArray],
    exchanging: Exchanging | None,
    seconds: float,
) -> Judged:
    verdict = verdict_of(outcomes, ())
    failed = next((outcome for outcome in outcomes if outcome.status in ("fail", "error")), outcomes[-1])
    counterexample = _counterexample(done, arrays, failed.id) if failed.status == "fail" else None
    asked = done.get("asked", 0)
    report = report_of(
        described(candidate),
        request,
        exchanging,
        outcomes,
        verdict=verdict,
        summary=f"Right beside its reference at {counted(asked, 'drawn point')}." if verdict == "pass" else failed.message,
        seconds={"asking": seconds},
        measurements=_measurements(done, arrays, failed.id) if failed.status == "fail" else (),
        notes=tuple(
            Note("autograd", text) for text in (*done.get("notes", ()), *(f"Not drawn: {one}" for one in done.get("not_drawn", ())))
        ),
        counterexample=counterexample,
    )
    return Judged(report, None if counterexample is None else wire.encode_blob({"contract": "reference"}, dict(arrays)))


def _counterexample(done: Mapping[str, Any], arrays: Mapping[str, FloatArray], check: str) -> Counterexample:
    sizes = ", ".join(f"{name} = {size}" for name, size in done["sizes"].items()) or "the examples"
    tensor = done["tensor"] or "outputs"
    return Counterexample(
        file=COUNTEREXAMPLE_FILE,
        problem="; ".join([sizes, *done["needed"]]),
        check=check,
        arrays={name.removeprefix("array "): array.tolist() for name, array in arrays.items() if name.startswith("array ")},
        claimed={tensor: listed(arrays["claimed"])} if "claimed" in arrays else {},
        reference={tensor: listed(arrays["right"])} if "right" in arrays else {},
    )


def _measurements(done: Mapping[str, Any], arrays: Mapping[str, FloatArray], check: str) -> tuple[Measurement, ...]:
    """The worst element."""
    if not {"claimed", "right", "tolerance"} <= arrays.keys():
        return ()
    error = np.abs(arrays["claimed"] - arrays["right"])
    with np.errstate(all="ignore"):
        share = np.where(np.isnan(error), np.inf, error / np.maximum(arrays["tolerance"], 1e-300))
    place = tuple(int(axis) for axis in np.unravel_index(int(np.argmax(share)), share.shape))
    numbers = [float(array[place]) for array in (error, arrays["tolerance"], arrays["claimed"], arrays["right"])]
    known = [one if np.isfinite(one) else None for one in numbers]
    return (
        Measurement(
            check=check,
            problem=0,
            network="; ".join(f"{name} = {size}" for name, size in done["sizes"].items()),
            tensor=done["tensor"],
            error=known[0],
            tolerance=known[1],
            source=SOURCE,
            status="fail",
            claimed=known[2],
            reference=known[3],
            index=place,
        ),
    )
