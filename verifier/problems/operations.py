"""The catalogue of operations: forward and vjp together, in NumPy, each in the plain form that textbooks and students use.

Every array may carry leading axes (perturbed copies, see `oracles.scatter`); an operation works on the last one or two.
Every quantity that plain code would store passes through the hook `store`, which returns it as it is, or with the last-bit
errors that a right implementation may make. A reference that must be exact to the last bits stands with the autograd oracle,
under the same name; this form is the worst-conditioned one that still counts as right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from verifier import plugins
from verifier.arrays import FloatArray

Attributes = Mapping[str, float]


class Store(Protocol):
    """The hook for a stored quantity. `absolute`: its error is absolute (a sigmoid is not exact to its own last bits near 0)."""

    def __call__(self, value: FloatArray, absolute: bool = False) -> FloatArray: ...


Forward = Callable[[tuple[FloatArray, ...], Attributes, Store], FloatArray]
Vjp = Callable[[tuple[FloatArray, ...], FloatArray, FloatArray, Attributes, Store], tuple[FloatArray | None, ...]]
Kinks = Callable[[Attributes], tuple[float, ...]]


@dataclass(frozen=True)
class Operation:
    """One named differentiable function.

    Attributes:
        forward: (inputs, attributes, store) -> output.
        vjp: (inputs, output, cotangent of the output, attributes, store) -> cotangents of the inputs, None for one that is never asked for.
        kinks: where, in its first input, the derivative jumps.
    """

    name: str
    summary: str
    forward: Forward
    vjp: Vjp
    kinks: Kinks = lambda attributes: ()


def exact(value: FloatArray, absolute: bool = False) -> FloatArray:
    """The hook that leaves every stored quantity as it is."""
    return value


def _transposed(matrix: FloatArray) -> FloatArray:
    return np.swapaxes(matrix, -1, -2)


def _affine(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    activation, weights = inputs[0], inputs[1]
    product = store(activation @ _transposed(store(weights)))
    return store(product + inputs[2][..., None, :]) if len(inputs) == 3 else product


def _affine_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, delta: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    activation, weights = inputs[0], inputs[1]
    of_activation = store(delta @ store(weights))
    of_weights = store(_transposed(delta) @ activation)
    return (of_activation, of_weights, store(delta.sum(axis=-2))) if len(inputs) == 3 else (of_activation, of_weights)


def sigmoid(z: FloatArray) -> FloatArray:
    """1 / (1 + e^-z), without overflow: e^-|z| only."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def softmax(z: FloatArray) -> FloatArray:
    """e^z / Σ e^z over the last axis, shifted by its largest entry."""
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    result: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return result


def _elementwise(
    name: str,
    summary: str,
    function: Callable[[FloatArray, Attributes], FloatArray],
    slope: Callable[[FloatArray, FloatArray, Attributes, Store], FloatArray],
    *,
    absolute: bool = False,
    kinks: Kinks = lambda attributes: (),
) -> Operation:
    """An activation: `slope` gives σ' from (pre-activation, activation, attributes, store)."""

    def forward(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
        return store(function(inputs[0], attributes), absolute)

    def vjp(
        inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
    ) -> tuple[FloatArray | None, ...]:
        return (store(cotangent * slope(inputs[0], output, attributes, store)),)

    return Operation(name, summary, forward, vjp, kinks)


def _sigmoid_slope(z: FloatArray, store: Store) -> FloatArray:
    """σ (1 - σ), of a σ of its own: whoever differentiates another form of σ does not round it as the forward pass did."""
    own = store(sigmoid(z), True)
    return store(own * store(1 - own))


def _leaky_parts(z: FloatArray, attributes: Attributes, store: Store) -> tuple[FloatArray, FloatArray]:
    """½(1 + α) and ½(1 - α), each rounded by itself: Theano's form, ½(1 + α) z + ½(1 - α) |z|, loses digits of α z below 0."""
    slope = attributes["leaky_slope"]
    return store(np.full_like(z, 0.5 * (1 + slope))), store(np.full_like(z, 0.5 * (1 - slope)))


def _leaky_relu(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    z = inputs[0]
    even, odd = _leaky_parts(z, attributes, store)
    if store is exact:
        return np.where(z > 0, z, attributes["leaky_slope"] * z)
    return store(store(even * z) + store(odd * np.abs(z)))


def _leaky_relu_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    z = inputs[0]
    even, odd = _leaky_parts(z, attributes, store)
    slope = np.where(z > 0, 1.0, attributes["leaky_slope"]) if store is exact else store(even + odd * np.sign(z))
    return (store(cotangent * slope),)


def _threshold(attributes: Attributes) -> tuple[float, ...]:
    """Where softplus becomes z itself, if the claims say so: PyTorch's does above 20."""
    return (attributes["softplus_threshold"],) if "softplus_threshold" in attributes else ()


def _softplus(z: FloatArray, attributes: Attributes) -> FloatArray:
    return np.where(z > attributes.get("softplus_threshold", np.inf), z, np.logaddexp(z, 0.0))


def _softplus_slope(z: FloatArray, a: FloatArray, attributes: Attributes, store: Store) -> FloatArray:
    return np.where(z > attributes.get("softplus_threshold", np.inf), 1.0, store(sigmoid(z), True))


def _softmax_forward(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    z = inputs[0]
    powers = store(np.exp(z - z.max(axis=-1, keepdims=True)))
    # The last entry may be 1 less the others, and of two classes one may be a sigmoid's: exact to one part of 1, not of its value.
    total = store(powers.sum(axis=-1, keepdims=True))
    return store(powers / (store(total + attributes["softmax_epsilon"]) if "softmax_epsilon" in attributes else total), True)


def _softmax_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    # Of a softmax of its own, as σ' above: 1/p, or 1/(1 - p) of a saturated one, then meets a p that was rounded otherwise.
    own = output if store is exact else _softmax_forward(inputs, attributes, store)
    mean = store(store(cotangent * own).sum(axis=-1, keepdims=True))
    back = store(own * store(cotangent - mean))
    if attributes.get("through_shift"):
        # With an ε below, the largest entry that is subtracted counts too: an ε / (Σ e^z + ε) of it is left.
        z, epsilon = inputs[0], attributes["softmax_epsilon"]
        largest = z.max(axis=-1, keepdims=True)
        back = back - (z == largest) * mean * epsilon / (np.exp(z - largest).sum(axis=-1, keepdims=True) + epsilon)
    return (back,)


def _squared(half: bool) -> tuple[Forward, Vjp]:
    factor = 0.5 if half else 1.0

    def forward(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
        difference = store(inputs[0] - inputs[1])
        return store(factor * store(difference * difference).sum(axis=-1))

    def vjp(
        inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
    ) -> tuple[FloatArray | None, ...]:
        return (store(cotangent[..., None] * store(2 * factor * store(inputs[0] - inputs[1]))), None)

    return forward, vjp


def _inside(p: FloatArray, attributes: Attributes) -> tuple[FloatArray, FloatArray | float]:
    """The probability as the logarithm sees it, and 1 where its derivative passes: a clip acts inside the logarithm only."""
    low = attributes.get("clip_output")
    if low is None:
        return p, 1.0
    high = attributes.get("clip_output_high", 1 - low)
    return np.clip(p, low, high), ((p > low) & ((p < high) | (high >= 1))).astype(p.dtype)


def log_epsilons(attributes: Attributes) -> tuple[float, float]:
    """What a binary cross-entropy adds inside log p and inside log(1 - p): the same, where nothing else is said."""
    epsilon = attributes.get("log_epsilon", 0.0)
    return epsilon, attributes.get("log_epsilon_of_rest", epsilon)


def _where_weighted(weight: FloatArray, value: FloatArray) -> FloatArray:
    """weight · value, 0 where the weight is 0 (0 · log 0 counts as 0)."""
    return np.where(weight == 0, 0.0, weight * value)


def _cross_entropy(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    p, _ = _inside(inputs[0], attributes)
    logarithm = store(np.log(store(p + attributes.get("log_epsilon", 0.0))))
    return store(-store(_where_weighted(inputs[1], logarithm)).sum(axis=-1))


def _cross_entropy_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    p, passes = _inside(inputs[0], attributes)
    slope = store(_where_weighted(inputs[1], -1 / store(p + attributes.get("log_epsilon", 0.0))))
    return (store(cotangent[..., None] * slope * passes), None)


def _binary_cross_entropy(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    p, _ = _inside(inputs[0], attributes)
    (of_p, of_rest), y = log_epsilons(attributes), inputs[1]
    positive = store(_where_weighted(y, store(np.log(store(p + of_p)))))
    negative = store(_where_weighted(1 - y, store(np.log(store(store(1 - p) + of_rest)))))
    return store(-store(positive + negative).sum(axis=-1))


def _binary_cross_entropy_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    p, passes = _inside(inputs[0], attributes)
    (of_p, of_rest), y = log_epsilons(attributes), inputs[1]
    positive = store(_where_weighted(y, -1 / store(p + of_p)))
    negative = store(_where_weighted(1 - y, 1 / store(store(1 - p) + of_rest)))
    return (store(cotangent[..., None] * store(positive + negative) * passes), None)


def _softmax_cross_entropy(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    p = _softmax_forward(inputs[:1], attributes, store)
    return store(-store(_where_weighted(inputs[1], store(np.log(p)))).sum(axis=-1))


def _softmax_cross_entropy_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    # By the chain rule, as for the binary one below.
    p = _softmax_forward(inputs[:1], attributes, store)
    slope = store(cotangent[..., None] * store(_where_weighted(inputs[1], -1 / p)))
    return (_softmax_vjp(inputs[:1], p, slope, attributes, store)[0], None)


def _binary_with_logits(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    p = store(sigmoid(inputs[0]), True)
    return _binary_cross_entropy((p, inputs[1]), attributes, store)


def _binary_with_logits_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    # By the chain rule, with σ' from a σ of its own: an autograd engine that differentiates log(1 - σ(z)) rounds them apart,
    # and 1/(1 - a) then loses digits that a - y keeps.
    z, y = inputs
    p = store(sigmoid(z), True)
    slope = store(_where_weighted(y, -1 / p)) + store(_where_weighted(1 - y, 1 / store(1 - p)))
    return (store(cotangent[..., None] * store(slope) * _sigmoid_slope(z, store)), None)


def _reduce(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    return store(store(inputs[0].sum(axis=-1)) / attributes["divisor"])


def _reduce_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    return (np.broadcast_to(store(cotangent / attributes["divisor"])[..., None], cotangent.shape + inputs[0].shape[-1:]),)


def _project(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    """Outputs and their cotangents by turns."""
    shares = [store(store(output * cotangent).sum(axis=(-1, -2))) for output, cotangent in zip(inputs[::2], inputs[1::2], strict=True)]
    return store(np.asarray(sum(shares))) if len(shares) > 1 else shares[0]


def _project_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    back: list[FloatArray | None] = []
    for own in inputs[1::2]:
        back += [store(cotangent[..., None, None] * own), None]
    return tuple(back)


def _l2(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    squares = sum(store(store(weights * weights).sum(axis=(-1, -2))) for weights in inputs)
    return store(attributes["factor"] * np.asarray(squares))


def _l2_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    scale = store(2 * attributes["factor"] * cotangent)[..., None, None]
    return tuple(store(scale * weights) for weights in inputs)


def _total(inputs: tuple[FloatArray, ...], attributes: Attributes, store: Store) -> FloatArray:
    return store(attributes["scale"] * store(np.asarray(sum(inputs))))


def _total_vjp(
    inputs: tuple[FloatArray, ...], output: FloatArray, cotangent: FloatArray, attributes: Attributes, store: Store
) -> tuple[FloatArray | None, ...]:
    return tuple(store(attributes["scale"] * cotangent) for _ in inputs)


def _clip_kinks(attributes: Attributes) -> tuple[float, ...]:
    low = attributes.get("clip_output")
    return () if low is None else (low, attributes.get("clip_output_high", 1 - low))


_CATALOGUE = (
    Operation("affine", "z = W a + b, or W a", _affine, _affine_vjp),
    _elementwise("sigmoid", "1 / (1 + e^-z)", lambda z, _: sigmoid(z), lambda z, a, _, store: _sigmoid_slope(z, store), absolute=True),
    _elementwise("tanh", "tanh z", lambda z, _: np.tanh(z), lambda z, a, _, store: store(1 - store(a * a)), absolute=True),
    _elementwise(
        "relu", "max(z, 0)", lambda z, _: np.maximum(z, 0.0), lambda z, a, _, store: (z > 0).astype(z.dtype), kinks=lambda _: (0.0,)
    ),
    Operation("leaky_relu", "z above 0, slope · z below", _leaky_relu, _leaky_relu_vjp, lambda _: (0.0,)),
    _elementwise("softplus", "log(1 + e^z)", _softplus, _softplus_slope, absolute=True, kinks=_threshold),
    _elementwise("identity", "z", lambda z, _: z, lambda z, a, _, store: np.ones_like(z)),
    _elementwise(
        "clip_preactivation",
        "z held within ± bound; the derivative beyond is 0",
        lambda z, attributes: np.clip(z, -attributes["bound"], attributes["bound"]),
        lambda z, a, attributes, store: (np.abs(z) < attributes["bound"]).astype(z.dtype),
        kinks=lambda attributes: (-attributes["bound"], attributes["bound"]),
    ),
    Operation("softmax", "e^z / Σ e^z", _softmax_forward, _softmax_vjp),
    Operation("squared_error", "Σ (ŷ - y)²", *_squared(half=False)),
    Operation("half_squared_error", "½ Σ (ŷ - y)²", *_squared(half=True)),
    Operation("cross_entropy", "-Σ y log ŷ", _cross_entropy, _cross_entropy_vjp, _clip_kinks),
    Operation("binary_cross_entropy", "-Σ y log ŷ + (1 - y) log(1 - ŷ)", _binary_cross_entropy, _binary_cross_entropy_vjp, _clip_kinks),
    Operation("softmax_cross_entropy", "-Σ y log softmax(z)", _softmax_cross_entropy, _softmax_cross_entropy_vjp),
    Operation("binary_cross_entropy_with_logits", "binary cross-entropy of σ(z)", _binary_with_logits, _binary_with_logits_vjp),
    Operation("reduce", "the sum over the batch, divided", _reduce, _reduce_vjp),
    Operation("project", "Σ c · output, over every output and its cotangent c", _project, _project_vjp),
    Operation("l2", "factor · Σ W²", _l2, _l2_vjp),
    Operation("total", "scale · (data + penalty)", _total, _total_vjp),
)


class _Operations(dict[str, Operation]):
    """Operations by name; one that is plugged in is imported when it is first asked for."""

    def __missing__(self, name: str) -> Operation:
        if name not in plugins.plugged_in(plugins.OPERATIONS):
            raise KeyError(name)
        operation: Operation = plugins.part_of(plugins.OPERATIONS, name, "operation")
        self[name] = operation
        return operation

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in plugins.plugged_in(plugins.OPERATIONS)


OPERATIONS: dict[str, Operation] = _Operations({operation.name: operation for operation in _CATALOGUE})
