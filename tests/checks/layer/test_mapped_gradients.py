"""A mapping of gradients must have those of the parameters, need not have those of the data, and what it leaves open is not decided."""

import pytest

import verifier
from verifier.contracts.layer.manifest import claims_from
from verifier.contracts.layer.mapped import left_out

NET = {
    "setup": "net = Net(W1, b1, W2)",
    "forward": "loss, grads = net.loss(X, y)",
    "gradients": "grads",
    "arrays": {"X": "N D", "W1": "D H", "b1": "H", "W2": "H C", "y": "int<C> N"},
}
UNIT = {
    "forward": "grads, cost = propagate(w, b, X, Y, h)",
    "gradients": "grads",
    "arrays": {"X": "D N", "w": "D 1", "b": "", "Y": "int<2> 1 N", "h": "D"},
}
LSTM = {"forward": "loss, grads = lstm(a, h, Wx, Wh)", "gradients": "grads", "arrays": {"a": "N T D", "h": "N H", "Wx": "D H", "Wh": "H H"}}


@pytest.mark.parametrize(
    ("keys", "missing", "meant"),
    [
        (NET, ["X"], ["data"]),
        (NET, ["X", "b1"], ["data", "missing"]),
        (NET, ["W1", "b1", "W2"], ["missing", "missing", "missing"]),
        (NET | {"differentiate": ["X"]}, ["X"], ["missing"]),
        (NET | {"operation": "two_layer_net"}, ["X", "W2"], ["data", "missing"]),
        (UNIT, ["X"], ["data"]),
        (UNIT, ["X", "b"], ["data", "open"]),
        (UNIT, ["h"], ["open"]),
        (LSTM, ["a", "h"], ["data", "data"]),
        (LSTM, ["a", "h", "Wh"], ["open", "open", "open"]),
    ],
)
def test_what_it_means_that_a_mapping_has_no_gradient_of_an_array(keys, missing, meant):
    (layer,) = claims_from(keys).layers
    assert left_out(layer, missing) == dict(zip(missing, meant, strict=True))


SOURCE = """# /// script
# [tool.verifier]
# contract = "layer"
# forward = "loss, grads = lines(x, w, b)"
# gradients = "grads"
# arrays = {{ x = "N", w = "", b = "" }}
# ///
import numpy as np

def lines(x, w, b):
    return np.sum((w * x + b) ** 2), {{{grads}}}
"""
W, B = "'w': np.sum(2 * (w * x + b) * x)", "'b': np.sum(2 * (w * x + b))"


@pytest.mark.parametrize(
    ("grads", "verdict", "gradients", "says"),
    [
        (f"{W}, {B}", "pass", {"w": "pass", "b": "pass"}, "Not judged: dx, which grads does not have."),
        (f"{W}, {B}, 'dx': 3 * w * (w * x + b)", "fail", {"x": "fail", "w": "pass", "b": "pass"}, "dx"),
        (W, "inconclusive", {"w": "pass", "b": "undecided"}, 'no gradient of b. If none is claimed, say it: arrays = { b = "real" }.'),
    ],
)
def test_the_report_says_what_was_not_judged(grads, verdict, gradients, says, tmp_path):
    (tmp_path / "lines.py").write_text(SOURCE.format(grads=grads))
    report = verifier.check(tmp_path / "lines.py", profile="quick", seed=0)
    assert report.verdict == verdict, report.summary
    assert report.layers[0].gradients == gradients
    assert says in report.summary
