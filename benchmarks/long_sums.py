"""How the errors of right code grow with the batch and the fan-in, to 100,000: where the safety factor's growth comes from.

    python -m benchmarks.long_sums [--longest 100000] [--networks 4]

Two-layer networks with one long sum: over the batch, or over the inputs. Inputs are drawn, or all samples (all inputs) are equal: then a
running sum rounds the same way again and again. Writes results/long_sums.txt and .svg.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.arithmetic import COLUMNS, EINSUM, EXACT, LOOP, MATMUL, REVERSED
from benchmarks.calibration import ratios
from benchmarks.output import draw, progress, publish, table, versions
from benchmarks.right_code import Variant, backprop
from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, array_shapes, build_problem
from verifier.oracles import autograd
from verifier.oracles.reference import refer
from verifier.tolerance import SAFETY, safety

SEED = 41
CLAIMS = Claims(activations=("tanh",), output_activations=("sigmoid",), losses=("half_squared_error",))
SUMS = (MATMUL, COLUMNS, EINSUM, LOOP, REVERSED, EXACT)
LENGTHS = (16, 64, 256, 1_000, 3_000, 10_000, 30_000, 100_000)
SHAPES = ("batch, drawn", "batch, equal", "fan-in, drawn", "fan-in, equal")


@dataclass(frozen=True)
class Row:
    """Largest error ÷ scatter over some networks, of one shape, dtype, length and way to sum; and the ratio that is allowed there."""

    shape: str
    dtype: str
    length: int
    sums: str
    ratio: float
    allowed: float


def network(shape: str, dtype: str, length: int, seed: int) -> Item:
    """A network with one long sum, and its reference."""
    generator = np.random.default_rng([SEED, length, seed])
    over_batch = shape.startswith("batch")
    widths, batch = ((3, 4, 2), length) if over_batch else ((length, 3, 2), 4)
    architecture = Architecture(widths, ("tanh", "sigmoid"), "half_squared_error", batch, dtype)
    arrays = {}
    for name, size in array_shapes(architecture, CLAIMS).items():
        arrays[name] = generator.standard_normal(size) / (np.sqrt(size[-1]) if name.startswith("weights") else 1.0)
    if shape.endswith("equal"):
        if over_batch:
            arrays["x"], arrays["y"] = (np.repeat(arrays[name][:1], length, axis=0) for name in ("x", "y"))
        else:
            arrays["x"], arrays["weights[0]"] = (np.repeat(arrays[name][:, :1], length, axis=1) for name in ("x", "weights[0]"))
            arrays["weights[0]"] /= np.sqrt(length)  # the terms of the sum do not cancel: keep z where tanh still bends
    problem = build_problem(architecture, {name: array.astype(dtype) for name, array in arrays.items()}, CLAIMS)
    return Item(seed, problem, refer(problem, autograd.evaluate, seed=seed))


def measure(longest: int, networks: int) -> Iterable[Row]:
    """Every shape, dtype, length and way to sum; ratios are in units of the scatter, without any growth."""
    lengths = [length for length in LENGTHS if length <= longest]
    tell, done = progress("sizes", len(SHAPES) * 2 * len(lengths)), 0
    for shape in SHAPES:
        for dtype in ("float64", "float32"):
            for length in lengths:
                found = dict.fromkeys((sums.name for sums in SUMS), 0.0)
                for seed in range(networks):
                    item = network(shape, dtype, length, seed)
                    for sums in SUMS:
                        answer = backprop(Variant(sums.name, sums=sums), item.problem, CLAIMS)
                        ratio = max(ratios(item, answer).values()) * safety(item.reference.longest) / SAFETY
                        found[sums.name] = max(found[sums.name], ratio)
                allowed = safety(item.reference.longest)
                yield from (Row(shape, dtype, length, name, ratio, allowed) for name, ratio in found.items())
                done += 1
                tell(done)


def report(rows: list[Row], networks: int) -> str:
    """One table a shape and dtype: a line a length."""
    names = [sums.name for sums in SUMS]
    parts = [
        f"Largest error ÷ scatter (gradients, stages, loss) of right code with one long sum, over {networks} networks each.",
        f"Allowed: {SAFETY:g}·max(1, √(n/256)), n terms; m equal terms count like m²/16.",
        versions("numpy", "torch"),
    ]
    for shape in SHAPES:
        for dtype in ("float64", "float32"):
            lengths = dict.fromkeys(row.length for row in rows)
            lines = []
            for length in lengths:
                found = [row for row in rows if (row.shape, row.dtype, row.length) == (shape, dtype, length)]
                allowed, worst = found[0].allowed, max(row.ratio for row in found)
                lines.append((f"{length:,}", *(f"{row.ratio:.1f}" for row in found), f"{allowed:.0f}", f"{allowed / worst:.1f}"))
            parts += ["", table(lines, (f"{shape}, {dtype}", *names, "allowed", "margin"))]
    alarms = [row for row in rows if row.ratio > row.allowed]
    parts += ["", f"False alarms: {len(alarms)} of {len(rows)} rows"]
    parts += [f"  {row.shape}, {row.dtype}, n = {row.length:,}, {row.sums}: {row.ratio:.0f} > {row.allowed:.0f}" for row in alarms]
    return "\n".join(parts)


def paint(rows: list[Row]) -> Any:
    """The worst way to sum of each shape, and what is allowed."""

    def on(axes: Any) -> None:
        lengths = sorted({row.length for row in rows})
        for shape, colour in zip(SHAPES, ("tab:blue", "tab:cyan", "tab:red", "tab:orange"), strict=True):
            for dtype, style in (("float64", "-"), ("float32", "--")):
                mine = [row for row in rows if (row.shape, row.dtype) == (shape, dtype)]
                worst = [max(row.ratio for row in mine if row.length == length) for length in lengths]
                axes.plot(lengths, worst, style, marker=".", color=colour, label=f"{shape}, {dtype}")
        for shape, style in (("drawn", "-"), ("equal", "--")):
            allowed = [max(row.allowed for row in rows if row.shape.endswith(shape) and row.length == length) for length in lengths]
            axes.plot(lengths, allowed, style, color="black", label=f"allowed, {shape}")
        axes.set(xscale="log", yscale="log", xlabel="length n of the sum", ylabel="largest error ÷ scatter")
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)

    return on


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longest", type=int, default=LENGTHS[-1])
    parser.add_argument("--networks", type=int, default=4)
    arguments = parser.parse_args()
    rows = list(measure(arguments.longest, arguments.networks))
    publish("long_sums", report(rows, arguments.networks))
    draw("long_sums", paint(rows))


if __name__ == "__main__":
    main()
