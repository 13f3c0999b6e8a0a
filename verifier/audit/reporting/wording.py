"""The sentences and figures of an audit, for every format."""

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.audit.recording import EVERY
from verifier.audit.results import FINDINGS, Audit, Function, Mutant, Outcome
from verifier.counting import counted

WORDS: dict[Outcome, str] = {
    "noticed": "noticed",
    "never-shown": "never shown",
    "not-noticed": "NOT NOTICED",
    "not-reached": "not reached",
}


@dataclass(frozen=True)
class Finding:
    """Mutants of one pass that share an outcome, a mistake and what would show it.

    Attributes:
        outputs: the gradients that it is in.
    """

    outcome: Outcome
    mutant: str
    summary: str
    shown_by: str
    outputs: tuple[str, ...]


def findings(function: Function) -> list[Finding]:
    """What is not noticed, first what the tolerance lets pass; the outputs of one mistake together."""
    found: list[Finding] = []
    for outcome in FINDINGS:
        mine = [mutant for mutant in function.mutants if mutant.outcome == outcome]
        for name in dict.fromkeys(mutant.mutant for mutant in mine):
            same = [mutant for mutant in mine if mutant.mutant == name]
            found.append(Finding(outcome, name, same[0].summary, same[0].shown_by, tuple(mutant.output for mutant in same)))
    return found


def listed(found: Sequence[Finding], function: Function) -> str:
    """Findings of one outcome in a line; a gradient that no test computes is named alone."""
    if found and found[0].outcome == "not-reached":
        reached = {one.output for one in function.mutants if one.outcome != "not-reached"}
        return f"the gradient of {', '.join(dict.fromkeys(one.output for one in function.mutants if one.output not in reached))}"
    return "; ".join(_in_short(one, function) for one in found)


def _in_short(finding: Finding, function: Function) -> str:
    """The mistake's name; where some gradients only have it, which."""
    several = len({mutant.output for mutant in function.mutants if mutant.output != EVERY}) > 1
    outputs = f" ({', '.join(finding.outputs)})" if several and finding.outputs != (EVERY,) else ""
    return f"{finding.mutant}{outputs}"


def headline(audit: Audit) -> str:
    """The first line."""
    if audit.flaky:
        return f"Nothing was decided: {counted(len(audit.flaky), 'test')} sometimes pass and sometimes fail, without any mutant."
    if audit.failing and not audit.functions:
        return f"Nothing was decided: {counted(len(audit.failing), 'test')} fail without any mutant."
    counts = ", ".join(f"{audit.count(outcome)} {word}" for outcome, word in WORDS.items() if audit.count(outcome) or outcome == "noticed")
    passes = f"{len(audit.functions)} backward pass{'es' if len(audit.functions) != 1 else ''}"
    return f"{counted(len(audit.mutants), 'mutant')} of {passes}: {counts} ({audit.percent:.0f} % noticed)."


def reach(function: Function) -> str:
    """Which tests reach it, how often, in what time."""
    if not function.tests:
        return "no test reaches it"
    return f"{counted(len(function.tests), 'test')}, {counted(function.calls, 'call')}, {function.seconds:.2g} s"


def resolution(function: Function) -> str:
    """What the tests see, in words."""
    if not function.tests or not function.resolutions:
        return ""
    rounding = "" if function.rounding is None else f"; the function's own rounding is {function.rounding:.1g}"
    if function.resolution is None:
        return f"no test sees a gradient twice too large{rounding}"
    return f"the tests see errors above {figure(function.resolution)}{rounding}"


def figure(error: float | None) -> str:
    """A relative error as a person writes it: in percent down to a tenth of one, below that as a power."""
    if error is None:
        return "none"
    return f"{100 * error:.2g} %" if error >= 1e-3 else f"{error:.1g}"


def never_varied(function: Function) -> str:
    """The second finding, in one sentence."""
    if not function.never_varied:
        return ""
    return f"{counted(len(function.tests), 'test')}: {'; '.join(function.never_varied)}"


def short(name: str) -> str:
    """What follows the module."""
    return name.rpartition(":")[2] or name


def cell(mutant: Mutant) -> str:
    """One entry of the table of functions and mutants."""
    return f"{WORDS[mutant.outcome]}{f' by {mutant.test}' if mutant.test else ''}"


def closing(audit: Audit) -> list[str]:
    """Time, what was kept, what was not asked."""
    lines = [
        f"{audit.seconds:.1f} s, of them {audit.recording_seconds:.1f} s for recording; {audit.processor_seconds:.1f} s of processor time; "
        f"{counted(audit.kept, 'outcome')} kept from an earlier audit."
    ]
    if not audit.forked:
        lines.append(f"Each mutant had a new process: {audit.why_fresh}.")
    if audit.not_asked:
        asked = ", ".join(f"{short(name)} {output} {mutant}" for name, output, mutant in audit.not_asked[:12])
        more = f" and {len(audit.not_asked) - 12} more" if len(audit.not_asked) > 12 else ""
        lines.append(f"Not asked for lack of time, {len(audit.not_asked)}: {asked}{more}.")
    if audit.failing and audit.functions:
        lines.append(f"Left out, since they fail without any mutant: {', '.join(audit.failing)}.")
    return lines


def undecided(audit: Audit) -> list[str]:
    """What to do where the suite is not green twice."""
    tests = audit.flaky or audit.failing
    which = [f"  {test}" for test in tests]
    if audit.flaky:
        advice = "A mutant is noticed if a test fails, so a test that fails by itself shows nothing. Seed its random numbers"
    else:
        advice = "Correct them, or continue without them (--leave-out-failing)"
    words = " ".join(f"--deselect {test!r}" for test in tests[:3])
    return [*which, f"{advice}; to leave them out: verifier audit ... -- {words}{' ...' if len(tests) > 3 else ''}"]
