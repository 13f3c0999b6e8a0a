"""Networks drawn for a diagnosis, and the candidate's answers there: small, ordinary, away from kinks, each with the textbook's reference.

The corpus asks about everything at once. A diagnosis asks about one thing: batches of one, where a bias gradient is δ; calls in a row;
targets so far off that a clip shows. Everything follows from the claims and the run's seed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from verifier.arrays import FloatArray
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, build_problem
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.oracles.reference import Answered, Reference, refer, refer_if_deciding
from verifier.problems.program import Problem
from verifier.results.evaluation import Evaluation

Ask = Callable[[Problem], Evaluation | None]  # None where there is no usable answer
ATTEMPTS = 10


def draw_probes(
    claims: Claims, *, seed: int, count: int, batch: int | None = None, inputs: int | None = None, loud: bool = False
) -> Iterator[tuple[Problem, Reference]]:
    """`count` problems of the claimed kind, of two and three layers where the claims allow.

    Args:
        batch: samples in each; None for two to five (one, where the candidate takes one a call).
        inputs: how many inputs each has; None for two to four.
        loud: targets a thousand times as large, and every other network with large inputs.
    """
    generator = np.random.default_rng([seed, 0x9E37, 0 if batch is None else batch, loud])
    for index in range(count):
        for attempt in range(ATTEMPTS):
            architecture = _architecture(claims, index, batch, inputs, generator)
            drawn = draw_gentle(architecture, claims, _recipe(loud, index), seed=seed + 1, index=index, attempt=attempt)
            if drawn is not None:
                yield drawn
                break


def draw_gentle(
    architecture: Architecture, claims: Claims, recipe: Recipe, *, seed: int, index: int, attempt: int
) -> tuple[Problem, Reference] | None:
    """A network of this architecture, its units seldom saturated, with its reference; None where it is not ordinary or at a kink."""
    problem = _gentle(draw_problem(architecture, recipe, claims, seed=seed, index=index, attempt=attempt), claims)
    reference = refer_if_deciding(problem, seed=index)
    return None if reference is None else (problem, reference)


def _recipe(loud: bool, index: int) -> Recipe:
    if not loud:
        return Recipe()
    return Recipe(targets="extreme") if index % 2 else Recipe(targets="extreme", inputs="large")


def _gentle(problem: Problem, claims: Claims) -> Problem:
    """Biases half as large, so that units are seldom saturated."""
    arrays = {name: array * np.asarray(0.5, array.dtype) if name.startswith("biases") else array for name, array in problem.arrays.items()}
    return replace(problem, arrays=arrays)


def _architecture(claims: Claims, index: int, batch: int | None, inputs: int | None, generator: np.random.Generator) -> Architecture:
    layers = claims.layers or min(claims.max_layers, 2 + index % 2)
    widths = _widths(claims, layers, square=index % 3 == 2, generator=generator)
    widths[0] = inputs or widths[0]
    output, loss = claims.pairs()[int(generator.integers(len(claims.pairs())))]
    if output == "softmax" and widths[-1] == 1 and claims.max_width > 1 and not (claims.sizes and claims.sizes[-1]):
        widths[-1] = 2
    hidden = [claims.activations[(index + layer) % len(claims.activations)] for layer in range(layers - 1)]
    rows = 1 if claims.batch == "single" else batch or int(generator.integers(2, 6))
    dtype = "float64" if "float64" in claims.dtypes else claims.dtypes[0]
    return Architecture(tuple(widths), (*hidden, output), loss, rows, dtype)


def _widths(claims: Claims, layers: int, *, square: bool, generator: np.random.Generator) -> list[int]:
    most = max(1, min(4, claims.max_width))
    least = min(2, most)
    if square:
        widths = [int(generator.integers(least, most + 1))] * (layers + 1)
    else:
        widths = generator.integers(least, most + 1, size=layers + 1).tolist()
    return [fixed or free for fixed, free in zip(claims.sizes, widths, strict=True)] if claims.sizes else widths


def ask_about(probes: Iterator[tuple[Problem, Reference]], ask: Ask) -> Iterator[Answered]:
    """The probes that the candidate answers with finite numbers, one after another, as they are asked for."""
    for problem, reference in probes:
        claimed = ask(problem)
        if claimed is not None and all(bool(np.isfinite(gradient).all()) for gradient in claimed.gradients.values()):
            yield Answered(problem, reference, claimed)


def sample_batches(answered: Answered, claims: Claims, ask: Ask) -> list[Answered] | None:
    """The candidate's answers for each sample of a problem alone; None where one is missing."""
    found = []
    for row in range(answered.problem.arrays["x"].shape[0]):
        arrays: Mapping[str, FloatArray] = {
            **answered.problem.arrays,
            "x": answered.problem.arrays["x"][row : row + 1],
            "y": answered.problem.arrays["y"][row : row + 1],
        }
        choices = answered.problem.choices
        architecture = Architecture(tuple(choices["widths"]), tuple(choices["activations"]), choices["loss"], 1, answered.problem.dtype)
        problem = build_problem(architecture, arrays, claims)
        claimed = ask(problem)
        if claimed is None:
            return None
        found.append(Answered(problem, refer(problem), claimed))
    return found
