"""Products: affine layers, embeddings, and the linear classifiers and the two-layer network of the courses."""

from verifier.contracts.layer.operations.operation import BIAS, INPUT, WEIGHT, Operation

LABELS = ("Y", "targets", "target", "labels", "t", "y_true")

OPERATIONS = (
    Operation(
        "affine",
        arrays={"x": "N D", "w": "D M", "b": "M"},
        outputs={"out": "N M"},
        forward="out, cache = affine_forward(x, w, b)",
        backward="dx, dw, db = affine_backward(dout, cache)",
        aliases=("linear", "dense", "fully_connected", "fc", "inner_product"),
        names={"x": INPUT, "w": WEIGHT, "b": BIAS},
    ),
    Operation(
        "embedding",
        arrays={"x": "int<V> N T", "W": "V D"},
        outputs={"out": "N T D"},
        forward="out, cache = word_embedding_forward(x, W)",
        backward="dW = word_embedding_backward(dout, cache)",
        aliases=("word_embedding",),
        variants={"padding_idx": (None, 0), "at_padding": ("row", "zero")},
        names={"x": (*INPUT, "idx", "indices", "ids"), "W": (*WEIGHT, "w", "E", "embeddings")},
    ),
    Operation(
        "linear_loss",
        arrays={"W": "D C", "X": "N D", "y": "int<C> N"},
        outputs={"loss": ""},
        forward="loss, dW = softmax_loss_vectorized(W, X, y, reg)",
        options={"reg": [0.5, 0.0, 0.1]},
        constant=("X",),
        sizes={"C": (2, 6)},
        aliases=("linear_classifier", "softmax_classifier", "linear_softmax"),
        names={"W": ("w", "theta", "weights"), "X": ("x", "X_batch"), "y": LABELS},
        variants={"loss": ("softmax", "hinge"), "penalty": (1.0, 0.5), "reduction": ("mean", "sum")},
    ),
    Operation(
        "two_layer_net",
        arrays={"X": "N D", "y": "int<C> N", "W1": "D H", "b1": "H", "W2": "H C", "b2": "C"},
        outputs={"loss": ""},
        options={"reg": [0.5, 0.0, 0.1]},
        constant=("X",),
        sizes={"C": (2, 6)},
        aliases=("two_layer_network", "neural_net"),
        names={"X": ("x",), "y": LABELS},
        kinks="hinge",
        variants={"activation": ("relu", "tanh", "sigmoid"), "penalty": (1.0, 0.5), "reduction": ("mean", "sum")},
    ),
)
