"""x of any shape of two axes, and φ = Σ c · f(x) with a cotangent of signed entries."""

from itertools import product

import numpy as np

from verifier.contracts.defaults import (  # noqa: F401
    data_part,
    held_bytes,
    is_ordinary,
    losses_of_outputs,
    refusals,
    sample_of,
    share_of_sample,
    shows,
    under,
)
from verifier.contracts.family import Shelf
from verifier.problems.program import Node, Problem, Program

PLAIN = np.array([1.0, 0.5, -1.0, 2.0])


def draw_plans(claims, *, seed, ordinary, extreme, most_bytes):
    return np.random.default_rng(seed).integers(1, 6, (ordinary, 2)).tolist()


def draw_problem(plan, claims, *, seed, index, attempt, calm):
    generator = np.random.default_rng([seed, index, attempt])
    return problem_of(generator.standard_normal(plan), generator.uniform(0.5, 2.0, plan) * generator.choice([-1.0, 1.0], plan), claims)


def problem_of(x, c, claims):
    nodes = (Node(claims.function, ("x",), "value"), Node("project", ("value", "c"), "loss"))
    words = f"{claims.function} of {x.shape[0]} x {x.shape[1]}"
    return Problem(Program(nodes, ("x",), "loss", "value"), {"x": x, "c": c}, "float64", claims.contract, {}, words)


def shelves(claims, like):
    small = [problem_of(np.resize(PLAIN, shape), np.ones(shape), claims) for shape in product((1, 2), repeat=2)]
    yield Shelf(small, small)
