"""`assert_gradients` on 10,000 random functions whose gradient is right, and on the same with one planted error: who is accused?

    python -m benchmarks.assertion_calibration [--functions 10000] [--seed 0] [--minutes 15] [--state reports/assertions.jsonl]

The functions are random compositions in PyTorch, differentiated by autograd: smooth and with kinks, poles and saturation, with large
offsets and scales, cancellation, parts in float32, inputs that are zero, equal, huge or tiny; a fifth in float32. A function for which
autograd gives a gradient that is not finite is drawn again. Nothing is known of them but their values, as in somebody's own test.
The planted error multiplies one input's gradient, or its largest element, by 1 + δ; where that gradient is nothing but
rounding there is none to plant. Every 50 functions are one line that is appended to the state file: a run that is stopped goes on where
it was. Its result is kept in benchmarks/results/assertion_calibration.txt.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.output import publish, versions
from benchmarks.resuming import Record, measure, records
from verifier.assertions import assert_gradients
from verifier.errors import Inconclusive

FUNCTIONS = 10_000
DELTAS = (1.0, 1e-2, 1e-4, 1e-6)
REDRAWS = 30
ROUNDING = {"float64": 1e-12, "float32": 1e-4}  # of the outputs' size
BLOCK = 50

Array = NDArray[np.floating]
Unary = Callable[[Tensor], Tensor]


def _float32_inside(x: Tensor) -> Tensor:
    return torch.tanh(x.float()).to(x.dtype)


SMOOTH: dict[str, Unary] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "sin": torch.sin,
    "fast sin": lambda x: torch.sin(30 * x),
    "exp": lambda x: torch.exp(x.clamp(max=20.0) if bool((x > 20).any()) else x),
    "square": torch.square,
    "cube": lambda x: x**3,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "gelu": torch.nn.functional.gelu,
    "softmax": lambda x: torch.softmax(x, -1),
    "log softmax": lambda x: torch.log_softmax(x, -1),
    "naive log softmax": lambda x: torch.log(torch.softmax(x, -1)),
    "normalise": lambda x: (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-5),
    "cumsum": lambda x: torch.cumsum(x, -1),
    "erf": torch.erf,
}
POLES: dict[str, Unary] = {
    "reciprocal": lambda x: 1 / x,
    "log": lambda x: torch.log(x.abs()),
    "sqrt": lambda x: torch.sqrt(x.abs()),
    "norm": lambda x: x / x.norm(),
    "power": lambda x: x.abs() ** 1.7,
}
KINKS: dict[str, Unary] = {
    "relu": torch.relu,
    "leaky": lambda x: torch.nn.functional.leaky_relu(x, 0.01),
    "abs": torch.abs,
    "clamp": lambda x: x.clamp(-1, 1),
    "max": lambda x: x.max(-1, keepdim=True).values * x,
    "sort": lambda x: torch.sort(x, -1).values,
    "huber": lambda x: torch.nn.functional.smooth_l1_loss(x, torch.zeros_like(x), reduction="none"),
}
HARD: dict[str, Unary] = {
    "cancel": lambda x: torch.exp(x.clamp(-20, 20)) - 1 - x,
    "1 - cos": lambda x: 1 - torch.cos(x),
    "offset": lambda x: x + 1e6,
    "scale up": lambda x: 1e5 * x,
    "scale down": lambda x: 1e-5 * x,
    "saturate": lambda x: torch.sigmoid(20 * x),
    "float32 inside": _float32_inside,
    "log(1 + e^x)": lambda x: torch.log(1 + torch.exp(x.clamp(-30, 30))),
}
KINDS = (SMOOTH, SMOOTH, SMOOTH, KINKS, POLES, HARD)


@dataclass(frozen=True)
class Drawn:
    """A random function of two arrays, and a point."""

    names: tuple[str, ...]
    call: Callable[[Tensor, Tensor], Tensor]
    x: Array
    w: Array


def draw(generator: np.random.Generator) -> Drawn:
    """Three to six steps over x and w: a product or a sum of the two somewhere, then a number or an array."""
    rows, columns = (int(size) for size in generator.integers(1, 8, size=2))
    outputs = int(generator.integers(1, 8))
    steps: list[tuple[str, Unary]] = []
    for _ in range(int(generator.integers(1, 5))):
        kind = KINDS[int(generator.integers(len(KINDS)))]
        name = str(generator.choice(sorted(kind)))
        steps.append((name, kind[name]))
    first = int(generator.integers(0, len(steps) + 1))
    reduce = generator.choice(["none", "sum", "mean", "square", "none"])

    def call(x: Tensor, w: Tensor) -> Tensor:
        value = x
        for _, step in steps[:first]:
            value = step(value)
        value = value @ w
        for _, step in steps[first:]:
            value = step(value)
        if reduce == "sum":
            return value.sum()
        if reduce == "mean":
            return value.mean()
        return value.square().sum() if reduce == "square" else value

    dtype = np.float32 if generator.random() < 0.2 else np.float64
    x, w = _numbers(generator, (rows, columns)), _numbers(generator, (columns, outputs))
    names = (*(name for name, _ in steps), str(reduce), np.dtype(dtype).name)
    return Drawn(names, call, x.astype(dtype), w.astype(dtype))


def _numbers(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    numbers = generator.normal(size=shape)
    kind = generator.choice(["plain", "plain", "plain", "plain", "large", "tiny", "zeros", "equal", "whole", "mixed"])
    if kind == "zeros":
        numbers *= generator.random(size=shape) < 0.5
    if kind == "whole":
        numbers = np.round(numbers)
    if kind == "equal":
        numbers[...] = numbers.flat[0]
    factor = {"large": 30.0, "tiny": 1e-6}.get(str(kind), 1.0)
    spread: Array = 10.0 ** generator.uniform(-4, 2, size=shape) if kind == "mixed" else np.ones(shape)
    return numbers * factor * spread


def right_gradient(drawn: Drawn, x: Array, w: Array, cotangent: Array) -> tuple[Array, Array]:
    """By autograd, in the type of the arrays."""
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, w)]
    output = drawn.call(*tensors)
    grads = torch.autograd.grad(output, tensors, torch.as_tensor(cotangent).to(output.dtype).reshape(output.shape))
    return grads[0].numpy(), grads[1].numpy()


def value(drawn: Drawn, x: Array, w: Array) -> Array:
    with torch.no_grad():
        result: Array = drawn.call(torch.tensor(x), torch.tensor(w)).numpy()
    return result


def draw_finite(seed: int, index: int) -> Drawn:
    for attempt in range(REDRAWS):
        drawn = draw(np.random.default_rng([seed, index, attempt]))
        output = value(drawn, drawn.x, drawn.w)
        finite = np.isfinite(output).all() and np.abs(output).max() < 1e30
        if finite and all(np.isfinite(gradient).all() for gradient in right_gradient(drawn, drawn.x, drawn.w, np.ones(output.shape))):
            return drawn
    raise RuntimeError("no function with a finite gradient was drawn")


def ask(drawn: Drawn, plant: Callable[[Array, Array], tuple[Array, Array]] | None = None) -> tuple[str, str]:
    """The verdict, and its text."""

    def gradient(x: Array, w: Array, *cotangent: Array) -> tuple[Array, Array]:
        right = right_gradient(drawn, x, w, cotangent[0] if cotangent else np.ones(()))
        return right if plant is None else plant(*right)

    try:
        assert_gradients(lambda x, w: value(drawn, x, w), gradient, drawn.x, drawn.w)
    except AssertionError as error:
        return "fail", str(error)
    except Inconclusive as error:
        return "inconclusive", str(error)
    return "pass", ""


def planted(drawn: Drawn, generator: np.random.Generator, delta: float) -> Callable[[Array, Array], tuple[Array, Array]]:
    """One input's gradient, or its largest element, times 1 + δ."""
    which, whole = int(generator.integers(2)), bool(generator.random() < 0.5)
    right = right_gradient(drawn, drawn.x, drawn.w, np.ones(value(drawn, drawn.x, drawn.w).shape))[which]
    chosen = np.unravel_index(int(np.abs(right).argmax()), right.shape)

    def plant(*gradients: Array) -> tuple[Array, Array]:
        wrong = [gradient.copy() for gradient in gradients]
        wrong[which][... if whole else chosen] *= 1 + delta
        return wrong[0], wrong[1]

    return plant


def visible(drawn: Drawn, plant: Callable[[Array, Array], tuple[Array, Array]]) -> bool:
    """Whether the planted error is in a gradient that moves the outputs by more than rounding where its input moves by its own size."""
    output = value(drawn, drawn.x, drawn.w)
    right = right_gradient(drawn, drawn.x, drawn.w, np.ones(output.shape))
    smallest = ROUNDING[drawn.names[-1]] * float(np.abs(output).max())
    changed = [not np.array_equal(one, other) for one, other in zip(right, plant(*right), strict=True)]
    reach = [float(np.abs(gradient).max() * np.abs(point).max()) for gradient, point in zip(right, (drawn.x, drawn.w), strict=True)]
    return any(move > smallest for move, is_changed in zip(reach, changed, strict=True) if is_changed)


@dataclass
class Tally:
    """How often each verdict was given."""

    verdicts: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    by_step: Counter[str] = field(default_factory=Counter)
    accused: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        self.verdicts.update(record["verdicts"])
        self.found.update(record["found"])
        self.by_step.update(record["by_step"])
        self.accused += record["accused"]


def judge(seed: int, block: int) -> Record:
    """The functions of one block, and every second one that passes with an error planted."""
    torch.set_num_threads(1)
    tally = Tally()
    for index in range(block * BLOCK, (block + 1) * BLOCK):
        drawn = draw_finite(seed, index)
        dtype = drawn.names[-1]
        verdict, text = ask(drawn)
        tally.verdicts[f"{dtype} {verdict}"] += 1
        if verdict == "fail":
            tally.accused.append(f"{index}: {', '.join(drawn.names)}: {text}")
        if verdict == "inconclusive":
            tally.by_step.update(set(drawn.names[:-2]))
        delta = DELTAS[index // 2 % len(DELTAS)]
        if verdict == "pass" and index % 2 == 0:
            plant = planted(drawn, np.random.default_rng([seed, index, REDRAWS]), delta)
            if visible(drawn, plant):
                tally.found[f"{dtype} {delta} {ask(drawn, plant)[0]}"] += 1
    return vars(tally)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=FUNCTIONS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--state", type=Path, default=Path("reports/assertions.jsonl"))
    arguments = parser.parse_args()
    measure(arguments.state, arguments.seed, -(-arguments.functions // BLOCK), arguments.minutes, partial(judge, arguments.seed))
    whole, blocks = Tally(), list(records(arguments.state, arguments.seed))
    for record in blocks:
        whole.add(record)
    text = report(BLOCK * len(blocks), arguments.seed, whole)
    if arguments.functions == FUNCTIONS:
        publish("assertion_calibration", f"{text}\n{versions('numpy', 'torch')}")
    else:
        print(text)
    return 1 if whole.accused else 0


def report(functions: int, seed: int, whole: Tally) -> str:
    lines = [f"{functions} random functions with their right gradient, seed {seed}", "", "type     pass  inconclusive  fail (false alarm)"]
    for dtype in ("float64", "float32"):
        counts = (whole.verdicts[f"{dtype} {verdict}"] for verdict in ("pass", "inconclusive", "fail"))
        lines.append("{} {:6} {:13} {:6}".format(dtype, *counts))
    lines += [f"  accused: {accused}" for accused in whole.accused]
    lines += [
        "",
        "one planted error, in functions that passed",
        f"type     verdict        {'  '.join(f'1 + {d:g}'.rjust(9) for d in DELTAS)}",
    ]
    for dtype in ("float64", "float32"):
        for outcome in ("fail", "inconclusive", "pass"):
            counts = (whole.found[f"{dtype} {delta} {outcome}"] for delta in DELTAS)
            lines.append(f"{dtype}  {outcome:13}  {'  '.join(f'{count:9}' for count in counts)}")
    often = ", ".join(f"{name} {count}" for name, count in whole.by_step.most_common(8))
    lines += ["", f"steps in undecided functions: {often}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
