"""The counterexample worked by hand, as lines: the formula with its numbers, the result, and where the candidate's numbers part."""

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.reports.untrusted import one_line
from verifier.reports.wording import number
from verifier.results.report import Step

DIGITS = 5


@dataclass(frozen=True)
class Line:
    """A step as text: `mark` is ✓ where the candidate agrees, ✗ where it differs, blank where its number is not known."""

    equation: str
    mark: str
    text: str
    right: str
    claimed: str
    first: bool

    @property
    def whole(self) -> str:
        """Formula and result; what the candidate has in its place, where they differ."""
        return f"{self.result}   (candidate: {self.claimed})" if self.mark == "✗" else self.result

    @property
    def result(self) -> str:
        """Formula and result."""
        return f"{self.mark} {self.text} = {self.right}"


def lines_of(steps: Sequence[Step]) -> list[Line]:
    """Every step in order; `first` marks the first that parts."""
    difference = first_difference(steps)
    return [_line(step, step is difference) for step in steps]


def first_difference(steps: Sequence[Step]) -> Step | None:
    """The first line where the candidate's number is not the right one."""
    return next((step for step in steps if step.parts), None)


def _line(step: Step, first: bool) -> Line:
    mark = "✗" if step.parts else "✓" if step.claimed is not None else " "
    claimed = "not finite" if step.parts and step.claimed is None else number(step.claimed, DIGITS)
    if step.claimed_shape is not None:
        claimed = f"of shape {tuple(step.claimed_shape)}"
    return Line(step.equation, mark, one_line(step.text, 400), number(step.right, DIGITS), claimed, first)


def around_the_difference(lines: Sequence[Line], most: int) -> tuple[list[Line], int]:
    """The lines up to the first that parts and a few beyond, at most so many, and how many are left out."""
    if len(lines) <= most:
        return list(lines), 0
    place = next((index for index, line in enumerate(lines) if line.first), 0)
    begin = max(0, min(place - most + 3, len(lines) - most))
    return list(lines[begin : begin + most]), len(lines) - most
