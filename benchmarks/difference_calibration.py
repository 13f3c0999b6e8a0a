"""How often the bound of a finite difference is passed, against the exact slope to 50 digits; false alarms; what stays undecided.

    python -m benchmarks.difference_calibration [--networks 10000] [--minutes 15] [--state reports/differences.jsonl]

Small random networks over all claims, each with one of the right implementations as the candidate: its own loss is differenced, its own
gradient is the claim. Every line that the oracle asks about is held against the exact derivative along it. Blocks of 40 networks, as many
as a run of profile ci differences, are appended to the state file. Writes results/difference_calibration.txt and .svg.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.any_claims import draw_block
from benchmarks.arithmetic import Array
from benchmarks.calibration import undecided_roles
from benchmarks.exact_slope import exact_slope
from benchmarks.output import draw, publish, table, versions
from benchmarks.resuming import measure, records
from benchmarks.right_code import VARIANTS, backprop
from verifier.checks.examination import Differenced, Item
from verifier.checks.finite_difference import moves_of
from verifier.checks.finite_difference import undecided_roles as undecided_by_differences
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import with_arrays
from verifier.oracles.finite_difference.ladder import KAPPA
from verifier.oracles.finite_difference.problem import ProblemDifferences, check_problem
from verifier.problems.program import machine_epsilon

SEED = 44
NETWORKS_A_BLOCK = 40
PRODUCTS = 1_500  # 50 digits are slow: networks with more multiplications are left out
QUANTILES = (0.1, 0.5, 0.9, 0.99, 0.999, 1.0)


def differences_of(item: Item, claims: Claims, block: int) -> ProblemDifferences:
    """What the oracle says of a right implementation, which one depends on the network's index."""
    problem, variant = item.problem, VARIANTS[(item.index + block) % len(VARIANTS)]
    gradients = {name: gradient.astype(np.float64) for name, gradient in backprop(variant, problem, claims).gradients.items()}

    def points(direction: Mapping[str, Array], steps: Array) -> Array:
        losses = []
        for step in steps.tolist():
            moved = {
                name: (problem.arrays[name].astype(np.float64) + step * along).astype(problem.dtype) for name, along in direction.items()
            }
            losses.append(backprop(variant, with_arrays(problem, moved), claims).loss)
        return np.array(losses)

    return check_problem(
        points,
        {name: problem.arrays[name] for name in problem.program.differentiate},
        gradients,
        moves=moves_of(problem),
        dtype=problem.dtype,
        loss_scatter=item.reference.scatter.loss / machine_epsilon(problem.dtype),
        seed=SEED,
        index=item.index,
    )


def measure_block(block: int) -> dict[str, Any]:
    """One block as a plain record; a line is [dtype, |estimated − exact| / E, its resolving power]."""
    claims, items = draw_block(SEED, block, NETWORKS_A_BLOCK)
    small = [item for item in items if _products(item) <= PRODUCTS]
    lines, tensors, alarms = [], Counter[str](), []
    done: dict[str, list[Differenced]] = {}
    for item in small:
        found, dtype = differences_of(item, claims, block), item.problem.dtype
        done.setdefault(dtype, []).append(Differenced(item, found))
        claimed = _claimed(item, claims, block)
        for line in found.directions:
            if not np.isfinite(line.tolerance) or not line.slope.error_bound:
                continue
            exact = exact_slope(item.problem, claims, line.direction)
            error = float(exact - sum(float((claimed[name] * along).sum()) for name, along in line.direction.items()))
            lines.append([dtype, abs(line.error - error) / line.slope.error_bound, line.resolves])
        for name, status in found.tensors.items():
            tensors[f"{dtype} {status if claimed[name].any() else 'zero'}"] += 1
        if found.status == "fail":
            alarms.append(f"block {block}, {item.where}")
    roles = undecided_roles(small)
    return {
        "networks": Counter(item.problem.dtype for item in small),
        "lines": lines,
        "tensors": tensors,
        "alarms": alarms,
        "evaluations": [one.differences.evaluations for several in done.values() for one in several],
        "undecided": {dtype: undecided_by_differences(several) for dtype, several in done.items()},
        "by_neither": {dtype: sorted(set(roles[dtype]) & set(undecided_by_differences(several))) for dtype, several in done.items()},
    }


def _products(item: Item) -> int:
    return sum(array.size for array in item.problem.arrays.values()) * len(item.problem.arrays["x"])


def _claimed(item: Item, claims: Claims, block: int) -> dict[str, Array]:
    gradients = backprop(VARIANTS[(item.index + block) % len(VARIANTS)], item.problem, claims).gradients
    return {name: gradient.astype(np.float64) for name, gradient in gradients.items()}


@dataclass
class Total:
    """All blocks of a state file."""

    networks: Counter[str] = field(default_factory=Counter)
    tensors: Counter[str] = field(default_factory=Counter)
    lines: list[list[Any]] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    evaluations: list[int] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)
    undecided: Counter[str] = field(default_factory=Counter)
    by_neither: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any]) -> None:
        self.networks.update(record["networks"])
        self.tensors.update(record["tensors"])
        self.lines += record["lines"]
        self.alarms += record["alarms"]
        self.evaluations += record["evaluations"]
        self.runs.update(record["undecided"].keys())
        self.undecided.update(dtype for dtype, roles in record["undecided"].items() if roles)
        self.by_neither.update(dtype for dtype, roles in record["by_neither"].items() if roles)

    def ratios(self, dtype: str) -> Array:
        return np.array([ratio for kind, ratio, _ in self.lines if kind == dtype])


def report(total: Total, blocks: int) -> str:
    """The tables."""
    dtypes = sorted(total.networks)
    parts = [
        f"Finite differences of right code against 50 digits. Seed {SEED}, {blocks} random manifests, "
        f"{sum(total.networks.values())} networks, {len(total.lines)} lines, {len(VARIANTS)} implementations. κ = {KAPPA:g}.",
        versions("numpy", "torch", "mpmath", "hypothesis"),
        "",
        table([_coverage(total, dtype) for dtype in dtypes], ("|estimated - exact| / E", "lines", *(f"{q:.1%}" for q in QUANTILES), "> κ")),
        "",
        table([_powers(total, dtype) for dtype in dtypes], ("resolving power of a line", "10 %", "50 %", "90 %", "worse than 1 %")),
        "",
        table([_decided(total, dtype) for dtype in dtypes], ("tensors", "all", "undecided", "share", "besides zero gradients")),
        "",
        table([_runs(total, dtype) for dtype in dtypes], ("runs of up to 40 networks", "all", "a role undecided", "and by autograd too")),
        "",
        f"Losses asked for: median {np.median(total.evaluations):g}, most {max(total.evaluations)}",
        f"False alarms: {len(total.alarms)} of {sum(total.networks.values())} networks",
        *(f"  {alarm}" for alarm in total.alarms),
    ]
    return "\n".join(parts)


def _coverage(total: Total, dtype: str) -> Sequence[object]:
    ratios = total.ratios(dtype)
    return (dtype, len(ratios), *(f"{np.quantile(ratios, q):.2g}" for q in QUANTILES), int((ratios > KAPPA).sum()))


def _powers(total: Total, dtype: str) -> Sequence[object]:
    powers = np.array([power for kind, _, power in total.lines if kind == dtype and np.isfinite(power)])
    return (dtype, *(f"{np.quantile(powers, q):.1e}" for q in (0.1, 0.5, 0.9)), f"{(powers > 1e-2).mean():.1%}")


def _decided(total: Total, dtype: str) -> Sequence[object]:
    counts = {kind: total.tensors[f"{dtype} {kind}"] for kind in ("pass", "fail", "undecided", "zero")}
    live = counts["pass"] + counts["fail"] + counts["undecided"]
    return (dtype, live, counts["undecided"], f"{counts['undecided'] / max(1, live):.1%}", counts["zero"])


def _runs(total: Total, dtype: str) -> Sequence[object]:
    return (dtype, total.runs[dtype], total.undecided[dtype], total.by_neither[dtype])


def paint(total: Total) -> Any:
    """The share of lines whose true error is above a multiple of E."""

    def on(axes: Any) -> None:
        for dtype in sorted(total.networks):
            ratios = np.sort(total.ratios(dtype))
            axes.plot(ratios, 1 - np.arange(len(ratios)) / len(ratios), label=dtype)
        axes.axvline(KAPPA, color="black", linewidth=1)
        axes.annotate(f"κ = {KAPPA:g}", (KAPPA, 0.5), xytext=(4, 0), textcoords="offset points")
        axes.set(xscale="log", yscale="log", xlim=(1e-4, 20), xlabel="|estimated − exact slope| ÷ E", ylabel="share of lines above")
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)

    return on


def main() -> None:
    """Measure what is missing, then write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=15.0, help="stop after so long; a later run goes on")
    parser.add_argument("--state", type=Path, default=Path("reports/differences.jsonl"))
    arguments = parser.parse_args()
    measure(arguments.state, SEED, -(-arguments.networks // NETWORKS_A_BLOCK), arguments.minutes, measure_block)
    total, blocks = Total(), 0
    for record in records(arguments.state, SEED):
        total.add(record)
        blocks += 1
    publish("difference_calibration", report(total, blocks))
    draw("difference_calibration", paint(total))


if __name__ == "__main__":
    main()
