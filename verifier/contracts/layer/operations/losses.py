"""Losses of scores, probabilities and values."""

from verifier.contracts.layer.operations.operation import INPUT, Operation

_SCORES = {"x": (*INPUT, "scores", "logits", "y_pred", "pred", "yhat", "y_hat"), "y": ("Y", "t", "target", "targets", "labels", "label")}
_REDUCTIONS = {"reduction": ("mean", "sum", "all", "half", "half_mean", "half_all", "none")}

OPERATIONS = (
    Operation(
        "cross_entropy",
        arrays={"x": "N C", "y": "int<C> N"},
        outputs={"loss": ""},
        forward="loss, dx = softmax_loss(x, y)",
        sizes={"C": (2, 6)},
        aliases=("softmax_loss", "softmax_cross_entropy", "softmax_with_loss", "crossentropy"),
        names=_SCORES,
        variants={"reduction": ("mean", "sum", "all")},
    ),
    Operation(
        "multi_margin_loss",
        arrays={"x": "N C", "y": "int<C> N"},
        outputs={"loss": ""},
        forward="loss, dx = svm_loss(x, y)",
        sizes={"C": (2, 6)},
        aliases=("svm_loss", "hinge_loss", "hinge", "svm"),
        names=_SCORES,
        kinks="hinge",
        variants={"reduction": ("mean", "sum", "all")},
    ),
    Operation(
        "mse_loss",
        of_numbers=True,
        arrays={"x": "N D", "y": "real N D"},
        outputs={"loss": ""},
        aliases=("mse", "squared_error", "mean_squared_error", "l2_loss"),
        names=_SCORES,
        variants=_REDUCTIONS,
    ),
    Operation(
        "l1_loss",
        of_numbers=True,
        arrays={"x": "N D", "y": "real N D"},
        outputs={"loss": ""},
        aliases=("mae", "mean_absolute_error"),
        names=_SCORES,
        kinks="hinge",
        variants=_REDUCTIONS,
    ),
    Operation(
        "smooth_l1_loss",
        of_numbers=True,
        arrays={"x": "N D", "y": "real N D"},
        outputs={"loss": ""},
        aliases=("huber_loss", "huber", "smooth_l1"),
        names=_SCORES,
        kinks="hinge",
        variants=_REDUCTIONS,
    ),
    Operation(
        "binary_cross_entropy",
        of_numbers=True,
        arrays={"x": "prob N D", "y": "bool N D"},
        outputs={"loss": ""},
        aliases=("bce", "log_loss"),
        names=_SCORES,
        variants={"reduction": ("all", "mean", "sum")},
    ),
    Operation(
        "binary_cross_entropy_with_logits",
        of_numbers=True,
        arrays={"x": "N D", "y": "bool N D"},
        outputs={"loss": ""},
        aliases=("sigmoid_cross_entropy", "bce_with_logits", "sigmoid_loss", "sigmoid_with_loss"),
        names=_SCORES,
        variants={"reduction": ("all", "mean", "sum")},
    ),
)
