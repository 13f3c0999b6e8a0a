"""Why the slope of an error is not pooled over several points: right code keeps constants in its narrow type.

    python -m benchmarks.pooled_slopes [--draws 12]

Rounding is independent from draw to draw, a factor of 1.005 is not: over k draws the slope's standard deviation falls by √k, and a factor
that no single point shows would be seen. But a constant (1/√d, log₂ e) that code keeps in bfloat16 is off by up to 0.4 %, at each draw
alike, and a reference that keeps it in float32 has no copy that shows it. The table has what is gained, faults that no draw shows alone,
and what is lost, right tensors beyond the slope's limit. Copies' slopes are pooled as the claim's are. Writes results/pooled_slopes.txt.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.narrow_functions import FUNCTIONS, Function, attention
from benchmarks.output import publish, table, versions
from verifier.oracles.dispatched.narrow.judging import Yardsticks, judge_against
from verifier.oracles.dispatched.narrow.statistics import LIMITS
from verifier.oracles.dispatched.narrow.stores import Precision
from verifier.oracles.dispatched.running import Call, Given, to_array

POOLED = (1, 4, 12)
FACTORS = (0.995, 1.005)
HARDEST = ("layer norm", "group norm", "batch norm", "tanh MLP", "cross-entropy", "KL divergence", "log-sum-exp", "LSTM cell")


def kept(value: float, like: Tensor) -> Tensor:
    """A constant in the type of the code."""
    return torch.tensor(value, dtype=like.dtype)


def attention_scaled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.softmax((q @ k.mT) * kept(q.shape[-1] ** -0.5, q), -1) @ v


def attention_by_powers_of_two(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q @ k.mT) * kept(q.shape[-1] ** -0.5, q)
    powers = torch.exp2((scores - scores.amax(-1, keepdim=True)) * kept(math.log2(math.e), q))
    return powers / powers.sum(-1, keepdim=True) @ v


def scaled_layers(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.tanh(x @ a / math.sqrt(len(a))) @ b / math.sqrt(len(b))


def layers_scaled(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.tanh(x @ a * kept(len(a) ** -0.5, x)) @ b * kept(len(b) ** -0.5, x)


# reference, right code with its constants in bfloat16, shapes
RIGHT: dict[str, tuple[Function, Function, Sequence[tuple[int, ...]]]] = {
    "attention, 1/√d": (attention, attention_scaled, [(2, 12, 7)] * 3),
    "attention, 1/√d, log₂ e": (attention, attention_by_powers_of_two, [(2, 12, 7)] * 3),
    "tanh layers, 1/√d": (scaled_layers, layers_scaled, [(24, 40), (40, 18), (18, 9)]),
}


@dataclass
class Slopes:
    """Of one tensor, by draw: the squared norm, what each copy and each claim add to the slope, what is said of claims."""

    norms: list[float] = field(default_factory=list)
    copies: list[list[float]] = field(default_factory=list)
    claims: dict[str, list[float]] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)

    def ratio(self, claim: str, draws: int) -> float:
        """The claim's pooled slope ÷ the largest that a copy reaches."""
        largest = max(abs(sum(one)) for one in zip(*self.copies[:draws], strict=True))
        return float(abs(sum(self.claims[claim][:draws])) / largest)


def slopes(reference: Function, code: Function, shapes: Sequence[tuple[int, ...]], draws: int) -> dict[str, Slopes]:
    """By tensor, of code in bfloat16 and of its gradients times the factors."""
    found: dict[str, Slopes] = {}
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        inputs = [torch.randn(shape, generator=generator).bfloat16() for shape in shapes]
        leaves = [one.clone().requires_grad_() for one in inputs]
        output = code(*leaves)
        cotangent = torch.randn(output.shape, generator=generator).bfloat16()
        tensors = {f"x{i}": one for i, one in enumerate(inputs)}
        claimed = {"output": output.detach(), **dict(zip(tensors, torch.autograd.grad(output, leaves, cotangent), strict=True))}
        yardsticks = Yardsticks(Given(_of_values(reference), tensors, [cotangent], tuple(tensors)), torch.bfloat16, seed=seed)
        for name, value in claimed.items():
            _add(found.setdefault(name, Slopes()), yardsticks, name, value)
    return found


def _of_values(function: Callable[..., Any]) -> Call:
    return lambda at: function(*at.values())


def _add(slopes: Slopes, yardsticks: Yardsticks, name: str, value: Tensor) -> None:
    measured = yardsticks.of(name, Precision.EAGER, value.dtype)
    with np.errstate(all="ignore"):
        scaled = np.where(measured.deviation > 0, measured.right / measured.deviation, 0.0)

    def slope(copy: NDArray[Any]) -> float:
        with np.errstate(all="ignore"):
            return float(np.sum(np.where(copy == measured.right, 0.0, (copy - measured.right) / measured.deviation) * scaled))

    slopes.norms.append(float(np.sum(scaled * scaled)))
    slopes.copies.append([slope(copy) for copy in yardsticks.copies(name, Precision.EAGER, value.dtype)])
    for claim, factor in [("right", 1.0), *((str(one), one) for one in FACTORS)]:
        wrong = (value.float() * factor).to(value.dtype)
        slopes.claims.setdefault(claim, []).append(slope(to_array(wrong)))
        slopes.said.setdefault(claim, []).append(judge_against(yardsticks, name, wrong, Precision.EAGER).status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=POOLED[-1])
    draws = parser.parse_args().draws
    torch.set_num_threads(1)
    pooled = [one for one in POOLED if one <= draws]
    rows = []
    for title, (reference, code, shapes) in RIGHT.items():
        for name, one in slopes(reference, code, shapes, draws).items():
            factor = 1 + sum(one.claims["right"]) / sum(one.norms)
            alone = one.said["right"].count("wrong")
            rows.append([title, name, f"{factor:.4f}", alone, *[f"{one.ratio('right', count):.1f}" for count in pooled]])
    lost = table(
        rows, ["right code, constants kept in bfloat16", "", "factor", "draws accused", *[f"÷ copies, {count}" for count in pooled]]
    )
    unseen, still, right = 0, 0, []
    for title in HARDEST:
        function, shapes = FUNCTIONS[title]
        for name, one in slopes(function, function, shapes, draws).items():
            right.append(one.ratio("right", draws))
            for claim in [str(factor) for factor in FACTORS if name != "output"]:
                if all(said == "right" for said in one.said[claim]):
                    unseen += 1
                    still += one.ratio(claim, draws) <= LIMITS["slope"]
    lines = [
        f"bfloat16, line by line; {draws} draws; the slope's limit is {LIMITS['slope']:g} times what the copies reach",
        lost,
        f"{len(HARDEST)} functions, gradients × {' and '.join(map(str, FACTORS))}: {unseen} that no draw shows, {still} when pooled;"
        f" their right tensors reach {max(right):.1f} when pooled",
        versions("torch", "numpy"),
    ]
    publish("pooled_slopes", "\n".join(lines))


if __name__ == "__main__":
    main()
