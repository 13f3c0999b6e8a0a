"""What last-bit errors everywhere do to a gradient: the textbook, perturbed.

A right implementation may round every stored quantity differently, and may compute it in another form. So the textbook is swept
K times with every stored quantity times 1 + uξ (ξ uniform on [-1, 1], u = 2⁻⁴⁰: far above float64's own rounding, far below
curvature), twice more with ξ shared by what may round alike, and with an absolute uξ on every sigmoid, tanh and softplus output,
whose right forms are not exact near 0. One more copy adds 2⁻⁶⁰ξ to everything, for underflow. The largest departure, scaled back
from u to the machine epsilon of the candidate's dtype, is the *scatter*: the unit in which errors of right code are small
(docs/tolerance.md has the figures).
This is stochastic arithmetic: CESTAC (Vignes 1978), Monte Carlo arithmetic (Parker 1997).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verifier import textbook
from verifier.problems.operations import OPERATIONS, Store
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.evaluation import Evaluation

FloatArray = NDArray[np.floating]

COPIES = 4
SHARED = 2  # further copies whose noise is shared: equal samples round alike, and what rounds alike does not average out in a sum
RELATIVE = 2.0**-40
UNDERFLOW = 2.0**-60
ALL_COPIES = 1 + COPIES + SHARED + 1  # the exact one and the one for underflow
STACKED_ELEMENTS = 1_000_000  # above, the copies are swept one after another: memory stays a small multiple of the problem's


@dataclass(frozen=True)
class Scatter:
    """The scatter of everything that is compared, in units of each thing and for the candidate's dtype: each the shape of its value."""

    loss: float
    outputs: FloatArray | None
    gradients: Mapping[str, FloatArray]
    stages: Mapping[str, FloatArray]


class _Perturbation:
    """The hook: copy 0 is exact, copies 1…K are relative, two more share their noise, the last is additive; `copies` are swept now."""

    def __init__(self, copies: NDArray[np.intp], seed: int) -> None:
        self._generator = np.random.Generator(np.random.SFC64([seed, *copies.tolist()]))
        relative = np.zeros(ALL_COPIES)
        relative[1:-1] = RELATIVE
        self._relative = relative[copies]
        self._by_row, self._as_one, self._additive = (np.flatnonzero(copies == COPIES + kind) for kind in (1, 2, 3))

    def __call__(self, value: FloatArray, absolute: bool = False) -> FloatArray:
        shape = (len(self._relative), *value.shape[1:])
        spread = (-1,) + (1,) * (value.ndim - 1)
        noise = self._noise(shape)
        # In place, since the largest of these arrays are the network's own size: value · (1 + u ξ), and one copy plus 2⁻⁶⁰ξ.
        result: FloatArray = noise * self._relative.reshape(spread)
        result += 1.0
        result *= value
        for copy in self._additive:
            result[copy] += UNDERFLOW * noise[copy]
        if absolute:
            # Noise of its own: with the relative one's the two would cancel where a tanh is -1.
            result += self._relative.reshape(spread) * self._noise(shape)
        return result

    def _noise(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        noise = self._generator.random(shape, dtype=np.float32)  # 24 bits are enough for noise, and half the time of float64
        noise *= 2.0
        noise -= 1.0
        if len(shape) > 1:
            for copy in self._as_one:
                noise[copy] = noise[copy].flat[0]
        if len(shape) > 2:
            for copy in self._by_row:
                noise[copy] = noise[copy, :1]
        return noise


# A variation of the textbook: the arrays with the copies as their leading axis, and the hook -> its evaluation and its losses.
Variation = Callable[[Mapping[str, FloatArray], Store], tuple[Evaluation, FloatArray]]


def measure_scatter(problem: Problem, *, seed: int = 0, variation: Variation | None = None) -> Scatter:
    """The scatter of a problem's loss, outputs, gradients and stages, for rounding in the problem's dtype.

    The loss is the textbook's, its logarithms of stored probabilities, and its scatter at least ε·|loss|.

    Args:
        variation: what is swept in place of the textbook (a fault is held to its own scatter, not to the truth's).
    """
    if variation is None:

        def variation(arrays: Mapping[str, FloatArray], store: Store) -> tuple[Evaluation, FloatArray]:
            swept = textbook.sweep(problem.program, arrays, store)
            return textbook.evaluation_of(problem.program, swept), swept.values[problem.program.loss]

    arrays = {name: array[None] for name, array in textbook.double(problem.arrays).items()}
    elements = ALL_COPIES * sum(array.size for array in problem.arrays.values())
    copies = np.arange(ALL_COPIES)
    groups = [copies] if elements <= STACKED_ELEMENTS else [copies[i : i + 1] for i in copies]
    epsilon = machine_epsilon(problem.dtype)
    tiny = float(np.finfo(problem.dtype).smallest_normal)
    scales = np.array([0.0] + [epsilon / RELATIVE] * (COPIES + SHARED) + [tiny / UNDERFLOW])
    spread = _Spread(scales)
    for group in groups:
        spread.add(group, *variation(arrays, _Perturbation(group, seed)))
    return spread.scatter(epsilon)


class _Spread:
    """The running maximum of |copy - exact copy| · scale, so that copies may come one at a time."""

    def __init__(self, scales: FloatArray) -> None:
        self._scales = scales
        self._exact: dict[str, FloatArray] = {}
        self._largest: dict[str, FloatArray] = {}

    def add(self, group: NDArray[np.intp], evaluation: Evaluation, losses: FloatArray) -> None:
        named: dict[str, FloatArray] = {"loss:": losses}
        if evaluation.outputs is not None:
            named["outputs:"] = evaluation.outputs
        named |= {f"gradients:{name}": value for name, value in evaluation.gradients.items()}
        named |= {f"stages:{name}": value for name, value in evaluation.stages.items()}
        for name, value in named.items():
            if group[0] == 0:
                self._exact[name] = value[0]
            scales = self._scales[group].reshape((-1,) + (1,) * (value.ndim - 1))
            with np.errstate(all="ignore"):
                departures: FloatArray = value - self._exact[name]
                np.abs(departures, out=departures)
                departures *= scales
                departure = (departures if len(departures) == 1 else departures.max(axis=0, keepdims=True))[0, ...]
            if name in self._largest:
                np.maximum(self._largest[name], departure, out=departure)
            self._largest[name] = departure

    def scatter(self, epsilon: float) -> Scatter:
        def part(kind: str) -> dict[str, FloatArray]:
            return {name.removeprefix(kind): value for name, value in self._largest.items() if name.startswith(kind)}

        loss = max(float(self._largest["loss:"]), epsilon * abs(float(self._exact["loss:"])))
        return Scatter(loss, self._largest.get("outputs:"), part("gradients:"), part("stages:"))


def touches_a_kink(problem: Problem, scatter: Scatter, safety: float) -> bool:
    """Whether some argument of a kink lies so near to it that rounding alone may take the other side."""
    values: Mapping[str, FloatArray] | None = None
    for node in problem.program.nodes:
        kinks = OPERATIONS[node.operation].kinks(node.attributes)
        if not kinks:
            continue
        if values is None:
            values = textbook.forward(problem.program, textbook.double(problem.arrays))
        argument = values[node.inputs[0]]
        width = safety * scatter.stages.get(node.inputs[0], machine_epsilon(problem.dtype) * np.abs(argument))
        if any(bool(np.any(np.abs(argument - kink) <= width)) for kink in kinks):
            return True
    return False
