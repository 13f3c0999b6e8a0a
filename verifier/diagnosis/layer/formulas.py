"""The formulas of operations for a gradient, as terms that add up to it and as what people write instead.

A mistake that leaves a term out, doubles it or divides it by a size is found by fitting the claimed gradient to the terms: where it is a
sum of them on every problem, and the right gradient is their plain sum, the coefficient that is not 1 names it. `instead` are whole
replacements, each with the sentence that it deserves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verifier.results.evaluation import FloatArray

Terms = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Given:
    """What a formula is worked out from, by the parts that the operation's arrays play.

    Attributes:
        arrays: by part, in the candidate's layout; those that belong to channels with an axis of 1 for each of the others.
        cotangent: of the output, in its shape.
        values: sizes and options by name, and the variant of the formula that is tried.
        axes: over which a normalisation goes, or a softmax.
    """

    arrays: Mapping[str, Any]
    cotangent: FloatArray
    values: Mapping[str, Any]
    axes: tuple[int, ...] = (-1,)


Formula = Callable[[Given], Terms]


@dataclass(frozen=True)
class Formulas:
    """Of one part's gradient: its terms by name, and what is written instead of it, by the end of a sentence."""

    terms: Formula
    instead: Formula = field(default=lambda given: {})


def formulas_of(operation: str, part: str) -> Formulas | None:
    """What is known of this gradient."""
    return _KNOWN.get((operation, part))


def _normal(given: Given) -> tuple[FloatArray, FloatArray, FloatArray]:
    """x - mean, the deviation, and the normalised x."""
    x, eps = given.arrays["x"], given.values.get("eps", 1e-5)
    centred = x - x.mean(axis=given.axes, keepdims=True)
    deviation = np.sqrt(np.mean(centred**2, axis=given.axes, keepdims=True) + eps)
    return centred, deviation, centred / deviation


def _normalised_x(given: Given) -> Terms:
    _, deviation, normal = _normal(given)
    inner = given.cotangent * given.arrays.get("gamma", 1.0)
    mean = partial_mean(inner, given.axes)
    return {
        "γ·dout/σ, its first term": inner / deviation,
        "the term through the mean": -mean / deviation + 0 * inner,
        "the term through the variance": -normal * partial_mean(inner * normal, given.axes) / deviation,
    }


def _normalised_x_instead(given: Given) -> Terms:
    _, deviation, normal = _normal(given)
    gamma, c = given.arrays.get("gamma", 1.0), given.cotangent
    eps = given.values.get("eps", 1e-5)
    raw = given.arrays["x"]

    def mean(values: FloatArray) -> FloatArray:
        return partial_mean(values, given.axes)

    def through(inner: FloatArray, normalised: FloatArray) -> FloatArray:
        return np.asarray((gamma * c - mean(inner) - normalised * mean(inner * normalised)) / deviation)

    whole = through(gamma * c, normal)
    return {
        "is wrong where gamma is not 1: the factor gamma is missing": (c - mean(c) - normal * mean(c * normal)) / deviation,
        "is wrong where gamma is not 1: gamma is missing in the terms through mean and variance": through(c + 0 * normal, normal),
        "lacks the division by σ": whole * deviation,
        "is divided by σ twice": whole / deviation,
        "is divided by σ + ε, and σ has ε inside already": whole * deviation / (deviation + eps),
        "has x where the normalised x belongs, in the term through the variance": through(gamma * c, raw),
        "has x - mean where the normalised x belongs, in the term through the variance": through(gamma * c, normal * deviation),
        "is γ·dout/σ alone: mean and variance count as constants": gamma * c / deviation,
        "is dout/σ alone: gamma and the terms through mean and variance are missing": c / deviation,
        "is γ·dout alone": gamma * c + 0 * whole,
    }


def _gamma(given: Given) -> Terms:
    return {"the sum of dout times the normalised x": _to_shape(given.cotangent * _normal(given)[2], given.arrays["gamma"])}


def _gamma_instead(given: Given) -> Terms:
    centred, deviation, normal = _normal(given)
    gamma, c = given.arrays["gamma"], given.cotangent
    return {
        "has x where the normalised x belongs": _to_shape(c * given.arrays["x"], gamma),
        "has x - mean where the normalised x belongs: the division by σ is missing": _to_shape(c * centred, gamma),
        "has the output where the normalised x belongs": _to_shape(c * (gamma * normal + given.arrays.get("beta", 0.0)), gamma),
        "is multiplied by gamma, which does not belong there": _to_shape(c * normal * gamma, gamma),
        "is divided by σ twice": _to_shape(c * normal / deviation, gamma),
        "is the sum of dout alone: the normalised x is missing": _to_shape(c + 0 * normal, gamma),
    }


def partial_mean(values: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    """The mean over these axes, which stay as 1."""
    return np.asarray(values.mean(axis=axes, keepdims=True))


def _to_shape(values: FloatArray, like: FloatArray) -> FloatArray:
    """Summed over every axis along which `like` is 1."""
    over = tuple(axis for axis, length in enumerate(like.shape) if length == 1 and values.shape[axis] != 1)
    return np.asarray(values.sum(axis=over, keepdims=True))


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
        }
        return {**times(instead)(given), **common}

    return Formulas(times(slope), whole)


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


def _tanh_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
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


def _softplus_instead(x: FloatArray, values: Mapping[str, Any]) -> Terms:
    out = np.logaddexp(0, x)
    return {"is σ of the output, not of x": _logistic(out), "is 1 - σ(x)": 1 - _logistic(x)}


def _softmax(x: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    powers = np.exp(x - x.max(axis=axes, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axes, keepdims=True))


def _softmax_terms(given: Given) -> Terms:
    s, c = _softmax(given.arrays["x"], given.axes), given.cotangent
    return {"s·dout": s * c, "s·Σ(s·dout), the rest of the Jacobian": -s * (s * c).sum(axis=given.axes, keepdims=True)}


def _softmax_instead(given: Given) -> Terms:
    s, c = _softmax(given.arrays["x"], given.axes), given.cotangent
    return {
        "is dout·s(1 - s): only the Jacobian's diagonal counts": c * s * (1 - s),
        "is dout alone: the Jacobian is missing": c,
        "is not multiplied by s: it is dout - Σ(s·dout)": c - (s * c).sum(axis=given.axes, keepdims=True),
        "sums dout, not s·dout": s * (c - c.sum(axis=given.axes, keepdims=True)),
    }


def _log_softmax_terms(given: Given) -> Terms:
    s, c = _softmax(given.arrays["x"], given.axes), given.cotangent
    return {"dout": c, "s·Σ dout": -s * c.sum(axis=given.axes, keepdims=True)}


def _log_softmax_instead(given: Given) -> Terms:
    s, c = _softmax(given.arrays["x"], given.axes), given.cotangent
    return {
        "is dout - s: the sum of dout is missing, as if it were 1": c - s,
        "is dout·(1 - s): only the Jacobian's diagonal counts": c * (1 - s),
    }


def _hot(given: Given) -> FloatArray:
    labels, like = np.asarray(given.arrays["y"]), given.arrays["x"]
    return np.asarray(np.eye(like.shape[-1])[labels]) if labels.ndim < like.ndim else np.asarray(labels, dtype=np.float64)


def _share(given: Given) -> float:
    """What a sum over samples is multiplied by."""
    rows = given.arrays["x"].shape[0]
    shares: Mapping[str, float] = {"sum": 1.0, "mean": 1 / rows, "all": 1 / given.arrays["x"].size}
    return shares.get(str(given.values.get("reduction", "mean")), 1 / rows)


def _cross_entropy_terms(given: Given) -> Terms:
    share, p = _share(given), _softmax(given.arrays["x"], (-1,))
    return {"the softmax": share * p, "the label y, minus 1 in its column": -share * _hot(given)}


def _cross_entropy_instead(given: Given) -> Terms:
    share, p, y = _share(given), _softmax(given.arrays["x"], (-1,)), _hot(given)
    return {
        "subtracts y after the division by N": share * p - y,
        "is multiplied by the softmax once more": share * (p - y) * p,
        "is (p - y)·p(1 - p): the derivative of a sigmoid does not belong there": share * (p - y) * p * (1 - p),
        "has x where the softmax belongs": share * (given.arrays["x"] - y),
    }


def _hinge_terms(given: Given) -> Terms:
    x, y, share = given.arrays["x"], _hot(given), _share(given)
    above = (x - (x * y).sum(axis=-1, keepdims=True) + 1 > 0) * (1 - y)
    return {
        "1 in each column beyond the margin": share * above,
        "the column of the label y, minus the number of margins": -share * y * above.sum(axis=-1, keepdims=True),
    }


def _hinge_instead(given: Given) -> Terms:
    x, y, share = given.arrays["x"], _hot(given), _share(given)
    above = (x - (x * y).sum(axis=-1, keepdims=True) + 1 > 0) * (1 - y)
    return {
        "subtracts 1 in the column of the label y, not the number of margins": share * (above - y),
        "subtracts 1 in the column of the label y where any margin counts": share * (above - y * (above.any(axis=-1, keepdims=True))),
        "subtracts the margins in the column of the label y of every class": share * (above - y * (x.shape[-1] - 1)),
        "counts columns that are within the margin": share * (1 - y - y * (x.shape[-1] - 1)),
    }


def _through(terms: Formula) -> Formula:
    """Of a linear loss: Xᵀ times each term of the scores' gradient, and the penalty."""

    def whole(given: Given) -> Terms:
        scores = given.arrays["X"] @ given.arrays["W"]
        inner = Given({"x": scores, "y": given.arrays["y"]}, given.cotangent, given.values)
        parts = {says: given.arrays["X"].T @ one for says, one in terms(inner).items()}
        return {"the data's part": np.sum(list(parts.values()), axis=0), "reg·W": _penalty(given)}

    return whole


def _penalty(given: Given) -> FloatArray:
    factor = 2 * float(given.values.get("penalty", 1.0)) * float(given.values.get("reg", 0.0))
    return np.asarray(factor * given.arrays["W"])


def _loss_by_name(given: Given) -> Formula:
    return _hinge_terms if given.values.get("loss") == "hinge" else _cross_entropy_terms


def _linear_loss_terms(given: Given) -> Terms:
    return _through(_loss_by_name(given))(given)


def _linear_loss_instead(given: Given) -> Terms:
    instead = _hinge_instead if given.values.get("loss") == "hinge" else _cross_entropy_instead
    scores = given.arrays["X"] @ given.arrays["W"]
    inner = Given({"x": scores, "y": given.arrays["y"]}, given.cotangent, given.values)
    parts = {says: given.arrays["X"].T @ one + _penalty(given) for says, one in instead(inner).items()}
    alone = {f"lacks {says}": given.arrays["X"].T @ (rest) + _penalty(given) for says, rest in _without_one(_loss_by_name(given)(inner))}
    return {**parts, **alone}


def _without_one(terms: Terms) -> Sequence[tuple[str, FloatArray]]:
    whole = np.sum(list(terms.values()), axis=0)
    return [(says, whole - one) for says, one in terms.items()]


def _squares(given: Given) -> Terms:
    x, y = given.arrays["x"], given.arrays["y"]
    rows = x.shape[0]
    factor = {"sum": 2.0, "mean": 2.0 / rows, "all": 2.0 / x.size, "half": 1.0, "half_mean": 1.0 / rows, "half_all": 1.0 / x.size}
    share = factor.get(str(given.values.get("reduction", "mean")), 2.0)
    return {"x": share * x, "y": -share * y}


def _grouped(formula: Formula) -> Formula:
    """Of group norm: the formula of rows, for rows that are a sample's groups of channels."""

    def whole(given: Given) -> Terms:
        x = given.arrays["x"]
        rows = (x.shape[0] * int(given.values["G"]), -1)
        parts = {name: np.broadcast_to(given.arrays[name], x.shape).reshape(rows) for name in ("x", "gamma")}
        found = formula(Given(parts, given.cotangent.reshape(rows), given.values, (1,)))
        return {says: np.broadcast_to(one, parts["x"].shape).reshape(x.shape) for says, one in found.items()}

    return whole


def _recurrent(part: str) -> Formulas:
    """Of one step h' = tanh(x Wx + h Wh + b): dnext·(1 - h'²), and what it is multiplied by."""

    def of(given: Given, da: FloatArray) -> FloatArray:
        a = given.arrays
        return {
            "x": lambda: da @ a["Wx"].T,
            "prev_h": lambda: da @ a["Wh"].T,
            "Wx": lambda: a["x"].T @ da,
            "Wh": lambda: a["prev_h"].T @ da,
            "b": lambda: da.sum(axis=0),
        }[part]()

    def ahead(given: Given) -> FloatArray:
        a = given.arrays
        return np.asarray(np.tanh(a["x"] @ a["Wx"] + a["prev_h"] @ a["Wh"] + a["b"]))

    def terms(given: Given) -> Terms:
        return {"the gradient through tanh": of(given, given.cotangent * (1 - ahead(given) ** 2))}

    def instead(given: Given) -> Terms:
        h, c, a = ahead(given), given.cotangent, given.arrays
        slopes = _tanh_instead(np.arctanh(np.clip(h, -1 + 1e-15, 1 - 1e-15)), {})
        found = {f"has the slope of tanh wrong: it {says.replace('is ', 'has ', 1)}": of(given, c * one) for says, one in slopes.items()}
        found["lacks the factor 1 - tanh²: the derivative of tanh is missing"] = of(given, c)
        if part == "prev_h":
            found["has Wh where its transpose belongs"] = c * (1 - h**2) @ a["Wh"]
        return found

    return Formulas(terms, instead)


def _convolved_x(given: Given, weight: FloatArray) -> FloatArray:
    """dx of a convolution (N C H W, F C K L)."""
    x, c = given.arrays["x"], given.cotangent
    stride, pad = int(given.values["stride"]), given.values["pad"]
    padded = np.zeros((*x.shape[:2], x.shape[2] + 2 * pad, x.shape[3] + 2 * pad))
    high, wide = weight.shape[2:]
    for i, j in np.ndindex(*c.shape[2:]):
        place = np.s_[:, :, i * stride : i * stride + high, j * stride : j * stride + wide]
        padded[place] += np.tensordot(c[:, :, i, j], weight, (1, 0))
    return np.asarray(padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]])


def _convolved_x_instead(given: Given) -> Terms:
    w = given.arrays["w"]
    found = {"has the filter rotated by 180 degrees: that belongs to a full convolution of dout, not here": w[:, :, ::-1, ::-1]}
    if w.shape[2] == w.shape[3]:
        found["has the filter's rows and columns exchanged"] = w.transpose(0, 1, 3, 2)
    if w.shape[0] == w.shape[1]:
        found["has the filter's input and output channels exchanged"] = w.transpose(1, 0, 2, 3)
    return {says: _convolved_x(given, one) for says, one in found.items()}


def _nothing(given: Given) -> Terms:
    return {}


def _plain(slope: Callable[[FloatArray], FloatArray], instead: Callable[[FloatArray, Mapping[str, Any]], Terms]) -> Formulas:
    return _slopes(lambda x, values: {"the derivative": slope(x)}, instead)


_NORM = {"x": Formulas(_normalised_x, _normalised_x_instead), "gamma": Formulas(_gamma, _gamma_instead)}
_NO_SLOPES: Callable[[FloatArray, Mapping[str, Any]], Terms] = lambda x, values: {}  # noqa: E731
_KNOWN: Mapping[tuple[str, str], Formulas] = {
    **{(name, part): formulas for name in ("batch_norm", "layer_norm", "instance_norm") for part, formulas in _NORM.items()},
    ("group_norm", "x"): Formulas(_grouped(_normalised_x), _grouped(_normalised_x_instead)),
    **{("rnn_step", part): _recurrent(part) for part in ("x", "prev_h", "Wx", "Wh", "b")},
    ("conv2d", "x"): Formulas(lambda given: {"the sum over windows": _convolved_x(given, given.arrays["w"])}, _convolved_x_instead),
    ("relu", "x"): _plain(lambda x: 1.0 * (x > 0), _relu_instead),
    ("sigmoid", "x"): _plain(lambda x: _logistic(x) * (1 - _logistic(x)), _sigmoid_instead),
    ("tanh", "x"): _plain(lambda x: 1 - np.tanh(x) ** 2, _tanh_instead),
    ("softplus", "x"): _plain(_logistic, _softplus_instead),
    ("leaky_relu", "x"): _slopes(_leaky, _leaky_instead),
    ("elu", "x"): _slopes(_elu_terms, _elu_instead),
    ("silu", "x"): _slopes(_silu_terms, _NO_SLOPES),
    ("softmax", "x"): Formulas(_softmax_terms, _softmax_instead),
    ("log_softmax", "x"): Formulas(_log_softmax_terms, _log_softmax_instead),
    ("cross_entropy", "x"): Formulas(_cross_entropy_terms, _cross_entropy_instead),
    ("multi_margin_loss", "x"): Formulas(_hinge_terms, _hinge_instead),
    ("mse_loss", "x"): Formulas(_squares, _nothing),
    ("linear_loss", "W"): Formulas(_linear_loss_terms, _linear_loss_instead),
}
