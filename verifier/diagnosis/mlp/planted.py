"""A candidate made of the textbook with a fault in it, asked in this process: how the harness is measured on itself.

It is no test of the mathematics, since fault and reference share their equations; `benchmarks/diagnosis_power` plants the same faults in
code written apart.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.checks.examination import Unanswered
from verifier.contracts.calling import Call
from verifier.contracts.mlp.calling import to_claimed, values_of
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import sample_of, with_arrays
from verifier.diagnosis.mlp.patterns import gradients_with_state
from verifier.diagnosis.mlp.variation import Fault, Hypothesis, Inapplicable, single, sweep_faulty
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

STEP = 1e-5  # of the planted numerical differentiation
OWN_RATE, MOMENTUM = 0.3, 0.9


class Planted:
    """A candidate with one fault (or none); the `Asking` of the checks."""

    def __init__(self, claims: Claims, faults: Hypothesis | None) -> None:
        self._claims, self._faults = claims, faults
        self._pattern = faults.faults[0].id if faults is not None and faults.faults[0].pattern else ""
        self._before: Problem | None = None
        self._sums: dict[tuple[tuple[int, ...], ...], dict[str, FloatArray]] = {}
        self._velocity: dict[str, FloatArray] = {}
        self._random = np.random.default_rng(0)

    @property
    def functions(self) -> Collection[str]:
        return ("backprop", "update") if self._pattern.startswith("update-") else ("backprop",)

    def gradients(self, problem: Problem, *, where: str) -> Evaluation:
        loss = textbook.evaluate(problem).loss
        if self._pattern and not self._pattern.startswith("update-"):
            return Evaluation(loss, None, self._by_pattern(problem))
        if self._faults is None or self._pattern:
            return Evaluation(loss, None, textbook.evaluate(problem).gradients)
        try:
            _, _, evaluation = sweep_faulty(problem, self._claims, self._faults, textbook.double(problem.arrays))
        except Inapplicable:
            raise Unanswered(f"shapes do not fit. {where}") from None
        return Evaluation(evaluation.loss, None, evaluation.gradients)

    def _by_pattern(self, problem: Problem) -> Mapping[str, FloatArray]:
        right = textbook.evaluate(problem).gradients
        if self._pattern == "single-precision":
            single = {name: array.astype(np.float32) for name, array in problem.arrays.items()}
            return {name: np.asarray(value, dtype=np.float64) for name, value in _gradients_of(problem, single).items()}
        if self._pattern == "numerical-differentiation":
            return _differences(problem)
        if self._pattern == "accumulated-between-calls":
            shapes = tuple(array.shape for array in right.values())
            sums = self._sums.setdefault(shapes, {name: np.zeros_like(value) for name, value in right.items()})
            self._sums[shapes] = {name: sums[name] + value for name, value in right.items()}
            return self._sums[shapes]
        if self._pattern == "stale-forward-state":
            before, self._before = self._before, problem
            same = before is not None and all(before.arrays[n].shape == a.shape for n, a in problem.arrays.items() if n in before.arrays)
            return gradients_with_state(problem, before) if before is not None and same else right
        return {name: value * (self._random.random(value.shape) < 0.8) for name, value in right.items()}

    def arguments_after(self, problem: Problem, *, where: str) -> Mapping[str, NDArray[Any]]:
        self.gradients(problem, where=where)
        return values_of(problem, self._claims)[1]

    def losses(self, problem: Problem, direction: Mapping[str, FloatArray], steps: FloatArray, *, where: str) -> FloatArray:
        """The loss along a line, by the fault's own forward pass; all points at once."""
        start = textbook.double(problem.arrays)
        parameters = {
            name: start[name] + np.multiply.outer(np.asarray(steps, dtype=np.float64), direction.get(name, np.zeros(start[name].shape)))
            for name in problem.program.differentiate
        }
        arrays = {**{name: array[None] for name, array in start.items()}, **parameters}
        program = problem.program
        if self._faults is not None and not self._pattern:
            program = sweep_faulty(problem, self._claims, self._faults, start)[0]
        return np.broadcast_to(textbook.forward(program, arrays)[program.loss], (len(steps),)).copy()

    def call(self, problem: Problem, call: Call, read: Callable[[Any, Mapping[str, NDArray[Any]]], Any], *, where: str) -> Any:
        if call.function != "update":
            raise Unanswered(f"there is no {call.function}. {where}")
        after = self._step(problem, call.numbers[0])
        weights = [name for name in after if name.startswith("weights")]
        biases = [name for name in after if name.startswith("biases")]
        return read([weights, biases], {name: to_claimed(name, array, self._claims) for name, array in after.items()})

    def _step(self, problem: Problem, rate: float) -> dict[str, FloatArray]:
        start, right = textbook.double(problem.arrays), textbook.evaluate(problem).gradients
        if self._pattern == "update-sample-by-sample":
            walked = problem
            for row in range(problem.arrays["x"].shape[0]):
                gradients = textbook.evaluate(sample_of(walked, row, self._claims)).gradients
                walked = with_arrays(walked, {name: walked.arrays[name] - rate * gradients[name] for name in gradients})
            return {name: np.asarray(walked.arrays[name]) for name in right}
        factor = {"update-sign": -1.0, "update-ignores-rate": OWN_RATE / rate}.get(self._pattern, 1.0)
        still = {"update-without-biases": "biases", "update-without-weights": "weights"}.get(self._pattern, "none")
        moved = {name: factor * rate * gradient * (not name.startswith(still)) for name, gradient in right.items()}
        if self._pattern == "update-with-momentum":
            last = self._velocity if all(self._velocity.get(n, np.empty(0)).shape == m.shape for n, m in moved.items()) else {}
            self._velocity = {name: move + MOMENTUM * last.get(name, np.zeros_like(move)) for name, move in moved.items()}
            moved = self._velocity
        return {name: start[name] - move for name, move in moved.items()}


def _gradients_of(problem: Problem, arrays: Mapping[str, FloatArray]) -> Mapping[str, FloatArray]:
    return textbook.evaluation_of(problem.program, textbook.sweep(problem.program, arrays)).gradients


def _differences(problem: Problem) -> Mapping[str, FloatArray]:
    start = textbook.double(problem.arrays)
    found = {}
    for name in problem.program.differentiate:
        gradient = np.zeros(start[name].shape)
        for index in np.ndindex(gradient.shape):
            losses = []
            for sign in (1.0, -1.0):
                moved = start[name].copy()
                moved[index] += sign * STEP
                losses.append(float(textbook.forward(problem.program, {**start, name: moved})[problem.program.loss]))
            gradient[index] = (losses[0] - losses[1]) / (2 * STEP)
        found[name] = gradient
    return found


def planted(claims: Claims, fault: Fault | None, constant: float = 0.0) -> Planted:
    """A candidate with this fault, or a right one."""
    return Planted(claims, None if fault is None else single(fault, constant))
