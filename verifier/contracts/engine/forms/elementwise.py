"""Questions about operations element by element: shapes, broadcasting, Python numbers, one operand twice, kinks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from verifier.contracts.engine.forms.form import Form, Shape, at_values, pairs
from verifier.contracts.engine.operations.operation import Operation

USUAL: Mapping[str, Mapping[str, Any]] = {"clip": {"min": -1.0, "max": 1.0}}
UNUSUAL: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "clip": ({"min": -0.5}, {"max": 0.5}),
    "leaky_relu": ({"negative_slope": 0.25},),
    "elu": ({"alpha": 0.5},),
}
STRETCHED: Sequence[tuple[Shape, Shape]] = (
    *(((3, 4), (4,)), ((4,), (3, 4)), ((3, 4), (1, 4)), ((1, 4), (3, 4)), ((3, 4), (3, 1)), ((3, 1), (3, 4))),
    *(((3, 3), (3,)), ((3,), (3, 3)), ((3, 3), (3, 1)), ((1, 3), (3, 3)), ((3, 1), (1, 4)), ((1, 3), (3, 1)), ((3, 1), (3,))),
    *(((2, 3, 4), (3, 4)), ((4,), (2, 3, 4)), ((2, 3, 4), (3, 1)), ((2, 1, 4), (1, 3, 1)), ((1, 3, 1), (2, 3, 4)), ((3, 3, 3), (3, 3))),
    *(((3, 4), (1,)), ((1,), (4,)), ((1, 1), (3, 4))),
)
ARITHMETIC = ("add", "sub", "mul", "div")


def unary(operation: Operation, shapes: Sequence[Shape]) -> Iterator[Form]:
    """Over these shapes; without any, over a number alone."""
    usual = USUAL.get(operation.name, {})
    for shape in shapes:
        yield Form("plain", {"a": shape}, usual)
    if shapes:
        yield Form("empty", {"a": (0, 3)}, usual, column="empty")
    yield Form("zero-dim", {"a": ()}, usual)
    wide, extent = ((3, 4), (3,)) if shapes else ((), ())
    for options in UNUSUAL.get(operation.name, ()):
        yield Form("options", {"a": wide}, options)
    for point in operation.points:
        yield at_values("point", np.full(extent, point))
    for kink, slopes in operation.kinks.items():
        yield at_values("kink", np.full(extent, kink), slopes=slopes)


def binary(operation: Operation) -> Iterator[Form]:
    """Over two arrays, alike or stretched, an array and a number, an array twice."""
    yield from pairs("plain", ((shape, shape) for shape in ((3, 4), (3, 3), (5,), (2, 3, 4), (1, 1))))
    yield from pairs("zero-dim", [((), ())])
    yield from pairs("broadcast", STRETCHED, "broadcasting")
    yield from pairs("empty", (((0, 3), (0, 3)), ((0, 3), (3,)), ((1, 3), (0, 3))), "empty")
    yield from pairs("broadcast zero-dim", (((3, 4), ()), ((), (3, 4)), ((), (3,))), "broadcasting")
    yield from with_numbers(operation, (3, 4))
    yield from with_itself(operation, (3, 4))
    yield from with_itself(operation, (3, 3))


def with_numbers(operation: Operation, shape: Shape) -> Iterator[Form]:
    """A Python number on either side; negative bases under whole powers; zeros where the slope exists."""
    right: Sequence[float] = (0.501,)
    left: Sequence[float] = (0.501,)
    if operation.name == "pow":
        right, left = (2.0, 3.0, 0.5, -1.0, 2, -2.0, 1.0), (0.5, 2)
    elif operation.name in ARITHMETIC:
        right, left = (2.0, -1.5, 3), (2.5, 3)
    for number in right:
        yield Form("number right", {"a": shape}, operands=("a", number), column="number")
        if operation.name == "pow" and float(number).is_integer():
            values = np.linspace(-2.0, -0.5, int(np.prod(shape))).reshape(shape)
            yield Form("negative base", {}, arrays={"a": np.round(values * 64) / 64}, operands=("a", number), column="number", fixed=True)
    zero, one = np.zeros(shape), np.ones(shape)
    if operation.name == "pow":
        for power in (2.0, 3.0):
            yield Form("point", {}, arrays={"a": zero}, operands=("a", power), column="edge", fixed=True)
    if operation.name in ARITHMETIC:
        signs = np.resize([0.0, 1.5, -2.0], int(np.prod(shape))).reshape(shape)
        yield Form("point", {"b": shape}, arrays={"a": signs}, operands=("a", "b"), column="edge", fixed=True)
    if operation.name in ("atan2", "hypot"):
        for a, b in ((zero, one), (one, zero)):
            yield Form("point", {}, arrays={"a": a, "b": b}, column="edge", fixed=True)
    for number in left:
        yield Form("number left", {"b": shape}, operands=(number, "b"), column="number")


def with_itself(operation: Operation, shape: Shape) -> Iterator[Form]:
    """One array as both operands."""
    fixed = operation.name in ("maximum", "minimum")
    yield Form("self", {"a": shape}, operands=("a", "a"), fixed=fixed, slopes=(0.0, 1.0) if fixed else None)


def choice() -> Iterator[Form]:
    """By a mask, which is no operand of the engine's."""

    def chosen(feature: str, mask: np.ndarray, column: str = "plain", **shapes: Shape) -> Form:
        return Form(feature, shapes, {}, column, {"mask": mask}, ("mask",), ("mask", "a", "b" if "b" in shapes else "a"))

    mask = np.arange(12).reshape(3, 4) % 3 != 1
    yield chosen("plain", mask, a=(3, 4), b=(3, 4))
    yield chosen("broadcast", mask, "broadcasting", a=(3, 4), b=(4,))
    yield chosen("broadcast", mask, "broadcasting", a=(3, 1), b=(3, 4))
    yield chosen("broadcast", mask, "broadcasting", a=(1, 4), b=(3, 1))
    yield chosen("plain", np.eye(3, dtype=np.bool_), a=(3, 3), b=(3, 3))
    yield chosen("self", mask, a=(3, 4))
