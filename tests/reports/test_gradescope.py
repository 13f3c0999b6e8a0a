import json

import msgspec
import pytest

from verifier.errors import RequestError
from verifier.reports.gradescope import write, write_together, write_unfinished
from verifier.results.gathering import Gathering
from verifier.results.report import Part, Score

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
    assert [test["name"] for test in others if test["visibility"] == "hidden"] == ["contract", "finite-difference", "autograd"]


def scored(report, points, *parts):
    return msgspec.structs.replace(report, score=Score(points, 10.0, parts))


def test_the_score_is_that_of_its_parts(failing):
    parts = Part("output-layer weights", 6.0, 6.0), Part("output-layer biases", 0.0, 4.0, "Its gradient is wrong.")
    results = conform(write(scored(failing, 6.0, *parts)))
    assert results["score"] == sum(test.get("score", 0) for test in results["tests"]) == 6.0
    assert results["extra_data"]["max_score"] == sum(test.get("max_score", 0) for test in results["tests"]) == 10.0
    (lost,) = [test for test in results["tests"] if test["name"] == "output-layer biases"]
    assert (lost["status"], lost["visibility"], lost["output"]) == ("failed", "visible", "Its gradient is wrong.")


def test_an_older_report_without_a_score_is_all_or_nothing(passing, failing):
    assert [conform(write(report))["score"] for report in (passing, failing)] == [100.0, 0.0]


@pytest.mark.parametrize(("hints", "told", "kept"), [("verdict", "", "half-gradient"), ("equation", "output-delta", "-0.0811")])
def test_a_student_is_shown_no_more_than_the_hints_allow(failing, hints, told, kept):
    shown = [
        test["output"] for test in conform(write(msgspec.structs.replace(failing, hints=hints)))["tests"] if test["visibility"] == "visible"
    ]
    assert told in "".join(shown)
    assert kept not in "".join(shown)


def test_parts_of_a_score_say_no_more_than_the_hints_allow(failing):
    parts = (Part("hidden-layer weights", 0.0, 60.0, "Its gradient is wrong."), Part("loss", 40.0, 40.0))
    report = msgspec.structs.replace(failing, score=Score(40.0, 100.0, parts))
    shown = {hints: conform(write(msgspec.structs.replace(report, hints=hints)))["tests"] for hints in ("verdict", "line")}
    assert "hidden-layer" in str(shown["line"])
    visible = [test for test in shown["verdict"] if test["visibility"] == "visible"]
    assert "hidden-layer" not in str(visible)
    assert sum(test.get("score", 0.0) for test in visible) == 40.0


def test_what_could_not_be_decided_is_for_a_person(passing):
    assert "a person has to look" in conform(write(msgspec.structs.replace(passing, verdict="inconclusive")))["output"]


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
