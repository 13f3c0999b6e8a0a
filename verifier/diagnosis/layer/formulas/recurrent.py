"""One recurrent step, and a sequence of them."""

from collections.abc import Callable, Mapping

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.formulas.activations import tanh_instead
from verifier.diagnosis.layer.formulas.formula import Formulas, Given, Terms

Slope = Callable[[FloatArray, FloatArray], FloatArray]


def _recurrent(part: str) -> Formulas:
    """Of one step h' = tanh(x Wx + h Wh + b): dnext·(1 - h'²), and what it is multiplied by."""

    def of(given: Given, da: FloatArray) -> FloatArray:
        a = given.arrays
        found: Mapping[str, Callable[[], FloatArray]] = {
            "x": lambda: da @ a["Wx"].T,
            "prev_h": lambda: da @ a["Wh"].T,
            "Wx": lambda: a["x"].T @ da,
            "Wh": lambda: a["prev_h"].T @ da,
            "b": lambda: da.sum(axis=0),
        }
        return found[part]()

    def ahead(given: Given) -> FloatArray:
        a = given.arrays
        return np.asarray(np.tanh(a["x"] @ a["Wx"] + a["prev_h"] @ a["Wh"] + a["b"]))

    def terms(given: Given) -> Terms:
        return {"the gradient through tanh": of(given, given.cotangent * (1 - ahead(given) ** 2))}

    def instead(given: Given) -> Terms:
        h, c, a = ahead(given), given.cotangent, given.arrays
        slopes = tanh_instead(np.arctanh(np.clip(h, -1 + 1e-15, 1 - 1e-15)), {})
        found = {f"has the slope of tanh wrong: it {says.replace('is ', 'has ', 1)}": of(given, c * one) for says, one in slopes.items()}
        found["has the slope of the state before, 1 - h², where that of the new one belongs"] = of(given, c * (1 - a["prev_h"] ** 2))
        found["lacks the factor 1 - tanh²: the derivative of tanh is missing"] = of(given, c)
        if part == "prev_h":
            found["has Wh where its transpose belongs"] = c * (1 - h**2) @ a["Wh"]
        return found

    return Formulas(terms, instead)


def _through_tanh(delta: FloatArray, after: FloatArray) -> FloatArray:
    return np.asarray(delta * (1 - after**2))


def _sequence(part: str) -> Formulas:
    """Of a whole sequence: back through time, step by step."""

    def work(given: Given, *, flow: float = 1.0, slope: Slope = _through_tanh, only: int | None = None) -> FloatArray:
        a, c = given.arrays, given.cotangent
        steps, h = [], a["h0"]
        for t in range(c.shape[1]):
            steps.append((h, np.tanh(a["x"][:, t] @ a["Wx"] + h @ a["Wh"] + a["b"])))
            h = steps[-1][1]
        found = {"x": np.zeros_like(a["x"]), "h0": 0 * a["h0"], "Wx": 0 * a["Wx"], "Wh": 0 * a["Wh"], "b": 0 * a["b"]}
        back = np.zeros_like(a["h0"])
        for t in reversed(range(c.shape[1])):
            before, after = steps[t]
            da = slope(c[:, t] + flow * back, after)
            back = da @ a["Wh"].T
            found["x"][:, t] = da @ a["Wx"].T
            share = only is None or t == only % c.shape[1]
            for name, one in (("Wx", a["x"][:, t].T @ da), ("Wh", before.T @ da), ("b", da.sum(axis=0))):
                found[name] = found[name] + one * share
        found["h0"] = back
        return np.asarray(found[part])

    def instead(given: Given) -> Terms:
        found = {
            "lacks what comes back from later steps": work(given, flow=0.0),
            "lacks the derivative of tanh in each step": work(given, slope=lambda delta, after: delta),
            "has 1 - h where 1 - h² belongs in each step": work(given, slope=lambda delta, after: delta * (1 - after)),
        }
        if part in ("Wx", "Wh", "b"):
            found["counts the first step alone: add the steps up (+=)"] = work(given, only=0)
            found["counts the last step alone: add the steps up (+=)"] = work(given, only=-1)
        return found

    return Formulas(lambda given: {"the sum over steps": work(given)}, instead)


FORMULAS = {
    **{("rnn_step", part): _recurrent(part) for part in ("x", "prev_h", "Wx", "Wh", "b")},
    **{("rnn", part): _sequence(part) for part in ("x", "h0", "Wx", "Wh", "b")},
}
