"""Attention: softmax(s·q kᵀ) v."""

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.formulas.activations import softmax
from verifier.diagnosis.layer.formulas.formula import Formulas, Given, Terms


def _swapped(one: FloatArray) -> FloatArray:
    return np.asarray(np.swapaxes(one, -1, -2))


def _of_scores(part: str) -> Formulas:
    """Of q or k: the scores' gradient P∘(dP - Σ P∘dP), times the scale, times the other of the two."""

    def back(given: Given, scores: FloatArray) -> FloatArray:
        return np.asarray(scores @ given.arrays["k"] if part == "q" else _swapped(scores) @ given.arrays["q"])

    def parts(given: Given) -> tuple[float, FloatArray, FloatArray]:
        q, k, v = (given.arrays[name] for name in "qkv")
        scale = 1 / np.sqrt(q.shape[-1]) if given.values["scale"] == "root" else 1.0
        return scale, softmax(scale * (q @ _swapped(k)), (-1,)), given.cotangent @ _swapped(v)

    def terms(given: Given) -> Terms:
        scale, p, dp = parts(given)
        return {
            "the softmax's own column, P∘dP": back(given, scale * p * dp),
            "the softmax's other columns, -P·Σ P∘dP": back(given, -scale * p * (p * dp).sum(axis=-1, keepdims=True)),
        }

    def instead(given: Given) -> Terms:
        scale, p, dp = parts(given)
        right = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        found = {
            "lacks the scale 1/√D": back(given, right),
            "has the scale 1/√D twice": back(given, scale**2 * right),
            "lacks the derivative of the softmax": back(given, scale * dp),
            "has P(1 - P) where the softmax's whole Jacobian belongs": back(given, scale * dp * p * (1 - p)),
        }
        if given.values["scale"] != "root":
            found = {says: one for says, one in found.items() if "scale" not in says}
        return found

    return Formulas(terms, instead)


def _of_values() -> Formulas:
    def weights(given: Given) -> FloatArray:
        q, k = given.arrays["q"], given.arrays["k"]
        scale = 1 / np.sqrt(q.shape[-1]) if given.values["scale"] == "root" else 1.0
        return softmax(scale * (q @ _swapped(k)), (-1,))

    def instead(given: Given) -> Terms:
        p, c = weights(given), given.cotangent
        scores = given.arrays["q"] @ _swapped(given.arrays["k"])
        found = {"has the scores where the softmax belongs": _swapped(scores) @ c}
        if p.shape[-1] == p.shape[-2]:
            found["has P where its transpose belongs"] = p @ c
        return found

    return Formulas(lambda given: {"Pᵀ dout": _swapped(weights(given)) @ given.cotangent}, instead)


FORMULAS = {("attention", "q"): _of_scores("q"), ("attention", "k"): _of_scores("k"), ("attention", "v"): _of_values()}
