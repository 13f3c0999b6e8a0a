"""Optimiser steps beside torch.optim in the real worker: both momentums are right, and each mistake is named at its first step."""

import pytest

import verifier

ADAM = """
def adam(w, dw, config=None):
    config = config or {"t": 0, "m": np.zeros_like(w), "v": np.zeros_like(w)}
    config["t"] += 1
    config["m"] = 0.9 * config["m"] + 0.1 * dw
    config["v"] = 0.999 * config["v"] + 0.001 * dw**2
    m = config["m"] / (1 - 0.9 ** config["t"])
    v = config["v"] / (1 - 0.999 ** config["t"])
    return w - 1e-2 * m / (np.sqrt(v) + 1e-8), config
"""
EFFICIENT = """
def adam(w, dw, config=None):
    config = config or {"t": 0, "m": np.zeros_like(w), "v": np.zeros_like(w)}
    config["t"] += 1
    rate = 1e-2 * np.sqrt(1.0 - 0.999 ** config["t"]) / (1.0 - 0.9 ** config["t"])
    config["m"] += 0.1 * (dw - config["m"])
    config["v"] += 0.001 * (dw**2 - config["v"])
    return w - rate * config["m"] / (np.sqrt(config["v"]) + 1e-7), config
"""
MOMENTUM = """
def momentum(w, dw, v):
    v = 0.9 * v - 0.01 * dw
    return w + v, v
"""
OBJECT = """
class RMSProp:
    def __init__(self, lr):
        self.lr, self.h = lr, None

    def update(self, params, grads):
        if self.h is None:
            self.h = {key: np.zeros_like(value) for key, value in params.items()}
        for key in params:
            self.h[key] = 0.99 * self.h[key] + 0.01 * grads[key] ** 2
            params[key] -= self.lr * grads[key] / (np.sqrt(self.h[key]) + 1e-8)
"""
KEYS = {
    "adam": ('step = "next_w, config = adam(w, dw, config)"', 'setup = "config = None"', 'optimizer = { name = "adam", lr = 1e-2 }'),
    "eps 1e-7": (
        'step = "next_w, config = adam(w, dw, config)"',
        'setup = "config = None"',
        'optimizer = { name = "adam", lr = 1e-2, eps = 1e-7 }',
    ),
    "corrected first": (
        'step = "next_w, config = adam(w, dw, config)"',
        'setup = "config = None"',
        'optimizer = { name = "adam", lr = 1e-2, eps = 1e-7, eps_hat = false }',
    ),
    "adamw": (
        'step = "next_w, config = adam(w, dw, config)"',
        'setup = "config = None"',
        'optimizer = { name = "adamw", lr = 1e-2, weight_decay = 0.1 }',
    ),
    "momentum": ('step = "w, v = momentum(w, dw, v)"', 'setup = "v = np.zeros(w.shape)"', 'optimizer = { name = "momentum", lr = 1e-2 }'),
    "object": (
        "setup = [\"optimizer = RMSProp(lr)\", \"params = {'w': w, 'b': b}\"]",
        "step = [\"optimizer.update(params, {'w': dw, 'b': db})\", \"w, b = params['w'], params['b']\", \"old = w, b\"]",
        'optimizer = { name = "rmsprop", lr = 0.05 }',
        'arrays = { b = "D" }',
    ),
}


@pytest.fixture
def judge(tmp_path):
    def judged(source, keys):
        lines = "\n".join(f"# {key}" for key in ("contract = 'layer'", *KEYS[keys]))
        file = tmp_path / "optim.py"
        file.write_text(f"# /// script\n# [tool.verifier]\n{lines}\n# ///\nimport numpy as np\n{source}")
        return verifier.check(file, profile="quick")

    return judged


@pytest.mark.parametrize(("source", "keys"), [(ADAM, "adam"), (EFFICIENT, "eps 1e-7"), (MOMENTUM, "momentum"), (OBJECT, "object")])
def test_right_steps_pass(judge, source, keys):
    report = judge(source, keys)
    assert report.verdict == "pass", report.summary


@pytest.mark.parametrize(
    ("source", "keys", "right", "wrong", "says"),
    [
        (ADAM, "adam", ' / (1 - 0.9 ** config["t"])', "", "bias correction divides v only"),
        (ADAM, "adam", "np.sqrt(v) + 1e-8", "np.sqrt(v + 1e-8)", "inside the root"),
        (ADAM, "adam", '{"t": 0', '{"t": 1', "t is one too large"),
        (ADAM, "adam", "w - 1e-2", "w + 1e-2", "up the gradient"),
        (EFFICIENT, "corrected first", "0.9 ** config", "0.9 ** config", "departs from adam at step 1"),
        (EFFICIENT, "eps 1e-7", 'np.sqrt(1.0 - 0.999 ** config["t"]) / (1.0 - 0.9 ** config["t"])', "1.0", "bias correction is missing"),
        (EFFICIENT, "eps 1e-7", " + 1e-7", " + 1e-6", "departs from adam"),
        (ADAM, "adamw", "return w -", "return w * 0.9 -", "decay is not multiplied by the learning rate"),
        (ADAM, "adam", 'config["t"] += 1', 'config["t"] = 1', "t is never counted"),
        (MOMENTUM, "momentum", "0.9 * v - 0.01 * dw", "-0.01 * dw", "not kept"),
        (OBJECT, "object", "0.99 * self.h[key] + 0.01", "0.01 * self.h[key] + 0.99", "exchanged"),
    ],
)
def test_a_planted_mistake_is_named(judge, source, keys, right, wrong, says):
    assert right in source
    report = judge(source.replace(right, wrong), keys)
    assert report.verdict == "fail"
    assert says in report.summary
