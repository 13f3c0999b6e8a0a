"""LSTM and GRU, one step and a sequence: each gate's share of every gradient, and which factor of the chain is left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.formulas.formula import Formulas, Given, Terms

NAMES = {
    "lstm": {"i": "the input gate", "f": "the forget gate", "o": "the output gate", "g": "the candidate g"},
    "gru": {"r": "the reset gate", "z": "the update gate", "n": "the candidate n"},
}
SQUASHED = ("g", "n")  # by tanh; the others by a sigmoid
WITHOUT = {
    "lstm": {
        "tanh": "lacks the factor 1 - tanh² of the cell",
        "output": "has the cell where its tanh belongs, in the output gate",
        "cell": "has the new cell where the one before belongs, in the forget gate",
        "forget": "lacks the forget gate on the way back to the cell before",
    },
    "gru": {
        "reset": "lacks the reset gate on the way back to the state before",
        "kept": "lacks the state that is kept on the way back",
        "state": "has the new state where the one before belongs, in the update gate",
        "candidate": "lacks the candidate in the update gate: the state before less the candidate belongs there",
    },
}


@dataclass(frozen=True)
class _Back:
    """Of one step.

    Attributes:
        gates: by gate, the gradient of what goes into its sigmoid or tanh.
        factors: by gate, what its matrix Wh is multiplied by; "after" is what scales the candidate's gradient there.
        kept: what comes to the state before by other ways than through the gates' matrices.
        cell: the gradient of the cell before.
    """

    gates: Mapping[str, FloatArray]
    factors: Mapping[str, FloatArray]
    kept: FloatArray
    cell: FloatArray | float = 0.0


Step = Callable[[Mapping[str, Any], Mapping[str, Any], FloatArray, FloatArray, Any], Any]


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _slope(name: str, value: FloatArray, without: str) -> FloatArray | float:
    """Of a gate's sigmoid or tanh, from its value; 1 without it, with "half" what people write for it, with "other" the other's."""
    if without == name:
        return 1.0
    if without == f"other {name}":
        return value * (1 - value) if name in SQUASHED else 1 - value**2
    if name in SQUASHED:
        return 1 - value if without == f"half {name}" else 1 - value**2
    return value if without == f"half {name}" else value * (1 - value)


def _blocks(given: Given, array: FloatArray) -> dict[str, FloatArray]:
    order = str(given.values["gates"])
    return dict(zip(order, np.split(array, len(order), axis=-1), strict=True))


def _lstm(given: Given, x: FloatArray, h: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray, Any]:
    before = _blocks(given, x @ given.arrays["Wx"] + h @ given.arrays["Wh"] + given.arrays["b"])
    gates = {name: np.tanh(one) if name == "g" else _sigmoid(one) for name, one in before.items()}
    cell = gates["f"] * c + gates["i"] * gates["g"]
    return gates["o"] * np.tanh(cell), cell, (h, c, cell, gates)


def _lstm_back(given: Given, kept: Any, dh: FloatArray, dc: FloatArray, without: str) -> _Back:
    h, before, cell, gates = kept
    squashed = np.tanh(cell)
    dc = dc + dh * gates["o"] * (1 if without == "tanh" else 1 - squashed**2)
    outer = {
        "i": dc * gates["g"],
        "f": dc * (cell if without == "cell" else before),
        "o": dh * (cell if without == "output" else squashed),
        "g": dc * gates["i"],
    }
    return _Back(
        {name: one * _slope(name, gates[name], without) for name, one in outer.items()},
        dict.fromkeys(gates, h),
        0 * dh,
        dc * (1 if without == "forget" else gates["f"]),
    )


def _gru(given: Given, x: FloatArray, h: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray, Any]:
    of_x, w = _blocks(given, x @ given.arrays["Wx"] + given.arrays["b"]), _blocks(given, given.arrays["Wh"])
    r, z = (_sigmoid(of_x[name] + h @ w[name]) for name in "rz")
    inner = r * (h @ w["n"]) if given.values["reset"] == "after" else (r * h) @ w["n"]
    n = np.tanh(of_x["n"] + inner)
    share = z if given.values["kept"] == "z" else 1 - z
    return share * h + (1 - share) * n, c, (h, r, z, n, share)


def _gru_back(given: Given, kept: Any, dh: FloatArray, dc: FloatArray, without: str) -> _Back:
    h, r, z, n, share = kept
    w = _blocks(given, given.arrays["Wh"])["n"]
    dn = dh * (1 - share) * _slope("n", n, without)
    before = share * h + (1 - share) * n if without == "state" else h
    dz = dh * (before - (0 if without == "candidate" else n)) * (1 if given.values["kept"] == "z" else -1) * _slope("z", z, without)
    after = given.values["reset"] == "after"
    dr = (dn * (h @ w) if after else (dn @ w.T) * h) * _slope("r", r, without)
    passed = 1 if without == "reset" else r
    back = (dn * passed) @ w.T if after else (dn @ w.T) * passed
    own = 0 if without == "kept" else dh * share
    factors = {"r": h, "z": h, "n": h if after else r * h}
    gates = {"r": dr, "z": dz, "n": dn}
    # The candidate's way back to the state is not its gradient times its matrix: `kept` brings what is missing.
    direct = own + back - dn @ w.T
    return _Back(gates, {**factors, "after": r if after else 1.0 + 0 * r}, direct)


def _shares(given: Given, back: _Back, x: FloatArray, part: str) -> dict[str, FloatArray]:
    """By gate, its share of the gradient of x, the state, or a matrix; in "kept" what comes to the state directly."""
    wx, wh = _blocks(given, given.arrays["Wx"]), _blocks(given, given.arrays["Wh"])
    order = str(given.values["gates"])

    def block(name: str, one: FloatArray) -> FloatArray:
        return np.concatenate([one if other == name else 0 * one for other in order], axis=-1)

    found: dict[str, FloatArray] = {}
    for name in order:
        da = back.gates[name]
        times_state = da * back.factors["after"] if name == "n" and "after" in back.factors else da
        if part in ("x", "h"):
            found[name] = da @ (wx if part == "x" else wh)[name].T
        elif part == "b":
            found[name] = block(name, da.sum(axis=0))
        else:
            found[name] = block(name, x.T @ da if part == "Wx" else back.factors[name].T @ times_state)
    return {**found, "kept": back.kept} if part == "h" else found


_KINDS: Mapping[str, tuple[Any, Any]] = {"lstm": (_lstm, _lstm_back), "gru": (_gru, _gru_back)}


def _step(kind: str, part: str) -> Formulas:
    forward, backward = _KINDS[kind]

    def work(given: Given, without: str = "") -> dict[str, FloatArray]:
        a = given.arrays
        kept = forward(given, a["x"], a["prev_h"], a.get("prev_c", 0 * a["prev_h"]))[2]
        dh, dc = (*given.cotangents, 0 * given.cotangents[0])[:2]
        back = backward(given, kept, dh, dc, without)
        if part == "prev_c":
            return {"kept": np.asarray(back.cell)}
        return _shares(given, back, a["x"], "h" if part == "prev_h" else part)

    return Formulas(lambda given: _named(kind, work(given)), lambda given: _instead(kind, lambda without: work(given, without)))


def _sequence(kind: str, part: str) -> Formulas:
    forward, backward = _KINDS[kind]

    def work(given: Given, without: str = "") -> dict[str, FloatArray]:
        a, cotangent = given.arrays, given.cotangent
        h, c, steps = a["h0"], 0 * a["h0"], []
        for t in range(cotangent.shape[1]):
            h, c, kept = forward(given, a["x"][:, t], h, c)
            steps.append(kept)
        found: dict[str, FloatArray] = {}
        dh, dc = 0 * a["h0"], 0 * a["h0"]
        for t in reversed(range(cotangent.shape[1])):
            back = backward(given, steps[t], cotangent[:, t] + dh, dc, without)
            to_state = _shares(given, back, a["x"][:, t], "h")
            dh = 0 * dh if without in ("later", "through h") else np.asarray(sum(to_state.values()))
            dc = 0 * dc if without in ("later", "through c") else np.asarray(back.cell + 0 * dc)
            if part == "h0":
                found = to_state
                continue
            for name, one in _shares(given, back, a["x"][:, t], part).items():
                if part == "x":
                    found.setdefault(name, np.zeros(a["x"].shape))[:, t] = one
                elif without != "add" or t == cotangent.shape[1] - 1:
                    found[name] = found.get(name, 0.0) + one
        return found

    def instead(given: Given) -> Terms:
        ways = {"later": "lacks what comes back from later steps"}
        if kind == "lstm":
            ways |= {"through c": "lacks what comes back from later steps through the cell", "through h": "lacks what comes back through h"}
        if part in ("Wx", "Wh", "b"):
            ways["add"] = "counts the last step alone: add the steps up (+=)"
        more = {says: _whole(work(given, without)) for without, says in ways.items()}
        return {**more, **_instead(kind, lambda without: work(given, without))}

    return Formulas(lambda given: _named(kind, work(given)), instead)


def _named(kind: str, shares: Mapping[str, FloatArray]) -> Terms:
    names = {name: f"the part through {says}" for name, says in NAMES[kind].items()}
    return {names.get(name, "what comes to the state directly"): one for name, one in shares.items() if np.any(one)}


def _instead(kind: str, work: Callable[[str], Mapping[str, FloatArray]]) -> Terms:
    ways = dict(WITHOUT[kind])
    for name, gate in NAMES[kind].items():
        of_tanh = ("tanh", f"1 - {name}²", f"1 - {name}", f"{name}(1 - {name})")
        function, slope, half, other = of_tanh if name in SQUASHED else ("the sigmoid", "σ(1 - σ)", "σ", "1 - σ²")
        ways |= {name: f"lacks the derivative of {function} in {gate}", f"half {name}": f"has {half} where {slope} belongs, in {gate}"}
        ways[f"other {name}"] = f"has {other} where {slope} belongs, in {gate}"
    return {says: _whole(work(without)) for without, says in ways.items()}


def _whole(shares: Mapping[str, FloatArray]) -> FloatArray:
    return np.asarray(sum(shares.values()))


FORMULAS = {
    **{("lstm_step", part): _step("lstm", part) for part in ("x", "prev_h", "prev_c", "Wx", "Wh", "b")},
    **{("gru_step", part): _step("gru", part) for part in ("x", "prev_h", "Wx", "Wh", "b")},
    **{(kind, part): _sequence(kind, part) for kind in ("lstm", "gru") for part in ("x", "h0", "Wx", "Wh", "b")},
}
