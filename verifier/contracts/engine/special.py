"""Which shapes, options and values each kind of operation is asked with. Square and unequal sizes both: where sizes differ such mistakes
raise, where they are equal they stay silent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from verifier.arrays import Array
from verifier.contracts.engine.operations.operation import Operation

Shape = tuple[int, ...]
Index = Sequence[Any]
_WITH_ZERO = np.array([[1.5, 0.0, -2.0], [0.5, 2.0, 1.0]]), np.array([[0.0, 3.0, 0.0], [1.0, 0.5, 2.0]])


@dataclass(frozen=True)
class Form:
    """What one question looks like, before numbers are drawn.

    Attributes:
        shapes: operands that are drawn from the operation's domain.
        arrays: further arrays with given values; those in `plain` are passed as they are (masks, labels).
        operands: in order, where they are not simply all arrays.
        fixed: whether the values are meant as they are, even at a kink.
    """

    feature: str
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    column: str = "plain"
    arrays: Mapping[str, Array] = field(default_factory=dict)
    plain: tuple[str, ...] = ()
    operands: tuple[str | float, ...] = ()
    fixed: bool = False
    slopes: tuple[float, float] | None = None


def forms(operation: Operation) -> Iterator[Form]:
    """Every form of a question about an operation over arrays."""
    match operation.kind:
        case "unary":
            yield from _unary(operation, [(3, 4), (3, 3), (5,), (2, 3, 4), (1, 4), (4, 1), (1, 1)], ())
        case "binary":
            yield from _binary(operation)
        case "choice":
            yield from _choice()
        case "reduction":
            yield from _reductions(operation)
        case "axis":
            yield from _along_axes()
            if operation.name == "cumprod":
                yield Form("point", {}, {"axis": 1}, arrays={"a": _WITH_ZERO[0]}, column="edge", fixed=True)
        case "product":
            yield from _products(operation)
        case "shape":
            yield from _shapes(operation)
        case "index":
            yield from _indices()
        case "write":
            yield from _writes()
        case "list":
            yield from _lists(operation)
        case "loss":
            for shape in ((4, 3), (3, 3), (5,)):
                yield Form("plain", {"a": shape, "target": shape}, plain=("target",))
        case "labels":
            for rows, classes in ((4, 3), (3, 3), (1, 4), (5, 2)):
                labels = np.arange(rows, dtype=np.int64) * 2 % classes
                yield Form("plain", {"a": (rows, classes)}, arrays={"labels": labels}, plain=("labels",))
        case _:
            yield from _layers(operation)


def scalar_forms(operation: Operation) -> Iterator[Form]:
    """The same for engines of numbers."""
    if operation.kind == "unary":
        for _ in range(4):
            yield from _unary(operation, [], ())
    elif operation.kind == "binary":
        for _ in range(4):
            yield Form("plain", {"a": (), "b": ()})
        yield from _with_numbers(operation, ())
        yield from _with_itself(operation, ())


def _unary(operation: Operation, shapes: Sequence[Shape], zero: Shape) -> Iterator[Form]:
    optional: Sequence[Mapping[str, Any]] = ({},)
    if operation.name == "clip":
        optional = ({"min": -1.0, "max": 1.0}, {"min": -0.5}, {"max": 0.5})
    for shape in shapes:
        yield Form("plain", {"a": shape}, optional[0])
    if shapes:
        yield Form("empty", {"a": (0, 3)}, optional[0], column="empty")
    yield Form("zero-dim", {"a": zero}, optional[0])
    extent, wide = ((3,), (3, 4)) if shapes else ((), ())
    for options in optional[1:]:
        yield Form("options", {"a": wide}, options)
    if operation.name == "leaky_relu":
        yield Form("options", {"a": wide}, {"negative_slope": 0.25})
    if operation.name == "elu":
        yield Form("options", {"a": wide}, {"alpha": 0.5})
    for point in operation.points:
        yield Form("point", {}, arrays={"a": np.full(extent, point)}, column="edge", fixed=True)
    for kink, slopes in operation.kinks.items():
        yield Form("kink", {}, arrays={"a": np.full(extent, kink)}, column="edge", fixed=True, slopes=slopes)


def _binary(operation: Operation) -> Iterator[Form]:
    same: Sequence[Shape] = ((3, 4), (3, 3), (5,), (2, 3, 4), (1, 1))
    for a in same:
        yield Form("plain", {"a": a, "b": a})
    yield Form("zero-dim", {"a": (), "b": ()})
    pairs: Sequence[tuple[Shape, Shape]] = (
        *(((3, 4), (4,)), ((4,), (3, 4)), ((3, 4), (1, 4)), ((1, 4), (3, 4)), ((3, 4), (3, 1)), ((3, 1), (3, 4))),
        *(((3, 3), (3,)), ((3,), (3, 3)), ((3, 3), (3, 1)), ((1, 3), (3, 3)), ((3, 1), (1, 4)), ((1, 3), (3, 1)), ((3, 1), (3,))),
        *(((2, 3, 4), (3, 4)), ((4,), (2, 3, 4)), ((2, 3, 4), (3, 1)), ((2, 1, 4), (1, 3, 1)), ((1, 3, 1), (2, 3, 4)), ((3, 3, 3), (3, 3))),
        *(((3, 4), (1,)), ((1,), (4,)), ((1, 1), (3, 4))),
    )
    for a, b in pairs:
        yield Form("broadcast", {"a": a, "b": b}, column="broadcasting")
    for a, b in (((0, 3), (0, 3)), ((0, 3), (3,)), ((1, 3), (0, 3))):
        yield Form("empty", {"a": a, "b": b}, column="empty")
    zero: Sequence[tuple[Shape, Shape]] = (((3, 4), ()), ((), (3, 4)), ((), (3,)))
    for a, b in zero:
        yield Form("broadcast zero-dim", {"a": a, "b": b}, column="broadcasting")
    yield from _with_numbers(operation, (3, 4))
    yield from _with_itself(operation, (3, 4))
    yield from _with_itself(operation, (3, 3))


def _with_numbers(operation: Operation, shape: Shape) -> Iterator[Form]:
    """A Python number on either side; negative bases under whole powers."""
    if operation.name in ("maximum", "minimum", "atan2", "logaddexp", "hypot"):
        numbers: Sequence[float] = (0.501,)
    elif operation.name == "pow":
        numbers = (2.0, 3.0, 0.5, -1.0, 2, -2.0, 1.0)
    else:
        numbers = (2.0, -1.5, 3)
    for number in numbers:
        yield Form("number right", {"a": shape}, operands=("a", number), column="number")
        if operation.name == "pow" and float(number).is_integer():
            values = np.linspace(-2.0, -0.5, int(np.prod(shape))).reshape(shape)
            yield Form("negative base", {}, arrays={"a": np.round(values * 64) / 64}, operands=("a", number), column="number", fixed=True)
    if operation.name == "pow":
        yield Form("point", {}, arrays={"a": np.zeros(shape)}, operands=("a", 2.0), column="edge", fixed=True)
        yield Form("point", {}, arrays={"a": np.zeros(shape)}, operands=("a", 3.0), column="edge", fixed=True)
    if operation.name in ("add", "sub", "mul", "div"):
        signs = np.resize([0.0, 1.5, -2.0], int(np.prod(shape))).reshape(shape)
        yield Form("point", {"b": shape}, arrays={"a": signs}, operands=("a", "b"), column="edge", fixed=True)
    if operation.name in ("atan2", "hypot"):
        zero, one = np.zeros(shape), np.ones(shape)
        yield Form("point", {}, arrays={"a": zero, "b": one}, column="edge", fixed=True)
        yield Form("point", {}, arrays={"a": one, "b": zero}, column="edge", fixed=True)
    for number in (0.5, 2) if operation.name == "pow" else numbers[:1] if operation.name not in ("add", "sub", "mul", "div") else (2.5, 3):
        domain = operation.domain(1)
        low = max(domain.low, domain.hole) if operation.name == "div" else domain.low
        yield Form("number left", {"b": shape}, operands=(number, "b"), column="number", fixed=low is None)


def _with_itself(operation: Operation, shape: Shape) -> Iterator[Form]:
    fixed = operation.name in ("maximum", "minimum")
    yield Form("self", {"a": shape}, operands=("a", "a"), fixed=fixed, slopes=(0.0, 1.0) if fixed else None)


def _choice() -> Iterator[Form]:
    mask = np.arange(12).reshape(3, 4) % 3 != 1
    for feature, a, b in (
        ("plain", (3, 4), (3, 4)),
        ("broadcast", (3, 4), (4,)),
        ("broadcast", (3, 1), (3, 4)),
        ("broadcast", (1, 4), (3, 1)),
    ):
        column = "plain" if feature == "plain" else "broadcasting"
        yield Form(feature, {"a": a, "b": b}, arrays={"mask": mask}, plain=("mask",), operands=("mask", "a", "b"), column=column)
    square = np.eye(3, dtype=np.bool_)
    yield Form("plain", {"a": (3, 3), "b": (3, 3)}, arrays={"mask": square}, plain=("mask",), operands=("mask", "a", "b"))
    yield Form("self", {"a": (3, 4)}, arrays={"mask": mask}, plain=("mask",), operands=("mask", "a", "a"))


def _reductions(operation: Operation) -> Iterator[Form]:
    for shape in ((3, 4), (3, 3), (5,), (2, 3, 4), (4, 1), (1, 4)):
        if operation.name in ("var", "std") and 1 in shape:
            continue
        yield Form("plain", {"a": shape})
    if operation.name not in ("var", "std"):
        yield Form("zero-dim", {"a": ()})
    for shape, axis in (
        ((3, 4), 0),
        ((3, 4), 1),
        ((3, 4), -1),
        ((3, 3), 0),
        ((3, 3), 1),
        ((2, 3, 4), 1),
        ((3, 3, 3), 1),
        ((3, 3, 3), 0),
        ((5,), 0),
    ):
        yield Form("axis", {"a": shape}, {"axis": axis})
        yield Form("axis keepdims", {"a": shape}, {"axis": axis, "keepdims": True})
    if operation.name == "sum":
        yield Form("empty", {"a": (0, 3)}, {"axis": 0}, column="empty")
    yield Form("keepdims", {"a": (3, 4)}, {"keepdims": True})
    for shape, axes in (((2, 3, 4), [0, 2]), ((2, 3, 4), [1, 2]), ((3, 3, 3), [0, 1]), ((3, 4), [0, 1]), ((2, 3, 4), [0, -1])):
        yield Form("axes", {"a": shape}, {"axis": axes})
        yield Form("axes keepdims", {"a": shape}, {"axis": axes, "keepdims": True})
    if operation.name in ("var", "std"):
        yield Form("options", {"a": (3, 4)}, {"correction": 0})
    if operation.name == "prod":
        for zeros in _WITH_ZERO:
            yield Form("point", {}, arrays={"a": zeros}, column="edge", fixed=True)
            yield Form("point", {}, {"axis": 1}, arrays={"a": zeros}, column="edge", fixed=True)
    if operation.name in ("amax", "amin"):
        ties = np.array([[1.0, 2.0, 2.0], [0.5, 0.5, 0.5]]) * (1 if operation.name == "amax" else -1)
        yield Form("kink", {}, {"axis": 1}, arrays={"a": ties}, column="edge", fixed=True, slopes=(0.0, 1.0))


def _along_axes() -> Iterator[Form]:
    last: Sequence[Shape] = ((3, 4), (3, 3), (5,))
    for shape in last:
        yield Form("axis", {"a": shape}, {"axis": -1})
    along: Sequence[tuple[Shape, int]] = (
        ((3, 4), 0),
        ((3, 3), 0),
        ((3, 4), 1),
        ((2, 3, 4), 1),
        ((2, 3, 4), 2),
        ((3, 3, 3), 0),
        ((1, 4), 0),
    )
    for shape, axis in along:
        yield Form("axis", {"a": shape}, {"axis": axis})


def _products(operation: Operation) -> Iterator[Form]:
    if operation.name != "matmul":
        vectors: Sequence[tuple[Shape, Shape]] = (((4,), (4,)) if operation.name == "dot" else ((3,), (4,)), ((3,), (3,)))
        for a, b in vectors:
            yield Form("plain", {"a": a, "b": b})
        yield Form("self", {"a": (3,)}, operands=("a", "a"))
        return
    matrices: Sequence[tuple[Shape, Shape]] = (((3, 4), (4, 5)), ((3, 3), (3, 3)), ((1, 4), (4, 1)), ((3, 1), (1, 3)), ((4, 4), (4, 2)))
    for a, b in matrices:
        yield Form("plain", {"a": a, "b": b})
    mixed: Sequence[tuple[str, Shape, Shape]] = (
        ("matrix vector", (3, 4), (4,)),
        ("vector matrix", (4,), (4, 5)),
        ("vector vector", (4,), (4,)),
        ("matrix vector", (3, 3), (3,)),
    )
    for feature, a, b in mixed:
        yield Form(feature, {"a": a, "b": b})
    yield Form("batch", {"a": (2, 3, 4), "b": (2, 4, 5)})
    yield Form("batch", {"a": (3, 3, 3), "b": (3, 3, 3)})
    stacks: Sequence[tuple[Shape, Shape]] = (
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((1, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (3, 4, 2)),
        ((2, 3, 4), (4,)),
    )
    for a, b in stacks:
        yield Form("batch broadcast", {"a": a, "b": b}, column="broadcasting")
    yield Form("self", {"a": (3, 3)}, operands=("a", "a"))


def _shapes(operation: Operation) -> Iterator[Form]:
    options: Mapping[str, Sequence[tuple[Shape, Mapping[str, Any]]]] = {
        "transpose": (
            ((3, 4), {}),
            ((3, 3), {}),
            ((2, 3, 4), {}),
            ((2, 3, 4), {"axes": [1, 2, 0]}),
            ((2, 3, 4), {"axes": [2, 0, 1]}),
            ((3, 3, 3), {"axes": [1, 2, 0]}),
            ((3, 4), {"axes": [1, 0]}),
            ((2, 3, 4), {"axes": [0, 2, 1]}),
        ),
        "reshape": (
            ((3, 4), {"shape": [4, 3]}),
            ((3, 4), {"shape": [12]}),
            ((3, 4), {"shape": [2, -1]}),
            ((6,), {"shape": [1, 2, 3]}),
            ((3, 3), {"shape": [9, 1]}),
        ),
        "broadcast_to": (
            ((4,), {"shape": [3, 4]}),
            ((3, 1), {"shape": [3, 4]}),
            ((1, 4), {"shape": [3, 4]}),
            ((3, 1), {"shape": [3, 3]}),
            ((1,), {"shape": [4]}),
            ((3, 4), {"shape": [2, 3, 4]}),
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
    for shape, said in options.get(operation.name, (((3, 4), {}), ((3, 3), {}), ((4, 2), {}))):
        yield Form("axes" if said.get("axes") else "plain", {"a": shape}, said)


def _indices() -> Iterator[Form]:
    whole: dict[str, Any] = {"slice": [None, None, None]}
    indices: Sequence[tuple[str, Shape, Index]] = (
        *(
            ("number", (3, 4), [1]),
            ("number", (3, 4), [-1]),
            ("number", (5,), [2]),
            ("number", (3, 4), [1, 2]),
            ("number", (3, 3), [0, -1]),
        ),
        *(
            ("slice", (5,), [{"slice": [1, 4, None]}]),
            ("slice", (3, 4), [{"slice": [1, None, None]}]),
            ("slice", (3, 4), [whole, {"slice": [0, 2, None]}]),
        ),
        *(
            ("slice", (3, 4), [whole, 1]),
            ("slice", (3, 4), [{"slice": [0, 2, None]}, {"slice": [1, None, None]}]),
            ("slice", (3, 3), [{"slice": [0, -1, None]}]),
        ),
        *(
            ("step", (5,), [{"slice": [None, None, 2]}]),
            ("step", (5,), [{"slice": [4, 0, -2]}]),
            ("step", (3, 4), [whole, {"slice": [None, None, -1]}]),
        ),
        *(("ellipsis", (2, 3, 4), ["...", 1]), ("ellipsis", (2, 3, 4), ["...", {"slice": [1, 3, None]}])),
        *(("new axis", (3, 4), [None]), ("new axis", (3, 4), [whole, None])),
        *(
            ("array", (5,), [{"array": [3, 0, 2]}]),
            ("array", (4, 3), [{"array": [2, 0]}]),
            ("array", (4, 3), [{"array": [[0, 1], [3, 2]]}]),
        ),
        *(("pairs", (3, 4), [{"array": [0, 1, 2]}, {"array": [3, 1, 0]}]), ("pairs", (3, 3), [{"array": [0, 1, 2]}, {"array": [0, 1, 2]}])),
        *(
            ("repeated", (5,), [{"array": [1, 1, 3, 1]}]),
            ("repeated", (4, 3), [{"array": [2, 0, 2]}]),
            ("repeated", (3, 4), [{"array": [0, 0, 2]}, {"array": [1, 1, 3]}]),
        ),
        *(("repeated", (4,), [{"array": [-1, 3, 0]}]), ("mask", (5,), [{"mask": [True, False, True, True, False]}])),
        ("mask", (3, 2), [{"mask": [[True, False], [False, True], [True, True]]}]),
    )
    for feature, shape, items in indices:
        yield Form(feature, {"a": shape}, {"index": {"index": list(items)}}, column="edge" if feature == "repeated" else "plain")


def _writes() -> Iterator[Form]:
    """Slices and places of an array that another one is written into."""
    whole: dict[str, Any] = {"slice": [None, None, None]}
    places: Sequence[tuple[str, Shape, Shape, Index]] = (
        *(("plain", (3, 4), (4,), [1]), ("plain", (3, 3), (3,), [-1]), ("plain", (5,), (3,), [{"slice": [1, 4, None]}])),
        *(("plain", (3, 4), (3, 2), [whole, {"slice": [0, 2, None]}]), ("plain", (4, 3), (2, 3), [{"array": [3, 0]}])),
        *(("broadcast", (3, 4), (4,), [{"slice": [0, 2, None]}]), ("broadcast", (3, 3), (3, 1), [whole, {"slice": [1, None, None]}])),
        ("broadcast zero-dim", (3, 4), (), [{"slice": [1, None, None]}]),
    )
    for feature, a, b, items in places:
        column = "plain" if feature == "plain" else "broadcasting"
        yield Form(feature, {"a": a, "b": b}, {"index": {"index": list(items)}}, column=column)


def _lists(operation: Operation) -> Iterator[Form]:
    joined: Sequence[tuple[str, Sequence[Shape], int]] = (
        *(
            ("plain", ((3, 4), (3, 4)), 0),
            ("plain", ((3, 3), (3, 3)), 0),
            ("axis", ((3, 4), (3, 4)), 1),
            ("axis", ((3, 3), (3, 3), (3, 3)), 1),
        ),
        *(("axis", ((3, 4), (3, 4)), -1), ("plain", ((5,), (5,)), 0), ("plain", ((4,),), 0), ("axis", ((2, 3, 4), (2, 3, 4)), 1)),
    )
    for feature, shapes, axis in joined:
        yield Form(feature, dict(zip("abc", shapes, strict=False)), {"axis": axis})
    if operation.name == "cat":
        for shapes, axis in ((((2, 3), (4, 3)), 0), (((3, 1), (3, 2), (3, 4)), 1), (((2,), (5,)), 0)):
            yield Form("unequal", dict(zip("abc", shapes, strict=False)), {"axis": axis})
    for shape in ((3, 4), (3, 3)):
        yield Form("self", {"a": shape}, {"axis": 0}, operands=("a", "a"))
        yield Form("self", {"a": shape, "b": shape}, {"axis": 1}, operands=("a", "b", "a"))


def _layers(operation: Operation) -> Iterator[Form]:
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
            values = (np.random.default_rng(5).permutation(2 * 3 * 6 * 6) / 16 - 3).reshape(2, 3, 6, 6)
            for options in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 1}, {"kernel_size": 3, "stride": 2}):
                yield Form("plain", {}, options, arrays={"x": values}, fixed=True)
