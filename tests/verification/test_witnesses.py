"""What the three witnesses say together, and the order of verdicts."""

from itertools import product

import pytest

from verifier.results.outcome import Outcome
from verifier.verification.witnesses import verdict_of

LOSS = "np.sum((y - activations[-1]) ** 2) / len(y)"


def test_both_witnesses_against_the_candidate_fail_it(report, outcome, plain):
    found = report(plain.but("delta.sum(axis=0)", "delta.mean(axis=0)"))
    assert [outcome(found, check).status for check in ("forward", "finite-difference", "autograd")] == ["pass", "fail", "fail"]
    assert found.verdict == "fail"


def test_differences_and_candidate_against_autograd_say_that_it_computes_something_else(report, outcome, plain):
    gentler = plain.but("return 1.0 / (1.0 + np.exp(-z))", "return 1.0 / (1.0 + np.exp(-0.9 * z))")
    gentler = gentler.but("* output * (1.0 - output)", "* 0.9 * output * (1.0 - output)")
    found = report(gentler.but("* activation * (1.0 - activation)", "* 0.9 * activation * (1.0 - activation)"))
    assert [outcome(found, check).status for check in ("forward", "finite-difference", "autograd")] == ["fail", "pass", "fail"]
    message = outcome(found, "autograd").message
    assert "the backward pass fits its forward pass, and that computes something else than the manifest claims" in message
    assert found.verdict == "fail"


def test_autograd_and_candidate_against_differences_blame_the_loss_where_it_is_another(report, outcome, plain):
    found = report(plain.but(LOSS, f"3 * {LOSS}"))
    assert [outcome(found, check).status for check in ("forward", "finite-difference", "autograd")] == ["fail", "fail", "pass"]
    assert "it is the loss returned that is another one" in outcome(found, "finite-difference").message
    assert found.verdict == "fail"


def test_an_error_below_what_differences_can_see_fails_and_says_that_they_cannot_arbitrate(report, outcome, plain):
    found = report(plain.but("delta.sum(axis=0)", "delta.sum(axis=0) * (1 + 1e-11)"))
    assert [outcome(found, check).status for check in ("finite-difference", "autograd")] == ["pass", "fail"]
    assert "too small for finite differences to arbitrate" in outcome(found, "autograd").message
    assert found.verdict == "fail"


def test_nothing_is_decided_where_the_only_witness_cannot_see(report, outcome, plain):
    # The loss in half precision, and autograd is not asked.
    found = report(plain.but("return loss,", "return float(np.float16(loss)),"), only=("finite-difference",))
    assert (outcome(found, "finite-difference").status, found.verdict) == ("inconclusive", "inconclusive")


def test_autograd_decides_where_differences_cannot_see(report, outcome, plain):
    found = report(plain.but("return loss,", "return None,").replace("def predict", "def _predict"))
    assert outcome(found, "finite-difference").status == "skipped"
    assert found.verdict == "pass", found.summary


STATUSES = ("pass", "fail", "inconclusive", "error", "skipped")


@pytest.mark.parametrize(("first", "second"), list(product(STATUSES, STATUSES)))
@pytest.mark.parametrize("undecided", [(), ("first-layer weights",)])
def test_the_first_verdict_that_applies_is_given(first, second, undecided):
    # fail, then error, then inconclusive where neither witness decided some tensor, then pass; a run of skipped checks decides nothing.
    statuses = {first, second}
    unseen = undecided or statuses == {"skipped"}
    applies = {"fail": "fail" in statuses, "error": "error" in statuses, "inconclusive": unseen, "pass": True}
    right = next(verdict for verdict, holds in applies.items() if holds)
    assert verdict_of([Outcome("a", first, ""), Outcome("b", second, "")], undecided) == right


def test_that_it_answers_alone_decides_nothing_where_more_was_asked():
    asked = [Outcome("contract", "pass", ""), Outcome("finite-difference", "skipped", "no loss")]
    assert verdict_of(asked, ()) == "inconclusive"
    assert verdict_of(asked[:1], ()) == "pass"


def test_a_contract_that_could_not_be_decided_is_no_pass_whatever_else_is_right():
    asked = [Outcome("contract", "inconclusive", "what a call costs is not known"), Outcome("autograd", "pass", "")]
    assert verdict_of(asked, ()) == "inconclusive"
    assert verdict_of([*asked, Outcome("purity", "fail", "")], ()) == "fail"


def test_a_note_changes_no_verdict():
    assert verdict_of([Outcome("stability", "pass", "", notes=("wrong when saturated",))], ()) == "pass"
