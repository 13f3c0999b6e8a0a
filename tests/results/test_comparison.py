import msgspec
import pytest

from verifier.results.comparison import compare
from verifier.results.outcome import Measurement, Outcome
from verifier.results.report import CandidateRecord, Isolation, Report


def report(verdict="pass", *, name="c", ratios=(0.5, 0.25), status=None, seed=0, claims=None):
    status = status or verdict
    measurements = tuple(
        Measurement("autograd", n, "layers 1-1", "weights[0]", ratio * 4e-15, 4e-15, "", "pass") for n, ratio in enumerate(ratios)
    )
    return Report(
        1, verdict, "", CandidateRecord(name, "c.py", "mlp", claims or {}), "ci", seed, (Outcome("autograd", status, ""),), measurements,
        (), (), None, Isolation(True, True, True), {}, "", {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("pass", "pass", "same"),
        ("pass", "fail", "worse"),
        ("pass", "inconclusive", "worse"),
        ("inconclusive", "error", "worse"),
        ("error", "fail", "worse"),
        ("fail", "pass", "better"),
        ("fail", "fail", "same"),
    ],
)
def test_a_verdict_gets_better_or_worse(old, new, change):
    (candidate,) = compare([report(old)], [report(new)])
    assert candidate.change == change


def test_one_more_failing_check_is_worse_though_the_verdict_stays():
    extra = Outcome("purity", "pass", "")
    old = msgspec.structs.replace(report("fail"), checks=(*report("fail").checks, extra))
    new = msgspec.structs.replace(old, checks=(old.checks[0], msgspec.structs.replace(extra, status="fail")))
    (candidate,) = compare([old], [new])
    assert (candidate.change, [one.check for one in candidate.checks]) == ("worse", ["purity"])


def test_candidates_that_come_and_go_are_told():
    found = compare([report(name="a"), report(name="b")], [report(name="b"), report(name="c")])
    assert [(one.name, one.change) for one in found] == [("b", "same"), ("c", "new"), ("a", "gone")]


def test_two_bits_lost_where_both_pass_are_told():
    (candidate,) = compare([report(ratios=(0.2, 0.01, 0.02))], [report(ratios=(0.8, 0.04, 0.08))])
    (accuracy,) = candidate.accuracy
    assert (accuracy.compared, accuracy.change) == (3, "worse")
    assert accuracy.bits == pytest.approx(2)
    assert accuracy.typical_bits == pytest.approx(2)
    assert candidate.change == "same"
    assert candidate.lost_accuracy


def test_bits_won_are_better_and_less_than_one_is_no_change():
    assert compare([report(ratios=(0.8,))], [report(ratios=(0.2,))])[0].accuracy[0].change == "better"
    assert compare([report(ratios=(0.8,))], [report(ratios=(0.5,))])[0].accuracy[0].change == "same"


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        ((0.8, 0.01, 0.01), (0.8, 0.04, 0.04), "worse"),  # the usual comparison, beside a worst one that stays
        ((0.2, 0.1, 0.1), (0.8, 0.1, 0.1), "worse"),  # the worst one alone
        ((0.8, 0.04, 0.04), (0.8, 0.01, 0.01), "better"),
        ((0.8, 0.01, 0.01), (0.2, 0.04, 0.04), "worse"),  # whatever is won elsewhere
    ],
)
def test_bits_are_lost_at_the_worst_comparison_or_at_the_usual_one(before, now, change):
    (candidate,) = compare([report(ratios=before)], [report(ratios=now)])
    assert candidate.accuracy[0].change == change


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        ("fail", "skipped", "other"),  # not to be asked any more is no improvement
        ("pass", "skipped", "other"),
        ("skipped", "pass", "other"),
        ("skipped", "fail", "worse"),
        ("skipped", "inconclusive", "worse"),
        ("fail", "pass", "better"),
    ],
)
def test_a_check_that_is_not_asked_any_more_is_neither_better_nor_worse(before, now, change):
    old, new = (
        msgspec.structs.replace(report("fail"), checks=(*report("fail").checks, Outcome("purity", status, ""))) for status in (before, now)
    )
    (candidate,) = compare([old], [new])
    assert (candidate.change, candidate.checks[0].change) == (change, change)


def test_an_error_of_nothing_is_compared_too():
    (accuracy,) = compare([report(ratios=(0.0,))], [report(ratios=(0.5,))])[0].accuracy
    assert accuracy.bits == pytest.approx(9)


@pytest.mark.parametrize("other", [{"seed": 1}, {"claims": {"batch": "columns"}}])
def test_other_networks_are_not_compared_and_it_is_said_why(other):
    (candidate,) = compare([report()], [report(**other)])
    assert candidate.accuracy == ()
    assert candidate.why_not
