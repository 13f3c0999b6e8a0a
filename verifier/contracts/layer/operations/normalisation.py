"""Normalisation over the batch, a row, a group of channels, an image."""

from verifier.contracts.layer.operations.operation import EPSILONS, INPUT, Operation

_NAMES = {"x": INPUT, "gamma": ("g", "scale", "weight", "scaler", "w", "W", "BW"), "beta": ("b", "shift", "bias", "Bb")}
_SPATIAL = {"N": (1, 3), "H": (1, 4), "W": (1, 4)}

OPERATIONS = (
    Operation(
        "batch_norm",
        arrays={"x": "N D", "gamma": "D", "beta": "D", "running_mean": "real D", "running_var": "positive D"},
        outputs={"out": "N D"},
        forward="out, cache = batchnorm_forward(x, gamma, beta, bn_param)",
        backward="dx, dgamma, dbeta = batchnorm_backward(dout, cache)",
        options={"mode": ["train"], "momentum": [0.9]},
        constant=("running_mean", "running_var"),
        given={"bn_param": "{'mode': mode, 'running_mean': running_mean, 'running_var': running_var}"},
        sizes={"N": (2, 6)},
        aliases=("batchnorm", "batch_normalization", "batchnorm1d", "batchnorm2d", "spatial_batchnorm", "batch_norm2d", "bn"),
        names=_NAMES,
        stresses=("tiny",),
        variants={"eps": EPSILONS, "mode": ("train", "test")},
    ),
    Operation(
        "layer_norm",
        arrays={"x": "N D", "gamma": "D", "beta": "D"},
        outputs={"out": "N D"},
        forward="out, cache = layernorm_forward(x, gamma, beta, ln_param)",
        backward="dx, dgamma, dbeta = layernorm_backward(dout, cache)",
        given={"ln_param": "{}"},
        sizes={"D": (2, 6), "M": (2, 6), "E": (2, 6), "C": (2, 6)},
        aliases=("layernorm", "layer_normalization", "ln"),
        names=_NAMES,
        stresses=("tiny",),
        variants={"eps": EPSILONS},
    ),
    Operation(
        "group_norm",
        arrays={"x": "N G*E H W", "gamma": "1 G*E 1 1", "beta": "1 G*E 1 1"},
        outputs={"out": "N G*E H W"},
        forward="out, cache = spatial_groupnorm_forward(x, gamma, beta, G, gn_param)",
        backward="dx, dgamma, dbeta = spatial_groupnorm_backward(dout, cache)",
        given={"gn_param": "{}"},
        sizes={**_SPATIAL, "G": (1, 3), "E": (1, 3), "H": (2, 4)},
        aliases=("groupnorm", "spatial_groupnorm", "gn"),
        names=_NAMES,
        variants={"eps": EPSILONS},
    ),
    Operation(
        "instance_norm",
        arrays={"x": "N C H W", "gamma": "C", "beta": "C"},
        outputs={"out": "N C H W"},
        sizes={**_SPATIAL, "H": (2, 4), "C": (1, 4)},
        aliases=("instancenorm",),
        names=_NAMES,
        variants={"eps": EPSILONS},
    ),
    Operation(
        "rms_norm",
        arrays={"x": "N D", "gamma": "D"},
        outputs={"out": "N D"},
        forward="out, cache = rmsnorm_forward(x, gamma)",
        backward="dx, dgamma = rmsnorm_backward(dout, cache)",
        aliases=("rmsnorm",),
        names=_NAMES,
        variants={"eps": EPSILONS},
    ),
)
