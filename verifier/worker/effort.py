"""What one call of a candidate costs: statements executed, among them evaluations of activations and products of matrices.

Counted by a trace function, line by line, in the candidate's code and in whatever Python code it calls. The same call is the same count on
every machine, which no clock gives. What runs beside untrusted code can be fooled by it.
"""

import dis
from collections.abc import Callable
from sys import settrace
from types import CodeType, FrameType
from typing import Any

from verifier.worker.watching import traced

STATEMENTS = 1_000_000  # that are counted, a second or so; then the call runs on unwatched
ACTIVATIONS = frozenset({"exp", "exp2", "expm1", "tanh", "cosh", "expit", "maximum", "where", "fmax", "logaddexp", "log1p", "erf"})
PRODUCTS = frozenset({"@", "@=", "dot", "matmul", "einsum", "inner", "tensordot"})


class Effort:
    """Counts lines during one call: all that are executed, and those that name what activations, or products of matrices, are made of."""

    def __init__(self) -> None:
        self.statements = self.evaluations = self.products = 0
        self._lines: dict[CodeType, tuple[frozenset[int], frozenset[int]]] = {}
        self._hidden = False

    @property
    def counts(self) -> list[int]:
        """Statements, evaluations, products; nothing where the function took the trace function away, so that they are too few."""
        return [] if self._hidden else [self.statements, self.evaluations, self.products]

    def counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, counted while it runs."""
        return traced(function, self._enter, self._taken_away)

    def _taken_away(self) -> None:
        self._hidden = self.statements < STATEMENTS

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        if self.statements >= STATEMENTS:
            settrace(None)
            return None
        code = frame.f_code
        if code not in self._lines:
            self._lines[code] = _lines_with(ACTIVATIONS, code), _lines_with(PRODUCTS, code)
        activations, products = self._lines[code]

        def step(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                self.statements += 1
                self.evaluations += frame.f_lineno in activations
                self.products += frame.f_lineno in products
                if self.statements >= STATEMENTS:
                    return None
            return step

        return step


def _lines_with(names: frozenset[str], code: CodeType) -> frozenset[int]:
    """The lines that name one of these, as a name or as an operator."""
    starts = [(start, line) for start, _, line in code.co_lines() if line is not None]
    offsets = [instruction.offset for instruction in dis.get_instructions(code) if {instruction.argval, instruction.argrepr} & names]
    return frozenset(max((start, line) for start, line in starts if start <= offset)[1] for offset in offsets)
