"""Candidates with planted mistakes, written apart from the textbook: other formulas, other sums, other layouts.

`Network(style, …)` is a plain backprop over samples in rows, with a branch for each known mistake where that mistake would be made. Styles
differ in how products are summed and in the forms of σ, tanh and softmax. `Layout` turns its arguments into what a manifest claims.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted_activations import Activations

Array = NDArray[np.floating]
Gradients = tuple[float, list[Array], list[Array]]

STEP = 1e-5


@dataclass
class Network:
    """One right implementation, or one with mistakes (ids of the catalogue), each with its constant."""

    style: str
    losses: str
    reduction: str = "mean"
    l2: float = 0.0
    l2_over_batch: bool = False
    leak: float = 0.01
    layout: str = "out_in"
    faults: Sequence[str] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    state: dict[Any, Any] = field(default_factory=dict)

    @property
    def units(self) -> Activations:
        return Activations(self.style, self.leak, self.faults, self.constants)

    def has(self, *names: str) -> bool:
        return any(name in self.faults for name in names)

    def c(self, name: str) -> float:
        return self.constants[name]

    # Forward ----------------------------------------------------------------------------------------------------------

    def multiply(self, one: Array, other: Array) -> Array:
        if self.style == "vectorised":
            return np.asarray(one @ other)
        if self.style == "einsum":
            return np.asarray(np.einsum("ij,jk->ik", one, other))
        return np.array(
            [[sum(float(a) * float(b) for a, b in zip(row, column, strict=True)) for column in other.T] for row in one]
        ).reshape(one.shape[0], other.shape[1])

    def forward(self, weights: Sequence[Array], biases: Sequence[Array], x: Array, kinds: Sequence[str]) -> tuple[list[Array], list[Array]]:
        zs, activations = [], [x]
        for layer, weight in enumerate(weights):
            z = self.multiply(activations[-1], weight.T)
            if biases and not self.has("bias-left-out"):
                z = z + biases[layer]
            kind = "identity" if self.has("linear-output") and layer == len(weights) - 1 else kinds[layer]
            zs.append(z)
            activations.append(self.units.act(kind, z))
        return zs, activations

    def loss_of(self, output: Array, y: Array) -> Array:
        """Of each sample."""
        if self.losses == "squared_error":
            return np.asarray(((y - output) ** 2).sum(axis=1))
        if self.losses == "half_squared_error":
            return np.asarray(0.5 * ((y - output) ** 2).sum(axis=1))
        with np.errstate(all="ignore"):
            if self.has("output-activation-twice") and self.losses == "cross_entropy":
                return np.asarray((np.log(np.exp(output).sum(axis=1, keepdims=True)) * y - y * output).sum(axis=1))
            if self.has("output-activation-twice"):
                return np.asarray((np.log1p(np.exp(output)) - y * output).sum(axis=1))
            if self.losses == "cross_entropy":
                return np.asarray(-(y * np.log(output)).sum(axis=1))
            return np.asarray(-(y * np.log(output) + (1 - y) * np.log(1 - output)).sum(axis=1))

    def share(self, x: Array, y: Array) -> float:
        return {"mean": 1 / len(x), "sum": 1.0, "mean_all": 1 / y.size}[self.reduction]

    def decay(self, x: Array) -> float:
        return 2 * self.l2 / (len(x) if self.l2_over_batch else 1)

    def loss(self, weights: Sequence[Array], biases: Sequence[Array], x: Array, y: Array, kinds: Sequence[str]) -> float:
        output = self.forward(weights, biases, x, kinds)[1][-1]
        return float(self.share(x, y) * self.loss_of(output, y).sum() + self.decay(x) / 2 * sum(float((w**2).sum()) for w in weights))

    # Backward ---------------------------------------------------------------------------------------------------------

    def error(self, z: Array, a: Array, y: Array) -> Array:
        """∂loss/∂ŷ of each sample, with its mistakes."""
        if self.losses in ("squared_error", "half_squared_error"):
            factor = 2.0 if self.losses == "squared_error" else 1.0
            targets = self._targets(y)
            found: Array = np.asarray(factor * (a - targets))
            if self.has("absolute-error-slope"):
                found = np.asarray(np.sign(a - y))
            if self.has("pre-activation-in-loss"):
                found = factor * (z - y)
            if self.has("target-left-out"):
                found = factor * a
            if self.has("error-clipped"):
                found = factor * np.minimum(np.maximum(a - y, -self.c("error-clipped")), self.c("error-clipped"))
        else:
            targets = self._targets(y)
            epsilon, p = 0.0, a
            if self.has("epsilon-in-gradient-alone"):
                epsilon = self.c("epsilon-in-gradient-alone")
            inside = np.ones_like(a)
            if self.has("clip-in-gradient-alone"):
                bound = self.c("clip-in-gradient-alone")
                p = np.minimum(np.maximum(a, bound), 1 - bound)
                inside = 1.0 * ((a > bound) & (a < 1 - bound))
            first = np.where(targets == 0, 0.0, -targets / (p + epsilon))
            second = np.where(targets == 1, 0.0, (1 - targets) / (1 - p + epsilon))
            if self.losses == "cross_entropy":
                found = first * inside
            elif self.has("cross-entropy-first-term-only"):
                found = first
            elif self.has("cross-entropy-second-term-sign"):
                found = first - second
            else:
                found = (first + second) * inside
            if self.has("clip-below-in-gradient-alone"):
                bound = self.c("clip-below-in-gradient-alone")
                found = np.where(a > bound, first if self.losses == "cross_entropy" else first + second, 0.0)
            if self.has("outputs-and-targets-exchanged"):
                found = -np.log(targets) if self.losses == "cross_entropy" else np.log(1 - targets) - np.log(targets)
            if self.has("output-activation-twice"):
                powers = np.exp(a)
                found = powers / (powers.sum(axis=1, keepdims=True) if self.losses == "cross_entropy" else 1 + powers) - y
            if self.has("squared-error-delta-with-cross-entropy"):
                found = 2 * (a - y)
        return self._whole_error(found, a, y)

    def _targets(self, y: Array) -> Array:
        if not self.has("one-hot-targets"):
            return y
        return np.round(y) if y.shape[1] == 1 else 1.0 * (y == y.max(axis=1, keepdims=True))

    def _whole_error(self, found: Array, a: Array, y: Array) -> Array:
        if self.has("error-averaged-over-outputs"):
            found = found.mean(axis=1, keepdims=True) + 0 * found
        if self.has("loss-carried-back"):
            found = self.loss_of(a, y)[:, None] + 0 * found
        if self.has("loss-of-each-output-carried-back"):
            found = np.stack([self.loss_of(a[:, [k]], y[:, [k]]) for k in range(y.shape[1])], axis=1)
        return found

    def output_delta(self, z: Array, a: Array, y: Array, kind: str) -> tuple[Array, Array]:
        """(∂loss/∂a, δ) of each sample, without the reduction."""
        chain = (
            "output-",
            "derivative-",
            "tanh-",
            "sigmoid-",
            "relu-",
            "leaky-",
            "softmax-",
            "epsilon",
            "clip-",
            "linear",
            "error-",
            "activation-for-der",
        )
        chained = any(fault.startswith(chain) for fault in self.faults) or self.has(
            "squared-error-delta-with-cross-entropy",
            "cross-entropy-first-term-only",
            "cross-entropy-second-term-sign",
            "bias-error-for-delta",
            "derivative-of-layer-above-lost",
            "cross-entropy-delta-with-squared-error",
            "outputs-and-targets-exchanged",
            "output-activation-twice",
            "target-set-to-minus-one",
            "loss-of-each-output-carried-back",
        )
        error = self.error(z, a, y)
        cancelled = (self.losses, kind) in (("cross_entropy", "softmax"), ("binary_cross_entropy", "sigmoid"))
        if self.has("slope-in-fused-delta") and cancelled and kind == "softmax":
            return error, (a - y) * a * (1 - a)
        if cancelled and not chained:
            return error, self._whole_error(a - self._targets(y), a, y)
        if self.has("target-set-to-minus-one") and kind == "softmax":
            return error, np.where(y == y.max(axis=1, keepdims=True), -1.0, a)
        if self.has("cross-entropy-delta-with-squared-error") and kind in ("sigmoid", "softmax"):
            return error, a - y
        if kind == "softmax":
            if self.has("softmax-diagonal-jacobian"):
                return error, error * a * (1 - a)
            if self.has("softmax-without-mean"):
                return error, error * a
            if not self.has("output-derivative-missing", "derivative-missing"):
                return error, a * (error - (error * a).sum(axis=1, keepdims=True))
        return error, error * self.units.slope(kind, z, a, error, "output")

    def backprop(self, weights: Sequence[Array], biases: Sequence[Array], x: Array, y: Array, kinds: Sequence[str]) -> Gradients:
        if self.has("single-precision"):
            narrow = Network(self.style, self.losses, self.reduction, self.l2, self.l2_over_batch, self.leak)
            w32, b32 = [w.astype(np.float32) for w in weights], [b.astype(np.float32) for b in biases]
            return narrow.backprop(w32, b32, x.astype(np.float32), y.astype(np.float32), kinds)
        if self.has("numerical-differentiation"):
            return self._differences(weights, biases, x, y, kinds)
        kinds = [*kinds[:-1], "identity"] if self.has("linear-output") else list(kinds)
        zs, activations = self.forward(weights, biases, x, kinds)
        if self.has("stale-forward-state"):
            key = (len(x), tuple(w.shape for w in weights))
            fresh = zs, activations
            zs, activations = self.state.get(key, fresh)
            self.state[key] = fresh
        share = self._factor(x, y) * self.share(x, y)
        error, delta = self.output_delta(zs[-1], activations[-1], y, kinds[-1])
        error, delta = share * error, share * delta
        if self.has("delta-clipped"):
            delta = np.minimum(np.maximum(delta, -self.c("delta-clipped")), self.c("delta-clipped"))
        rows = np.zeros((len(x), 1))
        if self.has("last-sample-only", "first-sample-only"):
            rows[-1 if self.has("last-sample-only") else 0] = 1.0
            error, delta = error * rows, delta * rows
        by_weights: list[Array] = [np.empty(0)] * len(weights)
        by_biases: list[Array] = [np.empty(0)] * len(weights)
        for layer in reversed(range(len(weights))):
            by_weights[layer] = self._by_weights(layer, delta, error, zs, activations, x)
            by_biases[layer] = self._by_biases(layer, delta, error, biases, x)
            if layer:
                carried = self._carry(layer, delta, error, weights, activations, by_weights[layer], x)
                error = carried
                delta = carried * self.units.slope(kinds[layer - 1], zs[layer - 1], activations[layer], carried, "hidden")
                if self.has("delta-clipped"):
                    delta = np.minimum(np.maximum(delta, -self.c("delta-clipped")), self.c("delta-clipped"))
        return self._finished(weights, biases, x, y, kinds, by_weights, by_biases if biases else [])

    def _factor(self, x: Array, y: Array) -> float:
        factors = {
            "factor-half": 0.5,
            "factor-two": 2.0,
            "sign": -1.0,
            "missing-mean": len(x),
            "mean-twice": 1 / len(x),
            "factor-outputs": y.shape[1],
            "mean-over-outputs": 1 / y.shape[1],
            "factor-batch-and-outputs": y.size,
            "mean-over-batch-and-outputs": 1 / y.size,
            "sign-without-mean": -len(x),
            "sign-and-mean-twice": -1 / len(x),
            "factor-zero": 0.0,
            "constant-factor": self.constants.get("constant-factor", 1.0),
        }
        return float(np.prod([factors[fault] for fault in self.faults if fault in factors]))

    def _carry(
        self, layer: int, delta: Array, error: Array, weights: Sequence[Array], activations: Sequence[Array], by_weights: Array, x: Array
    ) -> Array:
        w = weights[layer]
        if self.has("updated-before-propagated", "product-of-old-and-new-weights"):
            name = "updated-before-propagated" if self.has("updated-before-propagated") else "product-of-old-and-new-weights"
            new = w - self.c(name) * (by_weights + self.decay(x) * w)
            w = new if name == "updated-before-propagated" else new * w
        if self.has("untransposed-weights"):
            w = w.T
        if self.has("reshaped-weights"):
            w = w.reshape(w.T.shape).T if self.layout == "out_in" else np.ascontiguousarray(w.T).reshape(w.shape)
        if self.has("same-layer-weights"):
            w = weights[layer - 1]
        if self.has("weights-two-layers-up") and layer + 1 < len(weights):
            w = weights[layer + 1]
        if self.has("first-layer-weights"):
            w = weights[0]
        if self.has("absolute-weights"):
            w = abs(w)
        if self.has("weights-left-out"):
            w = np.ones_like(w)
        source = delta
        if self.has("derivative-of-layer-above-lost"):
            source = error
        if self.has("activation-for-delta"):
            source = activations[layer + 1]
        if self.has("delta-not-carried"):
            if delta.shape[1] != w.shape[1]:
                raise ValueError("shapes do not fit")
            return delta
        carried = self.multiply(source, w)
        if self.has("carried-delta-averaged"):
            carried = carried / delta.shape[1]
        if self.has("mean-on-the-way-down"):
            carried = carried / len(x)
        if self.has("mean-lost-on-the-way-down"):
            carried = carried * len(x)
        if self.has("carried-delta-sign"):
            carried = -carried
        if self.has("hidden-layers-zero"):
            carried = 0 * carried
        return carried

    def _by_weights(self, layer: int, delta: Array, error: Array, zs: Sequence[Array], activations: Sequence[Array], x: Array) -> Array:
        below = activations[layer]
        wanted = (delta.shape[1], below.shape[1])
        if self.has("activation-of-own-layer"):
            below = activations[layer + 1]
        if self.has("pre-activation-for-activation") and layer:
            below = zs[layer - 1]
        if (self.has("ones-for-input") and layer == 0) or self.has("activation-left-out"):
            below = np.ones_like(below)
        if self.has("input-for-activation"):
            below = x
        source = error if self.has("error-for-delta") else delta
        found = self.multiply(source.T, below)
        if self.has("mean-before-product"):
            found = np.outer(source.mean(axis=0), below.sum(axis=0))
        for fault, row in (("weights-of-first-sample", 0), ("weights-of-last-sample", -1)):
            if self.has(fault):
                found = np.outer(delta[row], below[row])
        if found.shape != wanted:
            raise ValueError("shapes do not fit")
        if self.has("outer-product-transposed"):
            flat = (found.T if self.layout == "out_in" else found).ravel()
            found = flat.reshape(found.shape) if self.layout == "out_in" else flat.reshape(found.shape[::-1]).T
        for fault, factor in (
            ("weights-averaged", 1 / len(x)),
            ("weights-not-averaged", float(len(x))),
            ("weights-sign", -1.0),
            ("weights-zero", 0.0),
        ):
            if self.has(fault):
                found = factor * found
        return found

    def _by_biases(self, layer: int, delta: Array, error: Array, biases: Sequence[Array], x: Array) -> Array:
        found: Array = delta[::-1].sum(axis=0) if self.style == "loops" else delta.sum(axis=0)
        if self.has("bias-error-for-delta"):
            found = error.sum(axis=0)
        if self.has("bias-times-bias") and biases:
            found = found * biases[layer]
        if self.has("bias-one-number") or (self.has("hidden-bias-one-number") and layer < len(biases) - 1):
            found = 0 * found + delta.sum()
        if self.has("bias-averaged-over-units"):
            found = 0 * found + delta.sum(axis=0).mean()
        if self.has("bias-not-summed"):
            found = delta[0]
        if self.has("bias-of-last-sample"):
            found = delta[-1]
        for fault, factor in (
            ("bias-averaged", 1 / len(x)),
            ("bias-not-averaged", float(len(x))),
            ("bias-sign", -1.0),
            ("bias-zero", 0.0),
        ):
            if self.has(fault):
                found = factor * found
        return found

    def _finished(
        self,
        weights: Sequence[Array],
        biases: Sequence[Array],
        x: Array,
        y: Array,
        kinds: Sequence[str],
        by_weights: list[Array],
        by_biases: list[Array],
    ) -> Gradients:
        decay, last = self.decay(x), len(weights) - 1
        scale = {
            "l2-not-in-gradient": 0.0,
            "l2-without-two": 0.5,
            "l2-twice": 2.0,
            "l2-sign": -1.0,
            "l2-divided-by-batch": 1 / len(x),
            "l2-not-divided-by-batch": float(len(x)),
        }
        own = decay * float(np.prod([scale[fault] for fault in self.faults if fault in scale]))
        for layer, weight in enumerate(weights):
            data = by_weights[layer]
            if self.has("l2-of-gradient"):
                by_weights[layer] = data + decay * data
            elif self.has("l2-of-summed-gradient"):
                by_weights[layer] = data + decay * len(x) * data
            elif self.has("l2-of-the-sum"):
                by_weights[layer] = data + decay * weight.sum()
            elif self.has("l1-for-l2"):
                by_weights[layer] = data + decay / 2 * np.sign(weight)
            elif layer == (0 if self.has("l2-not-in-first-gradient") else last if self.has("l2-not-in-last-gradient") else None):
                by_weights[layer] = data
            else:
                by_weights[layer] = data + own * weight
        if by_biases:
            order = {
                "bias-of-layer-above": [min(layer + 1, last) for layer in range(last + 1)],
                "bias-of-layer-below": [max(layer - 1, 0) for layer in range(last + 1)],
                "biases-of-first-layer": [0] * (last + 1),
            }
            if self.has("bias-one-number-of-layer-above"):
                numbers = [by_biases[min(layer + 1, last)].sum() for layer in range(last + 1)]
                by_biases = [0 * g + number for g, number in zip(by_biases, numbers, strict=True)]
            for fault, places in order.items():
                if self.has(fault):
                    if any(by_biases[place].shape != by_biases[layer].shape for layer, place in enumerate(places)):
                        raise ValueError("shapes do not fit")
                    by_biases = [by_biases[place] for place in places]
            if self.has("l2-on-biases"):
                by_biases = [g + decay * b for g, b in zip(by_biases, biases, strict=True)]
        for fault, which in (("first-layer-zero", 0), ("first-hidden-layer-zero", 0), ("output-layer-zero", last)):
            if self.has(fault) and (last or fault != "first-hidden-layer-zero"):
                by_weights[which] = 0 * by_weights[which]
                by_biases = [0 * g if layer == which else g for layer, g in enumerate(by_biases)]
        if self.has("l2-over-batch-in-gradient-alone"):
            by_weights = [g + self.c("l2-over-batch-in-gradient-alone") / len(x) * w for g, w in zip(by_weights, weights, strict=True)]
        if self.has("l2-in-gradient-alone", "l2-of-all-in-gradient-alone"):
            name = "l2-in-gradient-alone" if self.has("l2-in-gradient-alone") else "l2-of-all-in-gradient-alone"
            by_weights = [g + self.c(name) * w for g, w in zip(by_weights, weights, strict=True)]
            if name == "l2-of-all-in-gradient-alone":
                by_biases = [g + self.c(name) * b for g, b in zip(by_biases, biases, strict=True)]
        return self._after(self.loss(weights, biases, x, y, kinds), by_weights, by_biases)

    def _after(self, loss: float, by_weights: list[Array], by_biases: list[Array]) -> Gradients:
        everything = [*by_weights, *by_biases]
        if self.has("clipped-by-value"):
            bound = self.c("clipped-by-value")
            everything = [np.minimum(np.maximum(g, -bound), bound) for g in everything]
        norms = [float(np.sqrt((g**2).sum())) for g in everything]
        for fault in self.faults:
            kind = fault.removesuffix("-with-epsilon").removesuffix("-each")
            lengths = norms if "-each" in fault else [float(np.sqrt(sum(norm**2 for norm in norms)))] * len(norms)
            if kind == "clipped-by-norm":
                added = 1e-6 if fault.endswith("epsilon") else 0.0
                factors = [min(1.0, self.c(fault) / (length + added)) if length else 1.0 for length in lengths]
            elif kind == "normalised":
                factors = [1 / (length + self.c(fault)) if length + self.c(fault) else np.nan for length in lengths]
            else:
                continue
            everything = [g * factor for g, factor in zip(everything, factors, strict=True)]
        if self.has("accumulated-between-calls"):
            key = tuple(g.shape for g in everything)
            before = self.state.get(key, [0.0] * len(everything))
            everything = [g + b for g, b in zip(everything, before, strict=True)]
            self.state[key] = everything
        if self.has("random-between-calls"):
            random = self.state.setdefault("random", np.random.default_rng(1))
            everything = [g * (random.random(g.shape) < 0.7) for g in everything]
        return loss, everything[: len(by_weights)], everything[len(by_weights) :]

    def _differences(self, weights: Sequence[Array], biases: Sequence[Array], x: Array, y: Array, kinds: Sequence[str]) -> Gradients:
        arrays = [*(w.copy() for w in weights), *(b.copy() for b in biases)]
        found = []
        for array in arrays:
            gradient = np.zeros_like(array)
            for index in np.ndindex(array.shape):
                before = array[index]
                sides = []
                for side in (1, -1):
                    array[index] = before + side * STEP
                    sides.append(self.loss(arrays[: len(weights)], arrays[len(weights) :], x, y, kinds))
                array[index] = before
                gradient[index] = (sides[0] - sides[1]) / (2 * STEP)
            found.append(gradient)
        return self.loss(weights, biases, x, y, kinds), found[: len(weights)], found[len(weights) :]

    def update(
        self, weights: Sequence[Array], biases: Sequence[Array], x: Array, y: Array, rate: float, kinds: Sequence[str]
    ) -> tuple[list[Array], list[Array]]:
        """One step, with its mistakes."""
        ws, bs = [w.copy() for w in weights], [b.copy() for b in biases]
        parts = [(x[row : row + 1], y[row : row + 1]) for row in range(len(x))] if self.has("update-sample-by-sample") else [(x, y)]
        rate = 0.3 if self.has("update-ignores-rate") else rate
        for part in parts:
            _, by_w, by_b = self.backprop(ws, bs, *part, kinds)
            moves = [*by_w, *by_b]
            if self.has("update-with-momentum"):
                old = self.state.get("velocity", [])
                old = old if [v.shape for v in old] == [m.shape for m in moves] else [0 * m for m in moves]
                moves = [m + 0.9 * v for m, v in zip(moves, old, strict=True)]
                self.state["velocity"] = moves
            sign = -1 if self.has("update-sign") else 1
            still_w, still_b = self.has("update-without-weights"), self.has("update-without-biases")
            ws = [w - (0 if still_w else sign * rate) * m for w, m in zip(ws, moves[: len(ws)], strict=True)]
            bs = [b - (0 if still_b else sign * rate) * m for b, m in zip(bs, moves[len(by_w) :], strict=True)]
        return ws, bs
