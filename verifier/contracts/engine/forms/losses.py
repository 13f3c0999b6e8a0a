"""Questions about losses and layers."""

from collections.abc import Iterator

import numpy as np

from verifier.contracts.engine.forms.form import Form
from verifier.contracts.engine.operations.operation import Operation


def losses() -> Iterator[Form]:
    """Against targets of the same shape."""
    for shape in ((4, 3), (3, 3), (5,)):
        yield Form("plain", {"a": shape, "target": shape}, plain=("target",))


def of_labels() -> Iterator[Form]:
    """Against classes by number, a row each."""
    for rows, classes in ((4, 3), (3, 3), (1, 4), (5, 2)):
        labels = np.arange(rows, dtype=np.int64) * 2 % classes
        yield Form("plain", {"a": (rows, classes)}, arrays={"labels": labels}, plain=("labels",))


def layers(operation: Operation) -> Iterator[Form]:
    """With their weights; a layer that pools has none."""
    match operation.name:
        case "linear":
            yield Form("plain", {"x": (5, 3), "weight": (4, 3), "bias": (4,)})
            yield Form("plain", {"x": (3, 3), "weight": (3, 3), "bias": (3,)})
        case "embedding":
            for feature, indices in (("plain", [2, 0, 3]), ("repeated", [1, 1, 0, 1])):
                given = {"indices": np.array(indices, dtype=np.int64)}
                yield Form(feature, {"weight": (4, 3)}, arrays=given, plain=("indices",), operands=("indices", "weight"))
        case "layer_norm":
            yield Form("plain", {"x": (4, 5), "weight": (5,), "bias": (5,)})
            yield Form("plain", {"x": (3, 3), "weight": (3,), "bias": (3,)})
        case "conv2d":
            for options in ({}, {"stride": 2}, {"padding": 1}, {"stride": 2, "padding": 1}):
                yield Form("options" if options else "plain", {"x": (2, 3, 6, 5), "weight": (4, 3, 3, 2), "bias": (4,)}, options)
            yield Form("plain", {"x": (2, 3, 5, 5), "weight": (3, 3, 3, 3)})
        case _:
            # Most are negative, so that a maximum which begins at zero is wrong.
            values = (np.random.default_rng(5).permutation(2 * 3 * 6 * 6) / 16 - 12).reshape(2, 3, 6, 6)
            for options in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 1}, {"kernel_size": 3, "stride": 2}):
                yield Form("plain", {}, options, arrays={"x": values}, fixed=True)
