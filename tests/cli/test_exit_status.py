import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.cli.exit_status import overall, status_of
from verifier.results.report import CandidateRecord, Isolation, Note, Report

REPORT = Report(
    1, "pass", "", CandidateRecord("c", "c.py", "mlp", {}), "ci", 0, (), (), (), (), None, Isolation(True, True, True), {}, "", {}
)
NOTE = Note("forward", "an epsilon")


@pytest.mark.parametrize(
    ("verdict", "notes", "fail_on", "status"),
    [
        ("pass", (), (), 0),
        ("fail", (), (), 1),
        ("error", (), (), 1),
        ("inconclusive", (), (), 3),
        ("inconclusive", (), ("inconclusive",), 1),
        ("inconclusive", (), ("note",), 3),
        ("pass", (NOTE,), (), 0),
        ("pass", (NOTE,), ("note",), 1),
        ("pass", (NOTE,), ("inconclusive",), 0),
        ("pass", (), ("note", "inconclusive"), 0),
        ("fail", (NOTE,), ("note",), 1),
    ],
)
def test_the_status_of_one_candidate(verdict, notes, fail_on, status):
    assert status_of(msgspec.structs.replace(REPORT, verdict=verdict, notes=notes), fail_on) == status


@pytest.mark.parametrize(("statuses", "status"), [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 1, 0], 1), ([1, 2, 3], 2), ([3, 2], 2)])
def test_over_several_the_first_that_applies_of_2_1_3_0(statuses, status):
    assert overall(statuses) == status


def test_a_harness_that_broke_is_never_hidden_behind_a_verdict():
    every = ([], [0], [1], [2], [1, 2, 3])
    assert {overall(statuses, broken=True) for statuses in every} == {3}
    assert {overall(statuses) for statuses in every} == {0, 1, 2}  # by verdicts alone it would be hidden


@given(st.lists(st.sampled_from([0, 1, 2, 3])))
def test_the_order_of_the_candidates_does_not_matter(statuses):
    assert overall(statuses) == overall(sorted(statuses)) == overall(reversed(statuses))
