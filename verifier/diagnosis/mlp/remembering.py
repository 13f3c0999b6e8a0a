"""What is remembered from one network to the next: of two networks of one shape, asked in a row, the first is right and the second wrong.

Shapes that were never asked before are needed, since a candidate that remembers has answered for every other already. Which of the two
comes first alternates: so a mistake that shows on some networks only is not taken for a memory. What exactly is kept (activations,
weights, targets) does not matter.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, with_arrays
from verifier.diagnosis.mlp.matching import departs
from verifier.diagnosis.mlp.probing import Ask, draw_probes
from verifier.oracles.reference import Answered, refer
from verifier.problems.program import Problem

SHAPES = 8
LEAST_BATCH, LEAST_WIDTH = 71, 9  # beyond every batch that a corpus draws: those shapes may be remembered already


def find_memory(claims: Claims, ask: Ask, answered: Sequence[Answered], *, seed: int) -> str | None:
    """By what an earlier network is remembered, as evidence in one sentence, or None."""
    seen = {_shape(one.problem) for one in answered}
    for same_inputs, what in ((False, "the shape of the arrays"), (True, "the inputs x")):
        probes = list(_unseen(claims, seen, seed=seed + same_inputs))
        seen |= {_shape(problem) for problem in probes}
        if len(probes) == SHAPES and all(_first_alone_is_right(problem, ask, same_inputs, place) for place, problem in enumerate(probes)):
            return (
                f"Of two networks asked in a row, alike in {what}, the first was answered rightly and the second was not, "
                f"whichever came first, {SHAPES} times of {SHAPES}: something of the first is remembered by {what}."
            )
    return None


def _shape(problem: Problem) -> tuple[int, int]:
    """By what a memory most often knows a network: the shape of x."""
    architecture = architecture_of(problem)
    return architecture.batch, architecture.widths[0]


def _unseen(claims: Claims, seen: set[tuple[int, int]], *, seed: int) -> Iterator[Problem]:
    """Networks each of a shape of x of its own that was never asked before."""
    single = claims.batch == "single"
    if single and (claims.sizes is not None and claims.sizes[0]):
        return
    sizes = range(LEAST_WIDTH, claims.max_width + 1) if single else range(LEAST_BATCH, 2 * LEAST_BATCH)
    taken = {shape[1] if single else shape[0] for shape in seen}
    for size in [size for size in sizes if size not in taken][:SHAPES]:
        yield from (
            problem
            for problem, _ in draw_probes(claims, seed=seed, count=1, batch=None if single else size, inputs=size if single else None)
        )


def _first_alone_is_right(problem: Problem, ask: Ask, same_inputs: bool, place: int) -> bool:
    other = _another(problem, same_inputs)
    first, second = (problem, other) if place % 2 else (other, problem)
    return _is_right(first, ask) and not _is_right(second, ask)


def _another(problem: Problem, same_inputs: bool) -> Problem:
    """A network of the same shape with other numbers, and with other inputs where they may differ."""
    changed: dict[str, FloatArray] = {
        name: array * np.asarray(0.5, array.dtype) for name, array in problem.arrays.items() if name not in ("x", "y")
    }
    if not same_inputs:
        changed |= {"x": problem.arrays["x"][::-1] * np.asarray(0.75, problem.arrays["x"].dtype), "y": problem.arrays["y"][::-1].copy()}
    return with_arrays(problem, changed)


def _is_right(problem: Problem, ask: Ask) -> bool:
    claimed = ask(problem)
    return claimed is not None and not departs(Answered(problem, refer(problem), claimed))
