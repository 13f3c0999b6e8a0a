"""Functions of one element each, and softmax."""

from typing import Any

from verifier.contracts.layer.operations.operation import INPUT, Operation


def _elementwise(name: str, course: str, *aliases: str, **more: Any) -> Operation:
    return Operation(
        name,
        arrays={"x": "N D"},
        outputs={"out": "N D"},
        forward=f"out, cache = {course}_forward(x)",
        backward=f"dx = {course}_backward(dout, cache)",
        aliases=aliases,
        names={"x": INPUT},
        **more,
    )


_AT_ZERO: dict[str, Any] = {"kinks": "zero", "tied": ("x",), "stresses": ("zeros",)}

OPERATIONS = (
    _elementwise("relu", "relu", "rectifier", **_AT_ZERO),
    _elementwise("leaky_relu", "leaky_relu", "lrelu", **_AT_ZERO, variants={"negative_slope": (0.01, 0.1, 0.2, 0.3, 0.05, 0.001, 0.02)}),
    _elementwise("sigmoid", "sigmoid", "logistic"),
    _elementwise("tanh", "tanh"),
    _elementwise("gelu", "gelu", variants={"approximate": ("none", "tanh", "sigmoid")}),
    _elementwise("elu", "elu", variants={"alpha": (1.0, 0.1, 0.5, 1.5, 2.0)}, kinks="zero", tied=("x",)),
    _elementwise("selu", "selu", kinks="zero", tied=("x",)),
    _elementwise("softplus", "softplus"),
    _elementwise("silu", "swish", "swish", variants={"beta": (1.0, 1.702, 2.0)}),
    _elementwise("mish", "mish"),
    _elementwise("softsign", "softsign"),
    _elementwise("hardtanh", "hardtanh", "hard_tanh", **_AT_ZERO),
    _elementwise("relu6", "relu6", **_AT_ZERO),
    _elementwise("hardsigmoid", "hardsigmoid", "hard_sigmoid", kinks="zero", variants={"slope": (0.2, 1 / 6)}),
    _elementwise("identity", "identity", "linear_activation"),
    _elementwise("exp", "exp", "exponential"),
    _elementwise("abs", "abs", **_AT_ZERO),
    Operation(
        "prelu",
        arrays={"x": "N D", "a": "D"},
        outputs={"out": "N D"},
        forward="out, cache = prelu_forward(x, a)",
        backward="dx, da = prelu_backward(dout, cache)",
        names={"x": INPUT, "a": ("alpha", "slope", "weight", "w")},
        kinks="zero",
        tied=("x",),
        stresses=("zeros",),
    ),
    Operation(
        "softmax",
        arrays={"x": "N C"},
        outputs={"out": "N C"},
        forward="out, cache = softmax_forward(x)",
        backward="dx = softmax_backward(dout, cache)",
        names={"x": INPUT},
        variants={"axis": (-1, 0)},
    ),
    Operation(
        "log_softmax",
        arrays={"x": "N C"},
        outputs={"out": "N C"},
        forward="out, cache = log_softmax_forward(x)",
        backward="dx = log_softmax_backward(dout, cache)",
        aliases=("logsoftmax",),
        names={"x": INPUT},
        variants={"axis": (-1, 0)},
    ),
    Operation(
        "dropout",
        arrays={"x": "N D"},
        outputs={"out": "N D"},
        forward="out, cache = dropout_forward(x, dropout_param)",
        backward="dx = dropout_backward(dout, cache)",
        options={"p": [0.6, 0.3], "mode": ["train", "test"], "seed": [123]},
        given={"dropout_param": "{'p': p, 'mode': mode, 'seed': seed}"},
        names={"x": INPUT},
        variants={"mode": ("train", "test"), "p_is": ("dropped", "kept"), "scaled": ("in training", "in test")},
    ),
)
