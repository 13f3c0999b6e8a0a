"""Recurrent layers, one step and whole sequences, and attention."""

from itertools import permutations

from verifier.contracts.layer.operations.operation import INPUT, Operation

_NAMES = {
    "x": INPUT,
    "prev_h": ("h_prev", "h", "h0", "hprev", "prev_hidden", "hidden", "a_prev"),
    "prev_c": ("c_prev", "c", "c0", "cprev"),
    "h0": ("prev_h", "h_prev", "h", "a0"),
    "Wx": ("W_x", "Wxh", "wx", "W_ih", "Wax"),
    "Wh": ("W_h", "Whh", "wh", "W_hh", "Waa"),
    "b": ("bias", "bh", "ba"),
}
_GATES = {"gates": tuple("".join(order) for order in permutations("ifog"))}
_GRU = {"gates": ("rzn", "zrn"), "reset": ("before", "after"), "kept": ("z", "n")}

OPERATIONS = (
    Operation(
        "rnn_step",
        arrays={"x": "N D", "prev_h": "N H", "Wx": "D H", "Wh": "H H", "b": "H"},
        outputs={"next_h": "N H"},
        forward="next_h, cache = rnn_step_forward(x, prev_h, Wx, Wh, b)",
        backward="dx, dprev_h, dWx, dWh, db = rnn_step_backward(dnext_h, cache)",
        aliases=("rnn_cell",),
        names=_NAMES,
    ),
    Operation(
        "lstm_step",
        arrays={"x": "N D", "prev_h": "N H", "prev_c": "N H", "Wx": "D 4*H", "Wh": "H 4*H", "b": "4*H"},
        outputs={"next_h": "N H", "next_c": "N H"},
        forward="next_h, next_c, cache = lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)",
        backward="dx, dprev_h, dprev_c, dWx, dWh, db = lstm_step_backward(dnext_h, dnext_c, cache)",
        sizes={"H": (1, 4)},
        aliases=("lstm_cell",),
        names=_NAMES,
        variants=_GATES,
    ),
    Operation(
        "gru_step",
        arrays={"x": "N D", "prev_h": "N H", "Wx": "D 3*H", "Wh": "H 3*H", "b": "3*H"},
        outputs={"next_h": "N H"},
        sizes={"H": (1, 4)},
        aliases=("gru_cell",),
        names=_NAMES,
        variants=_GRU,
    ),
    Operation(
        "rnn",
        arrays={"x": "N T D", "h0": "N H", "Wx": "D H", "Wh": "H H", "b": "H"},
        outputs={"h": "N T H"},
        forward="h, cache = rnn_forward(x, h0, Wx, Wh, b)",
        backward="dx, dh0, dWx, dWh, db = rnn_backward(dh, cache)",
        sizes={"N": (1, 4), "H": (1, 4), "D": (1, 4)},
        names=_NAMES,
        stresses=("long",),
    ),
    Operation(
        "lstm",
        arrays={"x": "N T D", "h0": "N H", "Wx": "D 4*H", "Wh": "H 4*H", "b": "4*H"},
        outputs={"h": "N T H"},
        forward="h, cache = lstm_forward(x, h0, Wx, Wh, b)",
        backward="dx, dh0, dWx, dWh, db = lstm_backward(dh, cache)",
        sizes={"N": (1, 4), "H": (1, 3), "D": (1, 4)},
        names=_NAMES,
        stresses=("long",),
        variants=_GATES,
    ),
    Operation(
        "gru",
        arrays={"x": "N T D", "h0": "N H", "Wx": "D 3*H", "Wh": "H 3*H", "b": "3*H"},
        outputs={"h": "N T H"},
        sizes={"N": (1, 4), "H": (1, 3), "D": (1, 4)},
        names=_NAMES,
        stresses=("long",),
        variants=_GRU,
    ),
    Operation(
        "attention",
        arrays={"q": "N T D", "k": "N S D", "v": "N S E"},
        outputs={"out": "N T E"},
        forward="out, cache = attention_forward(q, k, v)",
        backward="dq, dk, dv = attention_backward(dout, cache)",
        sizes={"N": (1, 3), "T": (1, 5), "S": (1, 5), "D": (1, 5), "E": (1, 5)},
        aliases=("scaled_dot_product_attention", "dot_product_attention", "self_attention", "multi_head_attention"),
        names={"q": ("Q", "query"), "k": ("K", "key"), "v": ("V", "value")},
        variants={"scale": ("root", "one")},
    ),
    Operation(
        "temporal_affine",
        arrays={"x": "N T D", "w": "D M", "b": "M"},
        outputs={"out": "N T M"},
        forward="out, cache = temporal_affine_forward(x, w, b)",
        backward="dx, dw, db = temporal_affine_backward(dout, cache)",
        names=_NAMES,
    ),
    Operation(
        "temporal_softmax_loss",
        arrays={"x": "N T C", "y": "int<C> N T", "mask": "bool N T"},
        outputs={"loss": ""},
        forward="loss, dx = temporal_softmax_loss(x, y, mask)",
        sizes={"C": (2, 6)},
        names=_NAMES,
    ),
)
