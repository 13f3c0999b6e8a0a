"""What `verifier init FILE` says of somebody's file: its own calls, quoted, complete enough to be judged once the shapes are said."""

import ast
import time
from pathlib import Path

import pytest

import verifier
from verifier.cli import main
from verifier.contracts.engine import proposing as engine
from verifier.contracts.layer import proposing as layer
from verifier.contracts.layer.presets.catalogue import recognised
from verifier.errors import RequestError

COURSE = Path(__file__).parents[2] / "reference_impls/layers/correct/course_functions.py"
SCALE = """
import numpy as np

def scale_forward(x, gain):
    out = x * gain
    return out, (x, gain)

def scale_backward(dout, cache):
    x, gain = cache
    return dout * gain, (dout * x).sum(axis=0)
"""

LINEAR = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.weights = np.ones((n_in, n_out))
        self.bias = np.zeros(n_out)
        self.kernel = None

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.bias

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbias = dvalues.sum(axis=0)
        self.dinputs = dvalues @ self.weights.T
"""

MODEL = """
import numpy as np

class Net:
    def __init__(self, n_in, n_classes):
        self.params = {}
        self.params['W'] = np.ones((n_in, n_classes))
        self.scale = 1.0

    def loss(self, X, y=None, reg=0.0):
        shifted = X @ self.params['W']
        shifted = shifted - shifted.max(axis=1, keepdims=True)
        p = np.exp(shifted)
        p = p / p.sum(axis=1, keepdims=True)
        rows = np.arange(len(X))
        delta = p.copy()
        delta[rows, y] -= 1
        return -np.log(p[rows, y]).mean(), {"W": X.T @ delta / len(X)}
"""

ENGINE = """
class Number:
    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents

    def __add__(self, other):
        return Number(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Number(self.data * other.data, [(self, other.data), (other, self.data)])

    def square(self):
        return Number(self.data**2, [(self, 2 * self.data)])

    def backward(self, above=1.0):
        self.grad += above
        for parent, slope in self.parents:
            parent.backward(above * slope)
"""


def proposal_of(source, path, capsys):
    path.write_text(source)
    assert main(["init", str(path)]) == 0
    assert path.read_text() == source
    printed = capsys.readouterr().out
    first, _, rest = printed.partition("# ///\n\n" if "end with these" in printed else "# ///\n")
    return first[first.index("# /// script") :] + "# ///\n", rest


@pytest.mark.parametrize(
    ("source", "completed"),
    [
        (SCALE, {'gain = "?"': 'gain = "D"'}),
        (LINEAR, {}),
        (MODEL, {'W = "D M"': 'W = "D C"', "Net(D, n_classes)": "Net(D, C)"}),
    ],
    ids=["functions", "class", "model"],
)
def test_a_file_is_judged_by_its_proposal(tmp_path, capsys, source, completed):
    path = tmp_path / "mine.py"
    first, _ = proposal_of(source, path, capsys)
    for before, after in completed.items():
        assert before in first
        first = first.replace(before, after)
    path.write_text(first + source)
    report = verifier.check(path, profile="quick")
    assert report.verdict == "pass", report.summary


def test_what_must_be_said_is_refused_until_it_is(tmp_path, capsys):
    path = tmp_path / "mine.py"
    first, _ = proposal_of(SCALE, path, capsys)
    path.write_text(first + SCALE)
    with pytest.raises(RequestError, match=r'"arrays\.gain" is not understood: "\?"'):
        verifier.check(path, profile="quick")


def test_an_engine_is_judged_by_its_proposal(tmp_path, capsys):
    path = tmp_path / "mine.py"
    first, rest = proposal_of(ENGINE, path, capsys)
    last = rest.partition("end with these:\n\n")[2].partition("\n\nThen")[0]
    assert "scalar = True" in last
    path.write_text(first + ENGINE + last)
    assert verifier.check(path, profile="quick").verdict == "pass"
    path.write_text(first + ENGINE.replace("(other, self.data)]", "(other, other.data)]") + last)
    assert verifier.check(path, profile="quick").verdict == "fail"


def test_the_text_alone_tells_pairs_of_an_operation_and_their_arrays():
    source = COURSE.read_text()
    assert recognised(source) == "cs231n"
    lines = layer.proposed(ast.parse(source)).first
    assert 'operation = "affine"\n# arrays = { x = "N D", w = "D M", b = "M" }' in lines
    assert 'backward = "dx, dprev_h, dprev_c, dWx, dWh, db = lstm_step_backward(dnext_h, dnext_c, cache)"' in lines


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (SCALE, "The functions scale_forward and scale_backward look like a layer: `verifier init"),
        (LINEAR, "The class Dense with forward and backward looks like a layer: `verifier init"),
        (MODEL, "The class Net with its method loss looks like a model: `verifier init"),
        (ENGINE, "The class Number with its operators and backward looks like an autograd engine: `verifier init"),
    ],
    ids=["functions", "class", "model", "engine"],
)
def test_check_says_what_such_a_file_looks_like(tmp_path, source, says):
    path = tmp_path / "mine.py"
    path.write_text(source)
    assert says in verifier.check(path, profile="quick").summary.replace("\n", " ")


def test_a_network_a_judged_file_and_other_code_get_no_proposal(tmp_path, capsys):
    for source in (
        "def backprop(weights, biases, x, y):\n    pass\n" + SCALE,
        "# /// script\n# [tool.verifier]\n# ///\n" + SCALE,
        "x = 1\n",
        "def :",
    ):
        path = tmp_path / "mine.py"
        path.write_text(source)
        assert main(["init", str(path)]) == 2
        assert "exists already" in capsys.readouterr().err
        assert path.read_text() == source


@pytest.mark.parametrize("seen_in", [layer.seen_in, engine.seen_in])
def test_text_of_any_length_is_searched_at_once(seen_in):
    started = time.process_time()
    for hostile in ("class A:\n" * 100_000, "class A" + "(" * 500_000, "def f" + " " * 500_000, "def a_forward\n" * 20_000):
        seen_in(hostile)
    assert time.process_time() - started < 5
