"""The words and figures that every format shares: how a verdict is called, how a number is written, what to do next."""

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from verifier.arrays import element_of
from verifier.counting import counted
from verifier.reports.untrusted import one_line, plain
from verifier.results.outcome import GRAVEST_FIRST, Measurement, Outcome
from verifier.results.report import Isolation, OwnLine, Report

VERDICT_MEANS = {
    "pass": "the gradients are right",
    "fail": "a gradient is wrong",
    "error": "the candidate cannot be judged",
    "inconclusive": "nothing could be decided",
}
WRONG = {
    "forward": "the loss or an output is wrong",
    "update": "the update is wrong",
    "stages": "a stage that it returns is wrong",
    "purity": "it does not answer the same question in the same way",
    "stability": "it breaks on saturated networks",
}  # by the check that failed, where the gradients did not
REASONS = {"not-judged": "there is nothing to judge", "not-done": "nothing is filled in yet"}
NOTHING = "–"
EXCLUDES = (
    '"Excludes above": an error larger than this, as a fraction of the largest element of its tensor, would have been seen in at least '
    "half of the comparisons."
)
SOURCES = {
    "rounding scatter": '"Rounding scatter" is how far a right result moves when only the last digits of the numbers before it change.',
    "error bound of the difference": '"Error bound of the difference" is how far the finite difference itself may be from the true slope.',
}  # by the words of a tolerance's source


def verdict_means(report: Report) -> str:
    """The verdict in a few words that fit what was found: a heading that says "gradient" above a wrong `predict` misleads."""
    if report.reason:
        return REASONS.get(report.reason, VERDICT_MEANS[report.verdict])
    if report.verdict != "fail":
        return VERDICT_MEANS[report.verdict]
    failed = {outcome.id for outcome in report.checks if outcome.status == "fail"}
    if not failed or failed & {"autograd", "finite-difference", "batch-additivity", "unit-permutation"}:
        return VERDICT_MEANS["fail"] if "forward" not in failed or "autograd" in failed else "the loss or an output is wrong"
    return next((words for check, words in WRONG.items() if check in failed), "a check failed")


def number(value: float | None, digits: int = 2) -> str:
    """A short decimal: ``0.081``, ``4e-15``, ``1,024`` never; a dash for None (JSON has no NaN, so None may stand for one)."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 10.0 ** max(5, digits):
        whole = len(str(int(abs(value))))
        return f"{value:.{max(digits, whole)}g}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if not exponent:
        return mantissa  # inf, nan
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


def times_tolerance(error: float | None, tolerance: float | None) -> str:
    """The error as a multiple of its tolerance: ``0.02 x``; above ``1 x`` it fails."""
    if error is None or not tolerance:
        return NOTHING
    return f"{number(abs(error) / tolerance)} ×"


def networks(outcome: Outcome) -> str:
    """How many networks were asked, and how many of them failed."""
    if outcome.failed:
        return f"{outcome.failed} of {outcome.problems}"
    return str(outcome.problems) if outcome.problems else NOTHING


def worst_measurement(report: Report, outcome: Outcome) -> Measurement | None:
    """The stored comparison that an outcome's figures come from, else the first one of its check."""
    layer = outcome.layer or ""
    of_check = [measurement for measurement in report.measurements if (measurement.check, measurement.layer) == (outcome.id, layer)]
    for measurement in of_check:
        if (measurement.tensor, measurement.problem) == (outcome.tensor, outcome.problem):
            return measurement
    return of_check[0] if of_check else None


def worst_measurements(report: Report, per_check: int) -> tuple[list[Measurement], int]:
    """The worst comparisons of each check, those that failed first, and how many more `report.json` holds."""
    grave = [outcome.id for outcome in not_passed(report)]
    order = grave + [check for check in dict.fromkeys(m.check for m in report.measurements) if check not in grave]
    shown = [
        measurement
        for check in order
        for measurement in sorted((m for m in report.measurements if m.check == check), key=excess, reverse=True)[:per_check]
    ]
    return shown, len(report.measurements) - len(shown)


def excess(measurement: Measurement) -> tuple[bool, float]:
    """How bad a comparison is, to order by: failed or not, then the error in tolerances."""
    if measurement.error is None or not measurement.tolerance:
        return measurement.status == "fail", math.inf
    return measurement.status == "fail", abs(measurement.error) / measurement.tolerance


def element(measurement: Measurement) -> str:
    """The tensor with the index of its worst element: ``weights[1][0, 2]``."""
    return element_of(one_line(measurement.tensor), measurement.index)


def first_sentence(text: str) -> str:
    """The first sentence of a message, on one line."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z0-9(`'\"])", one_line(text), maxsplit=1)[0]


def not_passed(report: Report) -> tuple[Outcome, ...]:
    """The checks that decided against the candidate or could not decide, gravest first."""
    found = [outcome for outcome in report.checks if outcome.status not in ("pass", "skipped")]
    return tuple(sorted(found, key=lambda outcome: GRAVEST_FIRST.index(outcome.status)))


def deciding_check(report: Report) -> str:
    """The id of the check that the verdict rests on; a dash for a pass."""
    if report.verdict == "pass":
        return NOTHING
    deciding = [outcome for outcome in report.checks if outcome.status == report.verdict]
    said = [outcome for outcome in deciding if said_in_summary(report, outcome.message)]
    shrunk = [outcome for outcome in deciding if report.counterexample and outcome.id == report.counterexample.check]
    return next((outcome.id for outcome in said or shrunk or deciding), NOTHING)


def title(outcome: Outcome) -> str:
    """The check's id, after its layer where a file has several."""
    return f"{outcome.layer}: {outcome.id}" if outcome.layer else outcome.id


def skipped_by_reason(report: Report) -> dict[str, list[str]]:
    """The checks that were not asked, by the reason why."""
    reasons: dict[str, list[str]] = {}
    for outcome in report.checks:
        if outcome.status == "skipped":
            reasons.setdefault(one_line(outcome.message), []).append(one_line(outcome.id))
    return reasons


TERMS: Mapping[str, str] = {
    "network": "A random network that your code was asked about: its sizes, weights, inputs and targets are drawn from the seed.",
    "check": "One question that your code is asked on many networks; docs/checks.md lists them.",
    "status": "pass; FAIL: your code is wrong; ERROR: no usable answer came; INCONCLUSIVE: nothing could be decided; skipped: not asked.",
    "error": "How far your number is from the right one, at the worst element of the worst network.",
    "tolerance": "How far it may be: what rounding alone can do to right code there. It is computed for each element, never chosen.",
    "networks": "How many networks were asked about; of a check that fails, how many of them are wrong.",
    "excludes above": "The smallest error, as a part of the largest element, that this check would have seen.",
    "scatter": "How much a right gradient moves when every number in the computation is changed in its last digit.",
    "finite difference": "The slope of your own loss, from its values at two near points. It needs no formula, and no other code.",
    "autograd": "PyTorch's gradient of the network that your manifest claims.",
    "the first difference": "In a network worked by hand, the first value that differs from yours by more than rounding (✗, after >).",
    "z, a, δ": "Pre-activation z = W a + b, activation a = σ(z), and δ = ∂L/∂z. Layers are counted from 0, as weights[0].",
    "⊙": "Multiplied element by element.",
    "counterexample": "The smallest network found on which your code is wrong; verifier replay asks about it again.",
    "manifest": "The lines # /// script at the top of your file: what your code claims to compute.",
}


def explained_words(report: Report) -> list[str]:
    """A plain sentence for each word of the table of checks that a reader may not know, in the order of the columns."""
    worst = [worst_measurement(report, outcome) for outcome in report.checks]
    sources = " ".join(measurement.source for measurement in worst if measurement)
    excludes = [EXCLUDES] if any(outcome.resolves is not None for outcome in report.checks) else []
    return excludes + [sentence for words, sentence in SOURCES.items() if words in sources]


def came_to_nothing(report: Report) -> bool:
    """Whether the headline says all that a table of the checks would: the candidate did not load, or answered nothing."""
    return report.verdict == "error" and all(
        outcome.status == "skipped" or (outcome.status == "error" and said_in_summary(report, outcome.message)) for outcome in report.checks
    )


def said_in_summary(report: Report, message: str) -> bool:
    """Whether the headline says this already, so that nothing is read twice."""
    return bool(message) and one_line(message) in one_line(report.summary)


def unsaid_worst(report: Report, outcome: Outcome) -> Measurement | None:
    """The comparison behind an outcome, where its message does not say already on which network it was."""
    worst = worst_measurement(report, outcome)
    return None if worst is None or (worst.network and one_line(worst.network) in one_line(outcome.message)) else worst


def isolation_gap(isolation: Isolation) -> str | None:
    """What did not confine the candidate, and why; None where every promise was kept, or where it was never started."""
    if not isolation.known:
        return None
    promises = {"files": isolation.files, "system calls": isolation.system_calls, "limits": isolation.limits}
    missing = [name for name, kept in promises.items() if not kept]
    if not missing:
        return None
    reason = f" ({one_line(isolation.reason)})" if isolation.reason else ""
    if not isolation.files and not isolation.system_calls:
        return f"not isolated{reason}: run only code that you trust"
    return f"not confined: {' and '.join(missing)}{reason}"


def isolation_words(isolation: Isolation) -> str:
    """The isolation of a run in one line, whether complete or not."""
    gap = isolation_gap(isolation)
    if gap:
        return gap
    if not isolation.known:
        return "not known: it was never started, or ended while it was loaded"
    landlock = f" (Landlock ABI {isolation.landlock_abi})" if isolation.landlock_abi else ""
    return f"files, system calls and limits confined{landlock}"


def is_of_a_cohort(report: Report) -> bool:
    """Whether others are still graded on these networks, so that a page for a student keeps the seed to itself."""
    return report.profile == "grading" and "--assignment" in report.options


def shown_seed(report: Report) -> str:
    """The seed, as a page for the candidate's author shows it."""
    return "kept with the cohort" if is_of_a_cohort(report) else str(report.seed)


def reproduce_command(report: Report) -> str:
    """The command that makes this run again, with its profile and seed; after a replay, the one that judges the candidate whole.

    For one of a cohort without its seed: that asks about other networks.
    """
    seed = "" if is_of_a_cohort(report) else f" --seed {report.seed}"
    options = "".join(f" {shell_word(word)}" for word in report.options) + (f" --rung {report.rung}" if report.rung else "")
    command = f"verifier check {shell_word(report.candidate.path)}"
    return command if report.profile == "replay" else f"{command} --profile {shell_word(report.profile)}{seed}{options}"


def marked_source(line: OwnLine) -> tuple[str, str]:
    """A line of the candidate's source, and below it the caret: ``^~~~~`` under what makes the value."""
    before, after = plain_source(line.source[: line.column]), plain_source(line.source[line.column :])
    length = len(plain_source(line.source[line.column : line.column + line.length]))
    return before + after, " " * len(before) + "^" + "~" * max(length - 1, 0)


def plain_source(text: str) -> str:
    """Source text fit to show: on one line, every character in a column of its own."""
    return plain(text).replace("\n", " ").replace("\t", " ")


def own_lines_said(report: Report) -> Iterator[tuple[OwnLine, str]]:
    """Each line that would fix the candidate with its sentence; the last says too on how many networks they were tried."""
    for line in report.own_lines:
        yield line, own_line_sentence(line) if line is report.own_lines[-1] else one_line(line.sentence)


def own_line_sentence(line: OwnLine) -> str:
    """What should stand there, and on how many networks it was tried."""
    tried = counted(line.confirmed, "other network")
    corrected = "the loss" if line.quantity in ("L", "penalty") else "the step" if " - η" in line.quantity else "every gradient"
    return f"{one_line(line.sentence)} With that, {corrected} comes right; tried on {tried} too."


def own_lines_heading(report: Report) -> str:
    """The heading above the lines of the candidate's source."""
    return "In your source" if len(report.own_lines) == 1 else f"In your source, {len(report.own_lines)} lines"


def replay_command(report: Report, folder: PurePath | None = None) -> str | None:
    """The command that runs the stored counterexample alone; None where there is none, or where a seed draws it again."""
    if report.counterexample is None or report.counterexample.file is None or report.candidate.contract == "reference":
        return None
    file = one_line(report.counterexample.file)
    stored = str(folder / file) if folder else file
    return f"verifier replay {shell_word(stored)} {shell_word(report.candidate.path)}"


def problem_word(report: Report) -> str:
    """What the candidate is asked about."""
    return {"mlp": "network", "engine": "graph"}.get(report.candidate.contract, "problem")


def shell_word(text: str) -> str:
    """A word to paste into a shell."""
    return shlex.quote(one_line(text))


def next_steps(report: Report, folder: PurePath | None = None) -> Iterator[str]:
    """What to do now, one sentence each; the command that does it stands last in the sentence, after a colon."""
    if report.verdict == "fail" and (command := replay_command(report, folder)):
        yield f"To run the smallest {problem_word(report)} that fails alone: {command}"
    elif report.verdict == "fail" and report.candidate.contract == "reference":
        yield f"To draw the same again: {reproduce_command(report)}"
    if report.verdict == "error" and report.reason != "not-judged":
        yield f"Fix that, then judge it again: {reproduce_command(report)}"
    if report.verdict == "inconclusive" and report.reason != "not-judged":
        larger = f"verifier check {shell_word(report.candidate.path)} --profile thorough"
        yield f"See what each undecided check needs; a larger run may decide it: {larger}"


def claim_text(value: Any) -> str:
    """A claim as it would stand in a manifest."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return ", ".join(claim_text(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def certificate_lines(report: Report) -> list[str]:
    """What a pass excludes and what it could not have excluded, a sentence each; nothing where there is no certificate."""
    certificate = report.certificate
    if certificate is None:
        return []
    lines = [f"This pass excludes: {'; '.join(certificate.excludes)}."] if certificate.excludes else []
    if certificate.not_excluded:
        lines.append(f"It could not have excluded, with these claims: {'; '.join(certificate.not_excluded)}.")
    if certificate.largest:
        asked = ", ".join(f"{name} {size}" for name, size in certificate.largest.items())
        lines.append(f"Nothing larger was asked than: {asked}.")
    return lines
