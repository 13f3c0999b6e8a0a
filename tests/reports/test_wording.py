from pathlib import PurePosixPath

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import tolerance
from verifier.checks import finite_difference
from verifier.reports import html, markdown
from verifier.reports.wording import (
    SOURCES,
    came_to_nothing,
    deciding_check,
    explained_words,
    first_sentence,
    isolation_gap,
    next_steps,
    number,
    replay_command,
    reproduce_command,
    times_tolerance,
    worst_measurements,
)
from verifier.results.outcome import Measurement, Outcome
from verifier.results.report import Isolation


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (4e-15, "4e-15"),
        (3.14e-8, "3.1e-8"),
        (0.08105, "0.081"),
        (12345.6, "12346"),
        (-1e300, "-1e300"),
        (None, "–"),
        (200.0, "200"),
    ],
)
def test_numbers_are_short(value, shown):
    assert number(value) == shown


def test_a_number_is_written_out_as_long_as_its_digits_are_asked_for():
    assert number(475955.4, 6) == "475955"
    assert number(475955.4, 2) == "4.8e5"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_right_to_its_digits(value):
    assert abs(float(number(value, 6)) - value) <= 5.1e-6 * abs(value)


def test_the_ratio_to_a_tolerance_of_nothing_is_not_a_number():
    assert times_tolerance(0.1, 0.0) == times_tolerance(None, 1.0) == "–"
    assert times_tolerance(-3e-8, 1e-8) == "3 ×"


def test_a_sentence_does_not_end_at_a_decimal_point():
    assert first_sentence("weights[0] = 0.5, should be 1.0. Error 0.5.") == "weights[0] = 0.5, should be 1.0."


def test_the_deciding_check_is_the_one_that_the_headline_speaks_of(failing, passing):
    assert deciding_check(failing) == "autograd"
    assert deciding_check(passing) == "–"


def test_without_a_word_in_the_headline_the_first_failing_check_decides(failing):
    assert deciding_check(msgspec.structs.replace(failing, summary="Something else.", counterexample=None)) == "finite-difference"


def test_an_empty_message_is_not_told_in_the_headline(passing):
    report = msgspec.structs.replace(
        passing, verdict="error", summary="It died.", checks=(Outcome("contract", "error", "It died."), Outcome("autograd", "error", ""))
    )
    assert deciding_check(report) == "contract"


def test_a_word_of_the_table_is_explained_where_it_stands(failing, passing):
    explained = " ".join(explained_words(passing))
    assert "Excludes above" in explained
    assert "Rounding scatter" in explained
    assert "Error bound" not in explained, "no comparison of a finite difference is stored"
    checks = tuple(msgspec.structs.replace(check, resolves=None) for check in failing.checks)
    difference = msgspec.structs.replace(failing.measurements[0], source="8 x error bound of the difference")
    explained = explained_words(msgspec.structs.replace(failing, checks=checks, measurements=(difference,)))
    assert [sentence.split('"')[1] for sentence in explained] == ["Error bound of the difference"]


def test_the_words_that_are_explained_are_those_of_the_tolerances():
    assert {words for words in SOURCES if words in tolerance.SOURCE or words in finite_difference.SOURCE} == set(SOURCES)


def test_a_candidate_that_did_not_load_has_no_table_of_what_was_not_asked(failing):
    loading = Outcome("contract", "error", "student.py, line 2: SyntaxError.")
    others = (Outcome("forward", "skipped", "The candidate did not load."), Outcome("autograd", "skipped", "The candidate did not load."))
    report = msgspec.structs.replace(failing, verdict="error", summary=loading.message, checks=(loading, *others), measurements=())
    assert came_to_nothing(report)
    for page in (html.write(report), markdown.write(report)):
        assert "SyntaxError" in page
        assert "Checks" not in page
        assert "excludes above" not in page
        assert "did not load" not in page
    # What the headline does not say, or was asked, is not left out.
    assert not came_to_nothing(msgspec.structs.replace(report, summary="It ended."))
    assert not came_to_nothing(msgspec.structs.replace(report, checks=(loading, Outcome("forward", "pass", "Right."), others[1])))
    assert not came_to_nothing(failing)


@pytest.mark.parametrize(
    ("isolation", "words"),
    [
        (Isolation(True, True, True, 7), None),
        (Isolation(False, True, True, None, "no Landlock"), "not confined: files (no Landlock)"),
        (Isolation(False, False, True, None, "macOS"), "not isolated (macOS): run only code that you trust"),
    ],
)
def test_an_isolation_gap_is_named_with_its_reason(isolation, words):
    assert isolation_gap(isolation) == words


def test_commands_can_be_pasted_where_a_path_has_a_space(failing):
    assert reproduce_command(failing) == "verifier check 'reference_impls/faulty/factor two.py' --profile ci --seed 20261124"
    assert replay_command(failing, PurePosixPath("my reports/x")) == (
        "verifier replay 'my reports/x/counterexample.safetensors' 'reference_impls/faulty/factor two.py'"
    )


def test_a_failure_without_a_stored_network_offers_no_replay(failing):
    assert list(next_steps(msgspec.structs.replace(failing, counterexample=None))) == []


def test_of_many_comparisons_the_worst_of_each_check_are_shown_and_the_rest_counted(failing):
    many = tuple(
        Measurement(check, n, "1-1", "weights[0]", float(n), 1.0, "", "fail" if check == "autograd" and n > 1 else "pass")
        for check in ("forward", "autograd")
        for n in range(10)
    )
    shown, left_out = worst_measurements(msgspec.structs.replace(failing, measurements=many), 2)
    assert [(one.check, one.problem) for one in shown] == [("autograd", 9), ("autograd", 8), ("forward", 9), ("forward", 8)]
    assert left_out == 16


def test_an_error_that_is_not_finite_is_worse_than_any_number(failing):
    finite = Measurement("autograd", 0, "1-1", "weights[0]", 1e300, 1.0, "", "fail")
    shown, _ = worst_measurements(msgspec.structs.replace(failing, measurements=(finite, msgspec.structs.replace(finite, error=None))), 1)
    assert shown[0].error is None
