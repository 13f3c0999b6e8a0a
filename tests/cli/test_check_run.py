"""What a run does with its answers, whatever gives them."""

import contextlib
import io
import json
import os
from dataclasses import dataclass

import msgspec
import pytest

from verifier.cli.answers import Answers
from verifier.cli.outputs import parse_outputs
from verifier.errors import HarnessError, RequestError
from verifier.reports import untrusted
from verifier.reports.terminal import open_console
from verifier.results.baseline import Known
from verifier.results.outcome import Outcome
from verifier.results.report import CandidateRecord, Isolation, Report, from_json

REPORT = Report(
    1, "pass", "All right.", CandidateRecord("c", "c.py", "mlp", {}), "ci", 0, (), (), (), (), None, Isolation(True, True, True), {}, "", {}
)


@dataclass(frozen=True)
class Answer:
    report: Report
    counterexample: bytes | None = None
    position: int = 0
    kept: bool = False
    cut: bool = False


def answer(name, verdict="pass"):
    candidate = CandidateRecord(name, f"{name}.py", "mlp", {})
    checks = () if verdict == "pass" else (Outcome("autograd", verdict, "It is wrong."),)
    return Answer(msgspec.structs.replace(REPORT, candidate=candidate, verdict=verdict, checks=checks, summary=f"{name} is judged. More."))


@pytest.fixture
def take(tmp_path):
    """Run over answers (an exception among them is raised there); the exit status and what was shown."""

    def take(*answers, **options):
        def given():
            for one in answers:
                if isinstance(one, BaseException) and not isinstance(one, RequestError):
                    raise one
                yield one

        page = io.StringIO()
        status = Answers(open_console(page, width=80), tmp_path / "reports", **options).take(given())
        return status, page.getvalue()

    return take


def test_one_candidate_is_shown_whole_and_several_in_a_table(take):
    _, alone = take(answer("a"))
    _, together = take(answer("a"), answer("b"))
    assert "candidates:" not in alone
    assert "Profile ci, seed 0." in alone
    assert "2 candidates: 2 pass" in together
    assert "Profile" not in together


def test_the_others_still_run_beside_a_wrong_request(take, tmp_path, capsys):
    status, shown = take(RequestError("no such file: x.py"), answer("a", "fail"), answer("b"))
    assert status == 2
    assert capsys.readouterr().err == "Error: no such file: x.py\n"
    assert "2 candidates: 1 pass, 1 fail" in shown
    assert from_json((tmp_path / "reports" / "b" / "report.json").read_bytes()).verdict == "pass"


def test_the_first_that_applies_decides(take):
    assert take(answer("a", "inconclusive"), answer("b", "error"))[0] == 1
    assert take(answer("a", "inconclusive"), answer("b"))[0] == 3
    assert take(answer("a"), answer("b"))[0] == 0


def test_a_harness_that_breaks_does_not_lose_the_verdicts_before_it(take, capsys):
    status, shown = take(answer("a"), ZeroDivisionError("division by zero"))
    error = capsys.readouterr().err
    assert status == 3
    assert "PASS  a" in shown
    assert "The harness broke" in error
    assert "ZeroDivisionError: division by zero" in error
    assert "not in the candidate. Please report it" in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


def test_its_traceback_is_shown_on_request(take, capsys, monkeypatch):
    monkeypatch.setenv("VERIFIER_DEBUG", "1")
    take(ZeroDivisionError())
    assert "Traceback" in capsys.readouterr().err


def test_an_expected_failure_of_the_harness_is_its_own_sentence(take, capsys):
    assert take(HarnessError("The zygote does not answer."))[0] == 3
    assert capsys.readouterr().err == "The zygote does not answer.\n"


def test_a_harness_that_broke_outweighs_a_wrong_candidate_and_has_its_row(take):
    status, shown = take(answer("a", "fail"), answer("c"), HarnessError("b.py was not judged: gone"))
    assert status == 3
    assert "NOT JUDGED  b.py was not judged: gone" in shown
    assert "1 not judged" in shown


def test_an_interrupt_says_what_was_judged_before(take, capsys):
    status, shown = take(answer("a"), answer("b"), KeyboardInterrupt())
    assert status == 130
    assert "2 candidates" in shown
    assert capsys.readouterr().err.startswith("Interrupted: 2 judged before")


def test_a_folder_that_cannot_be_written_loses_no_verdict(take, tmp_path, capsys):
    (tmp_path / "reports").write_text("a file stands where the folder should be")
    status, shown = take(answer("a"))
    assert status == 3
    assert "PASS  a" in shown
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "cannot write the report to" in error
    assert "--report-dir" in error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_loses_no_verdict(take, tmp_path):
    (tmp_path / "reports").mkdir(mode=0o500)
    assert take(answer("a"))[0] == 3


def test_formats_and_fail_on_are_as_asked(take, tmp_path):
    status, _ = take(answer("a", "inconclusive"), formats=["html"], fail_on=["inconclusive"])
    assert status == 1
    assert sorted(path.name for path in (tmp_path / "reports" / "a").iterdir()) == ["report.html", "report.json"]


def test_the_counterexample_is_stored_and_its_replay_is_shown(take, tmp_path):
    from verifier.results.report import Counterexample

    failing = answer("a", "fail").report
    example = Counterexample("counterexample.safetensors", "1-1", "autograd", {})
    _, shown = take(Answer(msgspec.structs.replace(failing, counterexample=example), b"network"))
    stored = tmp_path / "reports" / "a" / "counterexample.safetensors"
    assert stored.read_bytes() == b"network"
    assert f"verifier replay {stored} a.py" in shown


def test_a_message_from_outside_stays_on_one_line(take, capsys):
    take(RequestError("bad\nname \x1b[31mred"))
    assert capsys.readouterr().err == "Error: bad name red\n"


def test_where_it_is_not_made_one_line_it_speaks_for_the_harness(take, capsys, monkeypatch):
    monkeypatch.setattr(untrusted, "one_line", str)
    take(RequestError("bad\nPASS  name \u202ered"))
    assert capsys.readouterr().err == "Error: bad\nPASS  name \u202ered\n"


def test_the_whole_run_is_written_to_the_files_that_are_asked_for(take, tmp_path):
    outputs = parse_outputs((f"csv={tmp_path / 'all.csv'}", f"junit={tmp_path / 'all.xml'}"))
    status, _ = take(answer("a"), RequestError("no such file: x.py"), outputs=outputs)
    assert status == 2
    assert "not-judged" in (tmp_path / "all.csv").read_text()
    assert 'name="a"' in (tmp_path / "all.xml").read_text()


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), ZeroDivisionError(), HarnessError("gone"), BrokenPipeError()])
def test_however_a_run_ends_its_files_are_written(ending, take, tmp_path):
    output = parse_outputs((f"gradescope={tmp_path / 'results.json'}",))
    with contextlib.suppress(BrokenPipeError):
        take(ending, outputs=output)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["score"] == 0
    assert results["tests"][0]["status"] == "failed"


def test_an_autograders_results_are_there_before_anything_was_judged(tmp_path):
    (output,) = parse_outputs((f"gradescope={tmp_path / 'results.json'}",))
    output.begin()
    assert "ended before it had a verdict" in (tmp_path / "results.json").read_text()


def test_an_output_that_cannot_be_written_is_told_and_loses_no_verdict(take, tmp_path, capsys):
    status, shown = take(answer("a"), outputs=parse_outputs((f"csv={tmp_path / 'no' / 'all.csv'}",)))
    assert status == 2
    assert "PASS  a" in shown
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["junit", "junit=", "pdf=x", "=x"])
def test_an_output_says_its_format_and_its_file(word):
    with pytest.raises(RequestError, match="FORMAT=FILE"):
        parse_outputs((word,))


KNOWN = Known("a", "fail", ("autograd",), None, "issue 8349")


def test_a_known_failure_that_fails_as_it_is_known_to_is_no_failure(take):
    status, shown = take(answer("a", "fail"), answer("b"), baseline=(KNOWN,))
    assert status == 0
    assert "Baseline: a is a known failure: issue 8349" in shown
    assert "1 pass, 1 fail, 1 known" in shown
    assert "FAIL  a" in shown  # and is shown as what it is


def test_one_that_passes_or_fails_otherwise_is_told_and_fails(take):
    status, shown = take(answer("a"), baseline=(KNOWN,))
    assert status == 1
    assert "BASELINE: a passes, although it is a known failure" in shown
    status, shown = take(answer("a", "error"), baseline=(KNOWN,))
    assert status == 1
    assert "the verdict is error, not fail" in shown


def test_a_failure_that_is_not_known_fails_and_a_known_one_that_was_not_met_is_told(take):
    status, shown = take(answer("b", "fail"), baseline=(KNOWN,))
    assert status == 1
    assert "Baseline: a was not judged in this run." in shown
