"""Faults of σ': missing, doubled, taken of the wrong argument, or of another function; each in hidden layers, at the output, everywhere."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.mlp.catalogue.pieces import Slope, divisor, layer_of, on_slope, right_slope
from verifier.diagnosis.mlp.variation import Constant, Context, Fault
from verifier.problems.operations import OPERATIONS, sigmoid
from verifier.textbook import Applied

Formula = Callable[[FloatArray, FloatArray, float], FloatArray]  # of z, a and the free constant
_WHERE = {"every": "in every layer", "hidden": "in the hidden layers", "output": "at the output layer"}
_EQUATION = {"every": "output-delta", "hidden": "hidden-delta", "output": "output-delta"}


@dataclass(frozen=True)
class _Kind:
    """One way to get σ' wrong. `words` has {where}; the explanation of each scope is made from it."""

    name: str
    words: str
    hint: str
    slope: Slope
    constant: Constant | None = None
    scopes: tuple[str, ...] = ("hidden", "output", "every")


@dataclass(frozen=True)
class _ErrorForm:
    """How the error from above differs, in the code, from what the textbook carries: by a number, by the division through the batch."""

    number: float = 1.0
    undivided: bool = False
    at_output_alone: bool = False


_ERROR_FORMS = (
    _ErrorForm(),
    _ErrorForm(undivided=True, at_output_alone=True),
    _ErrorForm(undivided=True),
    _ErrorForm(0.5, undivided=True),  # a - y under (a - y)²
    _ErrorForm(-0.5, undivided=True),  # y - a
    _ErrorForm(-1.0, undivided=True),
    _ErrorForm(-1.0),
)
_FORM = Constant("form", "choices", tuple(map(float, range(len(_ERROR_FORMS)))))


def _under(operations: str, formula: Formula) -> Slope:
    """A formula in the place of σ' in layers of these activations, and nowhere else."""

    def slope(applied: Applied, context: Context) -> FloatArray | None:
        return formula(applied.inputs[0], applied.output, context.constant) if applied.node.operation in operations.split() else None

    return slope


def _for_all_but(operation: str, formula: Formula) -> Slope:
    """σ' of one activation in the place of every other's; a softmax has none."""

    def slope(applied: Applied, context: Context) -> FloatArray | None:
        own = applied.node.operation in (operation, "softmax")
        return None if own else formula(applied.inputs[0], applied.output, context.constant)

    return slope


def _changed(change: Callable[[FloatArray, float], FloatArray]) -> Slope:
    """σ' as it is right, changed; `change` is given the free constant too."""

    def slope(applied: Applied, context: Context) -> FloatArray | None:
        right = right_slope(applied)
        return None if right is None else change(right, context.constant)

    return slope


def _error(applied: Applied, context: Context) -> FloatArray:
    """The error from above as the code may hold it where it takes σ' of it: with the factors that it multiplies in later still missing."""
    form = _ERROR_FORMS[int(context.constant)]
    if form.at_output_alone and layer_of(applied.node.output) != context.last:
        return applied.cotangent
    whole = form.number * (divisor(context) if form.undivided else 1.0)
    return applied.cotangent if whole == 1.0 else applied.cotangent * whole


def _of_cotangent(applied: Applied, context: Context) -> FloatArray | None:
    return right_slope(applied, _error(applied, context))


def _activation_of_activation(applied: Applied, context: Context) -> FloatArray | None:
    operation = OPERATIONS[applied.node.operation]
    if operation.name in ("softmax", "identity"):
        return None
    return operation.forward((applied.output,), applied.node.attributes, applied.store)


def _formula_of_cotangent(applied: Applied, context: Context) -> FloatArray | None:
    """The formula that takes a, given the error that comes from above."""
    error = _error(applied, context)
    if applied.node.operation == "sigmoid":
        return error * (1 - error)
    return 1 - error * error if applied.node.operation == "tanh" else None


def _of_pre_activation(applied: Applied, context: Context) -> FloatArray | None:
    """The formula that takes a, given z."""
    z = applied.inputs[0]
    if applied.node.operation == "sigmoid":
        return z * (1 - z)
    if applied.node.operation == "tanh":
        return 1 - z * z
    if applied.node.operation == "softplus":
        return 1 - np.exp(-z)
    return None


def _sigmoid_of_z(applied: Applied, context: Context) -> FloatArray | None:
    if applied.node.operation in ("sigmoid", "softmax"):
        return None
    own = applied.store(sigmoid(applied.inputs[0]), True)
    return own * (1 - own)


_KINDS = (
    _Kind(
        "tanh-derivative-unsquared",
        "tanh' is written as 1 - a {where}; it is 1 - a².",
        "Square the activation.",
        _under("tanh", lambda z, a, c: 1 - a),
    ),
    _Kind(
        "tanh-derivative-tanh",
        "tanh' is taken to be tanh itself {where}.",
        "Use 1 - a², with a = tanh(z).",
        _under("tanh", lambda z, a, c: a),
    ),
    _Kind(
        "tanh-derivative-squared",
        "tanh' is written as a² {where}; the 1 - is missing.",
        "Use 1 - a².",
        _under("tanh", lambda z, a, c: a**2),
    ),
    _Kind(
        "tanh-derivative-minus-squared",
        "tanh' is written as -a² {where}; the 1 is missing.",
        "Use 1 - a².",
        _under("tanh", lambda z, a, c: -(a**2)),
    ),
    _Kind(
        "sigmoid-derivative-itself",
        "σ' is taken to be σ itself {where}: the factor (1 - a) is missing.",
        "Use a (1 - a).",
        _under("sigmoid softplus", lambda z, a, c: a),
    ),
    _Kind(
        "sigmoid-derivative-complement",
        "σ' is written as 1 - a {where}: the factor a is missing.",
        "Use a (1 - a).",
        _under("sigmoid", lambda z, a, c: 1 - a),
    ),
    _Kind(
        "sigmoid-derivative-plus",
        "σ' is written as a (1 + a) {where}.",
        "The sign is a minus: a (1 - a).",
        _under("sigmoid", lambda z, a, c: a * (1 + a)),
    ),
    _Kind(
        "relu-derivative-one",
        "ReLU' is 1 everywhere {where}, below 0 too.",
        "Multiply by 1 where z > 0 and by 0 (or the leaky slope) elsewhere.",
        _under("relu leaky_relu", lambda z, a, c: np.ones_like(z)),
    ),
    _Kind(
        "relu-derivative-inverted",
        "ReLU' is 1 below 0 and 0 above {where}.",
        "It is 1 where z > 0.",
        _under("relu", lambda z, a, c: (z < 0) * 1.0),
    ),
    _Kind(
        "relu-derivative-itself",
        "ReLU itself is used instead of its derivative {where}.",
        "Use (z > 0), not max(z, 0).",
        _under("relu leaky_relu", lambda z, a, c: a),
    ),
    _Kind(
        "relu-masked-by-delta",
        "The ReLU's mask is taken from the sign of δ {where}, not from that of z.",
        "Multiply by (z > 0).",
        lambda applied, context: (applied.cotangent > 0) * 1.0 if applied.node.operation == "relu" else None,
    ),
    _Kind(
        "leaky-derivative-relu",
        "The leaky ReLU's derivative is 0 below 0 {where}: its slope is left out.",
        "Below 0 the derivative is the slope.",
        _under("leaky_relu", lambda z, a, c: (z > 0) * 1.0),
    ),
    _Kind(
        "leaky-derivative-times-z",
        "The leaky ReLU's derivative below 0 is the slope times z {where}: the activation itself.",
        "Below 0 the derivative is the slope alone.",
        _under("leaky_relu", lambda z, a, c: np.where(z > 0, 1.0, a)),
    ),
    _Kind(
        "leaky-slope",
        "The leaky ReLU's slope is {c} in the backward pass {where}, and another in the forward pass.",
        "Use one constant for both.",
        _under("leaky_relu", lambda z, a, c: np.where(z > 0, 1.0, c)),
        Constant("slope"),
    ),
    _Kind(
        "relu-derivative-below",
        "ReLU' is {c} below 0 {where}; it is 0 there.",
        "Multiply by (z > 0).",
        _under("relu", lambda z, a, c: np.where(z > 0, 1.0, c)),
        Constant("slope below 0"),
    ),
    _Kind(
        "derivative-of-activation",
        "σ' is taken at a instead of z {where}: the activation function is applied twice.",
        "Pass the pre-activation z, or use the formula in a: a (1 - a), 1 - a².",
        lambda applied, context: right_slope(applied, applied.output),
    ),
    _Kind(
        "derivative-of-pre-activation",
        "The formula of σ' that takes a (a (1 - a), 1 - a²) is given z {where}.",
        "Pass the activation a = σ(z) to it.",
        _of_pre_activation,
    ),
    _Kind(
        "derivative-of-delta",
        "σ' is taken at what comes down from above {where}, not at this layer's z.",
        "Keep z of the forward pass, and take σ' there.",
        _of_cotangent,
        _FORM,
    ),
    _Kind(
        "activation-for-derivative",
        "The activation function itself is applied to a {where}: σ(a) instead of σ'(z).",
        "Use the derivative: a (1 - a), 1 - a².",
        _activation_of_activation,
    ),
    _Kind(
        "derivative-formula-of-delta",
        "The formula of σ' that takes a (a (1 - a), 1 - a²) is given the error that comes from above {where}.",
        "Give it the layer's own activation.",
        _formula_of_cotangent,
        _FORM,
    ),
    _Kind(
        "error-times-its-complement",
        "δ is e (1 - e) {where}, with e the error that comes from above; it is e ⊙ a (1 - a).",
        "Multiply the error with σ' of the layer's own activation.",
        lambda applied, context: 1 - _error(applied, context) if applied.node.operation == "sigmoid" else None,
        _FORM,
    ),
    _Kind(
        "sigmoid-derivative-everywhere",
        "a (1 - a), the sigmoid's derivative, is used for another activation {where}.",
        "Each activation has its own derivative.",
        _for_all_but("sigmoid", lambda z, a, c: a * (1 - a)),
    ),
    _Kind(
        "sigmoid-derivative-of-z-everywhere",
        "σ(z) (1 - σ(z)), the sigmoid's derivative, is used for another activation {where}.",
        "Each activation has its own derivative.",
        _sigmoid_of_z,
    ),
    _Kind(
        "tanh-derivative-everywhere",
        "1 - a², the derivative of tanh, is used for another activation {where}.",
        "Each activation has its own derivative.",
        _for_all_but("tanh", lambda z, a, c: 1 - a**2),
    ),
    _Kind(
        "relu-derivative-everywhere",
        "(z > 0), the derivative of ReLU, is used for another activation {where}.",
        "Each activation has its own derivative.",
        _for_all_but("relu", lambda z, a, c: (z > 0) * 1.0),
    ),
    _Kind(
        "derivative-missing",
        "σ' is left out {where}.",
        "δ is the error that comes from above times σ'(z), element by element.",
        lambda applied, context: np.ones_like(applied.inputs[0]),
    ),
    _Kind(
        "derivative-doubled",
        "σ' is multiplied in twice {where}.",
        "Once is right; with a cross-entropy's a - y it is in already.",
        _changed(lambda slope, c: slope * slope),
    ),
    _Kind(
        "derivative-plus-constant",
        "σ' is {c} too large {where}, whatever z is: a constant is added to it.",
        "Take the constant out; as a remedy against flat units it makes another gradient than that of the loss.",
        _changed(lambda slope, c: slope + c),
        Constant("constant"),
    ),
    _Kind(
        "derivative-sign",
        "σ' has the wrong sign {where}.",
        "σ' of a rising activation is not negative.",
        _changed(lambda slope, c: -slope),
        scopes=("every",),
    ),
)


def slope_faults() -> Iterator[Fault]:
    """Every kind in every scope: the narrowest first, so that it is named where a wider one predicts the same."""
    for kind in _KINDS:
        for scope in kind.scopes:
            yield Fault(
                id=kind.name if scope == "every" else f"{scope}-{kind.name}",
                equation=_EQUATION[scope],
                explanation=kind.words.replace("{where}", _WHERE[scope]),
                hint=kind.hint,
                back=on_slope(scope, kind.slope),
                constant=kind.constant,
                kind=kind.name,
                unfused=scope != "hidden",
            )
