"""What last-bit errors everywhere do to a gradient: the textbook, perturbed.

A right implementation may round every stored quantity differently, and may compute it in another form. So the textbook is swept
K times with every stored quantity times 1 + uξ (ξ uniform on [-1, 1], u = 2⁻⁴⁰: far above float64's own rounding, far below
curvature), twice more with ξ shared by what may round alike, and with an absolute uξ on every sigmoid, tanh and softplus output,
whose right forms are not exact near 0. One more copy adds 2⁻⁶⁰ξ to everything, for underflow. The largest departure, scaled back
from u to the machine epsilon of the candidate's dtype, is the *scatter*: the unit in which errors of right code are small
(docs/tolerance.md has the figures).
This is stochastic arithmetic: CESTAC (Vignes 1978), Monte Carlo arithmetic (Parker 1997).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.problems.operations import OPERATIONS, Store, exact
from verifier.problems.program import Problem, Program, machine_epsilon
from verifier.results.evaluation import Evaluation

COPIES = 4
SHARED = 2  # further copies whose noise is shared: equal samples round alike, and what rounds alike does not average out in a sum
RELATIVE = 2.0**-40
_PART = 2**15  # elements: a quarter of a megabyte
UNDERFLOW = 2.0**-60
ALL_COPIES = 1 + COPIES + SHARED + 1  # the exact one and the one for underflow
# Above, each copy is swept for itself, in step with the others: memory stays a small multiple of the problem's.
STACKED_ELEMENTS = 1_000_000


@dataclass(frozen=True)
class Scatter:
    """The scatter of everything that is compared, in units of each thing and for the candidate's dtype: each the shape of its value."""

    loss: float
    outputs: FloatArray | None
    gradients: Mapping[str, FloatArray]
    stages: Mapping[str, FloatArray]


class _Perturbation:
    """The hook: copy 0 is exact, copies 1…K are relative, two more share their noise, the last is additive; `copies` are swept together."""

    def __init__(self, copies: NDArray[np.intp], seed: int) -> None:
        self._generator = np.random.Generator(np.random.SFC64([seed, *copies.tolist()]))
        relative = np.zeros(ALL_COPIES)
        relative[1:-1] = RELATIVE
        self._relative = relative[copies]
        self._by_row, self._as_one, self._additive = (np.flatnonzero(copies == COPIES + kind) for kind in (1, 2, 3))

    def __call__(self, value: FloatArray, absolute: bool = False) -> FloatArray:
        shape = (len(self._relative), *value.shape[1:])
        relative = self._relative.reshape((-1,) + (1,) * (value.ndim - 1))
        uniform = self._uniform(shape)
        # value · (1 + u ξ), and one copy plus 2⁻⁶⁰ξ; in place, and by parts, since the largest of these arrays are the network's own size.
        # ξ is 2r - 1 with r uniform on [0, 1). Its 24 bits make 2ur and uξ exact, so that 2ur + (1 - u) rounds as 1 + uξ does.
        result = np.empty(shape)
        for part in _parts(shape):
            within = np.multiply(uniform[part], 2.0 * relative, out=result[part])
            within += 1.0 - relative
            within *= value[part]
        for copy in self._additive:
            result[copy] += uniform[copy] * (2.0 * UNDERFLOW) - UNDERFLOW
        if absolute:
            # Noise of its own: with the relative one's the two would cancel where a tanh is -1.
            result += self._uniform(shape) * (2.0 * relative) - relative
        return result

    def _uniform(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        uniform = self._generator.random(shape, dtype=np.float32)  # 24 bits are enough for noise, and half the time of float64
        if len(shape) > 1:
            for copy in self._as_one:
                uniform[copy] = uniform[copy].flat[0]
        if len(shape) > 2:
            for copy in self._by_row:
                uniform[copy] = uniform[copy, :1]
        return uniform


def _parts(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Parts of an array along its second last axis, small enough for the processor's cache; of a short array all of it."""
    if len(shape) < 3:
        yield ()
        return
    rows = max(1, _PART * shape[-2] // max(1, math.prod(shape)))
    for first in range(0, shape[-2], rows):
        yield (*(slice(None),) * (len(shape) - 2), slice(first, first + rows))


_LOSS, _OUTPUTS, _GRADIENT, _STAGE = "loss:", "outputs:", "gradients:", "stages:"

# A variation of the textbook: the arrays with the copies as their leading axis, and the hook -> its evaluation and its losses.
Variation = Callable[[Mapping[str, FloatArray], Store], tuple[Evaluation, FloatArray]]


def measure_scatter(problem: Problem, *, seed: int = 0, variation: Variation | None = None) -> Scatter:
    """The scatter of a problem's loss, outputs, gradients and stages, for rounding in the problem's dtype.

    The loss is the textbook's, its logarithms of stored probabilities, and its scatter at least ε·|loss|.

    Args:
        variation: what is swept in place of the textbook (a fault is held to its own scatter, not to the truth's).
    """
    spread = _Spread(problem.dtype)
    if variation is None:
        for name in _swept(problem, seed, spread):
            spread.forget_exact(name)
    else:
        for group in _groups(problem):
            evaluation, losses = variation(_one_copy(problem), _store_of(group, seed))
            for name, value in _named(evaluation, losses):
                spread.add(name, group, value)
    return spread.scatter()


def gradients_with_scatter(problem: Problem, *, seed: int = 0) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """Each gradient by the textbook with the scatter that `measure_scatter` finds, name by name: no two need to be held at once."""
    spread = _Spread(problem.dtype)
    for name in _swept(problem, seed, spread):
        found = spread.take(name)
        if name.startswith(_GRADIENT):
            yield name.removeprefix(_GRADIENT), *found
        del found  # before the next is swept


def _one_copy(problem: Problem) -> dict[str, FloatArray]:
    return {name: array[None] for name, array in textbook.double(problem.arrays).items()}


def _groups(problem: Problem) -> list[NDArray[np.intp]]:
    """The copies that are swept together: all of them, or each for itself where the problem is large."""
    copies = np.arange(ALL_COPIES)
    elements = ALL_COPIES * sum(array.size for array in problem.arrays.values())
    return [copies] if elements <= STACKED_ELEMENTS else [copies[i : i + 1] for i in copies]


def _store_of(group: NDArray[np.intp], seed: int) -> Store:
    return exact if group.tolist() == [0] else _Perturbation(group, seed)


def _swept(problem: Problem, seed: int, spread: "_Spread") -> Iterator[str]:
    """The textbook swept with all copies in step: the name of each thing that is compared, once `spread` has all copies of it."""
    arrays, groups = _one_copy(problem), _groups(problem)
    sweeps = [_sweep(problem.program, arrays, _store_of(group, seed)) for group in groups]
    for name, value in sweeps[0]:
        spread.add(name, groups[0], value)
        del value  # one copy of a gradient at a time
        for group, sweep in zip(groups[1:], sweeps[1:], strict=True):
            spread.add(name, group, next(sweep)[1])
        yield name


def _sweep(program: Program, arrays: Mapping[str, FloatArray], store: Store) -> Iterator[tuple[str, FloatArray]]:
    """What a sweep gives, by name; each gradient as soon as it is complete, and kept no longer."""
    values = textbook.forward(program, arrays, store)
    cotangents: dict[str, FloatArray] = {}
    yield _LOSS, values[program.loss]
    for name in textbook.backward_by_array(program, values, cotangents, store):
        yield _GRADIENT + name, cotangents.pop(name) if name in cotangents else np.zeros_like(values[name])
    # Of this the evaluation has no gradient any more: outputs and stages are left.
    yield from _named(textbook.evaluation_of(replace(program, differentiate=()), textbook.Sweep(values, cotangents)), None)


def _named(evaluation: Evaluation, losses: FloatArray | None) -> Iterator[tuple[str, FloatArray]]:
    """Everything that is compared, by name."""
    if losses is not None:
        yield _LOSS, losses
    if evaluation.outputs is not None:
        yield _OUTPUTS, evaluation.outputs
    for kind, values in ((_GRADIENT, evaluation.gradients), (_STAGE, evaluation.stages)):
        yield from ((kind + name, value) for name, value in values.items())


class _Spread:
    """The running maximum of |copy - exact copy| · scale by name, so that copies may come one at a time; the exact one comes first."""

    def __init__(self, dtype: str) -> None:
        self._epsilon = machine_epsilon(dtype)
        tiny = float(np.finfo(dtype).smallest_normal)
        self._scales = np.array([0.0] + [self._epsilon / RELATIVE] * (COPIES + SHARED) + [tiny / UNDERFLOW])
        self._exact: dict[str, FloatArray] = {}
        self._largest: dict[str, FloatArray] = {}

    def add(self, name: str, group: NDArray[np.intp], value: FloatArray) -> None:
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

    def take(self, name: str) -> tuple[FloatArray, FloatArray]:
        """The exact value and the largest departure from it, which are not kept."""
        return self._exact.pop(name), self._largest.pop(name)

    def forget_exact(self, name: str) -> None:
        """Whatever else is known of it stays; of the loss all is needed."""
        if name != _LOSS:
            del self._exact[name]

    def scatter(self) -> Scatter:
        def part(kind: str) -> dict[str, FloatArray]:
            return {name.removeprefix(kind): value for name, value in self._largest.items() if name.startswith(kind)}

        loss = max(float(self._largest[_LOSS]), self._epsilon * abs(float(self._exact[_LOSS])))
        return Scatter(loss, self._largest.get(_OUTPUTS), part(_GRADIENT), part(_STAGE))


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
