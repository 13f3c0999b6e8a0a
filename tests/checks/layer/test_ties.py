"""Where a layer's outputs are 0 a step beside them still rounds: its slopes are known to that, no better."""

import numpy as np

from verifier.checks.layer.asking import Answered
from verifier.checks.layer.ties import misplaced


class Leaky:
    """A leaky ReLU at zeros, asked in this process; the sum of its outputs has the last bits of another order of sums."""

    outputs = ("out",)

    def along(self, lines, cotangents):
        return [np.array([self.loss(step * along["x"], cotangents["out"]) for step in steps]) for along, steps in lines]

    def loss(self, x, cotangent):
        return float((np.where(x > 0, x, 0.1 * x) * cotangent).sum()) * (1 + 100 * np.finfo(float).eps)


class AtZero:
    index = 0

    def __init__(self):
        self.arrays = {"x": np.zeros((1, 2))}


def found_at_zeros(gradient):
    cotangent = np.array([[0.7, 0.95]])
    answered = Answered({"out": np.zeros((1, 2))}, {"out": cotangent}, {"x": gradient * cotangent})
    return misplaced(Leaky(), AtZero(), answered, seed=3, elements=True, inside="float64")


def test_a_slope_at_zeros_is_no_mistake_by_the_last_bits_beside_them():
    assert found_at_zeros(0.1) == found_at_zeros(1.0) == []


def test_one_outside_of_the_slopes_beside_zeros_is_found():
    assert found_at_zeros(0.05) and found_at_zeros(1.1)
