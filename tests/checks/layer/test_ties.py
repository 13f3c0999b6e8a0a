"""Where a layer's outputs are 0 a step beside them still rounds: its slopes are known to that, no better."""

import numpy as np
import pytest

import verifier
from verifier.checks.layer.asking import Answered
from verifier.checks.layer.ties import GROUPS, misplaced


class Leaky:
    """A leaky ReLU at zeros, asked in this process; the sum of its outputs has the last bits of another order of sums."""

    outputs = ("out",)

    def along(self, lines, cotangents):
        return [np.array([self.loss(step * along["x"], cotangents["out"]) for step in steps]) for along, steps in lines]

    def loss(self, x, cotangent):
        return float((np.where(x > 0, x, 0.1 * x) * cotangent).sum()) * (1 + 100 * np.finfo(float).eps)


class Turning(Leaky):
    """x / sqrt(x² + ε): three slopes over steps of 2^-7 to 2^-9 agree on 180.5, and it is 169.5."""

    epsilon = 3.48045007827356e-05

    def loss(self, x, cotangent):
        return float((x / np.sqrt(x**2 + self.epsilon) * cotangent).sum())


class AtZero:
    index, stress = 0, "zeros"

    def __init__(self):
        self.arrays = {"x": np.zeros((1, 2))}


def found_at_zeros(gradient, layer=Leaky):
    cotangent = np.array([[0.7, 0.95]])
    asking = layer()
    asking.answer = lambda problem, *, arrays, one_sign, factor: Answered({}, {}, {"x": factor * gradient * cotangent})
    answered = Answered({"out": np.zeros((1, 2))}, {"out": cotangent}, {"x": gradient * cotangent})
    return misplaced(asking, AtZero(), answered, seed=3, elements=True, inside="float64")


def test_a_slope_at_zeros_is_no_mistake_by_the_last_bits_beside_them():
    assert found_at_zeros(0.1) == found_at_zeros(1.0) == []


def test_one_outside_of_the_slopes_beside_zeros_is_found():
    assert found_at_zeros(0.05) and found_at_zeros(1.1)


def test_slopes_that_agree_by_chance_accuse_nothing_that_shorter_steps_show():
    right = Turning.epsilon**-0.5
    assert found_at_zeros(right, Turning) == []
    assert found_at_zeros(2 * right, Turning)


class Recorded(Leaky):
    """Keeps the directions that are asked."""

    def __init__(self):
        self.asked = []

    def along(self, lines, cotangents):
        self.asked += [along["x"] for along, _ in lines]
        return super().along(lines, cotangents)


def test_elements_that_are_equal_move_together_and_no_direction_is_asked_twice():
    problem, layer = AtZero(), Recorded()
    problem.arrays = {"x": np.array([[1.0, 2.0, 1.0, 3.0, 2.0]])}
    ones = np.ones((1, 5))
    misplaced(layer, problem, Answered({"out": problem.arrays["x"]}, {"out": ones}, {"x": ones}), seed=3, elements=False, inside="float64")
    assert len({along.tobytes() for along in layer.asked}) == len(layer.asked) == GROUPS
    assert sum(bool((along == 1).all()) for along in layer.asked) == 1
    for along in layer.asked:
        assert along[0, 0] == along[0, 2] and along[0, 1] == along[0, 4]


SKIP_PATH = """
def residual_forward(x, W1, W2):
    hidden = np.maximum(0, x @ W1)
    return x + hidden @ W2, (x, W1, W2, hidden)

def residual_backward(dout, cache):
    x, W1, W2, hidden = cache
    dhidden = (dout @ W2.T) * (hidden > 0)
    return dout + dhidden @ W1.T, x.T @ dhidden, hidden.T @ dout
"""
LARGEST = """
def largest_forward(x, w):
    top = x.max(axis=1, keepdims=True)
    return top * w, (x, w, top)

def largest_backward(dout, cache):
    x, w, top = cache
    chosen = (x == top){shared}
    return (dout * w).sum(axis=1, keepdims=True) * chosen, (dout * top).sum(axis=0)
"""


def judged(folder, name, arrays, source, **asked):
    calls = {"residual": "x, W1, W2", "largest": "x, w"}[name]
    gradients = ", ".join(f"d{one}" for one in calls.split(", "))
    keys = (
        'contract = "layer"',
        "[[tool.verifier.layer]]",
        f'name = "{name}"',
        f"arrays = {arrays}",
        'dtypes = ["float32"]' if name == "residual" else "",
        f'forward = "out, cache = {name}_forward({calls})"',
        f'backward = "{gradients} = {name}_backward(dout, cache)"',
    )
    manifest = "\n".join(f"# {key}" for key in keys if key and not key.startswith("dtypes"))
    dtypes = "".join(f"# {key}\n" for key in keys if key.startswith("dtypes"))
    first, rest = manifest.split("\n", 1)
    file = folder / "layers.py"
    file.write_text(f"# /// script\n# [tool.verifier]\n{first}\n{dtypes}{rest}\n# ///\nimport numpy as np\n{source}")
    return verifier.check(file, profile="quick", **asked)


def test_kinks_inside_that_cancel_by_chance_accuse_nothing(tmp_path):
    """With x = (0, -1) and weights of whole numbers three pre-activations are 0, and the slopes on both sides are 1 where dx is 0."""
    report = judged(tmp_path, "residual", '{ x = "N D", W1 = "D H", W2 = "H D" }', SKIP_PATH, seed=9)
    assert report.verdict == "pass", report.summary


@pytest.mark.parametrize(("shared", "verdict"), [("", "fail"), (" / (x == top).sum(axis=1, keepdims=True)", "pass")])
def test_a_gradient_handed_out_to_each_of_equal_elements_is_found_in_a_function_of_several_arrays(tmp_path, shared, verdict):
    report = judged(tmp_path, "largest", '{ x = "N D", w = "M" }', LARGEST.format(shared=shared), seed=0)
    assert report.verdict == verdict, report.summary
    assert [check.id for check in report.checks if check.status == "fail"] == (["ties"] if verdict == "fail" else [])
