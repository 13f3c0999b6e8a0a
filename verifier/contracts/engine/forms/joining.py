"""Questions about operations over axes: reductions, products, shapes, indices, lists of operands."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from verifier.contracts.engine.forms.form import Form, Shape, at_values, pairs
from verifier.contracts.engine.operations.joining import encode_index
from verifier.contracts.engine.operations.operation import Operation

ZEROS = np.array([[1.5, 0.0, -2.0], [0.5, 2.0, 1.0]]), np.array([[0.0, 3.0, 0.0], [1.0, 0.5, 2.0]])
SHAPED: Mapping[str, Sequence[tuple[Shape, Mapping[str, Any]]]] = {
    "transpose": (
        *(((3, 4), {}), ((3, 3), {}), ((2, 3, 4), {}), ((2, 3, 4), {"axes": [1, 2, 0]}), ((2, 3, 4), {"axes": [2, 0, 1]})),
        *(((3, 3, 3), {"axes": [1, 2, 0]}), ((3, 4), {"axes": [1, 0]}), ((2, 3, 4), {"axes": [0, 2, 1]})),
    ),
    "reshape": (
        *(((3, 4), {"shape": [4, 3]}), ((3, 4), {"shape": [12]}), ((3, 4), {"shape": [2, -1]})),
        *(((6,), {"shape": [1, 2, 3]}), ((3, 3), {"shape": [9, 1]})),
    ),
    "broadcast_to": (
        *(((4,), {"shape": [3, 4]}), ((3, 1), {"shape": [3, 4]}), ((1, 4), {"shape": [3, 4]})),
        *(((3, 1), {"shape": [3, 3]}), ((1,), {"shape": [4]}), ((3, 4), {"shape": [2, 3, 4]})),
    ),
    "squeeze": (((3, 1, 4), {}), ((3, 1), {"axis": 1}), ((1, 4), {"axis": 0}), ((1, 3, 1), {"axis": 0})),
    "unsqueeze": (((3, 4), {"axis": 0}), ((3, 4), {"axis": 1}), ((3, 4), {"axis": -1}), ((5,), {"axis": 1})),
    "swapaxes": (((3, 4), {"axis0": 0, "axis1": 1}), ((2, 3, 4), {"axis0": 0, "axis1": 2}), ((2, 3, 4), {"axis0": 1, "axis1": -1})),
    "tile": (((3, 4), {"repeats": [2, 1]}), ((3,), {"repeats": [3]}), ((3, 3), {"repeats": [2, 3]}), ((2,), {"repeats": [3, 2]})),
    "pad": (((3, 4), {"width": [[1, 2], [0, 1]]}), ((3, 3), {"width": [[1, 0], [0, 2]]}), ((4,), {"width": [[2, 1]]})),
    "roll": (((3, 4), {"shift": 1, "axis": 0}), ((3, 4), {"shift": 3, "axis": 1}), ((5,), {"shift": -2, "axis": 0})),
    "trace": (((3, 3), {}), ((3, 4), {})),
    "flatten": (((3, 4), {}), ((2, 3, 4), {}), ((3, 3), {})),
}
INDICES: Sequence[tuple[str, Shape, Any]] = (
    *(("number", (3, 4), np.s_[1]), ("number", (3, 4), np.s_[-1]), ("number", (5,), np.s_[2])),
    *(("number", (3, 4), np.s_[1, 2]), ("number", (3, 3), np.s_[0, -1])),
    *(("slice", (5,), np.s_[1:4]), ("slice", (3, 4), np.s_[1:]), ("slice", (3, 4), np.s_[:, 0:2])),
    *(("slice", (3, 4), np.s_[:, 1]), ("slice", (3, 4), np.s_[0:2, 1:]), ("slice", (3, 3), np.s_[0:-1])),
    *(("step", (5,), np.s_[::2]), ("step", (5,), np.s_[4:0:-2]), ("step", (3, 4), np.s_[:, ::-1])),
    *(("ellipsis", (2, 3, 4), np.s_[..., 1]), ("ellipsis", (2, 3, 4), np.s_[..., 1:3])),
    *(("new axis", (3, 4), np.s_[None]), ("new axis", (3, 4), np.s_[:, None])),
    *(("array", (5,), np.s_[[3, 0, 2]]), ("array", (4, 3), np.s_[[2, 0]]), ("array", (4, 3), np.s_[[[0, 1], [3, 2]]])),
    *(("pairs", (3, 4), np.s_[[0, 1, 2], [3, 1, 0]]), ("pairs", (3, 3), np.s_[[0, 1, 2], [0, 1, 2]])),
    *(("repeated", (5,), np.s_[[1, 1, 3, 1]]), ("repeated", (4, 3), np.s_[[2, 0, 2]])),
    *(("repeated", (3, 4), np.s_[[0, 0, 2], [1, 1, 3]]), ("repeated", (4,), np.s_[[-1, 3, 0]])),
    ("mask", (5,), np.s_[[True, False, True, True, False]]),
    ("mask", (3, 2), np.s_[[[True, False], [False, True], [True, True]]]),
)
# Slices and places of an array that another one is written into.
WRITTEN: Sequence[tuple[str, Shape, Shape, Any]] = (
    *(("plain", (3, 4), (4,), np.s_[1]), ("plain", (3, 3), (3,), np.s_[-1]), ("plain", (5,), (3,), np.s_[1:4])),
    *(("plain", (3, 4), (3, 2), np.s_[:, 0:2]), ("plain", (4, 3), (2, 3), np.s_[[3, 0]])),
    *(("broadcast", (3, 4), (4,), np.s_[0:2]), ("broadcast", (3, 3), (3, 1), np.s_[:, 1:]), ("broadcast zero-dim", (3, 4), (), np.s_[1:])),
)


def reductions(operation: Operation) -> Iterator[Form]:
    """Over all axes, one, or several; with zeros for a product, ties for a maximum."""
    spread = operation.name in ("var", "std")
    for shape in ((3, 4), (3, 3), (5,), (2, 3, 4), (4, 1), (1, 4)):
        if not spread or 1 not in shape:
            yield Form("plain", {"a": shape})
    if not spread:
        yield Form("zero-dim", {"a": ()})
    ways = ((3, 4), 0), ((3, 4), 1), ((3, 4), -1), ((3, 3), 0), ((3, 3), 1), ((2, 3, 4), 1), ((3, 3, 3), 1), ((3, 3, 3), 0), ((5,), 0)
    for shape, axis in ways:
        yield Form("axis", {"a": shape}, {"axis": axis})
        yield Form("axis keepdims", {"a": shape}, {"axis": axis, "keepdims": True})
    if operation.name == "sum":
        yield Form("empty", {"a": (0, 3)}, {"axis": 0}, column="empty")
    yield Form("keepdims", {"a": (3, 4)}, {"keepdims": True})
    for shape, axes in (((2, 3, 4), [0, 2]), ((2, 3, 4), [1, 2]), ((3, 3, 3), [0, 1]), ((3, 4), [0, 1]), ((2, 3, 4), [0, -1])):
        yield Form("axes", {"a": shape}, {"axis": axes})
        yield Form("axes keepdims", {"a": shape}, {"axis": axes, "keepdims": True})
    if spread:
        yield Form("options", {"a": (3, 4)}, {"correction": 0})
    if operation.name == "prod":
        for zeros in ZEROS:
            yield at_values("point", zeros)
            yield at_values("point", zeros, {"axis": 1})
    if operation.name in ("amax", "amin"):
        ties = np.array([[1.0, 2.0, 2.0], [0.5, 0.5, 0.5]]) * (1 if operation.name == "amax" else -1)
        yield at_values("kink", ties, {"axis": 1}, (0.0, 1.0))


def along_axes(operation: Operation) -> Iterator[Form]:
    """Along one axis, by its number from either end; of entries that take no axis, without one."""
    for shape in ((3, 4), (3, 3), (5,), (2, 3, 4), (4, 3), (1, 4), (4, 1)):
        yield Form("plain", {"a": shape})
    last, first = (((3, 4), -1), ((3, 3), -1), ((5,), -1)), (((3, 4), 0), ((3, 3), 0))
    for shape, axis in (*last, *first, ((3, 4), 1), ((2, 3, 4), 1), ((2, 3, 4), 2), ((3, 3, 3), 0), ((1, 4), 0)):
        yield Form("axis", {"a": shape}, {"axis": axis})
    if operation.name == "cumprod":
        yield at_values("point", ZEROS[0], {"axis": 1})


def products(operation: Operation) -> Iterator[Form]:
    """Of vectors; of matrices with anything that `matmul` takes."""
    if operation.name != "matmul":
        yield from pairs("plain", [((4,), (4,)) if operation.name == "dot" else ((3,), (4,)), ((3,), (3,))])
        yield Form("self", {"a": (3,)}, operands=("a", "a"))
        return
    yield from pairs("plain", (((3, 4), (4, 5)), ((3, 3), (3, 3)), ((1, 4), (4, 1)), ((3, 1), (1, 3)), ((4, 4), (4, 2))))
    yield from pairs("matrix vector", [((3, 4), (4,))])
    yield from pairs("vector matrix", [((4,), (4, 5))])
    yield from pairs("vector vector", [((4,), (4,))])
    yield from pairs("matrix vector", [((3, 3), (3,))])
    yield from pairs("batch", [((2, 3, 4), (2, 4, 5)), ((3, 3, 3), (3, 3, 3))])
    stacks = ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((1, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((2, 3, 4), (4,))
    yield from pairs("batch broadcast", stacks, "broadcasting")
    yield Form("self", {"a": (3, 3)}, operands=("a", "a"))


def shapes(operation: Operation) -> Iterator[Form]:
    """Of operations that only move elements; any matrices where they have no options."""
    for shape, options in SHAPED.get(operation.name, (((3, 4), {}), ((3, 3), {}), ((4, 2), {}))):
        yield Form("axes" if options.get("axes") else "plain", {"a": shape}, options)


def indices() -> Iterator[Form]:
    """Every kind of index alone."""
    for feature, shape, index in INDICES:
        yield Form(feature, {"a": shape}, {"index": encode_index(index)}, column="edge" if feature == "repeated" else "plain")


def writes() -> Iterator[Form]:
    """Into places of an array, from one that fits or is stretched."""
    for feature, a, b, index in WRITTEN:
        column = "plain" if feature == "plain" else "broadcasting"
        yield Form(feature, {"a": a, "b": b}, {"index": encode_index(index)}, column=column)


def lists(operation: Operation) -> Iterator[Form]:
    """Of one to three operands, one of them several times too."""

    def joined(feature: str, shapes: Sequence[Shape], axis: int) -> Form:
        return Form(feature, dict(zip("abc", shapes, strict=False)), {"axis": axis})

    yield joined("plain", 2 * [(3, 4)], 0)
    yield joined("plain", 2 * [(3, 3)], 0)
    yield joined("axis", 2 * [(3, 4)], 1)
    yield joined("axis", 3 * [(3, 3)], 1)
    yield joined("axis", 2 * [(3, 4)], -1)
    yield joined("plain", 2 * [(5,)], 0)
    yield joined("plain", [(4,)], 0)
    yield joined("axis", 2 * [(2, 3, 4)], 1)
    if operation.name == "cat":
        yield joined("unequal", [(2, 3), (4, 3)], 0)
        yield joined("unequal", [(3, 1), (3, 2), (3, 4)], 1)
        yield joined("unequal", [(2,), (5,)], 0)
    for shape in ((3, 4), (3, 3)):
        yield Form("self", {"a": shape}, {"axis": 0}, operands=("a", "a"))
        yield Form("self", {"a": shape, "b": shape}, {"axis": 1}, operands=("a", "b", "a"))
