"""A stored problem worked by hand, line by line: forward, deltas, gradients, one update; the right number and the candidate's side by side.

Names are those of the code: layer 0 is the first, `z[0][1]` its second unit's pre-activation. A candidate shows its gradients, and its
stages where it has functions for them; on a batch of one its δ is read from its gradients, as `departure` does. Of a batch δ is solved for
where it is what is wrong; of samples that no gradient tells apart the sum of their δ is a line of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from verifier import textbook
from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of
from verifier.diagnosis.mlp.catalogue.whole import penalty_factor
from verifier.diagnosis.mlp.departure import read_deltas
from verifier.diagnosis.mlp.solving import Group, solve_deltas
from verifier.diagnosis.mlp.variation import Hypothesis, Inapplicable, sweep_faulty
from verifier.oracles.reference import Answered, Reference
from verifier.problems.program import Problem, machine_epsilon
from verifier.results.report import Step

RATE = 0.1
MOST_LINES = 120  # a problem with more is too large to be worked by hand


@dataclass(frozen=True)
class Claimed:
    """What the candidate said: loss, gradients, stages and updated parameters by name; what is not there is not compared.

    `solved`: of a batch, δ as its gradients tell it, by layer.
    """

    loss: float | None = None
    gradients: Mapping[str, FloatArray] = field(default_factory=dict)
    stages: Mapping[str, FloatArray] = field(default_factory=dict)
    updated: Mapping[str, FloatArray] = field(default_factory=dict)
    loss_line: str = "loss"
    solved: Mapping[str, Sequence[Group]] = field(default_factory=dict)


def claimed_of(
    one: Answered,
    claims: Claims,
    stages: Mapping[str, FloatArray],
    updated: Mapping[str, FloatArray],
    *,
    equation: str = "",
    hypothesis: Hypothesis | None = None,
    sure: bool = True,
) -> Claimed:
    """The candidate's numbers on one problem: its own stages where it shows them, else δ as its gradients tell it.

    Args:
        updated: the parameters after one step of its own, where it has an `update`.
        equation: the one that is diagnosed; where it is a δ's, the products are right and tell δ; where it is the update, nothing does.
        sure: whether that equation is known to be wrong; else δ of a batch is told only where the gradients are the products of some δ.
        hypothesis: the known mistake that predicts the gradients: what it makes of the stages is the candidate's.
    """
    known, solved = dict(stages), dict[str, tuple[Group, ...]]()
    if hypothesis is not None and equation != "update":
        known = {**_stages_of(hypothesis, one, claims), **known}
    elif equation.endswith("-delta") and one.problem.arrays["x"].shape[0] > 1:
        solved = {name: groups for name, groups in solve_deltas(one, products_right=sure).items() if name not in known}
    deltas = {} if equation == "update" else read_deltas(one, claims, products_right=equation.endswith("-delta"))
    for layer, delta in deltas.items():
        known.setdefault(f"deltas[{layer}]", delta[None, :])
    # Where the forward pass is another one and shows nothing but its loss, that line is the first of it.
    return Claimed(one.claimed.loss, one.claimed.gradients, known, updated, "forward" if equation == "forward" else "loss", solved)


def first_equation(steps: Sequence[Step]) -> str:
    """The equation of the first line where the candidate's number is not the right one; "" where there is none."""
    return next((step.equation for step in steps if step.parts), "")


@np.errstate(all="ignore")
def _stages_of(hypothesis: Hypothesis, one: Answered, claims: Claims) -> dict[str, FloatArray]:
    """What a known mistake makes of the stages: the forward pass where it changes that, δ everywhere."""
    try:
        evaluation = sweep_faulty(one.problem, claims, hypothesis, textbook.double(one.problem.arrays))[2]
    except Inapplicable:
        return {}
    changes_forward = any(fault.program is not None for fault in hypothesis.faults)
    return {name: stage for name, stage in evaluation.stages.items() if name.startswith("deltas") or changes_forward}


def work_through(problem: Problem, reference: Reference, claimed: Claimed | None = None, *, rate: float = RATE) -> tuple[Step, ...]:
    """Every line of the problem worked by hand; empty for a problem too large for it. `rate`: of the update."""
    page = _Page(problem, reference, claimed or Claimed(), rate)
    steps: list[Step] = []
    for step in page.lines():
        steps.append(step)
        if len(steps) > MOST_LINES:
            return ()
    return tuple(steps)


@dataclass(frozen=True)
class _Page:
    problem: Problem
    reference: Reference
    claimed: Claimed
    rate: float

    @property
    def architecture(self) -> Architecture:
        return architecture_of(self.problem)

    @property
    def rows(self) -> int:
        return self.architecture.batch

    def lines(self) -> Iterator[Step]:
        layers = self.architecture.layers
        for layer in range(layers):
            yield from self._forward(layer)
        yield from self._loss()
        for layer in reversed(range(layers)):
            yield from self._deltas(layer)
            yield from self._gradients(layer)
        for layer in range(layers):
            yield from self._update(layer)

    def _forward(self, layer: int) -> Iterator[Step]:
        weights, biases = self._array(f"weights[{layer}]"), self.problem.arrays.get(f"biases[{layer}]")
        below, z, a = self._below(layer), self._stage(f"pre_activations[{layer}]"), self._stage(f"activations[{layer}]")
        kind = self.architecture.activations[layer]
        for row in range(self.rows):
            for unit in range(z.shape[1]):
                terms = [f"{_n(w)}·{_n(v, sign=True)}" for w, v in zip(weights[unit], below[row], strict=True)]
                terms += [] if biases is None else [_n(float(biases[unit]))]
                source = "x" if layer == 0 else f"a[{layer - 1}]"
                formula = f"W[{layer}] {source}" + ("" if biases is None else f" + b[{layer}]")
                text = f"{self._name('z', layer, unit, row)} = {formula} = {_sum(terms)}"
                yield self._step("forward", text, f"pre_activations[{layer}]", (row, unit), float(z[row, unit]))
            for unit in range(a.shape[1]):
                inner = _n(float(z[row, unit])) if kind != "softmax" else ", ".join(_n(float(value)) for value in z[row])
                text = f"{self._name('a', layer, unit, row)} = {kind}({inner})" + (f"[{unit}]" if kind == "softmax" else "")
                yield self._step("forward", text, f"activations[{layer}]", (row, unit), float(a[row, unit]))

    def _loss(self) -> Iterator[Step]:
        right = self.reference.loss
        if right is None:
            return
        claimed = self.claimed.loss
        parts = claimed is not None and not abs(claimed - right) <= self.reference.loss_tolerance()
        yield Step(self.claimed.loss_line, "loss", f"L = {self._loss_text()}", right, claimed, parts)

    def _loss_text(self) -> str:
        outputs, y, kind = self._stage(f"activations[{self.architecture.layers - 1}]"), self._array("y"), self.architecture.loss
        squares = [f"({_n(float(a))} - {_n(float(t))})²" for a, t in zip(outputs.ravel(), y.ravel(), strict=True)]
        if kind == "squared_error" and len(squares) <= 4:
            text = " + ".join(squares)
        elif kind == "half_squared_error" and len(squares) <= 4:
            text = f"½ [{' + '.join(squares)}]" if len(squares) > 1 else f"½ {squares[0]}"
        else:
            text = f"{kind}(a[{self.architecture.layers - 1}], y)"
        divisor = self._divisor()
        text = text if divisor == 1 else f"[{text}] / {_n(divisor)}"
        return text + (" + λ Σ W²" if self._decay() else "")

    def _deltas(self, layer: int) -> Iterator[Step]:
        delta = self._stage(f"deltas[{layer}]")
        last = self.architecture.layers - 1
        equation = "output-delta" if layer == last else "hidden-delta"
        solved = self.claimed.solved.get(f"deltas[{layer}]", ())
        alone = {group.rows[0]: group.delta for group in solved if len(group.rows) == 1}
        for row in range(self.rows):
            for unit in range(delta.shape[1]):
                words = self._output_delta(row, unit) if layer == last else self._hidden_delta(layer, row, unit)
                text = f"{self._name('δ', layer, unit, row)} = {words}"
                own = None if row not in alone else float(alone[row][unit])
                yield self._step(equation, text, f"deltas[{layer}]", (row, unit), float(delta[row, unit]), own)
        for group in solved:
            if len(group.rows) > 1:
                yield from self._together(equation, layer, group)

    def _together(self, equation: str, layer: int, group: Group) -> Iterator[Step]:
        """The sum of several δ, where the gradients tell no more."""
        delta = self._stage(f"deltas[{layer}]")[list(group.rows)]
        for unit in range(delta.shape[1]):
            name = f"δ[{layer}]" + (f"[{unit}]" if delta.shape[1] > 1 else "")
            text = f"samples {', '.join(map(str, group.rows))} together: Σ {name} = {_sum([_n(float(d)) for d in delta[:, unit]])}"
            right, claimed = float(delta[:, unit].sum()), float(group.delta[unit])
            yield Step(equation, f"deltas[{layer}]", text, right, claimed, self._parts(claimed, right, float(group.allowed[unit])))

    def _output_delta(self, row: int, unit: int) -> str:
        last = self.architecture.layers - 1
        kind, loss = self.architecture.activations[-1], self.architecture.loss
        a, y = float(self._stage(f"activations[{last}]")[row, unit]), float(self._array("y")[row, unit])
        share = "" if self._divisor() == 1 else f" / {_n(self._divisor())}"
        scale = self._scale()
        front = "" if scale == 1 else f"{_n(scale)} · "
        if "squared" not in loss:
            return (
                f"{front}(a - y){share} = {front}({_n(a)} - {_n(y)}){share}" if self._fused() else f"∂L/∂z by the chain rule through {kind}"
            )
        two = "" if loss.startswith("half") else "2 "
        if kind == "softmax":
            return f"a (g - Σ g a), with g = {front}{two}(a - y){share}"
        z = float(self._stage(f"pre_activations[{last}]")[row, unit])
        words, slope = _slope_text(kind, z, a, self._leak())
        times = "" if kind == "identity" else f" · {words}"
        numbers = "" if kind == "identity" else f" · {slope}"
        return f"{front}{two}(a - y){share}{times} = {front}{two}({_n(a)} - {_n(y)}){share}{numbers}"

    def _hidden_delta(self, layer: int, row: int, unit: int) -> str:
        above, weights = self._stage(f"deltas[{layer + 1}]"), self._array(f"weights[{layer + 1}]")
        terms = [f"{_n(w)}·{_n(d, sign=True)}" for w, d in zip(weights[:, unit], above[row], strict=True)]
        a, z = float(self._stage(f"activations[{layer}]")[row, unit]), float(self._stage(f"pre_activations[{layer}]")[row, unit])
        words, slope = _slope_text(self.architecture.activations[layer], z, a, self._leak())
        carried = _sum(terms) if len(terms) == 1 else f"({_sum(terms)})"
        return f"(W[{layer + 1}]ᵀ δ[{layer + 1}]) · {words} = {carried} · {slope}"

    def _gradients(self, layer: int) -> Iterator[Step]:
        delta, below = self._stage(f"deltas[{layer}]"), self._below(layer)
        source = "x" if layer == 0 else f"a[{layer - 1}]"
        name = f"weights[{layer}]"
        gradient, weights, decay = self.reference.gradients[name], self._array(name), self._decay()
        for unit in range(gradient.shape[0]):
            for index in range(gradient.shape[1]):
                terms = [f"{_n(d)}·{_n(v, sign=True)}" for d, v in zip(delta[:, unit], below[:, index], strict=True)]
                terms += [f"{_n(decay)}·{_n(float(weights[unit, index]))}"] if decay else []
                formula = f"δ[{layer}] {source}ᵀ" + (" + 2λ W" if decay else "")
                text = f"∂L/∂{_element('W', layer, gradient.shape, (unit, index))} = {formula} = {_sum(terms)}"
                yield self._gradient_step("weight-gradient", text, name, (unit, index))
        name = f"biases[{layer}]"
        if name in self.reference.gradients:
            for unit in range(gradient.shape[0]):
                summed = f"δ[{layer}]" if self.rows == 1 else f"Σ δ[{layer}] = {_sum([_n(float(d)) for d in delta[:, unit]])}"
                yield self._gradient_step(
                    "bias-gradient", f"∂L/∂{_element('b', layer, (gradient.shape[0],), (unit,))} = {summed}", name, (unit,)
                )

    def _update(self, layer: int) -> Iterator[Step]:
        """One step; the candidate's own where it has an `update`, else what its gradient would make of it."""
        for kind, letter in (("weights", "W"), ("biases", "b")):
            name = f"{kind}[{layer}]"
            if name not in self.reference.gradients:
                continue
            array, gradient = self._array(name), self.reference.gradients[name]
            allowed = self.rate * self.reference.gradient_tolerance(name) + 4 * machine_epsilon(self.problem.dtype) * np.abs(array)
            own = self.claimed.updated.get(name)
            if own is None and name in self.claimed.gradients:
                own = array - self.rate * self.claimed.gradients[name]
            for index in np.ndindex(array.shape):
                before, slope = float(array[index]), float(gradient[index])
                text = f"{_element(letter, layer, array.shape, index)} ← {_n(before)} - {self.rate:g}·{_n(slope, sign=True)}"
                right = before - self.rate * slope
                claimed = None if own is None else float(own[index])
                parts = claimed is not None and self._parts(claimed, right, float(allowed[index]))
                yield Step("update", name, text, right, claimed, parts)

    def _gradient_step(self, equation: str, text: str, name: str, index: tuple[int, ...]) -> Step:
        right = float(self.reference.gradients[name][index])
        own = self.claimed.gradients.get(name)
        if own is None:
            return Step(equation, name, text, right)
        claimed = float(own[index])
        return Step(
            equation, name, text, right, claimed, self._parts(claimed, right, float(self.reference.gradient_tolerance(name)[index]))
        )

    def _step(self, equation: str, text: str, stage: str, index: tuple[int, ...], right: float, solved: float | None = None) -> Step:
        """`solved`: the candidate's number where it shows no such stage, but its gradients tell it."""
        own = self.claimed.stages.get(stage)
        claimed = solved if own is None else float(own[index])
        if claimed is None:
            return Step(equation, stage, text, right)
        return Step(
            equation, stage, text, right, claimed, self._parts(claimed, right, 2 * float(self.reference.stage_tolerance(stage)[index]))
        )

    @staticmethod
    def _parts(claimed: float, right: float, allowed: float) -> bool:
        # Written so that NaN parts.
        return not abs(claimed - right) <= allowed

    def _array(self, name: str) -> FloatArray:
        return np.asarray(self.problem.arrays[name], dtype=np.float64)

    def _stage(self, name: str) -> FloatArray:
        return self.reference.stages[name]

    def _below(self, layer: int) -> FloatArray:
        return self._array("x") if layer == 0 else self._stage(f"activations[{layer - 1}]")

    def _name(self, letter: str, layer: int, unit: int, row: int) -> str:
        width = self.architecture.widths[layer + 1]
        sample = "" if self.rows == 1 else f"sample {row}: "
        return f"{sample}{letter}[{layer}]" + (f"[{unit}]" if width > 1 else "")

    def _divisor(self) -> float:
        return next((node.attributes["divisor"] for node in self.problem.program.nodes if node.operation == "reduce"), 1.0)

    def _scale(self) -> float:
        return next((node.attributes["scale"] for node in self.problem.program.nodes if node.operation == "total"), 1.0)

    def _decay(self) -> float:
        return penalty_factor(self.problem.program)

    def _leak(self) -> float:
        return next((node.attributes["leaky_slope"] for node in self.problem.program.nodes if node.operation == "leaky_relu"), 0.01)

    def _fused(self) -> bool:
        fused = ("softmax_cross_entropy", "binary_cross_entropy_with_logits")
        return any(node.operation in fused for node in self.problem.program.nodes)


def _slope_text(kind: str, z: float, a: float, leak: float) -> tuple[str, str]:
    """σ' of an activation as a formula, and with its numbers."""
    if kind == "sigmoid":
        return "a (1 - a)", f"{_n(a)} (1 - {_n(a)})"
    if kind == "tanh":
        return "(1 - a²)", f"(1 - {_n(a, sign=True)}²)"
    if kind == "relu":
        return "(1 if z > 0 else 0)", "1" if z > 0 else "0"
    if kind == "leaky_relu":
        return f"(1 if z > 0 else {_n(leak)})", "1" if z > 0 else _n(leak)
    if kind == "softplus":
        return "σ(z)", f"σ({_n(z)})"
    return ("1", "1") if kind == "identity" else (f"{kind}'(z)", f"{kind}'({_n(z)})")


def _element(letter: str, layer: int, shape: Sequence[int], index: Sequence[int]) -> str:
    if all(size == 1 for size in shape):
        return f"{letter}[{layer}]"
    return f"{letter}[{layer}][{', '.join(map(str, index))}]"


def _n(value: float, *, sign: bool = False) -> str:
    """A number as one would write it by hand: five digits; in brackets where a minus would stand beside another sign."""
    text = f"{value:.5g}"
    return f"({text})" if sign and value < 0 else text


def _sum(terms: Sequence[str]) -> str:
    return " + ".join(f"({term})" if term.startswith("-") and position else term for position, term in enumerate(terms))
