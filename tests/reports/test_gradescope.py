import json

import msgspec
import pytest

from verifier.errors import RequestError
from verifier.reports.gradescope import write, write_together, write_unfinished
from verifier.results.gathering import Gathering

# What Gradescope's documentation names, with the values that it allows.
TOP = {
    "score": float,
    "execution_time": float,
    "output": str,
    "output_format": str,
    "visibility": str,
    "stdout_visibility": str,
    "extra_data": dict,
    "tests": list,
    "leaderboard": list,
}
TEST = {
    "score": float,
    "max_score": float,
    "status": str,
    "name": str,
    "number": str,
    "output": str,
    "output_format": str,
    "tags": list,
    "visibility": str,
}
ALLOWED = {
    "output_format": {"text", "html", "simple_format", "md", "ansi"},
    "visibility": {"hidden", "after_due_date", "after_published", "visible"},
    "status": {"passed", "failed"},
}


def conform(text):
    results = json.loads(text)
    assert set(results) == set(TOP)
    for fields, record in [(TOP, results), *((TEST, test) for test in results["tests"])]:
        for name, value in record.items():
            assert isinstance(value, fields[name]), name
            assert value in ALLOWED.get(name, {value}) if isinstance(value, str) else True, name
    assert results["stdout_visibility"] in ALLOWED["visibility"]
    assert all(set(column) <= {"name", "value", "order"} for column in results["leaderboard"])
    return results


@pytest.mark.parametrize("name", ["passing", "failing", "hostile"])
def test_its_fields_are_those_that_gradescope_knows(name, request):
    conform(write(request.getfixturevalue(name)))


def test_a_public_summary_comes_first_and_the_details_are_hidden(failing):
    results = conform(write(failing))
    first, *others = results["tests"]
    assert (first["name"], first["visibility"], first["status"]) == ("Verdict", "visible", "failed")
    assert "half-gradient" in first["output"]
    assert {test["visibility"] for test in others} == {"hidden"}
    assert [test["name"] for test in others] == ["contract", "finite-difference", "autograd"]


def test_the_score_is_that_of_the_tests(failing, passing):
    for report, score in ((failing, 1.0), (passing, 3.0)):
        results = conform(write(report))
        assert results["score"] == sum(test.get("score", 0) for test in results["tests"]) == score
    assert results["extra_data"]["max_score"] == 3


def test_what_one_witness_could_not_decide_costs_a_right_candidate_nothing(passing, failing):
    def undecided(report):
        checks = tuple(
            msgspec.structs.replace(check, status="inconclusive") if check.id == "finite-difference" else check for check in report.checks
        )
        return conform(write(msgspec.structs.replace(report, checks=checks)))

    results = undecided(passing)
    assert results["score"] == results["extra_data"]["max_score"] == 3
    assert {test["status"] for test in results["tests"]} == {"passed"}
    results = undecided(failing)
    assert [(test["name"], test["score"]) for test in results["tests"][1:]] == [("contract", 1), ("finite-difference", 0), ("autograd", 0)]


def test_a_candidate_that_could_not_be_judged_has_no_points_for_what_went_well_before(failing):
    assert conform(write(msgspec.structs.replace(failing, verdict="error")))["score"] == 0.0


def test_without_a_report_there_is_still_a_result_and_its_reason():
    results = conform(write_together(Gathering((), ("no such file: student.py",))))
    assert results["score"] == 0.0
    assert "no such file: student.py" in results["output"]
    assert "ended before it had a verdict" in conform(write_unfinished())["output"]


def test_two_submissions_do_not_fit(passing, failing):
    with pytest.raises(RequestError, match="one submission"):
        write_together(Gathering((passing, failing)))
