"""A comparison of two runs as text: for the terminal, in Markdown, or as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from verifier.counting import counted
from verifier.reports.markdown import code, escape, fitting, table
from verifier.reports.untrusted import one_line
from verifier.reports.wording import NOTHING, first_sentence, number
from verifier.results.comparison import Accuracy, CandidateChange

ORDER = ("worse", "gone", "new", "other", "better", "same")
WORDS = {
    "worse": "worse",
    "gone": "no longer judged",
    "new": "new",
    "other": "different",
    "better": "better",
    "same": "the same",
}
MARKS = {"worse": "❌", "gone": "➖", "new": "➕", "other": "🔸", "better": "✅", "same": "▫️"}
FORMATS = ("terminal", "markdown", "json")


def write(changes: Sequence[CandidateChange], form: str) -> str:
    """The comparison in one of `FORMATS`."""
    if form == "json":
        return json.dumps([_record(one) for one in changes], indent=2, ensure_ascii=False) + "\n"
    return _markdown(changes) if form == "markdown" else _terminal(changes)


def tally(changes: Sequence[CandidateChange]) -> str:
    """How many candidates changed how, and how many lost last bits."""
    kinds = [one.change for one in changes]
    parts = [f"{kinds.count(kind)} {WORDS[kind]}" for kind in ORDER if kind in kinds]
    lost = sum(one.lost_accuracy for one in changes)
    return f"{counted(len(changes), 'candidate')}: {', '.join(parts)}" + (f"; {lost} lost accuracy" if lost else "")


def _ordered(changes: Sequence[CandidateChange]) -> list[CandidateChange]:
    return sorted(changes, key=lambda one: (ORDER.index(one.change), not one.lost_accuracy, one.name))


def _terminal(changes: Sequence[CandidateChange]) -> str:
    lines = []
    for one in _ordered(changes):
        details = [*_details(one)]
        if one.change == "same" and not details:
            continue
        lines.append(f"{WORDS[one.change].upper():<8}  {one_line(one.name)}  {_verdicts(one)}")
        lines += [f"          {detail}" for detail in details]
    if lines:
        lines.append("")
    lines += [f"Accuracy is not compared ({reason})." for reason in dict.fromkeys(one.why_not for one in changes if one.why_not)]
    return "".join(f"{line}\n" for line in [*lines, tally(changes)])


def _verdicts(one: CandidateChange) -> str:
    if one.old is None or one.new is None:
        return str(one.new or one.old)
    return one.new if one.old == one.new else f"{one.old} → {one.new}"


def _details(one: CandidateChange) -> Iterator[str]:
    for check in one.checks:
        yield f"{one_line(check.check)}: {check.old} → {check.new}"
    if one.mistake is not None:
        before, after = (one_line(fault) or "not recognised" for fault in one.mistake)
        yield f"mistake: {after}" if one.old in (None, "pass") else f"mistake: {before} → {after}"
    if one.found:
        yield first_sentence(one.found) + (f" ({one_line(one.place)})" if one.place else "")
    for accuracy in one.accuracy:
        if accuracy.change != "same":
            yield _accuracy(accuracy)


def _accuracy(one: Accuracy) -> str:
    worst = f"largest error {number(one.worst_old)} → {number(one.worst_new)} of its tolerance ({_bits(one.bits)})"
    return f"{one_line(one.check)}: {one.change} in its last bits: {worst}, typically {_bits(one.typical_bits)}; {one.compared} compared"


def _bits(bits: float) -> str:
    if abs(bits) < 0.05:
        return "no bit"
    return f"{abs(bits):.1f} bits {'lost' if bits > 0 else 'won'}"


def _markdown(changes: Sequence[CandidateChange]) -> str:
    rows = [
        (f"{MARKS[one.change]} {WORDS[one.change]}", code(one.name), _verdicts(one), "<br>".join(map(escape, _details(one))) or NOTHING)
        for one in _ordered(changes)
        if one.change != "same" or one.lost_accuracy or [*_details(one)]
    ]
    blocks = [f"# {escape(tally(changes))}"]
    if rows:
        head, rule, *body = table(("", "candidate", "verdict", "what changed"), rows, "llll").split("\n")
        blocks += [f"{head}\n{rule}\n" + "\n".join(body[:2_000])]
    blocks += [f"Accuracy is not compared ({escape(reason)})." for reason in dict.fromkeys(one.why_not for one in changes if one.why_not)]
    return "\n\n".join(fitting(blocks)) + "\n"


def _record(one: CandidateChange) -> dict[str, object]:
    record = asdict(one) | {"change": one.change, "lost_accuracy": one.lost_accuracy}
    record["accuracy"] = [asdict(accuracy) | {"change": accuracy.change} for accuracy in one.accuracy]
    return record
