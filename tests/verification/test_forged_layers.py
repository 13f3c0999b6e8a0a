"""Code of a layer that forges its worker's answers, or answers otherwise where it is differenced: no pass, and the harness goes on.

Each forger computes right gradients and puts one answer in the place of the worker's. `phase` and `no gradients` passed once, with nothing
that could be compared; the others broke the harness, or had it take as much memory as the answer said.
"""

import pytest

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
        kind = type(frame.f_locals.get("self"))
        if kind.__name__ == "Statements" and frame.f_code.co_name == "answer" and not hasattr(kind, "real"):
            kind.real = kind.answer
            def answer(self, action, basket, arrays):
                told = kind.real(self, action, basket, arrays)
                return forged(told, basket) if action["do"] == {action!r} else told
            kind.answer = answer

def forged(told, basket):
    return {forged}
"""
FORGERIES = {
    "phase": ("backward", "{'raised': dict(type='E', text='', traceback='', file=None, line=None, function=None), 'phase': 'elsewhere'}"),
    "no gradients": ("backward", "{'values': {}}"),
    "another gradient": ("backward", "{'values': told['values'] | {'more': told['values']['dx' if 'dx' in told['values'] else 'x']}}"),
    "needs words": ("backward", "{'refused': 'needs many values for dout', 'phase': 'backward'}"),
    "needs 48 GB": ("backward", "{'refused': 'needs 3000000000 values for dout', 'phase': 'backward'}"),
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
    if kept and any(frame.f_code.co_name == "_outputs_at" for frame in frames()):
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
