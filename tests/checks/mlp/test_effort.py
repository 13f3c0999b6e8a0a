"""A gradient that costs a forward pass a parameter is known by its cost, in whatever arithmetic; right code, however wasteful, is not."""

from pathlib import Path

import pytest

from verifier.checks.mlp import effort
from verifier.checks.mlp.effort import pass_a_parameter
from verifier.contracts.mlp.calling import values_of
from verifier.contracts.mlp.claims import claims_from
from verifier.verification import run
from verifier.verification.judging import judge
from verifier.worker.effort import Effort

ROOT = Path(__file__).resolve().parents[3]

LOSS = """
import math
import numpy as np
from decimal import Decimal, getcontext

getcontext().prec = 60

def vectorised(weights, biases, x, y):
    for w, b in zip(weights, biases):
        x = 1 / (1 + np.exp(-(x @ w.T + b)))
    return np.sum((x - y) ** 2) / len(y)

def sigmoid(z):
    return 1 / (1 + (z.exp() if isinstance(z, (Decimal, Dual)) else math.exp(z)) ** -1)

def scalar(weights, biases, x, y):
    total = 0
    for sample, target in zip(x, y):
        for w, b in zip(weights, biases):
            sample = [sigmoid(sum((p * a for p, a in zip(row, sample)), c)) for row, c in zip(w, b)]
        total += sum((a - t) ** 2 for a, t in zip(sample, target))
    return total / len(x)

class Dual:
    def __init__(self, value, slope=0.0):
        self.value, self.slope = value, slope
    def __add__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)
    __radd__ = __add__
    def __sub__(self, other):
        return self + -1.0 * other
    def __mul__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.value * other.value, self.value * other.slope + self.slope * other.value)
    __rmul__ = __mul__
    def exp(self):
        grown = math.exp(self.value)
        return Dual(grown, grown * self.slope)
    def __pow__(self, power):
        return Dual(self.value**power, power * self.value ** (power - 1) * self.slope)
    def __truediv__(self, number):
        return self * (1 / number)
    def __rtruediv__(self, number):
        return number * self**-1
"""
MOVED = """
def backprop(weights, biases, x, y):
    parts = [weights, biases, x, y]
    weights, biases, x, y = [plain(part) for part in parts]
    def slope(holder, place):
        value = holder[place]
        found = SLOPE
        holder[place] = value
        return float(found)
    gw = [np.array([[slope(row, j) for j in range(len(row))] for row in w], dtype=float) for w in weights]
    gb = [np.array([slope(b, i) for i in range(len(b))], dtype=float) for b in biases]
    return float(LOSS), gw, gb
"""
LISTS = "\ndef plain(part):\n    return [plain(one) for one in part] if hasattr(part, '__len__') else {number}(float(part))\n"
ARRAYS = "\ndef plain(part):\n    return part\n"
STEP = "\n        holder[place] = {forward}; found = {loss}(weights, biases, x, y)\n        holder[place] = {back}; found = {difference}"


def moving(plain: str, loss: str, forward: str, difference: str, back: str = "value") -> str:
    steps = STEP.format(forward=forward, loss=loss, back=back, difference=difference)
    return LOSS + plain + MOVED.replace("\n        found = SLOPE", steps).replace("LOSS", f"{loss}(weights, biases, x, y)")


A_PASS_A_PARAMETER = {
    "central differences": moving(
        ARRAYS, "vectorised", "value + 1e-6", "(found - vectorised(weights, biases, x, y)) / 2e-6", "value - 1e-6"
    ),
    "differences of one side": moving(ARRAYS, "vectorised", "value + 1e-7", "(found - base) / 1e-7").replace(
        "    def slope", "    base = vectorised(weights, biases, x, y)\n    def slope"
    ),
    "sixty digits": moving(
        LISTS.format(number="Decimal"),
        "scalar",
        "value + Decimal(10) ** -28",
        "(found - scalar(weights, biases, x, y)) / (2 * Decimal(10) ** -28)",
        "value - Decimal(10) ** -28",
    ),
    "dual numbers": moving(LISTS.format(number="float"), "scalar", "Dual(value, 1.0)", "found.slope"),
}
RIGHT = """
import math
import numpy as np

def s(z):
    return 1 / (1 + np.exp(-z))

def backprop(weights, biases, x, y):
    acts, zs = [x], []
    for w, b in zip(weights, biases):
        zs.append(acts[-1] @ w.T + b)
        acts.append(s(zs[-1]))
    delta, gw, gb = 2 * (acts[-1] - y) / len(x), [], []
    for l in reversed(range(len(weights))):
        BACKWARD
    return np.sum((acts[-1] - y) ** 2) / len(x), gw, gb
"""
# Each makes work that it need not: for every weight a slope anew; for every weight and sample; for every layer the forward pass again.
WASTEFUL = {
    "a slope a weight": """slope = lambda i: s(zs[l][:, i]) * (1 - s(zs[l][:, i]))
        gw.insert(0, np.array([[np.sum(delta[:, i] * slope(i) * a) for a in acts[l].T] for i in range(len(weights[l]))]))
        gb.insert(0, np.array([np.sum(delta[:, i] * slope(i)) for i in range(len(weights[l]))]))
        delta = np.column_stack([delta[:, i] * slope(i) for i in range(len(weights[l]))]) @ weights[l]""",
    "a dot product a weight": """e = delta * s(zs[l]) * (1 - s(zs[l]))
        gw.insert(0, np.array([[np.dot(e[:, i], acts[l][:, j]) for j in range(acts[l].shape[1])] for i in range(e.shape[1])]))
        gb.insert(0, e.sum(axis=0))
        delta = e @ weights[l]""",
    "a slope a weight and sample": """g = np.zeros_like(weights[l]); h = np.zeros_like(biases[l]); below = np.zeros_like(acts[l])
        for n in range(len(x)):
            for i in range(g.shape[0]):
                h[i] += delta[n, i] * s(zs[l][n, i]) * (1 - s(zs[l][n, i]))
                for j in range(g.shape[1]):
                    e = delta[n, i] * s(zs[l][n, i]) * (1 - s(zs[l][n, i]))
                    g[i, j] += e * acts[l][n, j]
                    below[n, j] += e * weights[l][i, j]
        gw.insert(0, g); gb.insert(0, h); delta = below""",
    "the forward pass again a layer": """again = [x]
        for w, b in zip(weights, biases):
            again.append(s(again[-1] @ w.T + b))
        e = delta * again[l + 1] * (1 - again[l + 1])
        gw.insert(0, e.T @ again[l]); gb.insert(0, e.sum(axis=0)); delta = e @ weights[l]""",
}
CLAIMS = {"any depth": {}, "two layers": {"layers": 2}, "one sample": {"max_layers": 6, "reduction": "sum"}}


def found(source: str, table: dict) -> str:
    """What is found of a candidate that runs here, on the same networks as in a worker."""
    scope: dict = {}
    exec(compile(source, "net.py", "exec"), scope)
    claims = claims_from(table)

    def counts(problem):
        names, arrays = values_of(problem, claims)
        counted = Effort()
        values = [[arrays[name].copy() for name in names[key]] for key in ("weights", "biases")]
        counted.counting(scope["backprop"])(*values, arrays["x"].copy(), arrays["y"].copy())
        return counted.counts

    return pass_a_parameter(claims, 3, counts)


@pytest.mark.parametrize("table", CLAIMS.values(), ids=CLAIMS.keys())
@pytest.mark.parametrize("name", A_PASS_A_PARAMETER)
def test_a_pass_a_parameter_is_found_in_any_arithmetic(name, table):
    assert "one forward pass per parameter" in found(A_PASS_A_PARAMETER[name], table)


@pytest.mark.parametrize("table", CLAIMS.values(), ids=CLAIMS.keys())
@pytest.mark.parametrize("name", WASTEFUL)
def test_wasteful_backpropagation_is_none(name, table):
    assert found(RIGHT.replace("BACKWARD", WASTEFUL[name]), table) == ""


def test_a_network_of_three_parameters_says_nothing_of_code_that_computes_its_activations_twice():
    again = """e = delta * s(acts[l] @ weights[l].T) * (1 - s(acts[l] @ weights[l].T))
        gw.insert(0, e.T @ acts[l]); delta = e @ weights[l]"""
    right = RIGHT.replace("BACKWARD", again).replace("zip(weights, biases)", "zip(weights, (0, 0))")
    assert found(right, {"sizes": [2, 1, 1], "layers": 2, "bias": "none"}) == ""


@pytest.mark.parametrize(("a_sample", "found"), [(False, True), (True, False)])
def test_where_the_depth_is_fixed_a_pass_a_parameter_is_told_from_code_that_computes_each_sample_by_itself(a_sample, found):
    """Both evaluate as often as there are parameters, in as many products; the one takes the whole batch at once."""

    def counts(problem):
        parameters = sum(problem.arrays[name].size for name in problem.program.differentiate)
        passes = parameters * (len(problem.arrays["x"]) if a_sample else 2)
        return [10 * passes, 2 * passes, 2 * passes]

    said = pass_a_parameter(claims_from({"layers": 2}), 0, counts)
    assert ("about one forward pass per parameter" in said) == found


def test_a_single_layer_says_nothing():
    assert found(A_PASS_A_PARAMETER["central differences"], {"layers": 1}) == ""


@pytest.fixture
def judged(tmp_path):
    def judge_it(source: str, **options):
        (tmp_path / "net.py").write_text(source)
        (one,) = judge([str(tmp_path / "net.py")], profile="quick", only=["autograd", "purity"], **options)
        return one.report

    return judge_it


def test_it_is_a_note_and_fails_where_backpropagation_is_required(judged, tmp_path, monkeypatch):
    source = A_PASS_A_PARAMETER["dual numbers"]
    report = judged(source)
    assert report.verdict == "pass"
    assert [note.check for note in report.notes if "one forward pass per parameter" in note.message] == ["purity"]
    assignment = tmp_path / "a.toml"
    assignment.write_text('requires = "backpropagation"\n')
    graded = judged(source, assignment=str(assignment))
    assert graded.verdict == "fail"
    assert graded.summary.endswith("The assignment asks for backpropagation.")
    assert graded.score.points == 0
    monkeypatch.setattr(effort, "_runs_a_pass_a_parameter", lambda costs: False)
    assert judged(source, assignment=str(assignment)).verdict == "pass"


HIDES = {
    "replaces what traces": ("import sys\nsys.settrace = sys.gettrace = lambda *_: None\n", "", "fail"),
    "runs in a thread of its own": (
        "import threading\n",
        "    box = []\n    other = threading.Thread(target=lambda: box.append(differenced(*given)))\n    other.start()\n    other.join()\n"
        "    return box[0]\n",
        "fail",
    ),
    "takes the trace function away": ("import sys\n", "    sys.settrace(None)\n", "inconclusive"),
    "raises where it is traced": ("import sys\n", "    if sys.gettrace():\n        raise ValueError\n", "inconclusive"),
    "leaves where it is traced": ("import os, sys\n", "    if sys.gettrace():\n        os._exit(0)\n", "inconclusive"),
}


@pytest.mark.parametrize("how", HIDES)
def test_code_that_hides_what_it_costs_does_not_pass_where_backpropagation_is_required(how, judged, tmp_path, monkeypatch):
    (tmp_path / "a.toml").write_text('requires = "backpropagation"\n')
    above, first, verdict = HIDES[how]
    differenced = A_PASS_A_PARAMETER["dual numbers"].replace("def backprop", "def differenced")
    source = f"{above}{differenced}\ndef backprop(*given):\n{first}    return differenced(*given)\n"
    report = judged(source, assignment=str(tmp_path / "a.toml"))
    assert (report.verdict, report.score.points) == (verdict, 0)
    if verdict == "inconclusive":
        assert "What a gradient costs is not known" in report.summary
        monkeypatch.setattr(run, "requiring_backpropagation", lambda finding, cost, uncounted: finding)
        assert judged(source, assignment=str(tmp_path / "a.toml")).verdict == "pass"


def test_wasteful_backpropagation_passes_where_it_is_required(judged, tmp_path):
    (tmp_path / "a.toml").write_text('requires = "backpropagation"\n')
    report = judged(RIGHT.replace("BACKWARD", WASTEFUL["a slope a weight"]), assignment=str(tmp_path / "a.toml"))
    assert (report.verdict, report.score.points) == ("pass", 100)
