"""A file of layers is asked in two lanes: the report does not show it, both may print, and what ends the run ends both."""

import time
from functools import partial

import numpy as np
import pytest
from msgspec import structs

from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Unanswered
from verifier.verification import lanes
from verifier.verification.exchanging import Exchanging
from verifier.verification.judging import judge
from verifier.verification.lanes import Lanes, dealt_out
from verifier.verification.layer import judging

HEADER = """# /// script
# [tool.verifier]
# contract = "layer"
#
# [[tool.verifier.layer]]
# operation = "affine"
#
# [[tool.verifier.layer]]
# operation = "relu"
#
# [[tool.verifier.layer]]
# operation = "softmax_loss"
# ///
import time

import numpy as np

"""
RIGHT = """
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, x):
    return dout * (x > 0)


def softmax_loss(x, y):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    return loss, p / len(y)
"""
WRONG = RIGHT.replace("dout * (x > 0)", "dout * (x < 0)").replace("p / len(y)", "p")


def written(folder, source):
    file = folder / "layers.py"
    file.write_text(HEADER + source)
    return file


def report_of(file):
    (judged,) = judge([file], profile="quick", seed=3, jobs=1)
    return judged.report


def without_times(report):
    return structs.replace(report, timings={})


@pytest.mark.parametrize("source", [RIGHT, WRONG], ids=["right", "wrong"])
def test_the_report_is_the_same_with_one_lane_and_with_two(tmp_path, monkeypatch, source):
    file = written(tmp_path, source)
    two = report_of(file)
    monkeypatch.setattr(judging, "MOST", 1)
    assert without_times(report_of(file)) == without_times(two)
    assert [layer.name for layer in two.layers] == ["affine", "relu", "softmax_loss"]


def test_what_either_lane_prints_is_in_the_report(tmp_path):
    said = WRONG.replace("    x, w = cache", "    print('from affine')\n    x, w = cache").replace(
        "    return dout * (x <", "    print('from relu')\n    return dout * (x <"
    )
    printed = report_of(written(tmp_path, said)).printed
    assert "from affine" in printed and "from relu" in printed


def test_a_layer_that_ends_its_worker_costs_no_other_its_verdict(tmp_path):
    deadly = RIGHT.replace("    return dout * (x > 0)", "    import os\n    os._exit(1)")
    found = {layer.name: layer.verdict for layer in report_of(written(tmp_path, deadly)).layers}
    assert found == {"affine": "pass", "relu": "error", "softmax_loss": "pass"}


@pytest.fixture
def workers(tmp_path):
    (candidate,), _ = find_candidates([written(tmp_path, "def wait():\n    time.sleep(60)\n")])
    with Zygote() as zygote:
        limits = Limits(wall_seconds=50)
        both = [Exchanging(zygote, candidate, candidate.claims, limits) for _ in range(2)]
        yield both
        for one in both:
            one.__exit__()


def wait(exchanging):
    program = {"do": "program", "setup": [], "forward": ["wait()"], "backward": [], "imports": {}, "gradients": ""}
    asked = {"do": "pass", "arrays": {}, "constants": {}, "seed": 0, "outputs": []}
    return exchanging.exchange({"actions": [program, asked]}, {}, "waiting")


def test_an_interrupt_does_not_wait_for_what_is_asked(workers):
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Lanes(workers) as both:
        asked = [both.ask(lane, wait) for lane in (0, 1, 0)]
        while any(one.living is None for one in workers):
            time.sleep(0.05)
        time.sleep(0.3)
        raise KeyboardInterrupt
    assert time.monotonic() - began < 25
    assert asked[2].cancelled()
    for one in asked[:2]:
        with pytest.raises(Unanswered):
            one.result()
    for one in workers:
        with pytest.raises(Unanswered, match="given up"):
            one.exchange({"actions": []}, {}, "later")


def test_a_lane_asks_in_order_under_the_callers_settings(workers):
    seen = []

    def look(_, name):
        seen.append((name, np.geterr()["over"]))

    with np.errstate(over="raise"), Lanes(workers) as both:
        for one in [both.ask(1, partial(look, name=name)) for name in "abc"]:
            one.result()
    assert seen == [(name, "raise") for name in "abc"]


def test_the_next_goes_to_the_lane_that_has_least_to_do():
    assert dealt_out([9, 4, 4, 4, 1], lanes.MOST) == [0, 1, 1, 1, 0]
