"""`pytest --verify` collects candidates' checks, and passes where `verifier check` does."""

import html
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from importlib import metadata
from pathlib import Path
from textwrap import dedent

import pytest

from verifier.checks.catalogue import check_ids

ROOT = Path(__file__).parents[1]
RIGHT = ROOT / "reference_impls" / "correct" / "vectorised_rows.py"
WRONG = ROOT / "reference_impls" / "faulty" / "sign.py"
NO_MANIFEST = ROOT / "tests" / "planted" / "unknown_key.py"

# Where the package is installed with its entry point the plug-in is there already.
INSTALLED = any(point.value == "verifier.pytest_plugin" for point in metadata.entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "verifier.pytest_plugin")


@pytest.fixture
def verify(tmp_path, monkeypatch):
    """`pytest` in a folder of its own, with the plug-in; what it printed and its exit status."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")

    def run(*arguments):
        words = [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "--verify-profile=quick", *map(str, arguments)]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return run


def outcomes(file):
    """By `classname::name` of a JUnit file: passed, failure, skipped or error."""
    found = {}
    for case in xml.parse(file).iter("testcase"):
        inside = {child.tag for child in case} & {"failure", "skipped", "error"}
        found[f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}"] = next(iter(inside), "passed")
    return found


def test_every_check_is_an_item_and_the_verdict_is_one(verify, tmp_path):
    done = verify("--verify", RIGHT, "--verify", WRONG, "--junitxml=out.xml")
    assert done.returncode == 1, done.stdout
    found = outcomes(tmp_path / "out.xml")
    assert {name for name in found if name.startswith("vectorised_rows")} == {f"vectorised_rows::{c}" for c in (*check_ids(), "verdict")}
    assert {outcome for name, outcome in found.items() if name.startswith("vectorised_rows")} <= {"passed", "skipped"}
    assert {name for name, outcome in found.items() if outcome == "failure"} == {
        "sign::finite-difference",
        "sign::autograd",
        "sign::verdict",
    }
    assert found["sign::update"] == "skipped"
    assert "22 items" not in done.stdout.split("collected")[0]
    assert f"collected {2 * (len(check_ids()) + 1)} items" in done.stdout
    assert "minus one times" in done.stdout, "the diagnosis"
    assert "Traceback" not in done.stdout


def test_k_chooses_a_check_and_x_ends_at_the_first_failure(verify):
    chosen = verify("--verify", RIGHT, "--verify", WRONG, "-k", "autograd and sign")
    assert chosen.returncode == 1
    assert "1 failed" in chosen.stdout
    assert "21 deselected" in chosen.stdout
    first = verify("--verify", WRONG, "-x")
    assert "1 failed" in first.stdout
    assert "stopping after 1 failures" in first.stdout


def test_the_ini_file_lists_candidates_beside_itself(verify, tmp_path):
    (tmp_path / "mine.py").write_text(RIGHT.read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nverify =\n    mine.py\n")
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    done = verify("-v")
    assert done.returncode == 0, done.stdout
    assert "mine.py::verdict PASSED" in done.stdout
    assert "test_other.py::test_other PASSED" in done.stdout


def test_a_candidate_outside_of_the_root_is_named_by_where_it_is(verify, tmp_path):
    (tmp_path / "mine.py").write_text("def backprop(:\n")
    done = verify("--rootdir", ROOT, "--verify", "mine.py")
    (shown,) = re.findall(r"^FAILED (\S+)::verdict", done.stdout, re.M)
    assert (tmp_path / shown).resolve() == tmp_path / "mine.py"
    assert "  |     def backprop(:\n" in done.stdout, "what it printed keeps its place"


def test_a_wrong_request_fails_by_itself_and_the_others_still_run(verify):
    done = verify("--verify", "nowhere.py", "--verify", NO_MANIFEST, "--verify", RIGHT, "-k", "request or contract")
    assert done.returncode == 1
    assert "no such file or folder: nowhere.py" in done.stdout
    assert "is not known" in done.stdout
    assert "1 passed" in done.stdout


def test_a_report_is_written_where_it_is_asked_for(verify, tmp_path):
    verify("--verify", WRONG, "--verify-report-dir=out")
    assert {"report.json", "report.html", "counterexample.safetensors"} <= set(os.listdir(tmp_path / "out" / "sign"))


def test_the_page_of_pytest_html_has_every_check_with_its_outcome(verify, tmp_path):
    pytest.importorskip("pytest_html", reason="pytest-html is not installed: pip install .[test]")
    done = verify("--verify", WRONG, "--html=out.html", "--self-contained-html")
    assert done.returncode == 1, done.stdout
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    tests = json.loads(html.unescape(re.search(r'data-jsonblob="([^"]*)"', page)[1]))["tests"]
    found = {name.rpartition("::")[2]: [run["result"] for run in runs] for name, runs in tests.items()}
    logs = {name.rpartition("::")[2]: runs[0]["log"] for name, runs in tests.items()}
    assert found.keys() == {*check_ids(), "verdict"}
    assert {name for name, results in found.items() if results == ["Failed"]} == {"finite-difference", "autograd", "verdict"}
    assert (found["forward"], found["update"]) == (["Passed"], ["Skipped"])
    assert "minus one times" in logs["autograd"], "what the check says, with the diagnosis"


def test_it_runs_spread_over_processes(verify, tmp_path):
    pytest.importorskip("xdist")
    done = verify("--verify", RIGHT, "--verify", WRONG, "-n2", "--dist=loadfile", "-v", "--junitxml=out.xml")
    assert done.returncode == 1, done.stdout
    assert "3 failed" in done.stdout
    judged_by = set(re.findall(r"^\[(gw\d)\] .* (\S+)::[\w-]+ *$", done.stdout, re.M))
    assert len(judged_by) == len({candidate for _, candidate in judged_by}) == 2, done.stdout


@pytest.mark.parametrize(
    ("status", "others", "expected"),
    [("pass", "pass", 0), ("inconclusive", "pass", 1), ("error", "error", 1), ("pass", "inconclusive", 0), ("fail", "fail", 1)],
)
def test_pytest_passes_exactly_where_the_verdict_does(status, others, expected, pytester, monkeypatch):
    """Whatever the checks say: `verifier check` ends with status 0 on a pass alone."""
    from verifier.results.outcome import Outcome
    from verifier.results.report import CandidateRecord, Isolation, Report
    from verifier.verification import judging

    checks = (Outcome("contract", others, "words"), Outcome("autograd", "skipped", "words"))
    record = CandidateRecord("c", "c.py", "mlp", {})
    report = Report(1, status, "Words.", record, "ci", 0, checks, (), (), (), None, Isolation(True, True, True), {}, "", {})
    monkeypatch.setattr(judging, "judge", lambda *_, **__: iter([judging.Judged(report, None)]))
    pytester.makepyfile(c="def backprop(weights, biases, x, y):\n    pass\n")
    done = pytester.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", "--verify", "c.py")
    assert done.ret == expected


def test_without_verify_nothing_of_the_harness_is_loaded(tmp_path):
    (tmp_path / "test_other.py").write_text(
        dedent("""
            import sys

            def test_other():
                loaded = {name for name in sys.modules if name.startswith("verifier")}
                assert loaded == {"verifier", "verifier.pytest_plugin"}
                assert not {"torch", "numpy"} & set(sys.modules)
        """)
    )
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "verifier.pytest_plugin"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
