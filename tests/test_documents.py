"""docs/: their code runs, and their tables name what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import verifier
from verifier.checks.catalogue import check_ids

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(?:python|toml) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VERDICTS = ("fail", "inconclusive", "pass")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`[^`\n]*`")  # f(x)[1](c) in it is a call


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The files that these pages show."""
    folder = tmp_path_factory.mktemp("pages")
    for page in ("contract", "adapting", "testing", "references"):
        for name, text in BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")):
            file = folder / page / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "candidate",
    ["contract/contract/two_layers.py", "adapting/network_class", "adapting/steps_only.py", "adapting/script_with_globals"],
)
def test_a_candidate_of_the_pages_passes(candidate, written):
    report = verifier.check(written / candidate, profile="quick")
    assert report.verdict == "pass", report.summary


def test_an_adapter_brings_the_codes_own_mistake_to_light(written):
    published = written / "adapting" / "network_class" / "published.py"
    right = published.read_text()
    published.write_text(right.replace("delta = self.a[-1] - y", "delta = 2 * (self.a[-1] - y)"))
    try:
        report = verifier.check(written / "adapting" / "network_class", profile="quick")
    finally:
        published.write_text(right)
    assert report.verdict == "fail"


def test_the_tests_of_the_page_pass(written):
    pages = [str(written / page / page) for page in ("testing", "references")]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *pages]
    done = subprocess.run(words, cwd=written, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_the_page_of_the_checks_has_each_once():
    rows = re.findall(r"^\| `([\w-]+)` \| [^|]*\?", (ROOT / "docs" / "checks.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(check_ids())


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_every_link_leads_to_a_file(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    broken = [link for link in LINK.findall(text) if "://" not in link and not (page.parent / link).exists()]
    assert not broken


def test_the_figures_of_assert_gradients_are_those_of_its_benchmarks():
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    results = ROOT / "benchmarks" / "results"
    compared = (results / "gradcheck_comparison.txt").read_text()
    ours, theirs = re.findall(r"^(?:assert_gradients|gradcheck): (\d+) of 20 wrong ones found, (\d+) of 20 right", compared, re.MULTILINE)
    assert ours == ("20", "0")
    assert f"gradcheck finds {theirs[0]} and accuses {theirs[1]}" in page
    calibrated = (results / "assertion_calibration.txt").read_text()
    assert calibrated.startswith("10000 random functions")
    assert re.findall(r"^float(?:64|32) +\d+ +\d+ +(\d+)$", calibrated, re.MULTILINE) == ["0", "0"]
    doubled = {outcome: sum(map(int, re.findall(rf"^float(?:64|32)  {outcome} +(\d+)", calibrated, re.MULTILINE))) for outcome in VERDICTS}
    found, undecided, passed = doubled.values()
    assert f"{found} of {sum(doubled.values())} found, {undecided} undecided, {passed or 'none'} passed" in page


def test_the_figures_of_the_own_line_are_those_of_its_benchmark():
    printed = (ROOT / "benchmarks" / "results" / "own_lines.txt").read_text(encoding="utf-8")
    count = {kind: int(number) for kind, number in re.findall(r"^([a-z ,]+): (\d+)$", printed, re.MULTILINE)}
    told = " ".join((ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8").split())
    wrong = count["planted line"] + count["another line"] + count["silent"]
    assert (count["another line"], count["right code, named"]) == (0, 0)
    assert f"{count['planted line']} of {wrong}, none another line, {count['silent']} no line" in told
    assert f"none of the {count['right code, silent']} right ones gets a line" in told


def test_the_figures_of_the_diagnosis_are_those_of_its_benchmark():
    printed = (ROOT / "benchmarks" / "results" / "diagnosis_power.txt").read_text(encoding="utf-8")
    told = " ".join((ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8").split())
    [(known, planted, found, rightly, part, wrongly)] = re.findall(
        r"^Single faults, (\d+) known: (\d+) planted, (\d+) found, (\d+) named rightly \(([\d.]+) %\), (\d+) named wrongly",
        printed,
        re.MULTILINE,
    )
    row = f"| single mistakes: {known}, each in three implementations ({planted}) | {found} | {rightly} ({float(part):g} %) | {wrongly} |"
    assert row in told
    [pairs] = re.findall(
        r"^Pairs of faults: (\d+) planted, (\d+) found, (\d+) named rightly .*?, (\d+) named wrongly", printed, re.MULTILINE
    )
    assert "| two mistakes at once: {} random pairs | {} | {} | {} |".format(*pairs) in told
    [by_hand] = re.findall(r"^  lines by hand begin at the diagnosed equation: (\d+ of \d+)", printed, re.MULTILINE)
    assert f"The lines by hand begin at the diagnosed equation for {by_hand} single mistakes" in told
    again = (ROOT / "benchmarks" / "results" / "fault_matrix_again.txt").read_text(encoding="utf-8")
    assert "\nNot found: none\n" in again
