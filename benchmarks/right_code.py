"""Right code that rounds differently: one backpropagation, written apart from the harness's textbook, in every form that people use.

A `Variant` chooses the form of each activation, its derivative, the losses, the output's δ, where factors enter, and how sums are done.
All are right; none is better than the type in which the network is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.arithmetic import COLUMNS, EINSUM, EXACT, LOOP, MATMUL, REVERSED, Array, Named
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.problems.program import Problem

OF_LOGITS = {"softmax_cross_entropy": "softmax", "binary_cross_entropy_with_logits": "sigmoid"}
CROSS_ENTROPY = ("cross_entropy", "softmax_cross_entropy")
EXPONENTIAL = ("sigmoid", "tanh", "softplus", "softmax")


@dataclass(frozen=True)
class Variant:
    """The forms that one implementation chose.

    Attributes:
        sums: how products are added up.
        sigmoid, sigmoid_slope, tanh, tanh_slope, softplus, softplus_slope, softmax, relu, leaky, squared, logits, chain: see below.
        jacobian: the softmax is carried back by its matrix, entry by entry; else by a (g − Σ g a).
        fused: δ of a cross-entropy with its own output activation is a − y; else by the chain rule through the logarithms.
        from_logits: logarithmic losses are computed from logits; else as logarithms of the stored probabilities.
        late: the reduction's and the loss's factor enter with the products; else with the output's δ.
    """

    name: str
    sums: Named = MATMUL
    sigmoid: str = "plain"
    sigmoid_slope: str = "a(1-a)"
    tanh: str = "numpy"
    tanh_slope: str = "1-a²"
    softplus: str = "log1p"
    softplus_slope: str = "σ(z)"
    softmax: str = "shifted"
    relu: str = "maximum"
    leaky: str = "where"
    squared: str = "square"
    logits: str = "max(z, 0)-yz+log1p"
    chain: str = "two terms"
    jacobian: bool = False
    fused: bool = True
    from_logits: bool = False
    late: bool = False


VARIANTS = (
    Variant("plain"),
    Variant("factors late", late=True, sigmoid_slope="a-a²", tanh_slope="(1-a)(1+a)"),
    Variant("columns", sums=COLUMNS, late=True, sigmoid="stable"),
    Variant("einsum", sums=EINSUM, sigmoid_slope="σ(z)σ(-z)", softplus="logaddexp"),
    Variant("loop", sums=LOOP, sigmoid="e^z/(1+e^z)", tanh_slope="1/cosh²"),
    Variant("reversed", sums=REVERSED, late=True, softplus="log(1+e^z)"),
    Variant("fsum", sums=EXACT),
    Variant("sigmoid by tanh", sigmoid="½(1+tanh)", tanh="2σ(2z)-1", softplus_slope="1-e^-a"),
    Variant("tanh by exponentials", tanh="ratio", sigmoid_slope="σ(z)σ(-z)", softmax="unshifted"),
    Variant("tanh by sigmoid", tanh="2σ(2z)-1", tanh_slope="4σ(2z)σ(-2z)", sigmoid="stable", sigmoid_slope="e^-z/(1+e^-z)²"),
    Variant("softplus by logarithm", softplus="log(1+e^z)", softplus_slope="e^z/(1+e^z)", sigmoid="e^z/(1+e^z)", tanh="ratio"),
    Variant("chain rule", fused=False),
    Variant("chain rule, late", fused=False, late=True, sigmoid_slope="σ(z)σ(-z)", softmax="unshifted"),
    Variant("from logits", from_logits=True, sigmoid="stable", softplus="logaddexp"),
    Variant("by difference", leaky="½(1+α)z+½(1-α)|z|", softmax="last by difference", sigmoid="1-σ(-z)", softplus="z+log(1+e^-z)"),
    Variant(
        "by difference, chain rule", fused=False, leaky="½(1+α)z+½(1-α)|z|", softmax="last by difference", softplus="-log σ(-z)", late=True
    ),
    Variant("by maximum", leaky="max(αz, z)", softmax="unshifted", softplus_slope="1-σ(-z)"),
    Variant(
        "by logarithms", sigmoid="e^-log(1+e^-z)", sigmoid_slope="e^(-z-2log(1+e^-z))", tanh_slope="4/(e^z+e^-z)²", softmax="e^(z-lse)"
    ),
    Variant("by squares", sigmoid_slope="¼-(a-½)²", tanh="(e^2z-1)/(e^2z+1)", relu="½(z+|z|)", squared="norm²", fused=False, jacobian=True),
    Variant("by hyperbolas", sigmoid_slope="¼/cosh²(½z)", tanh="sinh/cosh", softmax="shifted by mean", leaky="relu(z)-α relu(-z)"),
    Variant("of z again", sigmoid_slope="1/(2+e^z+e^-z)", tanh="(1-e^-2z)/(1+e^-2z)", tanh_slope="1-tanh²z", relu="z·(z>0)", late=True),
    Variant("logits, by parts", from_logits=True, logits="(1-y)z+log(1+e^-z)", softmax="e^(z-lse)", leaky="z·(z>0)+αz·(z≤0)"),
    Variant(
        "logits, by log σ", from_logits=True, logits="-y log σ(z)-(1-y) log σ(-z)", sigmoid="e^-log(1+e^-z)", softmax="first by difference"
    ),
    Variant("quotient", fused=False, chain="(p-y)/(p(1-p))", softmax="first by difference", sigmoid="½(1+tanh)", jacobian=True, late=True),
)


@dataclass(frozen=True)
class Answer:
    """What an implementation returns: the loss, gradients by name, and stages by name (deltas where its factors enter early)."""

    loss: float
    gradients: Mapping[str, Array]
    stages: Mapping[str, Array]


def sigmoid(form: str, z: Array) -> Array:
    """σ in seven forms."""
    one, half = z.dtype.type(1), z.dtype.type(0.5)
    if form == "plain":
        return one / (one + np.exp(-z))
    if form == "e^z/(1+e^z)":
        return np.exp(z) / (one + np.exp(z))
    if form == "½(1+tanh)":
        return half * (one + np.tanh(half * z))
    if form == "1-σ(-z)":
        return one - one / (one + np.exp(z))
    if form == "e^-log(1+e^-z)":
        return np.exp(-np.logaddexp(z.dtype.type(0), -z))
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, one, small) / (one + small)


def tanh(form: str, z: Array) -> Array:
    """tanh in six forms."""
    one, two = z.dtype.type(1), z.dtype.type(2)
    if form == "(e^2z-1)/(e^2z+1)":
        return (np.exp(two * z) - one) / (np.exp(two * z) + one)
    if form == "(1-e^-2z)/(1+e^-2z)":
        return (one - np.exp(-two * z)) / (one + np.exp(-two * z))
    if form == "sinh/cosh":
        return np.sinh(z) / np.cosh(z)
    if form == "2σ(2z)-1":
        return z.dtype.type(2) / (z.dtype.type(1) + np.exp(z.dtype.type(-2) * z)) - z.dtype.type(1)
    if form == "ratio":
        up, down = np.exp(z), np.exp(-z)
        return (up - down) / (up + down)
    return np.tanh(z)


def softplus(form: str, z: Array) -> Array:
    """log(1 + e^z) in five forms."""
    one, zero = z.dtype.type(1), z.dtype.type(0)
    if form == "log(1+e^z)":
        return np.log(one + np.exp(z))
    if form == "logaddexp":
        return np.logaddexp(z, zero)
    if form == "z+log(1+e^-z)":
        return z + np.log(one + np.exp(-z))
    if form == "-log σ(-z)":
        return -np.log(sigmoid("plain", -z))
    return np.maximum(z, zero) + np.log1p(np.exp(-np.abs(z)))


def softmax(form: str, z: Array) -> Array:
    """Softmax with several shifts; and with one entry as 1 less the others, where of two classes the other is a sigmoid's."""
    one = z.dtype.type(1)
    if form == "last by difference" and z.shape[1] == 2:
        first = one / (one + np.exp(z[:, 1:] - z[:, :1]))
        return np.concatenate([first, one - first], axis=1)
    if form == "e^(z-lse)":
        shifted = z - z.max(axis=1, keepdims=True)
        return np.exp(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
    if form != "unshifted":
        z = z - (z.mean(axis=1, keepdims=True) if form == "shifted by mean" else z.max(axis=1, keepdims=True))
    powers = np.exp(z)
    shares = powers / powers.sum(axis=1, keepdims=True)
    if form == "last by difference":
        shares[:, -1] = one - shares[:, :-1].sum(axis=1)
    if form == "first by difference":
        shares[:, 0] = one - shares[:, 1:].sum(axis=1)
    return shares


def relu(form: str, z: Array) -> Array:
    """max(z, 0) in three forms."""
    if form == "½(z+|z|)":
        return z.dtype.type(0.5) * (z + np.abs(z))
    return z * (z > 0) if form == "z·(z>0)" else np.maximum(z, z.dtype.type(0))


def leaky_relu(form: str, z: Array, alpha: float) -> Array:
    """z above 0, αz below, in five forms: Theano's loses digits of αz."""
    one, half, slope_below = z.dtype.type(1), z.dtype.type(0.5), z.dtype.type(alpha)
    if form == "½(1+α)z+½(1-α)|z|":
        return half * (one + slope_below) * z + half * (one - slope_below) * np.abs(z)
    if form == "relu(z)-α relu(-z)":
        return relu("maximum", z) - slope_below * relu("maximum", -z)
    if form == "z·(z>0)+αz·(z≤0)":
        return z * (z > 0) + slope_below * z * (z <= 0)
    return np.maximum(slope_below * z, z) if form == "max(αz, z)" else np.where(z > 0, z, slope_below * z)


def activate(variant: Variant, kind: str, z: Array, claims: Claims) -> Array:
    """An activation in the variant's form."""
    if kind == "sigmoid":
        return sigmoid(variant.sigmoid, z)
    if kind == "tanh":
        return tanh(variant.tanh, z)
    if kind == "softplus":
        linear = z > (claims.softplus_threshold or np.inf)
        return np.where(linear, z, softplus(variant.softplus, z))
    if kind == "softmax":
        return softmax(variant.softmax, z)
    if kind == "relu":
        return relu(variant.relu, z)
    if kind == "leaky_relu":
        return leaky_relu(variant.leaky, z, claims.leaky_slope)
    return z


def slope(variant: Variant, kind: str, z: Array, a: Array, claims: Claims, leaky: float | None = None) -> Array:
    """σ' of an elementwise activation in the variant's form; `leaky` is the backward pass's own slope where it has one."""
    one = z.dtype.type(1)
    if kind == "sigmoid":
        return _sigmoid_slope(variant, z, a)
    if kind == "tanh":
        return _tanh_slope(variant, z, a)
    if kind == "softplus":
        return np.where(z > (claims.softplus_threshold or np.inf), one, _softplus_slope(variant, z, a))
    if kind == "relu":
        return (z > 0).astype(z.dtype)
    if kind == "leaky_relu":
        below = z.dtype.type(claims.leaky_slope if leaky is None else leaky)
        if variant.leaky == "½(1+α)z+½(1-α)|z|":
            half = z.dtype.type(0.5)
            return half * (one + below) + half * (one - below) * np.sign(z)
        return np.where(z > 0, one, below)
    return np.ones_like(z)


def _sigmoid_slope(variant: Variant, z: Array, a: Array) -> Array:
    one, half, form = z.dtype.type(1), z.dtype.type(0.5), variant.sigmoid_slope
    if form == "σ(z)σ(-z)":
        return sigmoid(variant.sigmoid, z) * sigmoid(variant.sigmoid, -z)
    if form == "e^-z/(1+e^-z)²":
        return np.exp(-z) / (one + np.exp(-z)) ** 2
    if form == "e^(-z-2log(1+e^-z))":
        return np.exp(-z - 2 * np.logaddexp(z.dtype.type(0), -z))
    if form == "¼-(a-½)²":
        return half * half - (a - half) ** 2
    if form == "¼/cosh²(½z)":
        return half * half / np.cosh(half * z) ** 2
    if form == "1/(2+e^z+e^-z)":
        return one / (2 * one + np.exp(z) + np.exp(-z))
    return a - a * a if form == "a-a²" else a * (one - a)


def _tanh_slope(variant: Variant, z: Array, a: Array) -> Array:
    one, two, form = z.dtype.type(1), z.dtype.type(2), variant.tanh_slope
    if form == "1/cosh²":
        return one / np.cosh(z) ** 2
    if form == "4/(e^z+e^-z)²":
        return (two / (np.exp(z) + np.exp(-z))) ** 2
    if form == "1-tanh²z":
        return one - tanh(variant.tanh, z) ** 2
    if form == "4σ(2z)σ(-2z)":
        return z.dtype.type(4) * sigmoid(variant.sigmoid, two * z) * sigmoid(variant.sigmoid, -two * z)
    return (one - a) * (one + a) if form == "(1-a)(1+a)" else one - a * a


def _softplus_slope(variant: Variant, z: Array, a: Array) -> Array:
    one, form = z.dtype.type(1), variant.softplus_slope
    if form == "1-e^-a":
        return -np.expm1(-a)
    if form == "1-σ(-z)":
        return one - sigmoid(variant.sigmoid, -z)
    return np.exp(z) / (one + np.exp(z)) if form == "e^z/(1+e^z)" else sigmoid(variant.sigmoid, z)


def back_through(variant: Variant, kind: str, z: Array, a: Array, upward: Array, claims: Claims, leaky: float | None = None) -> Array:
    """∂L/∂z from ∂L/∂a; the softmax has a Jacobian."""
    if kind == "softmax" and variant.jacobian:
        matrix = a[:, :, None] * (np.eye(a.shape[1], dtype=a.dtype) - a[:, None, :])
        return (matrix @ upward[:, :, None])[:, :, 0]
    if kind == "softmax":
        return a * (upward - (upward * a).sum(axis=1, keepdims=True))
    return upward * slope(variant, kind, z, a, claims, leaky)


def weighted(weight: Array, value: Array) -> Array:
    """weight · value, 0 where the weight is 0."""
    return np.where(weight == 0, weight.dtype.type(0), weight * value)


def losses_of(variant: Variant, loss: str, activation: str, z: Array, a: Array, y: Array, claims: Claims) -> Array:
    """The losses' terms, (batch, outputs); `z` is what the output activation was given, `a` what it returned."""
    one, special = z.dtype.type(1), claims.log_epsilon is not None or claims.clip_output is not None
    if loss in ("squared_error", "half_squared_error"):
        if variant.squared == "norm²":
            return np.linalg.norm(y - a, axis=1, keepdims=True) ** 2 * z.dtype.type(0.5 if loss == "half_squared_error" else 1)
        return (y - a) ** 2 * z.dtype.type(0.5 if loss == "half_squared_error" else 1)
    logits = z if OF_LOGITS.get(loss) == activation else a
    own = logits if loss in OF_LOGITS else z
    fusable = loss in OF_LOGITS or (not special and activation == ("softmax" if loss == "cross_entropy" else "sigmoid"))
    if variant.from_logits and fusable:
        if loss in CROSS_ENTROPY:
            shifted = own - own.max(axis=1, keepdims=True)
            return -y * (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
        if variant.logits == "(1-y)z+log(1+e^-z)":
            return (one - y) * own + np.log(one + np.exp(-own))
        if variant.logits == "-y log σ(z)-(1-y) log σ(-z)":
            return y * softplus("logaddexp", -own) + (one - y) * softplus("logaddexp", own)
        return softplus("log1p", own) - y * own
    p = _probability(variant, loss, logits) if loss in OF_LOGITS else a
    if loss not in OF_LOGITS and claims.clip_output is not None:
        p = np.clip(p, z.dtype.type(claims.clip_output), one - z.dtype.type(claims.clip_output))
    epsilon = z.dtype.type(claims.log_epsilon or 0) if loss not in OF_LOGITS else z.dtype.type(0)
    if loss in CROSS_ENTROPY:
        return -weighted(y, np.log(p + epsilon))
    return -(weighted(y, np.log(p + epsilon)) + weighted(one - y, np.log(one - p + epsilon)))


def output_delta(variant: Variant, loss: str, activation: str, z: Array, a: Array, y: Array, claims: Claims) -> Array:
    """∂(Σ losses)/∂z of the output layer."""
    one, special = z.dtype.type(1), claims.log_epsilon is not None or claims.clip_output is not None
    if loss == "squared_error":
        return back_through(variant, activation, z, a, z.dtype.type(2) * (a - y), claims)
    if loss == "half_squared_error":
        return back_through(variant, activation, z, a, a - y, claims)
    if loss in OF_LOGITS:
        matched = OF_LOGITS[loss] == activation
        logits = z if matched else a
        of_logits = _logit_delta(variant, loss, logits, y, claims)
        return of_logits if matched else back_through(variant, activation, z, a, of_logits, claims)
    if variant.fused and not special and activation == ("softmax" if loss == "cross_entropy" else "sigmoid"):
        return a - y
    p, passes = a, one
    if claims.clip_output is not None:
        bound = z.dtype.type(claims.clip_output)
        passes = ((a > bound) & (a < one - bound)).astype(a.dtype)
        p = np.clip(a, bound, one - bound)
    return back_through(variant, activation, z, a, _chain(variant, loss, p, y, z.dtype.type(claims.log_epsilon or 0)) * passes, claims)


def _logit_delta(variant: Variant, loss: str, logits: Array, y: Array, claims: Claims) -> Array:
    p = _probability(variant, loss, logits)
    if variant.fused:
        return p - y
    return back_through(variant, OF_LOGITS[loss], logits, p, _chain(variant, loss, p, y, p.dtype.type(0)), claims)


def _probability(variant: Variant, loss: str, logits: Array) -> Array:
    """What a loss of logits makes of them."""
    return softmax(variant.softmax, logits) if loss in CROSS_ENTROPY else sigmoid(variant.sigmoid, logits)


def _chain(variant: Variant, loss: str, p: Array, y: Array, epsilon: Array) -> Array:
    """∂loss/∂p."""
    one = p.dtype.type(1)
    if loss in CROSS_ENTROPY:
        return weighted(y, -one / (p + epsilon))
    if variant.chain == "(p-y)/(p(1-p))" and not epsilon:
        return (p - y) / (p * (one - p))
    return weighted(y, -one / (p + epsilon)) + weighted(one - y, one / (one - p + epsilon))


def factor_of(problem: Problem, claims: Claims) -> float:
    """What the data term is multiplied with: the reduction's divisor and the loss's scale."""
    rows, outputs = problem.arrays["y"].shape
    divisors: dict[str, int] = {"sum": 1, "mean": rows, "mean_all": rows * outputs}
    return claims.loss_scale / divisors[claims.reduction]


def decay_of(problem: Problem, claims: Claims) -> float:
    """The factor of ΣW² in the loss."""
    return claims.loss_scale * claims.l2 / (len(problem.arrays["y"]) if claims.l2_over_batch else 1)


@np.errstate(all="ignore")
def backprop(variant: Variant, problem: Problem, claims: Claims, *, leaky: float | None = None) -> Answer:
    """Loss, gradients and stages, all in the problem's dtype. `leaky`: another slope in the backward pass, to be found out."""
    architecture, arrays, sums = architecture_of(problem), problem.arrays, variant.sums.sums
    zs, inputs, outputs = _forward(variant, problem, claims)
    last = architecture.layers - 1
    scalar = arrays["x"].dtype.type
    factor = scalar(factor_of(problem, claims))
    terms = losses_of(variant, architecture.loss, architecture.activations[-1], inputs[-1], outputs[-1], arrays["y"], claims)
    loss = scalar(sums.total(terms)) * factor
    delta = output_delta(variant, architecture.loss, architecture.activations[-1], inputs[-1], outputs[-1], arrays["y"], claims)
    delta = delta if variant.late else delta * factor
    gradients: dict[str, Array] = {}
    stages = {f"pre_activations[{layer}]": z for layer, z in enumerate(zs)}
    stages |= {f"activations[{layer}]": a for layer, a in enumerate(outputs[1:])}
    decay = scalar(decay_of(problem, claims))
    for layer in range(last, -1, -1):
        name, weights = f"weights[{layer}]", arrays[f"weights[{layer}]"]
        delta = _unclipped(delta, zs[layer], architecture.activations[layer], claims)
        if not variant.late:
            stages[f"deltas[{layer}]"] = delta
        late = factor if variant.late else scalar(1)
        gradients[name] = sums.outer(delta, outputs[layer]) * late
        if decay:
            loss += decay * scalar(sums.total(weights * weights))
            gradients[name] = gradients[name] + scalar(2) * decay * weights
        if f"biases[{layer}]" in arrays:
            gradients[f"biases[{layer}]"] = sums.over_batch(delta) * late
        if layer:
            upward = sums.back(delta, weights)
            delta = back_through(variant, architecture.activations[layer - 1], inputs[layer - 1], outputs[layer], upward, claims, leaky)
    return Answer(float(loss), gradients, stages)


def _forward(variant: Variant, problem: Problem, claims: Claims) -> tuple[list[Array], list[Array], list[Array]]:
    """Pre-activations, what each activation was given (clipped where claimed), and activations with the input first."""
    architecture, arrays = architecture_of(problem), problem.arrays
    zs: list[Array] = []
    inputs: list[Array] = []
    outputs = [arrays["x"]]
    for layer, kind in enumerate(architecture.activations):
        z = variant.sums.sums.layer(outputs[-1], arrays[f"weights[{layer}]"])
        if f"biases[{layer}]" in arrays:
            z = z + arrays[f"biases[{layer}]"]
        zs.append(z)
        if claims.clip_preactivation is not None and kind in EXPONENTIAL:
            bound = z.dtype.type(claims.clip_preactivation)
            z = np.clip(z, -bound, bound)
        inputs.append(z)
        outputs.append(activate(variant, kind, z, claims))
    return zs, inputs, outputs


def _unclipped(delta: Array, z: Array, kind: str, claims: Claims) -> Array:
    """The derivative beyond a clip of the pre-activation is 0."""
    if claims.clip_preactivation is None or kind not in EXPONENTIAL:
        return delta
    return delta * (np.abs(z) < z.dtype.type(claims.clip_preactivation))
