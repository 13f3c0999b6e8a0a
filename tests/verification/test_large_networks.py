"""Networks of an ordinary course's size are judged, right and wrong; and what only explains a verdict never costs it."""

import pytest

from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.diagnosis.mlp import explaining
from verifier.results.report import Report
from verifier.verification import run
from verifier.verification.corpus import fresh_corpus
from verifier.verification.profiles import Profile
from verifier.verification.record import Request

FEW = Profile("few", networks=3, differences=1, seed=0, kept=False, shrinking=4)
SOURCE = """
# /// script
# [tool.verifier]
# sizes = {sizes}
# ///
import numpy as np
def backprop(weights, biases, x, y):
    acts = [x]
    for w, b in zip(weights, biases):
        acts.append(1 / (1 + np.exp(-(acts[-1] @ w.T + b))))
    d = 2 * (acts[-1] - y) / len(x){slope}
    gw, gb = [], []
    for l in (1, 0):
        gw.insert(0, d.T @ acts[l])
        gb.insert(0, d.sum(0))
        d = d @ weights[l] * acts[l] * (1 - acts[l])
    return np.sum((acts[-1] - y) ** 2) / len(x), gw, gb
"""
SLOPE = " * acts[-1] * (1 - acts[-1])"


@pytest.fixture
def judged(tmp_path):
    def judge(sizes: list[int], slope: str) -> Report:
        file = tmp_path / "net.py"
        file.write_text(SOURCE.format(sizes=sizes, slope=slope))
        (candidate,), _ = find_candidates([str(file)])
        corpus = fresh_corpus(candidate.claims, FEW, 0, lambda done, total: None)
        with Zygote() as zygote:
            return run.judge_candidate(
                candidate, lambda: corpus, zygote, Limits(), Request(FEW, 0, ("autograd", "forward")), lambda *_: None
            ).report

    return judge


@pytest.mark.parametrize("sizes", [[784, 30, 10], [3072, 100, 10], [1, 4096, 1]], ids=str)
def test_a_right_one_passes_and_a_wrong_one_fails_with_its_mistake(sizes, judged):
    assert judged(sizes, SLOPE).verdict == "pass"
    report = judged(sizes, "")
    assert report.verdict == "fail"
    assert report.diagnosis[0].fault == "output-derivative-missing"
    assert report.counterexample is not None
    assert report.notes == ()


def test_a_search_that_breaks_costs_the_small_example_alone(judged, monkeypatch):
    monkeypatch.setattr(run, "shrink", lambda *_, **options: 1 / 0)
    report = judged([784, 30, 10], "")
    assert report.verdict == "fail"
    assert report.diagnosis[0].fault == "output-derivative-missing"
    assert report.counterexample is None
    assert "The search for a small example broke (ZeroDivisionError: " in report.notes[0].message


def test_a_diagnosis_that_breaks_costs_the_explanation_alone(judged, monkeypatch):
    monkeypatch.setattr(explaining, "explain_failure", lambda *_: 1 / 0)
    monkeypatch.setattr(explaining, "work_by_hand", lambda *_: [].pop())
    report = judged([2, 3, 1], "")
    assert report.verdict == "fail"
    assert report.diagnosis == ()
    assert report.counterexample is not None
    assert [note.message.partition(" broke")[0] for note in report.notes] == ["The diagnosis", "Working the example by hand"]
