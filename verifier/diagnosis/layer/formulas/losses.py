"""Losses of scores and values, linear classifiers, and the network of two layers."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.formulas.activations import softmax
from verifier.diagnosis.layer.formulas.formula import Formula, Formulas, Given, Terms


def _hot(given: Given) -> FloatArray:
    labels, like = np.asarray(given.arrays["y"]), given.arrays["x"]
    return np.asarray(np.eye(like.shape[-1])[labels]) if labels.ndim < like.ndim else np.asarray(labels, dtype=np.float64)


def _share(given: Given) -> float:
    """What a sum over samples is multiplied by."""
    rows = given.arrays["x"].shape[0]
    shares: Mapping[str, float] = {"sum": 1.0, "mean": 1 / rows, "all": 1 / given.arrays["x"].size}
    return shares.get(str(given.values.get("reduction", "mean")), 1 / rows)


def _cross_entropy_terms(given: Given) -> Terms:
    share, p = _share(given), softmax(given.arrays["x"], (-1,))
    return {"the softmax": share * p, "the label y, minus 1 in its column": -share * _hot(given)}


def _cross_entropy_instead(given: Given) -> Terms:
    share, p, y = _share(given), softmax(given.arrays["x"], (-1,)), _hot(given)
    exponentials = np.exp(given.arrays["x"] - given.arrays["x"].max(axis=-1, keepdims=True))
    return {
        "has exp(x - max x) where the softmax belongs: the division by its sum is missing": share * (exponentials - y),
        "has the logarithm of the softmax where the softmax belongs": share * (np.log(p) - y),
        "subtracts 1 in the columns of all labels, as dx[:, y] does: each row has its own": share * (p - y.max(axis=0)),
        "subtracts y after the division by N": share * p - y,
        "is multiplied by the softmax once more": share * (p - y) * p,
        "is (p - y)·p(1 - p): the derivative of a sigmoid does not belong there": share * (p - y) * p * (1 - p),
        "has x where the softmax belongs": share * (given.arrays["x"] - y),
    }


def _masked_terms(given: Given) -> Terms:
    """Of a sequence's cross-entropy: the sum over steps that count, divided by the samples."""
    share, p, y = 1 / given.arrays["x"].shape[0], softmax(given.arrays["x"], (-1,)), _hot(given)
    counts = np.asarray(given.arrays["mask"])[..., None]
    return {"the softmax": share * p * counts, "the label y, minus 1 in its column": -share * y * counts}


def _masked_instead(given: Given) -> Terms:
    share, p, y = 1 / given.arrays["x"].shape[0], softmax(given.arrays["x"], (-1,)), _hot(given)
    counts = np.asarray(given.arrays["mask"])[..., None]
    return {
        "ignores the mask: steps that do not count have a gradient": share * (p - y),
        "counts the steps that the mask leaves out, and leaves out the others": share * (p - y) * ~counts,
        "applies the mask to y alone": share * (p - y * counts),
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
    margins = (x - (x * y).sum(axis=-1, keepdims=True) + 1) * (1 - y)
    above = (margins > 0) * 1.0
    number = above.sum(axis=-1, keepdims=True)
    return {
        "has the margins where 1 belongs in each column beyond the margin": share * (margins * above - y * number),
        "has the margins where 1 belongs in each column beyond the margin, and their sum for their number": share
        * (margins * above - y * (margins * above).sum(axis=-1, keepdims=True)),
        "subtracts the number of margins of all samples in the column of the label y": share * (above - y * above.sum()),
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
        return {"the data's part": np.sum(list(parts.values()), axis=0), f"{_twice(given)}reg·W": _penalty(given)}

    return whole


def _penalty(given: Given) -> FloatArray:
    factor = 2 * float(given.values.get("penalty", 1.0)) * float(given.values.get("reg", 0.0))
    return np.asarray(factor * given.arrays["W"])


def _twice(given: Given) -> str:
    """How many times the gradient of the penalty has reg·W: reg·ΣW² has two, its half one."""
    return {2.0: "2·", 1.0: ""}.get(2 * float(given.values.get("penalty", 1.0)), "")


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


def _of_elements(given: Given) -> float:
    """What the derivative of each element's loss is multiplied by."""
    x = given.arrays["x"]
    shares = {"sum": 1.0, "mean": 1.0 / x.shape[0], "all": 1.0 / x.size}
    name = str(given.values.get("reduction", "mean"))
    halved = name.removeprefix("half").removeprefix("_")
    return float(shares.get(halved, 1.0)) * (0.5 if name.startswith("half") else 1.0)


def _squares(given: Given) -> Terms:
    share = 2 * _of_elements(given)
    return {"x": share * given.arrays["x"], "y": -share * given.arrays["y"]}


def _smooth(given: Given) -> Terms:
    error = given.arrays["x"] - given.arrays["y"]
    return {"the error, cut at 1 and -1": _of_elements(given) * np.clip(error, -1, 1)}


def _smooth_instead(given: Given) -> Terms:
    error = given.arrays["x"] - given.arrays["y"]
    return {
        says: _of_elements(given) * one
        for says, one in {
            "loses its sign beyond the cut: it is 1 where the error is below -1": np.where(np.abs(error) <= 1, error, 1.0),
            "is the error itself, beyond 1 too: the cut is missing": error,
            "is the sign of the error everywhere: between -1 and 1 it is the error itself": np.sign(error),
            "is zero beyond the cut, where it is the sign of the error": np.where(np.abs(error) <= 1, error, 0.0),
        }.items()
    }


def _two_layer_net(part: str) -> Formulas:
    """Scores = f(X W1 + b1) W2 + b2, softmax and cross-entropy, reg·ΣW²."""

    def work(given: Given, slope: Callable[[FloatArray, FloatArray], FloatArray]) -> FloatArray:
        a = given.arrays
        before = a["X"] @ a["W1"] + a["b1"]
        hidden = _hidden(str(given.values.get("activation", "relu")), before)
        inner = Given({"x": hidden @ a["W2"] + a["b2"], "y": a["y"]}, given.cotangent, given.values)
        scores = np.sum(list(_cross_entropy_terms(inner).values()), axis=0)
        delta = slope(scores @ a["W2"].T, before)
        whole = {"W2": hidden.T @ scores, "b2": scores.sum(axis=0), "W1": a["X"].T @ delta, "b1": delta.sum(axis=0)}
        return np.asarray(whole[part])

    def terms(given: Given) -> Terms:
        kind = str(given.values.get("activation", "relu"))
        found = {"the data's part": work(given, lambda delta, before: delta * _hidden_slope(kind, before))}
        if part in ("W1", "W2"):
            factor = 2 * float(given.values.get("penalty", 1.0)) * float(given.values.get("reg", 0.0))
            found[f"{_twice(given)}reg·{part}"] = factor * given.arrays[part]
        return found

    def instead(given: Given) -> Terms:
        rest = sum(one for says, one in terms(given).items() if says != "the data's part")
        return {
            "lacks the derivative of the hidden layer's activation": work(given, lambda delta, before: delta) + rest,
            "takes the hidden layer's mask from its gradient, not from its values": work(given, lambda d, before: d * (d > 0)) + rest,
        }

    return Formulas(terms, instead if part in ("W1", "b1") else lambda given: {})


def _hidden(kind: str, before: FloatArray) -> FloatArray:
    return np.maximum(0, before) if kind == "relu" else np.tanh(before) if kind == "tanh" else 0.5 * (1 + np.tanh(before / 2))


def _hidden_slope(kind: str, before: FloatArray) -> FloatArray:
    value = _hidden(kind, before)
    return 1.0 * (before > 0) if kind == "relu" else 1 - value**2 if kind == "tanh" else value * (1 - value)


FORMULAS = {
    ("cross_entropy", "x"): Formulas(_cross_entropy_terms, _cross_entropy_instead),
    ("temporal_softmax_loss", "x"): Formulas(_masked_terms, _masked_instead),
    ("multi_margin_loss", "x"): Formulas(_hinge_terms, _hinge_instead),
    ("mse_loss", "x"): Formulas(_squares),
    ("smooth_l1_loss", "x"): Formulas(_smooth, _smooth_instead),
    ("linear_loss", "W"): Formulas(_linear_loss_terms, _linear_loss_instead),
    **{("two_layer_net", part): _two_layer_net(part) for part in ("W1", "b1", "W2", "b2")},
}
