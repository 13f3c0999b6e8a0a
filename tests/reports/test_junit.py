import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from verifier.reports.junit import write, write_together
from verifier.results.gathering import Gathering
from verifier.results.outcome import Outcome
from verifier.results.report import CandidateRecord, Isolation, Report

# The schema that pytest validates its own output against; Jenkins' (MIT licence).
SCHEMA = xmlschema.XMLSchema(str(Path(__file__).parent / "junit-10.xsd"))
BARE = Report(
    1, "error", "", CandidateRecord("c", "c.py", "mlp", {}), "ci", 0, (), (), (), (), None, Isolation(True, True, True), {}, "", {}
)


@pytest.mark.parametrize("name", ["passing", "failing", "hostile"])
def test_it_is_what_pytest_writes_too(name, request):
    SCHEMA.validate(write(request.getfixturevalue(name)))


@given(st.text(max_size=50), st.text(max_size=50), st.sampled_from(["fail", "error", "skipped", "inconclusive"]))
def test_whatever_a_candidate_writes_it_stays_valid(name, message, status):
    report = msgspec.structs.replace(
        BARE, candidate=CandidateRecord(name, name, "mlp", {}), checks=(Outcome("autograd", status, message),), printed=message
    )
    SCHEMA.validate(write(report))


def test_a_test_case_a_check_each_with_its_status(failing):
    cases = {case.get("name"): [child.tag for child in case] for case in ElementTree.fromstring(write(failing)).iter("testcase")}
    assert cases == {"contract": [], "finite-difference": ["failure"], "autograd": ["failure"], "update": ["skipped"]}


def test_a_failure_says_the_numbers_to_all_digits_and_how_to_repeat_it(failing):
    (failure,) = ElementTree.fromstring(write(failing)).findall(".//testcase[@name='autograd']/failure")
    assert "claimed -0.08105245, right -0.1621049" in failure.text
    assert "verifier check" in failure.text


def test_a_verdict_that_no_check_carries_is_not_green(passing):
    undecided = msgspec.structs.replace(
        passing, verdict="inconclusive", checks=(Outcome("finite-difference", "inconclusive", "The loss is noisy."),)
    )
    root = ElementTree.fromstring(write(undecided))
    assert (root.get("errors"), root.get("failures")) == ("1", "0")


def test_several_candidates_and_what_was_not_judged_add_up(passing, failing):
    text = write_together(Gathering((passing, failing), ("no such file: x.py",)))
    SCHEMA.validate(text)
    root = ElementTree.fromstring(text)
    assert [suite.get("name") for suite in root] == ["vectorised_rows", "factor_two", "not judged"]
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("9", "2", "1")
