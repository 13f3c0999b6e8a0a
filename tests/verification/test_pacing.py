"""A time limit asks about fewer networks, on a rung of a fixed ladder; the rung stands in the report and asks the same networks again."""

import itertools
from dataclasses import replace

import pytest

from verifier.contracts.mlp.strategy import STRATA
from verifier.reports.wording import reproduce_command
from verifier.results.comparison import compare
from verifier.verification import pacing
from verifier.verification.judging import judge
from verifier.verification.profiles import PROFILES

SLOW = """\
import time

import numpy as np


def backprop(weights, biases, x, y):
    time.sleep(0.01)
    a = [x]
    for w, b in zip(weights, biases):
        a.append(1 / (1 + np.exp(-(a[-1] @ w.T + b))))
    delta = 2 * (a[-1] - y) / len(x) * a[-1] * (1 - a[-1])
    gw, gb = [], []
    for l in reversed(range(len(weights))):
        gw.insert(0, delta.T @ a[l])
        gb.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[l]) * a[l] * (1 - a[l])
    return ((a[-1] - y) ** 2).sum() / len(x), gw, gb
"""


@pytest.fixture
def slow(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    return str(tmp_path / "slow.py")


def report_of(path, **options):
    (judged,) = judge([path], profile="quick", **options)
    return judged.report


def test_a_slow_candidate_is_asked_about_fewer_networks_and_the_command_asks_them_again(slow):
    limited = report_of(slow, time_limit=2.0)
    assert (limited.verdict, limited.rung > 1) == ("pass", True)
    assert "of the profile's 40 networks" in limited.notes[0].message
    assert reproduce_command(limited).endswith(f"--seed 0 --rung {limited.rung}")
    again = report_of(slow, rung=limited.rung)
    assert again.rung == limited.rung
    assert figures_of(again) == figures_of(limited)
    whole = report_of(slow, time_limit=1e6)
    assert whole.rung == 0
    (change,) = compare([whole], [limited])
    assert change.why_not == f"rung 0 of the profile, then rung {limited.rung}"


def figures_of(report):
    return [(outcome.id, outcome.status, outcome.problems, outcome.error) for outcome in report.checks], report.measurements


@pytest.mark.parametrize("name", PROFILES)
def test_a_higher_rung_asks_less_and_a_call_that_takes_longer_goes_up(name):
    profile = PROFILES[name]
    sizes = [pacing.calls_of(pacing.on_rung(profile, rung)) for rung in range(pacing.RUNGS)]
    assert sizes == sorted(sizes, reverse=True)
    rungs = [pacing.rung_within(profile, seconds, 60.0) for seconds in (1e-6, 0.01, 0.1, 1.0, 100.0)]
    assert rungs == sorted(rungs)
    assert (rungs[0], rungs[-1]) == (0, pacing.RUNGS - 1)


def test_the_networks_of_a_rung_are_among_those_of_the_rung_before_and_of_many_strata():
    corpus = corpus_of(range(200))
    kept = [{item.index for item in pacing.part_of(corpus, pacing.on_rung(PROFILES["ci"], rung)).items} for rung in range(1, pacing.RUNGS)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(kept))
    assert len({index % len(STRATA) for index in kept[2]}) >= 20


class Placed:
    def __init__(self, index):
        self.index = index


def corpus_of(indices):
    from verifier.verification.corpus import Corpus

    return replace(Corpus((), (), kept=False), items=tuple(Placed(index) for index in indices))
