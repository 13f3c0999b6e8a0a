"""Evaluations and seconds against the number of parameters, for us and for gradcheck, on the same network and code; and what each resolves.

    python -m benchmarks.cost [--largest 10000000] [--repeats 3]

A right, vectorised candidate with three layers (tanh, tanh, identity), half squared error, batch 8, float64, in this process. gradcheck's
slow mode only up to 10,000 parameters. The memory of a whole run with 10⁷ parameters, referee and worker, is measured by benchmarks.memory.
Writes results/cost.txt and .svg.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.arithmetic import Array
from benchmarks.detection import by_autograd
from benchmarks.output import draw, publish, table, versions
from benchmarks.peers import Question, gradcheck_fast, gradcheck_slow
from benchmarks.right_code import VARIANTS, backprop
from verifier.checks.examination import Item
from verifier.checks.finite_difference import moves_of
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, array_shapes, build_problem, with_arrays
from verifier.oracles import autograd
from verifier.oracles.finite_difference.problem import ProblemDifferences, check_problem
from verifier.oracles.reference import refer
from verifier.problems.program import Problem, machine_epsilon

SEED = 46
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
SLOW_UP_TO = 10_000
BATCH, OUTPUTS = 8, 10
CLAIMS = Claims(activations=("tanh",), output_activations=("identity",), losses=("half_squared_error",))
PLAIN = VARIANTS[0]


def network(parameters: int) -> Problem:
    """A three-layer network with about so many parameters."""
    width = max(2, int(np.sqrt(parameters / 2)) - 3)
    architecture = Architecture((width, width, width, min(OUTPUTS, width)), ("tanh", "tanh", "identity"), "half_squared_error", BATCH)
    generator = np.random.default_rng([SEED, parameters])
    arrays = {}
    for name, shape in array_shapes(architecture, CLAIMS).items():
        arrays[name] = generator.standard_normal(shape) / (np.sqrt(shape[1]) if name.startswith("weights") else 1.0)
    return build_problem(architecture, arrays, CLAIMS)


class Counted:
    """The candidate as plain functions, counting how often it is called."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.calls = problem, 0
        self.parameters = {name: problem.arrays[name] for name in problem.program.differentiate}
        self.gradients = backprop(PLAIN, problem, CLAIMS).gradients

    def loss(self, moved: Mapping[str, Array]) -> float:
        """A full forward and backward pass, as a candidate that returns its loss from `backprop` does."""
        self.calls += 1
        return backprop(PLAIN, with_arrays(self.problem, moved), CLAIMS).loss

    def question(self) -> Question:
        return Question(self.loss, self.parameters, {name: self.gradients[name] for name in self.parameters})


def differences(item: Item, counted: Counted) -> ProblemDifferences:
    """Our finite differences of the counted candidate."""

    def points(direction: Mapping[str, Array], steps: Array) -> Array:
        losses = []
        for step in steps.tolist():
            moved = {name: step * along for name, along in direction.items()}
            for name, array in moved.items():
                array += counted.parameters[name]
            losses.append(counted.loss({**counted.parameters, **moved}))
        return np.array(losses)

    return check_problem(
        points,
        counted.parameters,
        counted.gradients,
        moves=moves_of(item.problem),
        dtype=item.problem.dtype,
        loss_scatter=item.reference.scatter.loss / machine_epsilon(item.problem.dtype),
        seed=SEED,
        index=0,
    )


@dataclass(frozen=True)
class Row:
    """One checker on one network: seconds (median), evaluations of the candidate, and the relative error that it excludes."""

    checker: str
    parameters: int
    seconds: float
    evaluations: int
    resolves: float


def timed(repeats: int, act: Callable[[], Any]) -> tuple[float, Any]:
    """Median seconds, and the last result."""
    seconds, result = [], None
    for _ in range(repeats):
        started = time.perf_counter()
        result = act()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


def measure(parameters: int, repeats: int) -> list[Row]:
    """Every checker on one network."""
    problem = network(parameters)
    size = sum(problem.arrays[name].size for name in problem.program.differentiate)
    repeats = repeats if parameters < 1_000_000 else 1
    evaluation, _ = timed(repeats, lambda: backprop(PLAIN, problem, CLAIMS))
    rows = [Row("one evaluation", size, evaluation, 1, float("nan"))]
    seconds, reference = timed(repeats, lambda: refer(problem, autograd.evaluate))
    item = Item(0, problem, reference)
    counted = Counted(problem)
    compared, right = timed(repeats, lambda: by_autograd(item, CLAIMS, counted.question()))
    assert right
    rows.append(Row("ours: autograd", size, evaluation + seconds + compared, 1, _resolved(item)))
    found: ProblemDifferences
    counted.calls = 0
    seconds, found = timed(1, lambda: differences(item, counted))
    assert found.status == "pass", found
    rows.append(Row("ours: finite-difference", size, seconds, counted.calls, max(found.resolves.values())))
    peers = {"gradcheck, fast": gradcheck_fast} | ({"gradcheck, slow": gradcheck_slow} if parameters <= SLOW_UP_TO else {})
    for name, peer in peers.items():
        counted.calls = 0
        seconds, _ = timed(1, lambda peer=peer: peer(counted.question()))  # type: ignore[misc]
        rows.append(Row(name, size, seconds, counted.calls, _excluded(counted, peer)))
    return rows


def _resolved(item: Item) -> float:
    """The largest tolerance of a tensor, relative to its largest element: as finite differences state theirs."""
    reference = item.reference
    return max(float(reference.gradient_tolerance(name).max() / np.abs(gradient).max()) for name, gradient in reference.gradients.items())


def _excluded(counted: Counted, peer: Callable[[Question], bool]) -> float:
    """The smallest power of √10 by which all of the largest tensor may be off and is found; infinite where a factor of 11 is not.

    One right answer of a peer costs as much as the whole check: beyond 10⁵ parameters it is not asked.
    """
    if sum(array.size for array in counted.parameters.values()) > 200_000:
        return float("nan")
    right = counted.question()
    tensor = max(counted.gradients, key=lambda name: counted.gradients[name].size)
    for exponent in np.arange(-6, 3) / 2:
        wrong = {**right.claimed, tensor: right.claimed[tensor] * (1 + 10.0**exponent)}
        if not peer(replace(right, claimed=wrong)):
            return float(10.0**exponent)
    return float("inf")


def report(rows: Sequence[Row]) -> str:
    """The tables."""
    sizes = list(dict.fromkeys(row.parameters for row in rows))
    checkers = list(dict.fromkeys(row.checker for row in rows))
    found = {(row.checker, row.parameters): row for row in rows}

    def lines(show: Callable[[Row], str]) -> list[list[str]]:
        return [[checker, *(show(found[checker, n]) if (checker, n) in found else "" for n in sizes)] for checker in checkers]

    def ratio(row: Row) -> str:
        return f"{row.seconds / found['gradcheck, fast', row.parameters].seconds:.2f}"

    header = [f"{size:,}" for size in sizes]
    return "\n".join(
        [
            f"Cost of a check. Three layers, batch {BATCH}, float64. One BLAS thread.",
            versions("numpy", "torch"),
            "",
            table(lines(lambda row: f"{row.seconds:.3g}"), ("seconds, by parameters", *header)),
            "",
            table(lines(ratio), ("÷ gradcheck, fast", *header)),
            "",
            table(lines(lambda row: f"{row.evaluations:,}"), ("evaluations", *header)),
            "",
            table(lines(lambda row: "" if np.isnan(row.resolves) else f"{row.resolves:.0e}"), ("resolves", *header)),
        ]
    )


def paint(rows: Sequence[Row]) -> Any:
    """Seconds and evaluations against parameters."""

    def on(panels: Any) -> None:
        for checker in dict.fromkeys(row.checker for row in rows):
            mine = [row for row in rows if row.checker == checker]
            for panel, values in zip(panels, ([row.seconds for row in mine], [row.evaluations for row in mine]), strict=True):
                panel.plot([row.parameters for row in mine], values, marker=".", label=checker)
        for panel, name in zip(panels, ("seconds", "evaluations of the candidate"), strict=True):
            panel.set(xscale="log", yscale="log", xlabel="parameters", title=name)
            panel.grid(alpha=0.3)
        panels[0].legend(frameon=False, fontsize=8)

    return on


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rows = [row for size in SIZES if size <= arguments.largest for row in measure(size, arguments.repeats)]
    publish("cost", report(rows))
    draw("cost", paint(rows), size=(9.0, 4.0), panels=2)


if __name__ == "__main__":
    main()
