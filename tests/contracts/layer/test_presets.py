"""Presets: each file is read as a manifest, a course is recognised by its names, and what is not there is said and changes nothing."""

from pathlib import Path

import pytest

import verifier
from verifier.cli.check import PRESETS
from verifier.contracts.catalogue import contract_of
from verifier.contracts.layer.drawing import draw_problems
from verifier.contracts.layer.manifest import claims_from
from verifier.contracts.layer.presets import catalogue
from verifier.errors import RequestError
from verifier.verification.judging import judge

RELU = "def relu_forward(x):\n    return np.maximum(x, 0), x\n\ndef relu_backward(dout, x):\n    return dout * (x > 0)\n"


@pytest.mark.parametrize("name", catalogue.names())
def test_every_layer_of_a_preset_can_be_drawn_for(name):
    claims = claims_from({"preset": name})
    assert claims.partial
    for layer in claims.layers:
        assert layer.optimizer is not None or len(draw_problems(layer, 20, 0)) >= 10, layer.name


def test_the_command_offers_the_presets_that_there_are():
    assert (*catalogue.names(), *contract_of("engine").adapters) == PRESETS


def test_a_course_is_recognised_by_its_names_and_other_code_is_not():
    assert catalogue.recognised(RELU) == "cs231n"
    assert catalogue.recognised("class ReLU:\n    def backward(self, dLdA):\n        return dLdA\nclass Sigmoid:\n    pass\n") == "mytorch"
    assert catalogue.recognised("def linear_backward(dZ, c):\n    pass\ndef relu_backward(dA, c):\n    pass\n") == "deeplearning-ai"
    assert catalogue.recognised("def backprop(weights, biases, x, y):\n    pass\n") is None


def test_the_cells_and_steps_of_a_course_on_sequences_are_judged_by_their_names(tmp_path):
    source = (Path(__file__).parents[3] / "reference_impls/layers/correct/sequence_cells.py").read_text()
    file = tmp_path / "cells.py"
    file.write_text(source)
    report = verifier.check(file, profile="quick")
    assert report.verdict == "pass", report.summary
    there = ["rnn cell", "rnn", "lstm cell", "lstm", "gradient descent", "momentum", "adam"]
    assert [layer.name for layer in report.layers] == there
    file.write_text(source.replace("da[:, :, t] + da_prev", "da[:, :, t]").replace("beta * array + (1 - beta)", "beta * array + beta"))
    report = verifier.check(file, profile="quick")
    assert [layer.name for layer in report.layers if layer.verdict == "fail"] == ["rnn", "lstm", "momentum"]


MANIFEST = '# /// script\n# [tool.verifier]\n# contract = "layer"\n# preset = "mytorch"\n# ///\n'
CELLS = """
import numpy as np


class RNNCell:
    def __init__(self, input_size, hidden_size):
        self.sizes = hidden_size, input_size

    def init_weights(self, W_ih, W_hh, b_ih, b_hh):
        self.W_ih, self.W_hh, self.b_ih, self.b_hh = W_ih, W_hh, b_ih, b_hh

    def forward(self, x, h_prev_t):
        return np.tanh(x @ self.W_ih.T + self.b_ih + h_prev_t @ self.W_hh.T + self.b_hh)

    def backward(self, delta, h_t, h_prev_l, h_prev_t):
        dz = (1 - h_t**2) * delta
        self.dW_ih, self.dW_hh = dz.T @ h_prev_l / len(dz), dz.T @ h_prev_t / len(dz)
        self.db_ih = self.db_hh = dz.mean(axis=0)
        return dz @ self.W_ih, dz @ self.W_hh


class GRUCell:
    def __init__(self, in_dim, hidden_dim):
        self.sizes = in_dim, hidden_dim

    def init_weights(self, *weights):
        names = "Wrx, Wzx, Wnx, Wrh, Wzh, Wnh, brx, bzx, bnx, brh, bzh, bnh".split(", ")
        self.__dict__.update(zip(names, weights))

    def forward(self, x, h_prev_t):
        self.x, self.hidden = x, h_prev_t
        self.r = 1 / (1 + np.exp(-(self.Wrx @ x + self.brx + self.Wrh @ h_prev_t + self.brh)))
        self.z = 1 / (1 + np.exp(-(self.Wzx @ x + self.bzx + self.Wzh @ h_prev_t + self.bzh)))
        self.inner = self.Wnh @ h_prev_t + self.bnh
        self.n = np.tanh(self.Wnx @ x + self.bnx + self.r * self.inner)
        return (1 - self.z) * self.n + self.z * h_prev_t

    def backward(self, delta):
        dz = delta * (self.hidden - self.n) * self.z * (1 - self.z)
        dn = delta * (1 - self.z) * (1 - self.n**2)
        dinner, dr = dn * self.r, dn * self.inner * self.r * (1 - self.r)
        self.dWrx, self.dWzx, self.dWnx = np.outer(dr, self.x), np.outer(dz, self.x), np.outer(dn, self.x)
        self.dWrh, self.dWzh, self.dWnh = np.outer(dr, self.hidden), np.outer(dz, self.hidden), np.outer(dinner, self.hidden)
        self.dbrx, self.dbrh, self.dbzx, self.dbzh, self.dbnx, self.dbnh = dr, dr, dz, dz, dn, dinner
        dx = dr @ self.Wrx + dz @ self.Wzx + dn @ self.Wnx
        dh = delta * self.z + dr @ self.Wrh + dz @ self.Wzh + dinner @ self.Wnh
        return dx[None], dh[None]
"""


def test_the_cells_of_mytorch_divide_by_the_batch_and_take_one_sample(tmp_path):
    file = tmp_path / "cells.py"
    file.write_text(f"{MANIFEST}{CELLS}")
    report = verifier.check(file, profile="quick")
    assert report.verdict == "pass", report.summary
    file.write_text(MANIFEST + CELLS.replace("dz.mean", "dz.sum").replace("delta * self.z + dr", "dr"))
    report = verifier.check(file, profile="quick")
    assert [layer.verdict for layer in report.layers] == ["fail", "fail"]


def test_a_file_without_a_manifest_is_judged_by_its_course_and_says_so(tmp_path):
    file = tmp_path / "layers.py"
    file.write_text(f"import numpy as np\n{RELU}def affine_forward(x, w, b):\n    pass\n\ndef affine_backward(dout, cache):\n    pass\n")
    report = verifier.check(file, profile="quick")
    assert report.verdict == "pass", report.summary
    assert {layer.name: layer.verdict for layer in report.layers} == {"affine": "not-done", "relu": "pass"}
    assert any("preset cs231n" in note.message for note in report.notes)
    assert any("not judged" in note.message and "lstm" in note.message for note in report.notes)


STEPS_OF_A_COURSE = """
def sgd(w, dw, config=None):
    return w - config['learning_rate'] * dw, config

def adam(x, dx, config=None):
    pass
"""
NET = """
class TwoLayerNet(object):
    def loss(self, X, y=None, reg=0.0):
        pass
"""
NORM = """
class BatchNorm1d:
    def backward(self, dLdBZ):
        self.dLdBW = np.sum(dLdBZ * self.NZ, axis=0)
"""
LOSSES = """
class MSELoss:
    def backward(self):
        return dLdA

class CrossEntropyLoss:
    pass
"""
MODULAR_NET = """
class TwoLayerNet(object):
    def loss(self, X, y=None):
        pass
"""


@pytest.mark.parametrize(
    ("source", "preset"), [(STEPS_OF_A_COURSE, "cs231n"), (NET, "cs231n"), (NORM, "mytorch"), (LOSSES, "mytorch"), (MODULAR_NET, None)]
)
def test_a_file_of_steps_losses_or_one_class_is_its_courses_too(source, preset):
    assert catalogue.recognised(source) == preset


def test_a_preset_alone_says_which_contract_and_a_folder_has_what_lies_beside_the_file(tmp_path):
    (tmp_path / "helping.py").write_text("import numpy as np\n")
    file = tmp_path / "mine.py"
    file.write_text(f'# /// script\n# [tool.verifier]\n# preset = "cs231n"\n# ///\nfrom helping import *\n{RELU}')
    assert "a folder with a verifier.toml" in verifier.check(file, profile="quick").summary
    file.write_text(f"from helping import *\n{RELU}")
    (tmp_path / "verifier.toml").write_text('preset = "cs231n"\nmodule = "mine.py"\n')
    report = verifier.check(tmp_path, profile="quick")
    assert report.verdict == "pass", report.summary
    (tmp_path / "verifier.toml").write_text('preset = "cs231n"\nbatch = [1]\n')
    with pytest.raises(
        RequestError, match=r'key "preset" is not known\. It is a key of contract = "layer"; this manifest is read as one of mlp\.'
    ):
        verifier.check(tmp_path)


def test_a_course_file_of_an_older_numpy_needs_no_manifest(tmp_path):
    file = tmp_path / "layers.py"
    file.write_text(f"import numpy as np\n{RELU.replace('(x > 0)', '(x > 0).astype(np.int)')}")
    report = verifier.check(file, profile="quick")
    assert report.verdict == "pass", report.summary


ADAM = """
import numpy as np

def sgd(w, dw, config=None):
    return w - config['learning_rate'] * dw, config

def adam(w, dw, config=None):
    config.setdefault('m', np.zeros_like(w))
    config.setdefault('v', np.zeros_like(w))
    config.setdefault('t', {first})
    {before}
    config['m'] = config['beta1'] * config['m'] + (1 - config['beta1']) * dw
    config['v'] = config['beta2'] * config['v'] + (1 - config['beta2']) * dw**2
    m, v = config['m'] / (1 - config['beta1'] ** config['t']), config['v'] / (1 - config['beta2'] ** config['t'])
    {after}
    return w - config['learning_rate'] * m / (np.sqrt(v) + config['epsilon']), config
"""


@pytest.mark.parametrize(
    ("first", "before", "after", "verdict"),
    [(0, "config['t'] += 1", "", "pass"), (1, "", "config['t'] += 1", "pass"), (1, "config['t'] += 1", "", "fail")],
    ids=["as the course has it since 2017", "as in 2016", "one too many"],
)
def test_adam_counts_its_steps_from_where_its_course_began(tmp_path, first, before, after, verdict):
    file = tmp_path / "optim.py"
    file.write_text(ADAM.format(first=first, before=before or "pass", after=after or "pass"))
    assert verifier.check(file, profile="quick").verdict == verdict


def test_under_an_assignment_every_layer_is_a_part_of_the_score_and_has_to_be_there(tmp_path):
    assignment = tmp_path / "assignment.toml"
    assignment.write_text('contract = "layer"\n[[layer]]\noperation = ["relu", "tanh"]\n')
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "without.py").write_text(f"import numpy as np\n{RELU}")
    unwritten = "def tanh_forward(x):\n    pass\n\ndef tanh_backward(dout, cache):\n    pass\n"
    (tmp_path / "class" / "unwritten.py").write_text(f"import numpy as np\n{RELU}{unwritten}")
    reports = {
        report.candidate.name: report for report in verifier.check([str(tmp_path / "class")], profile="quick", assignment=assignment)
    }
    assert {name: (report.verdict, report.reason, report.score.points) for name, report in reports.items()} == {
        "without": ("error", "", 50.0),
        "unwritten": ("error", "not-done", 50.0),
    }
    assert reports["without"].summary.startswith("tanh: there is no `tanh_forward`; the file has relu_backward, relu_forward.")
    assert reports["unwritten"].summary == "tanh: It is not written yet: it returns nothing. 1 of 2 layers is right."


def test_under_an_assignment_a_pass_names_what_is_not_there(tmp_path):
    (tmp_path / "relu.py").write_text(f"import numpy as np\n{RELU}")
    (tmp_path / "task.toml").write_text('contract = "layer"\npreset = "cs231n"\n')
    (found,) = judge([str(tmp_path / "relu.py")], assignment=str(tmp_path / "task.toml"), profile="quick")
    assert found.report.verdict == "pass"
    assert "Not there, and not judged: affine, batchnorm, " in found.report.summary
