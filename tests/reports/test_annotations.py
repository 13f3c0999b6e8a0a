import msgspec
from hypothesis import given
from hypothesis import strategies as st

from verifier.reports.annotations import command, write, write_together
from verifier.results.gathering import Gathering
from verifier.results.report import CandidateRecord


def test_a_failure_is_one_error_at_the_candidate_with_its_diagnosis_and_a_note_is_a_notice(failing):
    error, notice = write(failing).splitlines()
    assert error.startswith("::error file=reference_impls/faulty/factor two.py,title=factor_two%3A fail%2C a gradient is wrong::")
    assert "weights[1][0, 2] = -0.0811" in error
    assert "Diagnosis: half-gradient, equation output-delta." in error
    assert notice.startswith("::notice file=")
    assert "log_epsilon = 1e-12" in notice


def test_a_line_of_the_candidates_own_file_is_where_the_annotation_stands(failing):
    report = msgspec.structs.replace(
        failing,
        verdict="error",
        candidate=CandidateRecord("s", "week 3/student.py", "mlp", {}),
        summary="student.py, line 14, in backprop: IndexError: list index out of range.",
    )
    assert write(report).startswith("::error file=week 3/student.py,line=14,title=")


def test_a_line_of_another_file_is_not_the_candidates(failing):
    assert ",line=" not in write(msgspec.structs.replace(failing, summary="helpers.py, line 3: ValueError"))


def test_a_pass_says_nothing(passing):
    assert write(passing) == ""


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_no_text_can_give_a_command_of_its_own(title, message, file):
    line = command("error", title, message, file)
    assert len(line.splitlines()) == 1
    properties, _, _ = line.removeprefix("::error ").partition("::")
    assert set(part.partition("=")[0] for part in properties.split(",")) <= {"file", "title"}


def test_errors_come_first(failing, passing):
    undecided = msgspec.structs.replace(failing, verdict="inconclusive", notes=())
    lines = write_together(Gathering((undecided, failing, passing), ("no such file: x.py",))).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]


def test_what_a_candidate_wrote_stays_on_the_line_of_its_annotation(hostile):
    assert all(line.startswith("::") for line in write(hostile).splitlines())
    assert write(hostile).count("::error") == 1
