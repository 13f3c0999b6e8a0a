"""A time limit asks about fewer networks, on a rung of a fixed ladder; the rung stands in the report and asks the same networks again."""

import itertools
import re
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from verifier.candidates.session import Session
from verifier.contracts.mlp.strategy import STRATA
from verifier.reports.wording import next_steps, reproduce_command
from verifier.results.comparison import compare
from verifier.verification import pacing
from verifier.verification.judging import judge
from verifier.verification.profiles import PROFILES
from verifier.verification.record import Request

PLAIN = """\
import numpy as np


def backprop(weights, biases, x, y):
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
    (tmp_path / "slow.py").write_text(PLAIN, encoding="utf-8")
    return str(tmp_path / "slow.py")


def report_of(path, **options):
    (judged,) = judge([path], profile="quick", **options)
    return judged.report


class Watch:
    """A clock that only the candidate's calls move: what a run costs, whatever else the machine does."""

    def __init__(self, monkeypatch, seconds):
        self.calls, self.now, self._seconds = 0, 0.0, seconds
        ask = Session.ask

        def counted(session, message, arrays, **more):
            lines = sum(len(arrays[line["steps"]]) for line in message.get("lines", []))
            calls = len(message.get("calls", [])) + lines
            self.calls += calls
            self.now += calls * self._seconds
            return ask(session, message, arrays, **more)

        monkeypatch.setattr(Session, "ask", counted)
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


def test_a_slow_candidate_is_asked_about_fewer_networks_and_the_command_asks_them_again(slow, monkeypatch):
    Watch(monkeypatch, 0.01)
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
    (tmp_path / "wrong.py").write_text(PLAIN.replace("delta = 2 *", "delta = 3 *"), encoding="utf-8")
    wrong = str(tmp_path / "wrong.py")
    settled = report_of(wrong, rung=pacing.SETTLED)
    by_check = {outcome.id: outcome for outcome in settled.checks}
    assert (settled.verdict, settled.rung) == ("fail", pacing.SETTLED)
    assert (by_check["finite-difference"].failed, by_check["finite-difference"].problems) == (10, 10)
    assert 10 <= by_check["autograd"].failed <= by_check["autograd"].problems < 40
    assert "10 of them settle that it is wrong (--rung 6)" in settled.notes[0].message
    assert settled.diagnosis and settled.diagnosis[0].fault == "constant-factor"
    assert figures_of(report_of(wrong, rung=settled.rung)) == figures_of(settled)
    (tmp_path / "wrong.py").write_text(PLAIN, encoding="utf-8")
    assert report_of(wrong, rung=pacing.SETTLED).rung == pacing.RUNGS - 1, "corrected, it is asked the last rung"


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("profile", ["quick", "ci"])
@pytest.mark.parametrize(("seconds", "limit"), [(0.02, 12.0), (0.08, 12.0), (0.08, 60.0), (0.4, 60.0)])
def test_a_candidate_takes_no_longer_than_its_time_limit(tmp_path, monkeypatch, seconds, limit, profile, factor):
    (tmp_path / "slow.py").write_text(PLAIN.replace("2 * (a", f"{factor} * (a"), encoding="utf-8")
    watch = Watch(monkeypatch, seconds)
    (judged,) = judge([str(tmp_path / "slow.py")], profile=profile, time_limit=limit)
    assert judged.report.verdict == ("pass" if factor == 2 else "fail")
    assert watch.now <= 1.3 * limit, (watch.calls, judged.report.rung)
    if judged.report.rung in range(1, pacing.RUNGS - 1):
        assert watch.now > limit / 3, "a third of the limit is used at least, where there is more to ask"


def test_where_not_even_the_fewest_networks_fit_nothing_is_asked_and_the_time_it_needs_is_said(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text(PLAIN, encoding="utf-8")
    watch = Watch(monkeypatch, 0.4)
    report = report_of(str(tmp_path / "slow.py"), time_limit=12.0)
    assert (report.verdict, report.reason, watch.calls) == ("inconclusive", "not-judged", pacing.TIMED)
    found = re.fullmatch(
        r"It was not judged: a call takes 0.4 s, so even the fewest networks take about (\d+) s, longer than the time limit of 12 s. "
        r"Use --time-limit (\d+) or more \(or --rung 5, without a limit\).",
        report.summary,
    )
    needed, wanted = map(int, found.groups())
    watch.calls, watch.now = 0, 0.0
    assert report_of(str(tmp_path / "slow.py"), time_limit=float(wanted)).verdict == "pass"
    assert watch.now <= needed + 1
    assert not [step for step in next_steps(report) if "thorough" in step], "a larger run would not decide it"


def test_what_only_explains_a_failure_ends_with_the_limit_and_the_report_says_so(tmp_path, monkeypatch):
    (tmp_path / "wrong.py").write_text(PLAIN.replace("2 * (a", "3 * (a"), encoding="utf-8")
    watch = Watch(monkeypatch, 0.1)
    report = report_of(str(tmp_path / "wrong.py"), time_limit=9.5)
    assert (report.verdict, report.rung) == ("fail", 3)
    assert watch.now <= 1.2 * 9.5
    (said,) = [note.message for note in report.notes if "The time limit ended" in note.message]
    assert said.startswith("The time limit ended the search for the line of the source") and "--rung 3 and no --time-limit" in said
    assert report.counterexample is not None
    again = report_of(str(tmp_path / "wrong.py"), rung=report.rung)
    assert figures_of(again) == figures_of(report)
    assert again.own_lines and not report.own_lines


def test_nothing_is_settled_where_the_gradient_is_that_of_the_candidates_own_other_loss(tmp_path, monkeypatch):
    Watch(monkeypatch, 0.003)
    other = PLAIN.replace("delta = 2 *", "delta = 3 *").replace("return ((a", "return 1.5 * ((a")
    (tmp_path / "other.py").write_text(other, encoding="utf-8")
    report = report_of(str(tmp_path / "other.py"), time_limit=1.5)
    assert (report.verdict, report.rung in range(1, pacing.RUNGS)) == ("fail", True)


def figures_of(report):
    return [(outcome.id, outcome.status, outcome.problems, outcome.error) for outcome in report.checks], report.measurements


@pytest.mark.parametrize("name", PROFILES)
def test_a_higher_rung_asks_less_and_a_call_that_takes_longer_goes_up(name):
    request = Request(PROFILES[name], 0)
    price = pacing.Price(request, Functions(), corpus_of(range(request.profile.networks)))
    sizes = [price.of(rung) for rung in range(pacing.RUNGS)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[1] < 0.6 * sizes[0] and sizes[-1] < sizes[0] / 6, "a rung has half of the networks before it"
    taken = [price.rung_within(59.9 / calls, 60.0) for calls in sizes]
    assert [sizes[rung] for rung in taken] == sizes
    assert (price.rung_within(1e-6, 60.0), price.rung_within(100.0, 60.0)) == (0, None)


class Functions:
    functions = ("backprop",)


def test_the_networks_of_a_rung_are_among_those_of_the_rung_before_and_of_many_strata():
    corpus = corpus_of(range(200))
    kept = [{item.index for item in pacing.part_of(corpus, pacing.on_rung(PROFILES["ci"], rung)).items} for rung in range(1, pacing.RUNGS)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(kept))
    assert len({index % len(STRATA) for index in kept[2]}) >= 20
    assert len({index // 8 for index in kept[2]}) >= 12, "from everywhere in the corpus"


class Placed:
    def __init__(self, index):
        self.index = index
        self.problem = SimpleNamespace(sizes={"batch": 4})


def corpus_of(indices):
    from verifier.verification.corpus import Corpus

    return replace(Corpus((), (), kept=False), items=tuple(Placed(index) for index in indices))
