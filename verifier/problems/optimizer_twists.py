"""Rules of optimisers with one mistake each, in plain NumPy: which of them predicts a path?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.problems.optimizers import Rule

Options = Mapping[str, Any]
Walk = Callable[[Options, FloatArray, FloatArray], list[FloatArray]]


@dataclass(frozen=True)
class Twist:
    """A mistake: its sentence, and the path that it walks from a start along these gradients."""

    says: str
    walk: Walk


def twists_of(rule: Rule) -> Sequence[Twist]:
    """The mistakes of a rule, likeliest first."""
    family = {"adam": _ADAM, "adamw": _ADAM, "rmsprop": _RMSPROP, "adagrad": _ADAGRAD, "sgd": _SGD}.get(rule.name, ())
    decay = _decays(rule) if rule.options.get("weight_decay") else ()
    return (*(Twist(says, _walking(rule.name, twist)) for says, twist in (*family, *decay, *_ANY)),)


_ADAM = (
    ("The bias correction is missing: m and v are used as they are, without dividing by 1 - β^t.", {"correction": "none"}),
    ("t starts at 0, or is counted after its use: the bias correction lags one step behind.", {"count": -1}),
    ("t is one too large: the bias correction is one step ahead.", {"count": 1}),
    ("t is never counted: the bias correction of the first step stays.", {"still": True}),
    ("The bias correction divides m only, v is used as it is.", {"correction": "first"}),
    ("The bias correction divides v only, m is used as it is.", {"correction": "second"}),
    ("ε stands inside the root: √(v + ε) instead of √v + ε.", {"inside": True}),
    ("The bias correction divides m only, and ε stands inside the root, √(v + ε).", {"correction": "first", "inside": True}),
    ("The bias correction is missing, and ε stands inside the root: m / √(v + ε).", {"correction": "none", "inside": True}),
    ("The root of v is missing: the step divides by v + ε.", {"root": False}),
    ("The second moment averages the gradient, not its square.", {"square": False}),
    ("β1 and β2 are exchanged.", {"exchanged": True}),
)
_RMSPROP = (
    ("ε stands inside the root: √(v + ε) instead of √v + ε.", {"inside": True}),
    ("The root of v is missing: the step divides by v + ε.", {"root": False}),
    ("The average is not kept from step to step: v is (1 - α)·g² alone.", {"kept": False}),
    ("α and 1 - α are exchanged.", {"complement": True}),
    ("α and 1 - α are exchanged, and ε stands inside the root, √(v + ε).", {"complement": True, "inside": True}),
    ("The factor 1 - α of the new square is missing.", {"share": False}),
)
_ADAGRAD = (
    ("ε stands inside the root: √(s + ε) instead of √s + ε.", {"inside": True}),
    ("The root of the sum is missing.", {"root": False}),
    ("The squares are not added up from step to step.", {"kept": False}),
)
_SGD = (
    ("The velocity is not kept from step to step: momentum does nothing.", {"kept": False}),
    ("The velocity is an average: the gradient enters with the factor 1 - momentum.", {"average": True}),
    ("Nesterov's look ahead is missing.", {"nesterov": False}),
    ("What the velocity keeps is added twice: v ← μ v - η g is taken from W + μ v, where it has μ v in it already.", {"twice": True}),
)
_ANY = (
    ("The sign is wrong: it walks up the gradient.", {"sign": -1.0}),
    ("The learning rate is missing.", {"rate": 1.0}),
)


def _decays(rule: Rule) -> Sequence[tuple[str, Mapping[str, Any]]]:
    decoupled = rule.name == "adamw"
    other = (
        "The weight decay is coupled: it is added to the gradient, as Adam with L2 does, not taken off the weights."
        if decoupled
        else "The weight decay is decoupled: it is taken off the weights, as AdamW does, not added to the gradient."
    )
    return (
        ("The weight decay is missing.", {"decay": 0.0}),
        (other, {"decoupled": not decoupled}),
        *((("The weight decay is not multiplied by the learning rate.", {"undamped": True}),) if decoupled else ()),
        ("Only the weights decay; `weight_decay` is of the biases too.", {"weights_alone": True}),
        ("The weight decay counts twice.", {"decay": 2.0}),
        ("The weight decay counts half.", {"decay": 0.5}),
    )


def _walking(name: str, twist: Mapping[str, Any]) -> Walk:
    def walk(options: Options, start: FloatArray, gradients: FloatArray) -> list[FloatArray]:
        weights, state, found = start.copy(), _State(start), []
        rate = twist.get("rate") or options["lr"]
        stays = twist.get("weights_alone", False) and start.ndim < 2
        decay = 0.0 if stays else options.get("weight_decay", 0.0) * twist.get("decay", 1.0)
        decoupled = twist.get("decoupled", name == "adamw")
        for count, gradient in enumerate(gradients, 1):
            if decay and decoupled:
                weights = weights - (1.0 if twist.get("undamped") else rate) * decay * weights
            elif decay:
                gradient = gradient + decay * weights
            step = _STEPS[name](options, twist, state, gradient, count)
            weights = weights - twist.get("sign", 1.0) * rate * step
            found.append(weights)
        return found

    return walk


class _State:
    """Two quantities that are carried from step to step."""

    def __init__(self, like: FloatArray) -> None:
        self.first, self.second = np.zeros_like(like), np.zeros_like(like)


def _adam(options: Options, twist: Mapping[str, Any], state: _State, gradient: FloatArray, count: int) -> FloatArray:
    one, two = reversed(options["betas"]) if twist.get("exchanged") else options["betas"]
    state.first = one * state.first + (1 - one) * gradient
    state.second = two * state.second + (1 - two) * (gradient * gradient if twist.get("square", True) else gradient)
    time, correction = 1 if twist.get("still") else count + twist.get("count", 0), twist.get("correction", "both")
    mean = state.first / (1 - one**time) if correction in ("both", "first") else state.first
    square = state.second / (1 - two**time) if correction in ("both", "second") else state.second
    return mean / _root(square, options["eps"], twist)


def _rmsprop(options: Options, twist: Mapping[str, Any], state: _State, gradient: FloatArray, count: int) -> FloatArray:
    alpha = 1 - options["alpha"] if twist.get("complement") else options["alpha"]
    share = 1 - alpha if twist.get("share", True) else 1.0
    state.second = (alpha * state.second if twist.get("kept", True) else 0.0) + share * gradient**2
    return gradient / _root(state.second, options["eps"], twist)


def _adagrad(options: Options, twist: Mapping[str, Any], state: _State, gradient: FloatArray, count: int) -> FloatArray:
    start = options["initial_accumulator_value"] if count == 1 else 0.0
    state.second = (state.second if twist.get("kept", True) else 0.0) + start + gradient**2
    return gradient / _root(state.second, options["eps"], twist)


def _sgd(options: Options, twist: Mapping[str, Any], state: _State, gradient: FloatArray, count: int) -> FloatArray:
    momentum = options["momentum"]
    if not momentum or not twist.get("kept", True):
        return gradient
    share = 1 - momentum if twist.get("average") else 1.0
    kept = momentum * state.first
    state.first = momentum * state.first + share * gradient
    if twist.get("twice"):
        twice: FloatArray = kept + state.first
        return twice
    nesterov = options["nesterov"] and twist.get("nesterov", True)
    return share * gradient + momentum * state.first if nesterov else state.first


def _root(square: FloatArray, epsilon: float, twist: Mapping[str, Any]) -> FloatArray:
    if not twist.get("root", True):
        return square + epsilon
    return np.sqrt(square + epsilon) if twist.get("inside") else np.sqrt(square) + epsilon


_STEPS: Mapping[str, Callable[[Options, Mapping[str, Any], _State, FloatArray, int], FloatArray]] = {
    "adam": _adam,
    "adamw": _adam,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "sgd": _sgd,
}
