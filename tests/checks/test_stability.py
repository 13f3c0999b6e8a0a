"""Saturated networks: a note, and a failure only where stability is claimed."""

SIGMOID = "return 1 / (1 + np.exp(-z))"
WITHOUT_OVERFLOW = "return np.where(z > 0, 1, np.exp(-abs(z))) / (1 + np.exp(-abs(z)))"
ONLY_ORDINARY = ("return a * (1 - a)", "return np.where(np.abs(z) > 40, 1.0, a * (1 - a))")


def test_code_that_is_right_there_too_passes_without_a_note(verify, plain):
    outcome = verify(plain.claims("stable = true").but(SIGMOID, WITHOUT_OVERFLOW), only=("stability",)).outcome("stability")
    assert (outcome.status, outcome.notes) == ("pass", ())


def test_code_that_is_wrong_only_there_passes_with_a_note(verify, plain):
    verified = verify(plain.but(*ONLY_ORDINARY))
    assert verified.verdict == "pass", verified.report.summary
    outcome = verified.outcome("stability")
    assert outcome.status == "pass"
    assert "saturated networks the gradient is off or missing" in outcome.notes[0]
    assert any(note.check == "stability" for note in verified.report.notes)


def test_the_same_code_fails_where_it_claims_to_be_stable(verify, plain):
    verified = verify(plain.but(*ONLY_ORDINARY).claims("stable = true"))
    assert verified.failed == {"stability"}
    assert verified.verdict == "fail"
    assert verified.outcome("stability").failed > 0


def test_a_gradient_that_is_not_finite_there_is_a_note(verify, plain):
    broken = plain.but("return a * (1 - a)", "return np.where(np.abs(z) > 40, np.nan, a * (1 - a))")
    outcome = verify(broken, only=("stability",)).outcome("stability")
    assert outcome.status == "pass"
    assert "not finite" in outcome.notes[0]


def test_raising_there_is_a_note_too_and_no_broken_contract(verify, plain):
    raising = "    if max(np.abs(z).max() for z in forward(weights, biases, x)[0]) > 40:\n        raise OverflowError\n"
    verified = verify(plain.but("    inputs = [x", f"{raising}    inputs = [x"))
    assert verified.status("contract") == "pass"
    assert "off or missing" in verified.outcome("stability").notes[0]
    assert verified.verdict == "pass", verified.report.summary
