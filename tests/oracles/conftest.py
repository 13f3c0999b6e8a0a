"""Networks drawn as a run draws them, and right code for them in many forms, written apart from the package."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import HIDDEN_ACTIVATIONS, LOSSES, OUTPUT_ACTIVATIONS, Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.problems.program import Problem
from verifier.verification.corpus import draw_corpus
from verifier.verification.profiles import PROFILES

Array = np.ndarray
EVERYTHING = Claims(activations=HIDDEN_ACTIVATIONS, output_activations=OUTPUT_ACTIVATIONS, losses=LOSSES, dtypes=("float64", "float32"))


@pytest.fixture(scope="session")
def drawn() -> Callable[..., list[Item]]:
    """Ordinary networks of all activations and losses, by the claims' differences from that, with PyTorch's answers."""
    known: dict[tuple[Claims, int], list[Item]] = {}

    def draw(count: int, **changes: object) -> list[Item]:
        claims = replace(EVERYTHING, **changes)  # type: ignore[arg-type]
        if (claims, count) not in known:
            profile = replace(PROFILES["thorough"], networks=count)
            known[claims, count] = list(draw_corpus(claims, profile, 20261124, lambda done, total: None).items)
        return known[claims, count]

    return draw


def plain_product(a: Array, b: Array) -> Array:
    return a @ b


def looped_product(a: Array, b: Array) -> Array:
    result = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = a.dtype.type(0)
            for k in range(a.shape[1]):
                total += a[i, k] * b[k, j]
            result[i, j] = total
    return result


def reversed_product(a: Array, b: Array) -> Array:
    return looped_product(a[:, ::-1], b[::-1])


def fsum_product(a: Array, b: Array) -> Array:
    return np.array([[math.fsum((row * column).tolist()) for column in b.T] for row in a], dtype=a.dtype).reshape(a.shape[0], b.shape[1])


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


@dataclass(frozen=True)
class Variant:
    """One right way to write the network: the form of each function, of the delta at the output, and of sums."""

    name: str
    sigmoid: Callable[[Array], Array] = sigmoid
    sigmoid_slope: Callable[[Array, Array], Array] = lambda z, a: a * (1 - a)
    tanh: Callable[[Array], Array] = np.tanh
    tanh_slope: Callable[[Array, Array], Array] = lambda z, a: 1 - a**2
    softplus: Callable[[Array], Array] = lambda z: np.logaddexp(z, z.dtype.type(0))
    softplus_slope: Callable[[Array, Array], Array] = lambda z, a: sigmoid(z)
    shifted_softmax: bool = True
    softmax_by_difference: bool = False
    leaky_by_absolute: bool = False
    chain_rule: bool = False
    product: Callable[[Array, Array], Array] = plain_product
    slope_changed: float | None = None

    def activate(self, kind: str, z: Array) -> tuple[Array, Array]:
        """The activation and its derivative; of a softmax, which has none, ones."""
        if kind == "sigmoid":
            a = self.sigmoid(z)
            return a, self.sigmoid_slope(z, a)
        if kind == "tanh":
            a = self.tanh(z)
            return a, self.tanh_slope(z, a)
        if kind == "softplus":
            a = self.softplus(z)
            return a, self.softplus_slope(z, a)
        if kind == "softmax":
            powers = np.exp(z - z.max(axis=1, keepdims=True)) if self.shifted_softmax else np.exp(z)
            shares = powers / powers.sum(axis=1, keepdims=True)
            if self.softmax_by_difference:
                shares[:, -1] = 1 - shares[:, :-1].sum(axis=1)
            return shares, np.ones_like(z)
        if kind == "identity":
            return z, np.ones_like(z)
        slope = z.dtype.type(0 if kind == "relu" else 0.01 if self.slope_changed is None else self.slope_changed)
        if self.leaky_by_absolute and kind == "leaky_relu":
            even, odd = z.dtype.type(0.5) * (1 + slope), z.dtype.type(0.5) * (1 - slope)
            return even * z + odd * np.abs(z), even + odd * np.sign(z)
        return np.where(z > 0, z, slope * z), np.where(z > 0, z.dtype.type(1), slope)

    def backprop(self, problem: Problem) -> tuple[float, dict[str, Array]]:
        """The mean loss and the gradients, computed in the problem's dtype."""
        network, arrays = architecture_of(problem), problem.arrays
        a, inputs, slopes = arrays["x"], [], []
        z = a
        for layer, kind in enumerate(network.activations):
            inputs.append(a)
            z = self.product(a, arrays[f"weights[{layer}]"].T) + arrays[f"biases[{layer}]"]
            a, slope = self.activate(kind, z)
            slopes.append(slope)
        loss, delta = self._loss(network.loss, network.activations[-1], z, a, arrays["y"], slopes[-1])
        batch = z.dtype.type(len(z))
        delta = delta / batch
        gradients = {}
        for layer in reversed(range(network.layers)):
            gradients[f"weights[{layer}]"] = self.product(delta.T, inputs[layer])
            gradients[f"biases[{layer}]"] = self.product(np.ones((1, len(delta)), delta.dtype), delta)[0]
            if layer:
                delta = self.product(delta, arrays[f"weights[{layer}]"]) * slopes[layer - 1]
        assert all(gradient.dtype == problem.dtype for gradient in gradients.values())
        return float(loss / batch), {name: gradient.astype(np.float64) for name, gradient in gradients.items()}

    def _loss(self, loss: str, kind: str, z: Array, a: Array, y: Array, slope: Array) -> tuple[Array, Array]:
        """The summed loss and its derivative by the last pre-activation."""
        if loss.endswith("squared_error"):
            factor = z.dtype.type(0.5 if loss.startswith("half") else 1)
            return factor * ((a - y) ** 2).sum(), self._through(kind, 2 * factor * (a - y), a, slope)
        if loss == "softmax_cross_entropy":
            inner, outer = (z, np.ones_like(z)) if kind == "softmax" else (a, slope)
            p = self.activate("softmax", inner)[0]
            return -(y * np.log(p)).sum(), (p - y) * outer
        if loss == "binary_cross_entropy_with_logits":
            if kind == "sigmoid":
                p, outer = a, np.ones_like(z)
                return self._binary(p, y), (p - y) * outer
            p = self.activate("sigmoid", a)[0]
            return self._binary(p, y), self._through(kind, p - y, a, slope)
        if loss == "cross_entropy":
            delta = self._through(kind, -y / a, a, slope) if self.chain_rule else a - y
            return -(y * np.log(a)).sum(), delta
        delta = a - y if kind == "sigmoid" and not self.chain_rule else self._through(kind, (1 - y) / (1 - a) - y / a, a, slope)
        return self._binary(a, y), delta

    def _binary(self, p: Array, y: Array) -> Array:
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum()

    def _through(self, kind: str, by_output: Array, a: Array, slope: Array) -> Array:
        if kind == "softmax":
            return a * (by_output - (by_output * a).sum(axis=1, keepdims=True))
        return by_output * slope


def softplus_with_log(z: Array) -> Array:
    return np.log(1 + np.exp(z))


VARIANTS = (
    Variant("plain"),
    Variant("sigmoid by tanh", sigmoid=lambda z: (1 + np.tanh(z / 2)) / 2),
    Variant("sigmoid slope by two sigmoids", sigmoid_slope=lambda z, a: sigmoid(z) * sigmoid(-z)),
    Variant("sigmoid slope by e^-z", sigmoid_slope=lambda z, a: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    Variant("tanh by sigmoid", tanh=lambda z: 2 * sigmoid(2 * z) - 1),
    Variant("tanh by exponentials", tanh=lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))),
    Variant("tanh slope by cosh", tanh_slope=lambda z, a: 1 / np.cosh(z) ** 2),
    Variant("softplus by log", softplus=softplus_with_log, softplus_slope=lambda z, a: np.exp(z) / (1 + np.exp(z))),
    Variant("softmax without shift", shifted_softmax=False),
    Variant("softmax's last entry by difference", softmax_by_difference=True),
    Variant("softmax by difference, chain rule", softmax_by_difference=True, chain_rule=True),
    Variant("leaky relu by |z|", leaky_by_absolute=True),
    Variant("cross-entropies by the chain rule", chain_rule=True),
    Variant(
        "all unstable forms",
        sigmoid=lambda z: (1 + np.tanh(z / 2)) / 2,
        sigmoid_slope=lambda z, a: sigmoid(z) * sigmoid(-z),
        tanh=lambda z: 2 * sigmoid(2 * z) - 1,
        softplus=softplus_with_log,
        shifted_softmax=False,
        chain_rule=True,
    ),
    Variant("loops", product=looped_product),
    Variant("reversed loops", product=reversed_product),
    Variant("fsum", product=fsum_product),
    Variant("einsum", product=lambda a, b: np.einsum("ik,kj->ij", a, b)),
)


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def variant(request) -> Variant:
    """Each right variant in turn."""
    return request.param


@pytest.fixture
def plain() -> Variant:
    return VARIANTS[0]
