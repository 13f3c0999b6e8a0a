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
QUICKER = SLOW.replace("0.01", "0.003")


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


def test_a_slow_wrong_candidate_is_settled_by_both_witnesses_on_ten_networks(tmp_path):
    (tmp_path / "wrong.py").write_text(QUICKER.replace("delta = 2 *", "delta = 3 *"), encoding="utf-8")
    settled = report_of(str(tmp_path / "wrong.py"), time_limit=2.0)
    by_check = {outcome.id: outcome for outcome in settled.checks}
    assert (settled.verdict, settled.rung) == ("fail", pacing.SETTLED)
    assert (by_check["finite-difference"].failed, by_check["finite-difference"].problems) == (10, 10)
    assert 10 <= by_check["autograd"].failed <= by_check["autograd"].problems < 40
    assert "10 of them settle that it is wrong (--rung 6)" in settled.notes[0].message
    assert settled.diagnosis and settled.diagnosis[0].fault == "constant-factor"
    again = report_of(str(tmp_path / "wrong.py"), rung=settled.rung)
    assert figures_of(again) == figures_of(settled)
    (tmp_path / "wrong.py").write_text(QUICKER, encoding="utf-8")
    assert report_of(str(tmp_path / "wrong.py"), rung=pacing.SETTLED).rung == pacing.RUNGS - 1, "corrected, it is asked the last rung"


def test_nothing_is_settled_where_the_gradient_is_that_of_the_candidates_own_other_loss(tmp_path):
    other = QUICKER.replace("delta = 2 *", "delta = 3 *").replace("return ((a", "return 1.5 * ((a")
    (tmp_path / "other.py").write_text(other, encoding="utf-8")
    report = report_of(str(tmp_path / "other.py"), time_limit=2.0)
    assert (report.verdict, report.rung in range(1, pacing.RUNGS)) == ("fail", True)


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
