"""Recurrent steps and sequences of them. `gates` says in which order the parts of the matrices stand."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from verifier.oracles.layer_operations.reference import Reference, Tensors, Values

State = tuple[Tensor, ...]
Step = Callable[[Tensors, Values, Tensor, State], State]


def _simple(given: Tensors, values: Values, x: Tensor, state: State) -> State:
    return (torch.tanh(x @ given["Wx"] + state[0] @ given["Wh"] + given["b"]),)


def _lstm(given: Tensors, values: Values, x: Tensor, state: State) -> State:
    before = (x @ given["Wx"] + state[0] @ given["Wh"] + given["b"]).chunk(4, -1)
    gates = dict(zip(str(values["gates"]), before, strict=True))
    i, f, o = (torch.sigmoid(gates[name]) for name in "ifo")
    c = f * state[1] + i * torch.tanh(gates["g"])
    return o * torch.tanh(c), c


def _gru(given: Tensors, values: Values, x: Tensor, state: State) -> State:
    """r and z in the order said, then n; `kept` names the gate that keeps the state: z h + (1 - z) n, or the other way about."""
    order = str(values["gates"])
    of_x = dict(zip(order, (x @ given["Wx"] + given["b"]).chunk(3, -1), strict=True))
    w = dict(zip(order, given["Wh"].chunk(3, -1), strict=True))
    (h,) = state
    r, z = (torch.sigmoid(of_x[name] + h @ w[name]) for name in "rz")
    inner = r * (h @ w["n"]) if values["reset"] == "after" else (r * h) @ w["n"]
    n = torch.tanh(of_x["n"] + inner)
    return (z * h + (1 - z) * n if values["kept"] == "z" else (1 - z) * h + z * n,)


def _one(step: Step, *states: str, needs: tuple[str, ...] = (), settled: bool = False) -> Reference:
    def call(given: Tensors, values: Values) -> State:
        return step(given, values, given["x"], tuple(given[name] for name in states))

    return Reference(call, needs, settled)


def _many(step: Step, states: int, needs: tuple[str, ...] = ()) -> Reference:
    """The states h of all steps, from h0 and, where there are two, a cell of zeros."""

    def call(given: Tensors, values: Values) -> Tensor:
        state: State = (given["h0"], *(torch.zeros_like(given["h0"]) for _ in range(states - 1)))
        found = []
        for t in range(given["x"].shape[1]):
            state = step(given, values, given["x"][:, t], state)
            found.append(state[0])
        return torch.stack(found, dim=1)

    return Reference(call, needs)


_GRU = ("gates", "reset", "kept")
REFERENCES: Mapping[str, Reference] = {
    "rnn_step": _one(_simple, "prev_h", settled=True),
    "lstm_step": _one(_lstm, "prev_h", "prev_c", needs=("gates",)),
    "gru_step": _one(_gru, "prev_h", needs=_GRU),
    "rnn": _many(_simple, 1),
    "lstm": _many(_lstm, 2, ("gates",)),
    "gru": _many(_gru, 1, _GRU),
}
