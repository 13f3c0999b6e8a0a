"""20 right and 20 wrong custom functions, as their authors have them: what `assert_gradients` and `torch.autograd.gradcheck` say.

    python -m benchmarks.gradcheck_comparison

Each function is a `torch.autograd.Function` with a right backward pass, and the same with a mistake; a quarter is in float32. gradcheck
is asked with its own settings, and for float32 also with those that people fall back to. Its result is kept in
benchmarks/results/gradcheck_comparison.txt.
"""

import contextlib
import io
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.output import publish, table, versions
from verifier.assertions import assert_gradients
from verifier.errors import Inconclusive

Forward = Callable[..., Tensor]
Backward = Callable[..., tuple[Tensor | None, ...]]
Verdict = str

LOOSE = {"eps": 1e-3, "atol": 1e-2, "rtol": 1e-2}  # what float32 users are told to try


@dataclass(frozen=True)
class Pair:
    """A function, its right backward pass, and a wrong one: (cotangent, *inputs) -> gradients."""

    name: str
    mistake: str
    forward: Forward
    right: Backward
    wrong: Backward
    inputs: tuple[Tensor, ...]


def custom(forward: Forward, backward: Backward) -> Callable[..., Tensor]:
    """A custom function with these two passes."""

    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> Tensor:
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor) -> Any:
            return backward(cotangents[0], *ctx.saved_tensors)

    return Custom.apply


def one(slope: Callable[[Tensor], Tensor]) -> Backward:
    """The backward pass of a function that works on each element alone, from its slope."""
    return lambda c, x: (c * slope(x),)


def pairs() -> list[Pair]:
    generator = torch.Generator().manual_seed(20261124)

    def normal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    single = torch.float32
    x, matrix, other = normal(4, 5), normal(4, 5), normal(5, 3)
    sigmoid, tanh = torch.sigmoid, torch.tanh

    def gelu_slope(z: Tensor) -> Tensor:
        return (1 + torch.erf(z / math.sqrt(2))) / 2 + z * torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def tanh_form_slope(z: Tensor) -> Tensor:
        inner = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
        return (1 + tanh(inner)) / 2 + z * (1 - tanh(inner) ** 2) / 2 * math.sqrt(2 / math.pi) * (1 + 0.134145 * z * z)

    def logistic_slope(z: Tensor) -> Tensor:
        return sigmoid(z) * (1 - sigmoid(z))

    def one_element_off(c: Tensor, z: Tensor) -> tuple[Tensor]:
        off = (torch.arange(z.numel()) == 7).reshape(z.shape)
        return (c * 3 * z * z * (1 + 1e-4 * off),)

    def diagonal(c: Tensor, z: Tensor) -> tuple[Tensor]:
        p = torch.softmax(z, -1)
        return (c * p * (1 - p),)

    def constant_variance(c: Tensor, z: Tensor) -> tuple[Tensor]:
        return ((c - c.mean(-1, keepdim=True)) / torch.sqrt(z.var(-1, keepdim=True, unbiased=False) + 1e-5),)

    def centred(c: Tensor, z: Tensor) -> tuple[Tensor]:
        p = torch.softmax(z, -1)
        return (p * (c - (p * c).sum(-1, keepdim=True)),)

    def normalised(z: Tensor) -> Tensor:
        return (z - z.mean(-1, keepdim=True)) / torch.sqrt(z.var(-1, keepdim=True, unbiased=False) + 1e-5)

    def normalised_backward(c: Tensor, z: Tensor) -> tuple[Tensor]:
        y, deviation = normalised(z), torch.sqrt(z.var(-1, keepdim=True, unbiased=False) + 1e-5)
        return ((c - c.mean(-1, keepdim=True) - y * (c * y).mean(-1, keepdim=True)) / deviation,)

    def kept(c: Tensor, *_: Tensor) -> tuple[Tensor]:
        return (c.mul_(2),)

    def half_inside(c: Tensor, z: Tensor) -> tuple[Tensor]:
        return ((c.half() * z.half().cos()).to(z.dtype),)

    return [
        Pair("sigmoid", "σ' of the activation", sigmoid, one(logistic_slope), one(lambda z: logistic_slope(sigmoid(z))), (x,)),
        Pair("tanh", "1 - tanh", tanh, one(lambda z: 1 - tanh(z) ** 2), one(lambda z: 1 - tanh(z)), (x,)),
        Pair("gelu", "slope of the tanh form", torch.nn.functional.gelu, one(gelu_slope), one(tanh_form_slope), (x,)),
        Pair("relu", "passes everything", torch.relu, one(lambda z: (z > 0).to(z)), one(torch.ones_like), (x,)),
        Pair("exp, scaled by 1e-6", "half", lambda z: 1e-6 * z.exp(), one(lambda z: 1e-6 * z.exp()), one(lambda z: 5e-7 * z.exp()), (x,)),
        Pair(
            "mean of squares of 20,000",
            "divided twice",
            lambda z: z.square().mean(),
            lambda c, z: (2 * c * z / z.numel(),),
            lambda c, z: (2 * c * z / z.numel() ** 2,),
            (normal(20_000),),
        ),
        Pair("square", "off by 5e-4", torch.square, one(lambda z: 2 * z), one(lambda z: 2.001 * z), (x,)),
        Pair("sine", "half precision inside", torch.sin, one(torch.cos), half_inside, (x,)),
        Pair("cube of inputs of 1e3", "one element off by 1e-4", lambda z: z**3, one(lambda z: 3 * z * z), one_element_off, (1e3 * x,)),
        Pair(
            "matrix product",
            "of b in another order",
            torch.matmul,
            lambda c, a, b: (c @ b.T, a.T @ c),
            lambda c, a, b: (c @ b.T, (c.T @ a).reshape(b.shape)),
            (matrix, other),
        ),
        Pair("softmax", "the Jacobian's diagonal", lambda z: torch.softmax(z, -1), centred, diagonal, (x,)),
        Pair("normalisation", "the variance held constant", normalised, normalised_backward, constant_variance, (x,)),
        Pair("doubling", "writes into its cotangent", lambda z: 2 * z, lambda c, z: (2 * c,), kept, (x,)),
        Pair("sine, stable", "clipped to ±5", torch.sin, one(torch.cos), lambda c, z: ((c * z.cos()).clamp(-5, 5),), (x,)),
        Pair("product", "None for the second", torch.mul, lambda c, a, b: (c * b, c * a), lambda c, a, b: (c * b, None), (x, matrix)),
        Pair("tanh, float32", "1 - tanh", tanh, one(lambda z: 1 - tanh(z) ** 2), one(lambda z: 1 - tanh(z)), (x.to(single),)),
        Pair("square, float32", "off by 1 %", torch.square, one(lambda z: 2 * z), one(lambda z: 2.02 * z), (x.to(single),)),
        Pair(
            "sum of 2,000 squares, float32",
            "off by 1e-3",
            lambda z: z.square().sum(),
            lambda c, z: (2 * c * z,),
            lambda c, z: (2.002 * c * z,),
            (normal(2_000, dtype=single),),
        ),
        Pair("softmax, float32", "the Jacobian's diagonal", lambda z: torch.softmax(z, -1), centred, diagonal, (x.to(single),)),
        Pair(
            "exp, scaled by 1e-3, float32",
            "half",
            lambda z: 1e-3 * z.exp(),
            one(lambda z: 1e-3 * z.exp()),
            one(lambda z: 5e-4 * z.exp()),
            (x.to(single),),
        ),
    ]


def by_assertion(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Verdict:
    try:
        assert_gradients(function, *inputs)
    except AssertionError:
        return "fail"
    except Inconclusive:
        return "undecided"
    return "pass"


def by_gradcheck(function: Callable[..., Tensor], inputs: Sequence[Tensor], **settings: float) -> Verdict:
    leaves = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            right = torch.autograd.gradcheck(function, leaves, raise_exception=False, **settings)  # type: ignore[arg-type]
        except Exception:  # whatever it ends with: gradcheck gives no verdict there
            return "error"
    return "pass" if right else "fail"


def main() -> int:
    rows: list[tuple[str, ...]] = []
    seconds = {"assert_gradients": 0.0, "gradcheck": 0.0}
    for pair in pairs():
        for kind, backward in (("right", pair.right), (pair.mistake, pair.wrong)):
            function = custom(pair.forward, backward)
            started = time.perf_counter()
            mine = by_assertion(function, pair.inputs)
            middle = time.perf_counter()
            theirs = "too long" if pair.inputs[0].numel() > 10_000 else by_gradcheck(function, pair.inputs)
            seconds["assert_gradients"] += middle - started
            seconds["gradcheck"] += time.perf_counter() - middle
            narrow = pair.inputs[0].dtype == torch.float32
            loose = by_gradcheck(function, pair.inputs, **LOOSE) if narrow else ""
            rows.append((pair.name, kind, mine, theirs, loose))
    publish("gradcheck_comparison", report(rows))
    print(", ".join(f"{name} {taken:.1f} s" for name, taken in seconds.items()))
    return 0 if summary(rows, 2) == (20, 0) else 1


def summary(rows: Sequence[tuple[str, ...]], column: int) -> tuple[int, int]:
    """How many of the wrong ones were found, and how many of the right ones were accused."""
    found = sum(row[1] != "right" and row[column] == "fail" for row in rows)
    return found, sum(row[1] == "right" and row[column] == "fail" for row in rows)


def report(rows: Sequence[tuple[str, ...]]) -> str:
    settings = ", ".join(f"{name} {value:g}" for name, value in LOOSE.items())
    header = ("function", "backward pass", "assert_gradients", "gradcheck", "gradcheck, loose")
    lines = [
        "20 right and 20 wrong custom functions",
        "",
        table(rows, header),
        "",
        f"loose: {settings}, for float32 alone. too long: one column of the Jacobian for each of 20,000 elements.",
        "",
    ]
    for column, name in ((2, "assert_gradients"), (3, "gradcheck")):
        found, accused = summary(rows, column)
        lines.append(f"{name}: {found} of 20 wrong ones found, {accused} of 20 right ones accused")
    narrow = [row for row in rows if row[4]]
    found, accused = summary(narrow, 4)
    lines.append(f"gradcheck, loose, float32 alone: {found} of {len(narrow) // 2} found, {accused} of {len(narrow) // 2} accused")
    return "\n".join([*lines, "", versions("torch", "numpy")])


if __name__ == "__main__":
    raise SystemExit(main())
