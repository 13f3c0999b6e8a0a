"""Nested lists of numbers as coloured tables: a cell's colour tells sign and size, its text the number."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from verifier.reports.untrusted import one_line
from verifier.reports.wording import number
from verifier.results.report import Counterexample

ROWS_SHOWN, COLUMNS_SHOWN = 24, 16
LEVELS = 5  # shades of each sign
LEAST_SHARE = 1e-3  # of the largest deviation: below, a number is drawn as right. A picture's choice; no verdict rests on it


@dataclass(frozen=True)
class Cell:
    """A number as text, and its shade: ``p1`` to ``p5`` above zero, ``n1`` to ``n5`` below, "" for zero, ``no`` for no number."""

    text: str
    shade: str = ""


@dataclass(frozen=True)
class Grid:
    """An array as rows of cells, cut where it is large; `cut` says what is left out, or is empty."""

    name: str
    rows: tuple[tuple[Cell, ...], ...]
    cut: str


@dataclass(frozen=True)
class GradientGrids:
    """One gradient three times: as claimed, as it is right (in the same shades), and the difference (in its own)."""

    name: str
    claimed: Grid
    reference: Grid
    difference: Grid


def grid(name: str, values: Any, scale: float | None = None, least: float = 0.0) -> Grid:
    """A nested list as a table: a vector is one row, a matrix its rows; more dimensions are one row per last axis.

    Args:
        scale: the number of the darkest shade; without it nothing is shaded.
        least: what is smaller is not shaded.
    """
    rows = _rows(values)
    cut = []
    if len(rows) > ROWS_SHOWN:
        cut.append(f"{len(rows) - ROWS_SHOWN} more rows")
    widest = max((len(row) for row in rows), default=0)
    if widest > COLUMNS_SHOWN:
        cut.append(f"{widest - COLUMNS_SHOWN} more columns")
    shown = tuple(tuple(_cell(value, scale, least) for value in row[:COLUMNS_SHOWN]) for row in rows[:ROWS_SHOWN])
    return Grid(name, shown, " and ".join(cut))


def gradient_grids(example: Counterexample | None) -> list[GradientGrids]:
    """The counterexample's gradients, claimed and right side by side."""
    if example is None:
        return []
    differences = {name: _minus(claimed, example.reference.get(name, [])) for name, claimed in example.claimed.items()}
    scales = {name: _largest(claimed, example.reference.get(name)) for name, claimed in example.claimed.items()}
    worst = max((_largest(difference) / (scales[name] or 1.0) for name, difference in differences.items()), default=0.0)
    found = []
    for name, claimed in example.claimed.items():
        reference, scale = example.reference.get(name, []), scales[name]
        # What only rounding has moved is not shaded as if it were wrong.
        darkest = max(_largest(differences[name]), worst * LEAST_SHARE * (scale or 1.0))
        difference = grid(name, differences[name], darkest, least=worst * LEAST_SHARE * (scale or 1.0))
        found.append(GradientGrids(name, grid(name, claimed, scale), grid(name, reference, scale), difference))
    return found


def _largest(*values: Any) -> float:
    return max((abs(number) for nested in values for number in numbers_in(nested)), default=0.0)


def _rows(values: Any) -> list[list[Any]]:
    if not isinstance(values, list):
        return [[values]]
    if not any(isinstance(inner, list) for inner in values):
        return [values]
    return [row for inner in values for row in _rows(inner)]


def numbers_in(values: Any) -> Iterator[float]:
    """Every number of nested lists."""
    if isinstance(values, list):
        for inner in values:
            yield from numbers_in(inner)
    elif isinstance(values, (int, float)):
        yield float(values)


def _minus(claimed: Any, reference: Any) -> Any:
    """claimed − reference, element by element; None where there is nothing to subtract."""
    if isinstance(claimed, list) and isinstance(reference, list):
        return [_minus(one, other) for one, other in zip(claimed, reference, strict=False)]
    if isinstance(claimed, (int, float)) and isinstance(reference, (int, float)):
        return float(claimed) - float(reference)
    return None


def _cell(value: Any, scale: float | None, least: float) -> Cell:
    if value is None:
        return Cell("not finite", "no" if scale is not None else "")
    if not isinstance(value, (int, float)):
        return Cell(one_line(str(value), 40), "no" if scale is not None else "")
    return Cell(number(float(value), 6), _shade(float(value), scale) if scale and abs(value) >= least else "")


def _shade(value: float, scale: float) -> str:
    if value == 0:
        return ""
    level = max(1, min(LEVELS, round(abs(value) / scale * LEVELS)))
    return f"{'p' if value > 0 else 'n'}{level}"
