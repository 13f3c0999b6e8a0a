"""Layers in the real worker: right ones pass, and each planted mistake is found by the check that it belongs to."""

import pytest

import verifier

MANIFEST = """# /// script
# [tool.verifier]
# contract = "layer"
{keys}
# ///
import numpy as np
"""
AFFINE = """
def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)
"""
RELU = """
def relu_forward(x):
    return np.maximum(0, x), x

def relu_backward(dout, x):
    return dout * (x > 0)
"""
POOL = """
def max_pool_forward_naive(x, p):
    ph, pw, s = p["pool_height"], p["pool_width"], p["stride"]
    h, w = 1 + (x.shape[2] - ph) // s, 1 + (x.shape[3] - pw) // s
    out = np.zeros((*x.shape[:2], h, w))
    for i in range(h):
        for j in range(w):
            out[:, :, i, j] = x[:, :, i*s:i*s+ph, j*s:j*s+pw].max(axis=(2, 3))
    return out, (x, p)

def max_pool_backward_naive(dout, cache):
    x, p = cache
    ph, pw, s = p["pool_height"], p["pool_width"], p["stride"]
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = x[:, :, i*s:i*s+ph, j*s:j*s+pw]
            mask = window == window.max(axis=(2, 3), keepdims=True)
            mask = mask / mask.sum(axis=(2, 3), keepdims=True)
            dx[:, :, i*s:i*s+ph, j*s:j*s+pw] += mask * dout[:, :, i, j][:, :, None, None]
    return dx
"""


@pytest.fixture
def judge(tmp_path):
    def judged(source, *keys, seed=0):
        file = tmp_path / "layers.py"
        file.write_text(MANIFEST.format(keys="\n".join(f"# {key}" for key in keys)) + source)
        return verifier.check(file, profile="quick", seed=seed)

    return judged


def failed(report):
    return {(outcome.id, outcome.tensor) for outcome in report.checks if outcome.status == "fail"}


def test_right_layers_of_one_file_pass(judge):
    report = judge(AFFINE + RELU + POOL, 'operation = ["affine", "relu", "maxpool"]')
    assert report.verdict == "pass", report.summary
    assert [layer.name for layer in report.layers] == ["affine", "relu", "maxpool"]
    assert report.layers[0].gradients == {"x": "pass", "w": "pass", "b": "pass"}
    assert [layer.forward for layer in report.layers] == ["pass", "pass", "pass"]


@pytest.mark.parametrize(
    ("source", "operation", "right", "wrong", "expected"),
    [
        (AFFINE, "affine", "dout.sum(axis=0)", "dout.mean(axis=0)", ("finite-difference", "b")),
        (AFFINE, "affine", "x.T @ dout", "1.0001 * x.T @ dout", ("finite-difference", "w")),
        (AFFINE, "affine", "dout @ w.T", "np.ones_like(dout) @ w.T", ("finite-difference", "x")),
        (AFFINE, "affine", "dout @ w.T", "(dout @ w.T)[:0]", ("finite-difference", "x")),
        (AFFINE, "affine", "dout.sum(axis=0)", "None", ("finite-difference", "b")),
        (RELU, "relu", "(x > 0)", "(x > 0) + dout * (x == 0) * 2", ("ties", "x")),
        (POOL, "maxpool", "mask / mask.sum(axis=(2, 3), keepdims=True)", "mask", ("ties", "x")),
        (POOL, "maxpool", "pw] += mask", "pw] = mask", ("finite-difference", "x")),
    ],
)
def test_a_planted_mistake_is_found(judge, source, operation, right, wrong, expected):
    assert right in source
    report = judge(source.replace(right, wrong), f'operation = "{operation}"')
    assert report.verdict == "fail"
    assert expected in failed(report)


def test_another_forward_pass_fails_although_its_backward_pass_fits(judge):
    source = RELU.replace("np.maximum(0, x)", "np.maximum(0, 2 * x)").replace("dout * (x > 0)", "2 * dout * (x > 0)")
    report = judge(source, 'operation = "relu"')
    assert (report.verdict, report.layers[0].forward, report.layers[0].gradients) == ("fail", "fail", {"x": "pass"})
    assert "not those of relu" in report.summary
    assert "right for what it computes" in report.summary


def test_zero_gradient_at_zero_or_a_whole_one_are_both_right_for_relu(judge):
    assert judge(RELU.replace("x > 0", "x >= 0"), 'operation = "relu"').verdict == "pass"


def test_an_object_with_state_needs_no_adapter(judge):
    source = """
class Linear:
    def __init__(self, n, m):
        self.W, self.b = np.zeros((m, n)), np.zeros((m, 1))

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b.T

    def backward(self, dout):
        self.dLdW, self.dLdb = dout.T @ self.x, dout.sum(axis=0).reshape(-1, 1)
        return dout @ self.W
"""
    keys = (
        'operation = "affine"',
        'arrays = { w = "M D", b = "M 1" }',
        'setup = ["layer = Linear(D, M)", "layer.W, layer.b = w, b"]',
        'forward = "out = layer.forward(x)"',
        'backward = ["dx = layer.backward(dout)", "dw, db = layer.dLdW, layer.dLdb"]',
    )
    assert judge(source, *keys).verdict == "pass"
    assert judge(source.replace("dout @ self.W", "dout @ self.W / len(dout)"), *keys).verdict == "fail"


def test_a_function_that_is_not_written_is_not_done(judge):
    source = "def relu_forward(x):\n    pass\n\ndef relu_backward(dout, cache):\n    pass\n"
    report = judge(source, 'operation = "relu"')
    assert report.verdict == "error"
    assert report.layers[0].verdict == "not-done"


def test_absent_modules_and_old_names_of_numpy_are_given_back(judge):
    source = "from numba import jit\nimport matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\n" + RELU.replace(
        "def relu_backward", "@jit(nopython=True)\ndef relu_backward"
    ).replace("(x > 0)", "(x > 0).astype(np.float)")
    keys = ('operation = "relu"', 'stand_ins = ["numba", "matplotlib"]', "numpy_aliases = true")
    report = judge(source, *keys)
    assert report.verdict == "pass", report.summary
    assert "stand_ins" in judge(source, 'operation = "relu"').summary


ZEROS = """
seen = []

def f(x):
    if {refuses} and seen and seen[-1].shape == x.shape and 0 < np.max(np.abs(x - seen[-1])) < 0.1:
        raise AssertionError("not at a point beside the last one")
    seen.append(x.copy())
    return x ** 2, x

def f_back(dout, x):
    return 0 * dout

def loss(x):
    return float(np.sum(x ** 2)), {{}}
"""
CALLS = ('forward = "out, cache = f(x)"', 'backward = "dx = f_back(dout, cache)"')


@pytest.mark.parametrize("refuses", [True, False])
def test_a_forward_pass_that_refuses_every_point_nearby_decides_nothing(refuses, judge):
    report = judge(ZEROS.format(refuses=refuses), *CALLS, 'arrays = { x = "N D" }', "sizes = { N = [2, 3], D = [2, 3] }")
    assert report.verdict == ("inconclusive" if refuses else "fail"), report.summary


def test_a_layer_without_any_gradient_is_no_pass(judge):
    report = judge(ZEROS.format(refuses=False), *CALLS, 'arrays = { x = "real N D" }')
    assert report.verdict == "inconclusive"
    assert "No gradient is claimed" in report.summary


def test_a_mapping_without_gradients_is_no_pass(judge):
    report = judge(ZEROS.format(refuses=False), 'forward = "L, g = loss(x)"', 'gradients = "g"', 'arrays = { x = "N D" }')
    assert report.verdict == "error"
    assert report.summary.removeprefix("loss: ")


def test_sizes_that_would_take_all_memory_are_refused_before_anything_is_drawn(judge):
    report = judge(ZEROS.format(refuses=False), *CALLS, 'arrays = { x = "N D" }', "sizes = { D = 900000000 }")
    assert report.verdict == "error"
    assert "with at most 1,000,000 elements" in report.summary
