"""The table of an engine's operations, a row each: what is right, wrong, refused or a convention."""

from collections.abc import Iterable, Sequence

from verifier.checks.engine.alone import Alone, Asked
from verifier.results.report import OperationRecord

WORDS = {"right": "right", "value": "wrong", "gradient": "wrong", "refuses": "refuses", "late": "refuses late", "convention": "convention"}
WRONG = ("value", "gradient")
ORDER = ("value", "gradient", "late", "right", "convention", "refuses")


def rows_of(alone: Alone) -> tuple[OperationRecord, ...]:
    """A row for each operation that the engine has."""
    return tuple(_row(name, asked) for name, asked in alone.asked.items())


def _row(name: str, asked: Sequence[Asked]) -> OperationRecord:
    plain = [one for one in asked if one.case.column in ("plain", "number")]
    operands = sorted({leaf for one in plain for leaf in one.case.graph.leaves})
    return OperationRecord(
        name=name,
        value=_value(asked),
        gradients={operand: _gradient(plain, operand) for operand in operands},
        broadcasting=_status(one for one in asked if one.case.column == "broadcasting"),
        edge=_status(one for one in asked if one.case.column == "edge" or (one.case.column == "empty" and one.status in WRONG)),
        complex=_status(one for one in asked if one.case.column == "complex"),
        second=_status(one for one in asked if one.case.column == "second"),
        questions=len(asked),
        sentence=_sentence(asked),
    )


def _value(asked: Sequence[Asked]) -> str:
    if any(one.status == "value" for one in asked):
        return "wrong"
    return "right" if any(one.status != "refuses" for one in asked) else "refuses"


def _gradient(asked: Sequence[Asked], operand: str) -> str:
    own = [one for one in asked if operand in one.case.graph.leaves and one.status not in ("value", "convention")]
    if any(departure.tensor == operand for one in own for departure in one.compared.departures):
        return "wrong"
    if any(one.status == "gradient" for one in own):  # of another operand: what was asked of this one came back right
        return "right"
    return _status(one for one in own if one.status in ("right", "refuses", "late"))


def _status(asked: Iterable[Asked]) -> str:
    """The worst status, in words; empty where nothing was asked."""
    statuses = {one.status for one in asked}
    return next((WORDS[status] for status in ORDER if status in statuses), "")


def _sentence(asked: Sequence[Asked]) -> str:
    refused: dict[str, str] = {}
    for one in asked:
        if one.status in ("refuses", "late"):
            refused.setdefault(one.case.feature, f"{WORDS[one.status]} ({one.words[:100]})")
    kinks = {one.words for one in asked if one.status == "convention" and one.case.column != "empty"}
    parts = [f"{feature}: {words}" for feature, words in refused.items()]
    if kinks:
        parts.append(f"slope at a kink: {', '.join(sorted(kinks))}")
    return "; ".join(parts)
