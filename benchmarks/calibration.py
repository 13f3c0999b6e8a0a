"""How large the errors of right code are, in units of the scatter that the tolerance is made of; and how many right gradients are accused.

    python -m benchmarks.calibration [--networks 100000] [--minutes 15] [--state reports/calibration.jsonl]

Random claims, random networks (those that a run draws), sixteen right implementations of each. Every block of 60 networks is one line that
is appended to the state file: a run that is stopped goes on where it was, and the result is written from all lines that are there.
Writes results/calibration.txt and .svg. How the errors grow with long sums: benchmarks.long_sums; finite differences:
benchmarks.difference_calibration.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.any_claims import draw_block
from benchmarks.engines import ENGINES
from benchmarks.output import draw, publish, table, versions
from benchmarks.resuming import measure, records
from benchmarks.right_code import VARIANTS, Answer, backprop
from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import Claims
from verifier.oracles.finite_difference.line import DECISIVE
from verifier.tolerance import FLOOR, FREE_LENGTH, SAFETY

Array = NDArray[np.floating]

SEED = 4
NETWORKS_A_BLOCK = 60
KINDS = ("gradient", "loss", "stage")
# Upper edges of the histogram's bins, in units of the scatter: powers of √2.
EDGES = 2.0 ** (np.arange(-16, 15) / 2)
FSUM_ELEMENTS = 2_000  # exact sums are slow: only where a network has at most so many products


@dataclass
class Tally:
    """What was seen of one implementation, in one dtype, of one kind of quantity; `worst` tells where the largest ratio was."""

    networks: int = 0
    alarms: int = 0
    not_finite: int = 0
    largest: float = 0.0
    worst: str = ""
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(EDGES) + 1, dtype=np.int64))

    def add(self, ratio: float, where: str) -> None:
        self.networks += 1
        if not np.isfinite(ratio):
            self.not_finite += 1
            return
        self.alarms += ratio > SAFETY
        self.bins[int(np.searchsorted(EDGES, ratio))] += 1
        if ratio > self.largest:
            self.largest, self.worst = ratio, where

    def record(self) -> list[Any]:
        return [self.networks, self.alarms, self.not_finite, self.largest, self.worst, self.bins.tolist()]

    def absorb(self, record: Sequence[Any]) -> None:
        networks, alarms, not_finite, largest, worst, bins = record
        self.networks, self.alarms, self.not_finite = self.networks + networks, self.alarms + alarms, self.not_finite + not_finite
        self.bins += np.array(bins)
        if largest > self.largest:
            self.largest, self.worst = largest, worst

    def quantile(self, share: float) -> float:
        """The upper edge of the bin that holds this share of the networks."""
        total = self.bins.sum()
        index = int(np.searchsorted(np.cumsum(self.bins), share * total))
        return float(EDGES[min(index, len(EDGES) - 1)]) if total else 0.0


def ratios(item: Item, answer: Answer) -> dict[str, float]:
    """By kind, the largest error ÷ tolerance of a network, times the safety factor: in units of the scatter (long sums taken out)."""
    reference = item.reference
    right = reference.evaluation
    loss = np.array([answer.loss]), np.array([right.loss]), np.array([reference.loss_tolerance()])
    gradients = [(answer.gradients[name], right.gradients[name], reference.gradient_tolerance(name)) for name in right.gradients]
    stages = [(stage, right.stages[name], reference.stage_tolerance(name)) for name, stage in answer.stages.items()]
    return {"gradient": _largest(gradients), "loss": _largest([loss])} | ({"stage": _largest(stages)} if stages else {})


def _largest(parts: Iterable[tuple[Array, Array, Array]]) -> float:
    claimed, right, allowed = (np.concatenate([np.ravel(part).astype(np.float64) for part in row]) for row in zip(*parts, strict=True))
    with np.errstate(all="ignore"):
        error = np.abs(claimed - right)
        ratio = np.where(error == 0, 0.0, error / allowed)
    return float(SAFETY * ratio.max()) if np.isfinite(claimed).all() else float("inf")


def answers(item: Item, claims: Claims) -> Iterable[tuple[str, Answer]]:
    """Every right implementation's answer for a network."""
    products = sum(array.size for array in item.problem.arrays.values()) * len(item.problem.arrays["x"])
    for variant in VARIANTS:
        if variant.sums.name != "fsum" or products <= FSUM_ELEMENTS:
            yield variant.name, backprop(variant, item.problem, claims)
    for name, engine in ENGINES.items():
        yield name, engine(item.problem, claims)


def measure_block(seed: int, block: int) -> dict[str, Any]:
    """One block as a plain record."""
    claims, items = draw_block(seed, block, NETWORKS_A_BLOCK)
    tallies: dict[tuple[str, str, str], Tally] = {}
    for item in items:
        for name, answer in answers(item, claims):
            for kind, ratio in ratios(item, answer).items():
                where = f"block {block}, problem {item.index}: {item.problem.description}"
                tallies.setdefault((item.problem.dtype, name, kind), Tally()).add(ratio, where)
    counts = Counter(item.problem.dtype for item in items)
    return {
        "networks": counts,
        "undecided": undecided_roles(items),
        "claims": claims.as_manifest(),
        "tallies": [[*key, tally.record()] for key, tally in tallies.items()],
    }


def undecided_roles(items: Sequence[Item]) -> dict[str, list[str]]:
    """By dtype, the roles of tensors in which no network of this block could show an error of 1 % of the tensor's largest element."""
    roles: dict[str, dict[str, bool]] = {}
    for item in items:
        for name, gradient in item.reference.gradients.items():
            tolerance, largest = item.reference.gradient_tolerance(name).max(), np.abs(gradient).max()
            decided = bool(largest == 0 or tolerance <= DECISIVE * largest)
            seen = roles.setdefault(item.problem.dtype, {})
            role = str(item.problem.roles[name])
            seen[role] = seen.get(role, False) or decided
    return {dtype: sorted(role for role, decided in seen.items() if not decided) for dtype, seen in roles.items()}


@dataclass
class Total:
    """All blocks of a state file."""

    blocks: int = 0
    runs: int = 0
    inconclusive: list[str] = field(default_factory=list)
    networks: Counter[str] = field(default_factory=Counter)
    tallies: dict[tuple[str, str, str], Tally] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any]) -> None:
        self.blocks += 1
        self.networks.update(record["networks"])
        self.runs += len(record["undecided"])
        self.inconclusive += [
            f"block {record['block']}, {dtype}: {', '.join(roles)}" for dtype, roles in record["undecided"].items() if roles
        ]
        for dtype, name, kind, tally in record["tallies"]:
            self.tallies.setdefault((dtype, name, kind), Tally()).absorb(tally)

    def over(self, dtype: str, kind: str) -> Tally:
        """Of all implementations together."""
        whole = Tally()
        for key, tally in self.tallies.items():
            if (key[0], key[2]) == (dtype, kind):
                whole.absorb(tally.record())
        return whole


def read_state(path: Path, seed: int) -> Total:
    """What a state file holds of this seed."""
    total = Total()
    for record in records(path, seed):
        total.add(record)
    return total


def report(total: Total, seed: int) -> str:
    """The tables."""
    names = list(dict.fromkeys(name for _, name, _ in total.tallies))
    networks = sum(total.networks.values())
    parts = [
        f"Errors of right code, in units of the scatter. Seed {seed}, {total.blocks} random manifests, {networks} networks "
        f"({', '.join(f'{count} {dtype}' for dtype, count in sorted(total.networks.items()))}), {len(names)} implementations.",
        f"S = {SAFETY:g}: a ratio above it is a false alarm. Floor {FLOOR:g}, free length {FREE_LENGTH}.",
        versions("numpy", "torch", "autograd", "hypothesis"),
    ]
    for kind in KINDS:
        rows = []
        for dtype in sorted(total.networks):
            for name in [*names, "all"]:
                tally = total.over(dtype, kind) if name == "all" else total.tallies.get((dtype, name, kind), Tally())
                if tally.networks:
                    quantiles = [f"{tally.quantile(share):.2g}" for share in (0.5, 0.99, 0.999)]
                    rows.append((f"{dtype} {name}", tally.networks, *quantiles, f"{tally.largest:.2f}", tally.alarms, tally.not_finite))
        header = (kind, "runs", "50 %", "99 %", "99.9 %", "largest", "false alarms", "not finite")
        parts += ["", table(rows, header)]
    parts += ["", "Largest ratios:"]
    for kind in KINDS:
        for dtype in sorted(total.networks):
            tally = total.over(dtype, kind)
            parts.append(f"  {dtype} {kind} {tally.largest:.2f}: {tally.worst}")
    share = len(total.inconclusive) / max(1, total.runs)
    undecided = f"{len(total.inconclusive)} of {total.runs} ({share:.2%})"
    parts += ["", f"Runs of up to {NETWORKS_A_BLOCK} networks with a role of tensors that autograd never decides: {undecided}"]
    parts += [f"  {line}" for line in total.inconclusive[:20]]
    return "\n".join(parts)


def paint(total: Total) -> Any:
    """The share of runs above each ratio."""

    def on(axes: Any) -> None:
        for dtype, colour in zip(sorted(total.networks), ("tab:orange", "tab:blue"), strict=False):
            for kind, style in zip(KINDS, ("-", "--", ":"), strict=True):
                bins = total.over(dtype, kind).bins
                above = 1 - np.cumsum(bins) / max(1, bins.sum())
                axes.plot(EDGES, np.maximum(above[:-1], 1e-9), style, color=colour, label=f"{kind}, {dtype}")
        axes.axvline(SAFETY, color="black", linewidth=1)
        axes.annotate(f"S = {SAFETY:g}", (SAFETY, 0.5), xytext=(4, 0), textcoords="offset points")
        axes.set(xscale="log", yscale="log", ylim=(3e-7, 1.2), xlabel="largest error ÷ scatter of a run", ylabel="share of runs above")
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)

    return on


def main() -> None:
    """Measure what is missing, then write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=15.0, help="stop after so long; a later run goes on")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--state", type=Path, default=Path("reports/calibration.jsonl"))
    arguments = parser.parse_args()
    blocks = -(-arguments.networks // NETWORKS_A_BLOCK)
    measure(arguments.state, arguments.seed, blocks, arguments.minutes, lambda block: measure_block(arguments.seed, block))
    total = read_state(arguments.state, arguments.seed)
    publish("calibration", report(total, arguments.seed))
    draw("calibration", paint(total))


if __name__ == "__main__":
    main()
