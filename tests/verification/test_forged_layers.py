"""Code of a layer that forges its worker's answers, or answers otherwise where it is differenced: no pass, and the harness goes on.

Each forger computes right gradients and puts one answer in the place of the worker's. `phase` and `no gradients` passed once, with nothing
that could be compared; the others broke the harness, or had it take as much memory as the answer said.
"""

import pytest

from verifier.candidates import session
from verifier.cli import main
from verifier.results.report import from_json
from verifier.verification.layer import judging

MANIFEST = """# /// script
# [tool.verifier]
# contract = "layer"
# forward = "out, cache = affine_forward(x, w, b)"
# backward = "dx, dw, db = affine_backward(dout, cache)"
# arrays = {{ x = "N D", w = "D M", b = "M" }}
# operation = "affine"
# ///
import sys
import numpy as np

def frames():
    frame = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back

{before}

def affine_forward(x, w, b):
    {forward}
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, {dw}, dout.sum(0)
"""
PATCH = """
def patch():
    for frame in frames():
        statements = type(frame.f_locals.get("self"))
        if statements.__name__ == "Statements" and not hasattr(statements, "real"):
            real = statements.real = statements.answer
            def answer(self, action, basket, arrays):
                told = real(self, action, basket, arrays)
                return forged(told, basket) if action["do"] == {action!r} else told
            statements.answer = answer

def forged(told, basket):
    return {forged}
"""
FORGERIES = {
    "phase": ("backward", "{'raised': dict(type='E', text='', traceback='', file=None, line=None, function=None), 'phase': 'elsewhere'}"),
    "no gradients": ("backward", "{'values': {}}"),
    "another gradient": ("backward", "{'values': told['values'] | {'more': told['values']['dx' if 'dx' in told['values'] else 'x']}}"),
    "needs words": ("backward", "{'refused': 'needs many values for dout', 'phase': 'backward'}"),
    "needs 48 GB": ("backward", "{'refused': 'needs 3000000000 values for dout', 'phase': 'backward'}"),
    "a line beyond 64 bits": (
        "backward",
        "{'raised': dict(type='E', text='', traceback='', file='layer.py', line=10**30, function=None), 'phase': 'backward'}",
    ),
    "no points": ("points", "{'values': {}}"),
    "one point": ("points", "{'values': {'points': basket.add(np.zeros(()))}}"),
    "points of another size": ("points", "{'values': {'points': basket.add(np.zeros((len(basket.arrays['a0']), 1)))}}"),
    "no outputs": ("pass", "{'values': {}}"),
}


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """The report on a layer of this source, or None where the harness broke."""
    monkeypatch.chdir(tmp_path)

    def judge(before: str = "", forward: str = "pass", dw: str = "x.T @ dout"):
        (tmp_path / "layer.py").write_text(MANIFEST.format(before=before, forward=forward, dw=dw))
        main(["check", "layer.py", "--profile", "quick", "--seed", "1"])
        file = tmp_path / "reports" / "layer" / "report.json"
        return from_json(file.read_bytes()) if file.exists() else None

    return judge


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_answer_is_the_candidates_own_end(forgery, judged):
    action, forged = FORGERIES[forgery]
    report = judged(PATCH.format(action=action, forged=forged), "patch()")
    assert report is not None, "the harness broke"
    assert report.verdict in ("error", "fail", "inconclusive")
    assert "replaced something" not in report.summary, report.summary  # else nothing was forged


def test_where_replies_are_believed_a_forgery_takes_the_verdict_or_the_harness(judged, monkeypatch):
    monkeypatch.setattr(session, "check_replies", lambda *_: None)
    action, forged = FORGERIES["no gradients"]
    report = judged(PATCH.format(action=action, forged=forged), "patch()")
    assert report is None or report.verdict == "pass", report.summary


STEP = """# /// script
# [tool.verifier]
# contract = "layer"
# step = "next_w = sgd(w, dw)"
# arrays = {{ w = "N D" }}
# optimizer = {{ name = "sgd", lr = 0.01 }}
# ///
import sys
import numpy as np

def frames():
    frame = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back

{before}

def sgd(w, dw):
    patch()
    return w - 0.02 * dw
"""
WALKS = {
    "nothing": "{'values': {}}",
    "null": "{'values': dict.fromkeys(told['values'])}",
    "one row": "{'values': {name: basket.add(np.zeros(3)) for name in told['values']}}",
    "rows of another shape": "{'values': {name: basket.add(np.zeros((action['steps'], 2, 2, 2))) for name in told['values']}}",
    "rows of whole numbers": "{'values': {name: basket.add(np.zeros((action['steps'], 1), np.int8)) for name in told['values']}}",
}


@pytest.mark.parametrize("walk", WALKS)
def test_a_forged_walk_is_the_candidates_own_end(walk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forged = WALKS[walk].replace("action['steps']", "50")
    (tmp_path / "step.py").write_text(STEP.format(before=PATCH.format(action="walk", forged=forged)))
    status = main(["check", "step.py", "--profile", "quick", "--seed", "1"])
    report = from_json((tmp_path / "reports" / "step" / "report.json").read_bytes())
    assert status in (1, 2), "the harness broke"
    assert report.verdict in ("fail", "error")
    assert "replaced something" not in report.summary


def test_where_replies_are_believed_no_walk_is_compared_and_it_passes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right_at_first = STEP.replace("0.02", "0.01")
    (tmp_path / "step.py").write_text(right_at_first.format(before=PATCH.format(action="walk", forged=WALKS["nothing"])))
    asked = ["check", "step.py", "--profile", "quick", "--seed", "1"]
    assert main(asked) == 1
    monkeypatch.setattr(session, "check_replies", lambda *_: None)
    assert main(asked) == 0


def test_an_output_of_64_gigabytes_takes_no_memory_here(judged):
    report = judged(forward="return np.broadcast_to(np.float64(1), (1 << 33,)), (x, w)")
    assert report.verdict == "fail"
    assert "needs 8589934592 values for dout" in report.summary


def test_outputs_that_grow_with_each_call_end(judged):
    report = judged("called = []", "called.append(1); return np.zeros(4096 + len(called)), (x, w)")
    assert report.verdict in ("error", "fail", "inconclusive")


DIFFERENCED = """
kept = []

def where_it_counts(w):
    if kept and any(getattr(frame.f_locals.get("passing"), "__name__", "") == "_points" for frame in frames()):
        return kept[-1]
    kept.append(w.copy())
    return w
"""


def test_a_forward_pass_that_fits_a_wrong_gradient_where_it_is_differenced_is_no_pass(judged):
    report = judged(DIFFERENCED, "w = where_it_counts(w)", "w * 0")
    assert report.verdict == "inconclusive"
    assert "it gives other outputs than alone" in report.summary


def test_it_would_pass_where_its_points_are_not_asked_again(judged, monkeypatch):
    monkeypatch.setattr(judging, "answers_otherwise", lambda asking, inside: "")
    assert judged(DIFFERENCED, "w = where_it_counts(w)", "w * 0").verdict == "pass"


def test_the_same_layer_without_all_this_passes(judged):
    assert judged().verdict == "pass"
