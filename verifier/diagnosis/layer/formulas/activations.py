"""Functions of one element each, and softmax."""

from collections.abc import Callable, Mapping
from math import erf
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.formulas.formula import Formula, Formulas, Given, Terms


def _slopes(slope: Callable[[FloatArray, Mapping[str, Any]], Terms], instead: Callable[[FloatArray, Mapping[str, Any]], Terms]) -> Formulas:
    """Of a function of one element each: dout times the slope's terms."""

    def times(what: Callable[[FloatArray, Mapping[str, Any]], Terms]) -> Formula:
        return lambda given: {says: given.cotangent * one for says, one in what(given.arrays["x"], given.values).items()}

    def whole(given: Given) -> Terms:
        x, c = given.arrays["x"], given.cotangent
        right = np.sum(list(slope(x, given.values).values()), axis=0)
        common = {
            "is dout alone: the derivative is missing": c,
            "is the derivative alone: it is not multiplied by dout": right + 0 * c,
            "is zero where dout is negative: the mask is made of dout, not of x": c * (c > 0),
            "is masked by dout as well as by x": c * (c > 0) * right,
            "is dout times x: the derivative is missing": c * x,
            "takes its slope at dout, where it belongs at x": c * np.sum(list(slope(c, given.values).values()), axis=0),
        }
        return {**times(instead)(given), **common}

    return Formulas(times(slope), whole)


def _plain(slope: Callable[[FloatArray], FloatArray], instead: Callable[[FloatArray, Mapping[str, Any]], Terms]) -> Formulas:
    return _slopes(lambda x, values: {"the derivative": slope(x)}, instead)


def _logistic(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _sigmoid_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    s = _logistic(x)
    return {
        "is σ(x) where σ(x)(1 - σ(x)) belongs": s,
        "is 1 - σ(x) where σ(x)(1 - σ(x)) belongs": 1 - s,
        "takes x for σ(x): it is x(1 - x)": x * (1 - x),
        "applies σ a second time: it is σ'(σ(x))": _logistic(s) * (1 - _logistic(s)),
        "is σ(x)(1 + σ(x)): the sign in 1 - σ(x) is wrong": s * (1 + s),
        "is 1 - σ(x)², the derivative of tanh": 1 - s * s,
    }


def tanh_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    """What is written instead of the derivative of tanh."""
    t = np.tanh(x)
    return {
        "is 1 - tanh(x) where 1 - tanh(x)² belongs: the square is missing": 1 - t,
        "is tanh(x) where 1 - tanh(x)² belongs": t,
        "takes x for tanh(x): it is 1 - x²": 1 - x * x,
        "applies tanh a second time: it is 1 - tanh(tanh(x))²": 1 - np.tanh(t) ** 2,
        "is 1 + tanh(x)²: the sign is wrong": 1 + t * t,
        "is tanh(x)(1 - tanh(x)), σ's form": t * (1 - t),
    }


def _relu_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    return {
        "counts where x is negative, and is zero where x is positive: the mask is inverted": 1.0 * (x < 0),
        "is -dout where x is negative, not 0": np.sign(x),
    }


def _leaky(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    return {"the slope": np.where(x > 0, 1.0, values.get("negative_slope", 0.01))}


def _leaky_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    slope = values.get("negative_slope", 0.01)
    return {
        "is zero where x is negative: the slope there is missing": 1.0 * (x > 0),
        "has the slope with the wrong sign where x is negative": np.where(x > 0, 1.0, -slope),
        "multiplies by x once more where x is negative": np.where(x > 0, 1.0, slope * x),
    }


def _elu_terms(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    alpha = values.get("alpha", 1.0)
    return {"the derivative": np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))}


def _elu_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    alpha, power = values.get("alpha", 1.0), np.exp(np.minimum(x, 0))
    return {
        "is the output where x is negative: + α is missing": np.where(x > 0, 1.0, alpha * (power - 1)),
        "lacks the factor α where x is negative": np.where(x > 0, 1.0, power),
        "is α where x is negative: exp(x) is missing": np.where(x > 0, 1.0, alpha),
        "is zero where x is negative": 1.0 * (x > 0),
    }


def _silu_terms(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    beta = values.get("beta", 1.0)
    s = _logistic(beta * x)
    return {"σ(x)": s, "x·σ'(x)": beta * x * s * (1 - s)}


def _silu_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    beta = values.get("beta", 1.0)
    s = _logistic(beta * x)
    return {
        "is the derivative of a sigmoid, σ(x)(1 - σ(x))": s * (1 - s),
        "has x·σ(x) + σ(x)(1 - σ(x)): the second factor is 1 - x·σ(x)": x * s + s * (1 - s),
        "has x·σ(x) and σ(x), where x·σ'(x) and σ(x) belong": x * s + s,
    }


def _gelu_terms(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    form = str(values.get("approximate", "none"))
    if form == "tanh":
        inner = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        slope = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        return {"(1 + tanh u)/2": (1 + inner) / 2, "x·(1 - tanh² u)·u'/2": x * (1 - inner**2) * slope / 2}
    if form == "sigmoid":
        s = _logistic(1.702 * x)
        return {"σ(1.702 x)": s, "x·1.702·σ'(1.702 x)": 1.702 * x * s * (1 - s)}
    cumulative = (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2 if x.size else x
    return {"Φ(x)": cumulative, "x·φ(x)": x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)}


def _gelu_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    forms = {"none": "the exact form", "tanh": "the form with tanh", "sigmoid": "the form with σ(1.702 x)"}
    mine = str(values.get("approximate", "none"))
    return {
        f"is the derivative of {words}, and forward is {forms[mine]}": np.asarray(sum(_gelu_terms(x, {"approximate": form}).values()))
        for form, words in forms.items()
        if form != mine
    }


def _softplus_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    out = np.logaddexp(0, x)
    return {"is σ of the output, not of x": _logistic(out), "is 1 - σ(x)": 1 - _logistic(x)}


def _alpha(given: Given) -> FloatArray:
    """The slope below zero, one for each column, or for each channel of an image."""
    x, alpha = given.arrays["x"], np.asarray(given.arrays["a"])
    return alpha.reshape(1, -1, *(1,) * (x.ndim - 2)) if alpha.ndim == 1 and x.ndim > 2 and alpha.size == x.shape[1] else alpha


def _over_all_but_slopes(given: Given, values: FloatArray) -> FloatArray:
    alpha = np.broadcast_to(_alpha(given), np.broadcast_shapes(np.shape(_alpha(given)), (1,) * values.ndim))
    over = tuple(axis for axis, length in enumerate(alpha.shape) if length == 1)
    return np.asarray(values.sum(axis=over).reshape(np.shape(given.arrays["a"])))


def _prelu_x(given: Given) -> Terms:
    return {"dout times the slope": given.cotangent * np.where(given.arrays["x"] > 0, 1.0, _alpha(given))}


def _prelu_x_instead(given: Given) -> Terms:
    x, c, alpha = given.arrays["x"], given.cotangent, _alpha(given)
    return {
        "is zero where x is negative: the slope there is missing": c * (x > 0),
        "is dout alone: the slope where x is negative is missing": c + 0 * x,
        "takes its slope from the sign of dout, where that of x belongs": c * np.where(c > 0, 1.0, alpha),
        "has the two slopes exchanged: the mask is inverted": c * np.where(x > 0, alpha, 1.0),
    }


def _prelu_a(given: Given) -> Terms:
    return {"the sum of dout·x where x is negative": _over_all_but_slopes(given, given.cotangent * np.minimum(given.arrays["x"], 0))}


def _prelu_a_instead(given: Given) -> Terms:
    x, c = given.arrays["x"], given.cotangent
    sums = {
        "sums dout·x where x is positive, which has no share of it: it belongs where x is negative": c * np.maximum(x, 0),
        "sums dout·x everywhere, where x is positive too": c * x,
        "sums dout alone where x is negative: the factor x is missing": c * (x < 0),
        "sums dout·x where dout is negative, not x": c * x * (c < 0),
    }
    return {says: _over_all_but_slopes(given, one) for says, one in sums.items()}


def softmax(x: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    """Over these axes."""
    powers = np.exp(x - x.max(axis=axes, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axes, keepdims=True))


def _softmax_terms(given: Given) -> Terms:
    s, c = softmax(given.arrays["x"], given.axes), given.cotangent
    return {"s·dout": s * c, "s·Σ(s·dout), the rest of the Jacobian": -s * (s * c).sum(axis=given.axes, keepdims=True)}


def _softmax_instead(given: Given) -> Terms:
    s, c = softmax(given.arrays["x"], given.axes), given.cotangent
    return {
        "is dout·s(1 - s): only the Jacobian's diagonal counts": c * s * (1 - s),
        "is dout alone: the Jacobian is missing": c,
        "is not multiplied by s: it is dout - Σ(s·dout)": c - (s * c).sum(axis=given.axes, keepdims=True),
        "sums dout, not s·dout": s * (c - c.sum(axis=given.axes, keepdims=True)),
    }


def _log_softmax_terms(given: Given) -> Terms:
    s, c = softmax(given.arrays["x"], given.axes), given.cotangent
    return {"dout": c, "s·Σ dout": -s * c.sum(axis=given.axes, keepdims=True)}


def _log_softmax_instead(given: Given) -> Terms:
    s, c = softmax(given.arrays["x"], given.axes), given.cotangent
    return {
        "is dout - s: the sum of dout is missing, as if it were 1": c - s,
        "is dout·(1 - s): only the Jacobian's diagonal counts": c * (1 - s),
    }


FORMULAS = {
    ("relu", "x"): _plain(lambda x: 1.0 * (x > 0), _relu_instead),
    ("sigmoid", "x"): _plain(lambda x: _logistic(x) * (1 - _logistic(x)), _sigmoid_instead),
    ("tanh", "x"): _plain(lambda x: 1 - np.tanh(x) ** 2, tanh_instead),
    ("softplus", "x"): _plain(_logistic, _softplus_instead),
    ("leaky_relu", "x"): _slopes(_leaky, _leaky_instead),
    ("elu", "x"): _slopes(_elu_terms, _elu_instead),
    ("gelu", "x"): _slopes(_gelu_terms, _gelu_instead),
    ("prelu", "x"): Formulas(_prelu_x, _prelu_x_instead),
    ("prelu", "a"): Formulas(_prelu_a, _prelu_a_instead),
    ("silu", "x"): _slopes(_silu_terms, _silu_instead),
    ("softmax", "x"): Formulas(_softmax_terms, _softmax_instead),
    ("log_softmax", "x"): Formulas(_log_softmax_terms, _log_softmax_instead),
}
