"""A right gradient is not accused by its own rounding, where differences ask and at ties; one that is off by more is."""

import numpy as np
import pytest

import verifier
from verifier.checks.layer.own_noise import allowed_for, own_noise

MANIFEST = """# /// script
# [tool.verifier]
# contract = "layer"
# {}
# ///
import numpy as np

"""
CALLS = '\n# forward = "out, c = f(x)"\n# backward = "dx = g(dout, c)"'
LEAKY = """
def f(x):
    return np.where(x > 0, x, 0.01 * x), x

def g(dout, x):
    return (dout.astype(np.float32) * np.where(x > 0, 1.0, 0.01).astype(np.float32)).astype(np.float64)
"""
CANCELS = """
def f(x):
    return 0.15 * x**2 + np.abs(x), x

def g(dout, x):
    return dout * ((0.3 * x + 1e8) - 1e8 + np.sign(x))
"""
SOFTPLUS = """
def f(x):
    return np.log1p(np.exp(x)), x

def g(dout, x):
    return (dout.astype(np.float32) / (1 + np.exp(-x.astype(np.float32)))).astype(np.float64)
"""


@pytest.fixture
def judge(tmp_path):
    def judged(source, seed, keys='arrays = { x = "N D" }'):
        file = tmp_path / "layers.py"
        file.write_text(MANIFEST.format(keys + CALLS) + source)
        return verifier.check(file, profile="quick", seed=seed)

    return judged


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        (LEAKY, 'operation = "leaky_relu"\n# arrays = { x = "N D" }'),
        (CANCELS, 'arrays = { x = "N D" }'),
        (SOFTPLUS, 'arrays = { x = "N D" }'),
    ],
)
@pytest.mark.parametrize("seed", [0, 2])
def test_a_backward_pass_that_rounds_more_than_forward_is_right(judge, source, keys, seed):
    assert judge(source, seed, keys).verdict == "pass"


def test_one_that_is_off_by_more_than_it_rounds_is_wrong(judge):
    report = judge(LEAKY.replace("1.0, 0.01)", "1.0, 0.0101)"), 0, 'operation = "leaky_relu"\n# arrays = { x = "N D" }')
    assert report.verdict == "fail"
    at_zero = LEAKY.replace("np.where(x > 0, 1.0, 0.01)", "np.where(x > 0, 1.0, np.where(x < 0, 0.01, 1.001))")
    assert judge(at_zero, 0, 'operation = "leaky_relu"\n# arrays = { x = "N D" }').verdict == "fail"


@pytest.mark.parametrize("size", [1.0, 1e-4])
@pytest.mark.parametrize("alike", [True, False])
def test_a_smooth_claim_has_no_noise_but_its_last_bits_and_one_that_cancels_has_what_it_cancels(size, alike):
    x = size * np.random.default_rng(3).normal(size=(3, 4))

    def smooth(arrays, factor=1.0):
        return {"x": factor * np.tanh(arrays["x"]) ** 3 + arrays["x"]}

    def cancels(arrays, factor=1.0):
        return {"x": factor * ((smooth(arrays)["x"] + 1e6) - 1e6)}

    smooths, noisy = (own_noise(claim, {"x": x}, ("x",), "x", claim({"x": x})["x"], alike=alike) for claim in (smooth, cancels))
    assert smooths.max() <= (1e-13 if size == 1 else 1e-6 * size)
    if not (alike and size < 1):  # small numbers that all move alike show little of it
        assert 1e-12 < noisy.max() < 1e-9
        error = np.abs(cancels({"x": x})["x"] - smooth({"x": x})["x"])
        assert np.all(error <= allowed_for(noisy))


def test_a_kink_that_is_crossed_is_no_noise():
    def jumps(arrays, factor=1.0):
        return {"x": factor * np.where(arrays["x"] >= 1.0, 2.0, 1.0)}

    x = np.array([1.0, 0.5, 3.0])
    assert own_noise(jumps, {"x": x}, ("x",), "x", jumps({"x": x})["x"], alike=True).max() <= 1e-15
