"""The activations of the planted networks and their derivatives, right and wrong, written apart from the textbook."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass
class Activations:
    """What a network of a style computes in its units, with the mistakes (ids of the catalogue) that are planted there."""

    style: str
    leak: float = 0.01
    faults: Sequence[str] = ()
    constants: Mapping[str, float] = field(default_factory=dict)

    def c(self, name: str) -> float:
        return self.constants[name]

    def act(self, kind: str, z: Array) -> Array:
        with np.errstate(over="ignore"):
            if kind == "sigmoid":
                return 0.5 * (1 + np.tanh(z / 2)) if self.style == "einsum" else np.asarray(1 / (1 + np.exp(-z)))
            if kind == "tanh":
                return 2 / (1 + np.exp(-2 * z)) - 1 if self.style == "loops" else np.asarray(np.tanh(z))
            if kind == "softplus":
                return np.asarray(np.log1p(np.exp(-abs(z))) + np.where(z > 0, z, 0.0))
        if kind == "relu":
            return np.where(z > 0, z, 0.0)
        if kind == "leaky_relu":
            return np.where(z > 0, z, self.leak * z)
        if kind == "softmax":
            powers = np.exp(z - z.max(axis=1, keepdims=True)) if self.style != "loops" else np.exp(z)
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        return z

    def right_slope(self, kind: str, z: Array, a: Array) -> Array:
        if kind == "sigmoid":
            return a * (1 - a)
        if kind == "tanh":
            return (1 - a) * (1 + a)
        if kind == "softplus":
            return 1 / (1 + np.exp(-z))
        if kind == "relu":
            return 1.0 * (z > 0)
        if kind == "leaky_relu":
            return np.where(z > 0, 1.0, self.leak)
        return np.ones_like(z)

    def slope(self, kind: str, z: Array, a: Array, above: Array, scope: str) -> Array:
        found = self.right_slope(kind, z, a)
        for fault in self.faults:
            for prefix in ("hidden-", "output-", ""):
                name = fault.removeprefix(prefix)
                if prefix and (name == fault or prefix != f"{scope}-"):
                    continue
                changed = self._wrong_slope(name, fault, kind, z, a, above)
                if changed is not None:
                    found = changed
                    break
        return found

    def _wrong_slope(self, name: str, fault: str, kind: str, z: Array, a: Array, above: Array) -> Array | None:
        right = self.right_slope(kind, z, a)
        table: dict[str, tuple[tuple[str, ...], Callable[[], Array]]] = {
            "tanh-derivative-unsquared": (("tanh",), lambda: 1 - a),
            "tanh-derivative-tanh": (("tanh",), lambda: np.tanh(z)),
            "tanh-derivative-squared": (("tanh",), lambda: a * a),
            "tanh-derivative-minus-squared": (("tanh",), lambda: -a * a),
            "error-times-its-complement": (("sigmoid",), lambda: 1 - above),
            "sigmoid-derivative-itself": (("sigmoid", "softplus"), lambda: a),
            "sigmoid-derivative-complement": (("sigmoid",), lambda: 1 - a),
            "sigmoid-derivative-plus": (("sigmoid",), lambda: a + a * a),
            "relu-derivative-one": (("relu", "leaky_relu"), lambda: np.ones_like(z)),
            "relu-derivative-inverted": (("relu",), lambda: 1.0 * (z < 0)),
            "relu-derivative-itself": (("relu", "leaky_relu"), lambda: a),
            "relu-masked-by-delta": (("relu",), lambda: 1.0 * (above > 0)),
            "leaky-derivative-relu": (("leaky_relu",), lambda: 1.0 * (z > 0)),
            "leaky-derivative-times-z": (("leaky_relu",), lambda: np.where(z > 0, 1.0, a)),
            "leaky-slope": (("leaky_relu",), lambda: np.where(z > 0, 1.0, self.c(fault))),
            "relu-derivative-below": (("relu",), lambda: np.where(z > 0, 1.0, self.c(fault))),
            "derivative-of-activation": (
                ("sigmoid", "tanh", "softplus", "relu", "leaky_relu"),
                lambda: self.right_slope(kind, a, self.act(kind, a)),
            ),
            "derivative-of-delta": (
                ("sigmoid", "tanh", "softplus", "relu", "leaky_relu"),
                lambda: self.right_slope(kind, above, self.act(kind, above)),
            ),
            "sigmoid-derivative-everywhere": (("tanh", "relu", "leaky_relu", "softplus", "identity"), lambda: a - a * a),
            "sigmoid-derivative-of-z-everywhere": (
                ("tanh", "relu", "leaky_relu", "softplus", "identity"),
                lambda: self.right_slope("sigmoid", z, self.act("sigmoid", z)),
            ),
            "tanh-derivative-everywhere": (("sigmoid", "relu", "leaky_relu", "softplus", "identity"), lambda: 1 - a * a),
            "relu-derivative-everywhere": (("sigmoid", "tanh", "leaky_relu", "softplus", "identity"), lambda: 1.0 * (z > 0)),
            "derivative-missing": ((kind,), lambda: np.ones_like(z)),
            "derivative-doubled": ((kind,), lambda: right * right),
            "derivative-sign": ((kind,), lambda: -right),
        }
        if name == "derivative-plus-constant" and kind != "softmax":
            return right + self.c(fault)
        if name == "activation-for-derivative" and kind not in ("softmax", "identity"):
            return self.act(kind, a)
        if name == "derivative-formula-of-delta":
            return {"sigmoid": above - above * above, "tanh": 1 - above * above}.get(kind)
        if name == "derivative-of-pre-activation":
            wrong = {"sigmoid": z * (1 - z), "tanh": 1 - z * z, "softplus": 1 - np.exp(-z)}
            return wrong.get(kind)
        if name not in table or kind not in table[name][0] or (kind == "softmax" and name != "derivative-missing"):
            return None
        return table[name][1]()
