import csv
import io

import msgspec
import pytest

from verifier.reports.table import (
    CHECKS,
    MEASUREMENTS,
    SUBMISSIONS,
    write_checks,
    write_checks_together,
    write_measurements,
    write_together,
)
from verifier.results.gathering import Gathering
from verifier.results.outcome import Outcome
from verifier.results.report import Score


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_a_check_with_what_it_was_held_to(failing):
    found = {row["check"]: row for row in rows(write_checks(failing))}
    assert list(found) == ["contract", "finite-difference", "autograd", "update"]
    autograd = found["autograd"]
    assert (autograd["status"], autograd["error"], autograd["tolerance"], autograd["failed"]) == ("fail", "0.081", "4e-15", "198")
    assert (autograd["fault"], autograd["tolerance_from"]) == ("half-gradient", "32 x rounding scatter")
    assert set(autograd) == set(CHECKS)


def test_a_row_a_comparison_with_all_digits(failing):
    row = rows(write_measurements(failing))[1]
    assert set(row) == set(MEASUREMENTS)
    assert (row["index"], float(row["claimed"]), float(row["reference"])) == ("0 2", -0.08105245, -0.1621049)


def test_several_candidates_share_one_heading_and_what_was_not_judged_has_its_row(passing, failing):
    found = rows(write_checks_together(Gathering((passing, failing), ("no such file: x.py",))))
    assert [row["candidate"] for row in found] == ["vectorised_rows"] * 4 + ["factor_two"] * 4 + [""]
    assert (found[-1]["verdict"], found[-1]["message"]) == ("not judged", "no such file: x.py")


def test_a_message_cannot_be_a_formula_or_break_its_row(failing):
    evil = Outcome("autograd", "fail", '=cmd|"/C calc"!A0\n,"\x1b[31m')
    (row,) = rows(write_checks(msgspec.structs.replace(failing, checks=(evil,), measurements=())))
    assert row["message"] == '\'=cmd|"/C calc"!A0 ,"'
    assert row["verdict"] == "fail"


@pytest.mark.parametrize("evil", ['".;=1+1', "|@SUM(1)", ",-2+3", ";=1+1", "+1", "@a", "-1"])
def test_nor_where_a_spreadsheet_divides_a_row_at_another_mark(evil, failing):
    """One that opens the file with `;` or `|` or a tab between its cells begins a cell behind each."""
    (row,) = rows(write_checks(msgspec.structs.replace(failing, checks=(Outcome("autograd", "fail", evil),), measurements=())))
    assert row["message"] == "'" + " ".join(evil.split())


@pytest.mark.parametrize("text", ["weights[0] = 1; should be 2", "a - b", "0.5 is right", "a, -2 b"])
def test_ordinary_words_stay_as_they_are(text, failing):
    (row,) = rows(write_checks(msgspec.structs.replace(failing, checks=(Outcome("autograd", "fail", text),), measurements=())))
    assert row["message"] == text


def test_a_row_a_submission_with_its_score_and_mistake(failing, passing):
    reports = (msgspec.structs.replace(passing, score=Score(10.0, 10.0)), failing)
    found = rows(write_together(Gathering(reports, ("no such file: x.py",))))
    assert [set(row) for row in found] == [set(SUBMISSIONS)] * 3
    assert [(row["candidate"], row["verdict"], row["score"], row["mistake"]) for row in found] == [
        ("vectorised_rows", "pass", "10.0", ""),
        ("factor_two", "fail", "", "half-gradient"),
        ("", "error", "0.0", ""),
    ]
    assert (found[2]["reason"], found[2]["message"]) == ("not-judged", "no such file: x.py")
