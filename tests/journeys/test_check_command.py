"""`verifier check` end to end: exit statuses, messages with file and line, and no traceback of the harness in any case."""

import re
import subprocess
from pathlib import Path

import pytest

from verifier.cli.exit_status import status_of
from verifier.results.report import Report, from_json

ROOT = Path(__file__).parents[2]
PLANTED = ROOT / "tests" / "planted"

# What the report must say, beyond verdict and check: the candidate's file and line where there is one.
JUDGED = [
    ("aborts", "error", "SIGABRT"),
    ("allocates", "error", r"allocates\.py, line \d+.*(MemoryError|memory)"),
    ("bias_gradient_reshaped", "pass", ""),
    ("block_of_another_tool", "pass", ""),
    ("endless_loop", "error", "did not answer within"),
    ("endless_recursion", "error", r"endless_recursion\.py, line \d+.*RecursionError"),
    ("exits", "error", "without an answer|left"),
    ("floods_stdout", "error", "output|time"),
    ("floods_then_answers", "pass", ""),
    ("import_error", "error", r"import_error\.py, line 9.*a_module_that_is_not_installed"),
    ("integer_gradients", "fail", ""),
    ("missing_entry", "error", r"backward.*forward_pass"),
    ("prints", "pass", ""),
    ("prints_and_fails", "fail", ""),
    ("raises", "error", r"raises\.py, line 19.*IndexError"),
    ("raises_always", "error", r"raises_always\.py, line 17.*ValueError: expected 784 features"),
    ("returns_nan", "fail", "(?i)nan|not finite"),
    ("returns_none", "error", "None"),
    ("returns_strings", "error", "a str"),
    ("right_without_block", "pass", ""),
    ("segfaults", "error", "SIGSEGV"),
    ("syntax_error", "error", r"syntax_error\.py, line 13.*SyntaxError"),
    ("sys_exit", "error", "SystemExit"),
    ("wrong_count", "error", "weight"),
    ("wrong_shape", "error", r"weights\[0\].*shape"),
]
REFUSED = {
    "malformed_block": "line 3",
    "unknown_key": "line 6.*activation.*Did you mean .activations.",
    "wrong_type": "line 6.*list",
    "wrong_value": "line 6.*sigmod.*Did you mean .sigmoid.",
    "impossible_pair": "softmax",
    "two_blocks": "line",
}
OURS = "/verifier/"  # the harness's own files; none may show in a traceback


@pytest.fixture(scope="session")
def planted(command, tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], dict[str, Report]]:
    """One run over all of them, and each one's report."""
    folder = tmp_path_factory.mktemp("planted")
    names = [name for name, *_ in JUDGED] + list(REFUSED)
    candidates = [PLANTED / f"{name}.py" for name in names]
    done = command("check", *candidates, "--profile", "quick", "--limit", "wall_seconds=3", "--report-dir", folder)
    return done, {path.parent.name: from_json(path.read_bytes()) for path in folder.glob("*/report.json")}


def test_a_run_over_good_bad_and_refused_ends_as_a_wrong_request_and_judges_all(planted):
    done, reports = planted
    assert done.returncode == 2
    assert set(reports) == {name for name, *_ in JUDGED}
    assert f"{len(JUDGED)} candidates: " in done.stdout


def test_no_traceback_of_the_harness_is_ever_shown(planted):
    done, reports = planted
    for text in (done.stdout, done.stderr, *(report.summary + report.printed for report in reports.values())):
        assert "Traceback (most recent call last)" not in text
        assert OURS not in text
    assert "The harness broke" not in done.stderr


@pytest.mark.parametrize(("name", "verdict", "words"), JUDGED)
def test_each_candidate_gets_its_verdict_and_its_reason(name, verdict, words, planted):
    report = planted[1][name]
    assert report.verdict == verdict, report.summary
    assert re.search(words, report.summary, re.S), report.summary
    assert status_of(report) == (0 if verdict == "pass" else 1)


@pytest.mark.parametrize(("name", "words"), REFUSED.items())
def test_a_bad_manifest_is_refused_in_one_line_with_its_place(name, words, planted):
    lines = [line for line in planted[0].stderr.split("\n") if f"{name}.py" in line]
    assert len(lines) == 1
    assert re.search(words, lines[0]), lines[0]


def test_a_bad_manifest_alone_ends_with_2(command, tmp_path):
    done = command("check", PLANTED / "unknown_key.py", "--report-dir", tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_a_missing_file_ends_with_2(command, tmp_path):
    done = command("check", "reference_impls/correct/vectorised_row.py", "--report-dir", tmp_path)
    assert done.returncode == 2
    assert "vectorised_row.py" in done.stderr
    assert "vectorised_rows.py" in done.stderr  # a near miss
    assert done.stderr.count("\n") == 1


def test_a_pass_ends_with_0_and_writes_what_it_says(command, tmp_path):
    done = command("check", "reference_impls/correct/vectorised_rows.py", "--profile", "quick", "--report-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS  vectorised_rows")
    assert sorted(path.name for path in (tmp_path / "vectorised_rows").iterdir()) == ["report.json", "report.md"]


def test_a_failure_says_tensor_numbers_and_how_to_replay_and_the_replay_fails_too(command, tmp_path):
    done = command("check", "reference_impls/worked_example/squared_error.py", "--profile", "quick", "--report-dir", tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    first_screen = "\n".join(done.stdout.split("\n")[:12])
    assert re.search(r"weights\[\d\]", first_screen)
    assert "half" in first_screen
    assert "tolerance" in first_screen
    (replay,) = re.findall(r"^ +(verifier replay .*)$", done.stdout, re.M)
    again = command(*replay.split()[1:])
    assert again.returncode == 1, again.stdout + again.stderr
    assert again.stdout.startswith("FAIL")
    written = {path.name for path in (tmp_path / "worked-example-squared-error").iterdir()}
    assert written >= {"report.html", "report.md", "counterexample.safetensors"}


def test_the_replay_of_a_failure_on_mended_code_passes(command, tmp_path):
    wrong = tmp_path / "student.py"
    right = (ROOT / "reference_impls" / "correct" / "vectorised_rows.py").read_text()
    wrong.write_text((ROOT / "reference_impls" / "faulty" / "factor_two.py").read_text())
    failed = command("check", wrong, "--profile", "quick", "--report-dir", tmp_path / "reports")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    wrong.write_text(right)
    mended = command("replay", tmp_path / "reports" / "student" / "counterexample.safetensors", wrong)
    assert mended.returncode == 0, mended.stdout + mended.stderr


def test_what_a_failing_candidate_printed_is_shown(command, tmp_path):
    done = command("check", PLANTED / "prints_and_fails.py", "--profile", "quick", "--report-dir", tmp_path)
    assert done.returncode == 1
    assert "It printed:" in done.stdout


def test_the_same_seed_gives_the_same_report_but_for_timings(command, tmp_path):
    candidate = "reference_impls/faulty/bias_averaged.py"
    reports = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        command("check", candidate, "--profile", "quick", "--seed", "7", "--report-dir", folder)
        data = (folder / "bias_averaged" / "report.json").read_bytes()
        reports.append(re.sub(rb'"timings": \{[^}]*\}', b"", data))
    assert reports[0] == reports[1]


def test_an_unknown_check_is_refused_with_those_that_there_are(command):
    done = command("check", "x.py", "--only", "autogrd")
    assert done.returncode == 2
    assert "Did you mean 'autograd'?" in done.stderr


def test_one_check_alone_can_be_asked(command, tmp_path):
    done = command(
        "check", "reference_impls/correct/vectorised_rows.py", "--profile", "quick", "--only", "forward", "--report-dir", tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = from_json((tmp_path / "vectorised_rows" / "report.json").read_bytes())
    assert "autograd" not in {outcome.id for outcome in report.checks if outcome.status != "skipped"}


def test_list_shows_what_there_is(command):
    done = command("list")
    assert done.returncode == 0, done.stderr
    for words in ("mlp", "finite-difference", "affine", "quick", "Plug-ins"):
        assert words in done.stdout
