"""The loss, and what `predict` returns, against the claimed network's."""

import pytest


def test_a_right_loss_and_right_outputs_pass(verify, plain):
    outcome = verify(plain, only=("forward",)).outcome("forward")
    assert outcome.status == "pass"
    assert "loss" in outcome.message and "outputs" in outcome.message


LOSS = "np.sum((a[-1] - y) ** 2) / len(y)"


@pytest.mark.parametrize("loss", ["np.mean((a[-1] - y) ** 2)", f"{LOSS} / 2", f"1e-9 + {LOSS}"])
def test_another_loss_fails(loss, verify, plain):
    verified = verify(plain.but(LOSS, loss))
    assert verified.status("forward") == "fail"
    assert verified.outcome("forward").tensor == "loss"
    assert verified.status("autograd") == "pass"
    assert verified.verdict == "fail"


@pytest.mark.parametrize("loss", ["np.inf", "np.nan"])
def test_a_loss_that_is_not_finite_fails(loss, verify, plain):
    outcome = verify(plain.but(LOSS, loss), only=("forward",)).outcome("forward")
    assert (outcome.status, outcome.failed, outcome.tensor) == ("fail", outcome.problems, "loss")


def test_other_outputs_of_predict_fail(verify, plain):
    wrong = plain.but("return forward(weights, biases, x)[1][-1]", "return forward(weights, biases, x)[0][-1]")
    outcome = verify(wrong, only=("forward",)).outcome("forward")
    assert (outcome.status, outcome.tensor) == ("fail", "outputs")


def test_a_candidate_without_loss_and_predict_is_skipped_and_told_why(verify, plain):
    outcome = verify(plain.but("return loss,", "return None,").without("predict"), only=("forward",)).outcome("forward")
    assert outcome.status == "skipped"
    assert "no loss" in outcome.message and "`predict`" in outcome.message


def test_outputs_are_compared_where_there_is_no_loss(verify, plain):
    outcome = verify(plain.but("return loss,", "return None,"), only=("forward",)).outcome("forward")
    assert (outcome.status, outcome.tensor) == ("pass", "outputs")
