"""Normalisation over a batch, a row or a group of channels."""

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.formulas.formula import Formula, Formulas, Given, Terms


def _normal(given: Given) -> tuple[FloatArray, FloatArray, FloatArray]:
    """x - mean, the deviation, and the normalised x."""
    x, eps = given.arrays["x"], given.values.get("eps", 1e-5)
    centred = x - x.mean(axis=given.axes, keepdims=True)
    deviation = np.sqrt(np.mean(centred**2, axis=given.axes, keepdims=True) + eps)
    return centred, deviation, centred / deviation


def _normalised_x(given: Given) -> Terms:
    _, deviation, normal = _normal(given)
    inner = given.cotangent * given.arrays.get("gamma", 1.0)
    mean = _mean_over(inner, given.axes)
    return {
        "γ·dout/σ, its first term": inner / deviation,
        "the term through the mean": -mean / deviation + 0 * inner,
        "the term through the variance": -normal * _mean_over(inner * normal, given.axes) / deviation,
    }


def _normalised_x_instead(given: Given) -> Terms:
    _, deviation, normal = _normal(given)
    gamma, c = given.arrays.get("gamma", 1.0), given.cotangent
    eps = given.values.get("eps", 1e-5)
    raw = given.arrays["x"]

    def mean(values: FloatArray) -> FloatArray:
        return _mean_over(values, given.axes)

    def through(inner: FloatArray, normalised: FloatArray) -> FloatArray:
        return np.asarray((gamma * c - mean(inner) - normalised * mean(inner * normalised)) / deviation)

    whole = through(gamma * c, normal)
    return {
        "is wrong where gamma is not 1: the factor gamma is missing": (c - mean(c) - normal * mean(c * normal)) / deviation,
        "is wrong where gamma is not 1: gamma is missing in the terms through mean and variance": through(c + 0 * normal, normal),
        "has gamma outside: it belongs to dout, before the means are taken": gamma * (c - mean(c) - normal * mean(c * normal)) / deviation,
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


def _mean_over(values: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    """The mean over these axes, which stay as 1."""
    return np.asarray(values.mean(axis=axes, keepdims=True))


def _to_shape(values: FloatArray, like: FloatArray) -> FloatArray:
    """Summed over every axis along which `like` is 1."""
    over = tuple(axis for axis, length in enumerate(like.shape) if length == 1 and values.shape[axis] != 1)
    return np.asarray(values.sum(axis=over, keepdims=True))


def _grouped(formula: Formula) -> Formula:
    """Of group norm: the formula of rows, for rows that are a sample's groups of channels."""

    def whole(given: Given) -> Terms:
        x = given.arrays["x"]
        rows = (x.shape[0] * int(given.values["G"]), -1)
        parts = {name: np.broadcast_to(given.arrays[name], x.shape).reshape(rows) for name in ("x", "gamma")}
        found = formula(Given(parts, given.cotangent.reshape(rows), given.values, (1,)))
        return {says: np.broadcast_to(one, parts["x"].shape).reshape(x.shape) for says, one in found.items()}

    return whole


_PARTS = {"x": Formulas(_normalised_x, _normalised_x_instead), "gamma": Formulas(_gamma, _gamma_instead)}
FORMULAS = {
    **{(name, part): formulas for name in ("batch_norm", "layer_norm", "instance_norm") for part, formulas in _PARTS.items()},
    ("group_norm", "x"): Formulas(_grouped(_normalised_x), _grouped(_normalised_x_instead)),
}
