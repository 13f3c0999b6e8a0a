"""out = tanh(x Wᵀ), gate = σ(x Wᵀ), and φ = Σ dout · out + Σ dgate · gate."""

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

NODES = (
    Node("affine", ("x", "w"), "z"),
    Node("tanh", ("z",), "out"),
    Node("sigmoid", ("z",), "gate"),
    Node("project", ("out", "dout", "gate", "dgate"), "loss"),
)
PLAIN = np.array([1.0, 0.5, -1.0, 2.0, -0.5])


def draw_plans(claims, *, seed, ordinary, extreme, most_bytes):
    return np.random.default_rng(seed).integers(1, 6, (ordinary, 3)).tolist()


def draw_problem(plan, claims, *, seed, index, attempt, calm):
    return problem_of(plan, np.random.default_rng([seed, index, attempt]).standard_normal)


def problem_of(plan, numbers):
    rows, inputs, outputs = plan
    shapes = {"x": (rows, inputs), "w": (outputs, inputs), "dout": (rows, outputs), "dgate": (rows, outputs)}
    arrays = {name: numbers(shape) for name, shape in shapes.items()}
    return Problem(Program(NODES, ("x", "w"), "loss"), arrays, "float64", "gated", {}, f"{rows} x {inputs} -> {outputs}")


def shelves(claims, like):
    small = [problem_of(plan, lambda shape: np.resize(PLAIN, shape)) for plan in product((1, 2), repeat=3)]
    yield Shelf(small, small)
