"""A sequence whose gradients lack what comes back from later steps is known by its derivatives, however its axes lie."""

import numpy as np
import pytest

from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.relations import related
from verifier.diagnosis.layer.sequences import own_step

SAMPLES, STEPS, FEATURES = 2, 4, 3
LAYOUTS = {"N T D": (0, 1, 2), "T N D": (1, 0, 2), "D N T": (2, 0, 1)}


def sequence(order, *, causal=True, alone=True):
    """h[t] = 0.5 h[t-1] + x[t] (or with every step reading every other), with gradients of each step alone, or of the last output."""
    axis = order.index(1)
    shape = tuple((SAMPLES, STEPS, FEATURES)[place] for place in order)
    rows = np.array([[0.5 ** (t - s) if s <= t else 0.0 if causal else 0.3 for s in range(STEPS)] for t in range(STEPS)])
    blocks = np.einsum("ts,nm,de->ntdmse", rows, np.eye(SAMPLES), np.eye(FEATURES))
    of_x = blocks.transpose(*order, *(3 + place for place in order)).reshape(int(np.prod(shape)), -1)
    before = tuple(length for place, length in enumerate(shape) if place != axis)
    of_h = np.einsum("t,nm,de->ntdme", 0.5 ** np.arange(1, STEPS + 1), np.eye(SAMPLES), np.eye(FEATURES))
    of_h = of_h.transpose(*order, *((3, 4) if order.index(0) < order.index(2) else (4, 3))).reshape(len(of_x), -1)
    cotangent = np.random.default_rng(0).normal(size=shape)
    first = np.take(cotangent, 0, axis=axis) * 0.5
    claimed = {"x": cotangent, "h0": first} if alone else {"x": np.zeros(shape), "h0": np.take(cotangent, -1, axis=axis)}
    return Case(
        values={"N": SAMPLES, "T": STEPS, "D": FEATURES},
        arrays={"x": np.ones(shape), "h0": np.ones(before)},
        claimed=claimed,
        jacobians={"x": of_x, "h0": of_h},
        cotangent=cotangent.ravel(),
        shape=shape,
    )


@pytest.mark.parametrize("order", LAYOUTS.values(), ids=list(LAYOUTS))
def test_each_steps_own_output_alone_is_told_in_every_layout(order):
    lacks = "what comes back from later steps is missing"
    assert related("x", [sequence(order)]) == ("own-step", f"counts each step's own output alone: {lacks}")
    assert related("h0", [sequence(order)]) == ("own-step", f"counts the first step alone: {lacks}")


@pytest.mark.parametrize("order", LAYOUTS.values(), ids=list(LAYOUTS))
def test_other_gradients_of_a_sequence_and_those_of_no_sequence_are_not_called_that(order):
    assert own_step("h0", [sequence(order, alone=False)]) is None
    assert own_step("x", [sequence(order, causal=False)]) is None
