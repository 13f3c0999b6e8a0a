import msgspec
import pytest

from verifier.errors import RequestError
from verifier.reports.baseline import write
from verifier.results.baseline import Known, hold_against, not_met, read_baseline
from verifier.results.outcome import Outcome
from verifier.results.report import CandidateRecord, Diagnosis, Isolation, Report

REPORT = Report(
    1,
    "fail",
    'The data part is 3 times "that" of its own loss. More.',
    CandidateRecord("sklearn", "s.py", "mlp", {}),
    "ci",
    0,
    (Outcome("contract", "pass", ""), Outcome("finite-difference", "fail", ""), Outcome("autograd", "fail", "")),
    (),
    (),
    (Diagnosis("factor-outputs", "output-delta", "By the number of outputs."),),
    None,
    Isolation(True, True, True),
    {},
    "",
    {},
)
KNOWN = Known("sklearn", "fail", ("finite-difference", "autograd"), "factor-outputs", "issue 8349")


def test_what_is_written_for_a_failure_is_read_back_and_holds():
    (known,) = read_baseline(write(REPORT), "baseline.toml")
    assert known == Known("sklearn", "fail", ("finite-difference", "autograd"), "factor-outputs", "")  # the reason is a person's to write
    assert hold_against(REPORT, known).as_known


def test_nothing_is_written_for_a_pass():
    assert read_baseline(write(msgspec.structs.replace(REPORT, verdict="pass")), "baseline.toml") == ()


def test_a_known_failure_says_its_reason():
    held = hold_against(REPORT, KNOWN)
    assert (held.as_known, held.message) == (True, "sklearn is a known failure: issue 8349")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"verdict": "pass"}, "passes, although it is a known failure"),
        ({"verdict": "error"}, "the verdict is error, not fail"),
        ({"checks": (*REPORT.checks, Outcome("purity", "fail", ""))}, "purity fails too"),
        ({"checks": REPORT.checks[:2]}, "autograd does not fail any more"),
        ({"diagnosis": ()}, "the mistake is not recognised, not factor-outputs"),
        ({"diagnosis": (Diagnosis("sign", "output-delta", ""),)}, "the mistake is sign, not factor-outputs"),
    ],
)
def test_another_failure_or_a_pass_is_told(changed, words):
    held = hold_against(msgspec.structs.replace(REPORT, **changed), KNOWN)
    assert not held.as_known
    assert words in held.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("known = 1", "list of tables"),
        ("[known]\na = 1", "list of tables"),
        ("[[knwon]]", "'knwon' is not known"),
        ("[[known", "b.toml: "),
        ('[[known]]\ncandidate = "c"\nverdict = "fail"\ncheck = ["a"]', "Did you mean 'checks'?"),
        ('[[known]]\ncandidate = "c"\nverdict = "fail"', "'checks' is missing"),
        ('[[known]]\ncandidate = "c"\nverdict = "pass"\nchecks = []', "'pass' is none of fail, error, inconclusive"),
        ('[[known]]\ncandidate = 3\nverdict = "fail"\nchecks = []', "must be a string"),
        ('[[known]]\ncandidate = "c"\nverdict = "fail"\nchecks = "a"', "list of check ids"),
        ('[[known]]\ncandidate = "c"\nverdict = "fail"\nchecks = []\n' * 2, "two entries"),
    ],
)
def test_a_baseline_that_cannot_be_read_is_a_wrong_request(text, words):
    with pytest.raises(RequestError, match=r"b\.toml") as error:
        read_baseline(text, "b.toml")
    assert words in str(error.value)


def test_a_known_failure_that_was_not_judged_is_named():
    assert not_met((KNOWN, Known("gone", "fail", ())), (REPORT,)) == ("gone",)
