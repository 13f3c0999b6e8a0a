"""The adapters in reference_impls/third_party/, judged: its README says what must come out. They need `pip install .[third-party]`."""

import importlib.util
import re
from pathlib import Path

import pytest

from verifier.results.report import Report
from verifier.verification.judging import Judged, judge

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "reference_impls" / "third_party"
LIBRARIES = {
    "autograd_engine": "autograd",
    "autograd_mlp": "autograd",
    "jax_engine": "jax",
    "micrograd_engine": "micrograd",
    "micrograd_mlp": "micrograd",
    "mygrad_engine": "mygrad",
    "sklearn_one_output": "sklearn",
    "sklearn_several_outputs": "sklearn",
    "tinygrad_engine": "tinygrad",
    "torch_engine": "torch",
}

MINUTES = ("jax_engine", "tinygrad_engine")  # they compile: the extra `engines`, judged by benchmarks.right_engines


def promised() -> dict[str, str]:
    """What must come out, by file name without its ending."""
    _, _, section = (ROOT / "reference_impls" / "README.md").read_text(encoding="utf-8").partition("## third_party/")
    return dict(re.findall(r"^\| `(\w+)\.py` \|.*\| ([^|]*) \|$", section, re.M))


@pytest.fixture(scope="session")
def judged() -> dict[str, Report]:
    """All of them in one run, those whose library is missing left out."""
    there = [str(FOLDER / f"{name}.py") for name, library in LIBRARIES.items() if name not in MINUTES and importlib.util.find_spec(library)]
    reports = {}
    for answer in judge(there, profile="quick"):
        assert isinstance(answer, Judged), answer
        reports[answer.report.candidate.name] = answer.report
    return reports


@pytest.fixture
def report_of(judged):
    def report(name: str) -> Report:
        if name not in judged:
            pytest.skip(f"{LIBRARIES[name]} takes minutes" if name in MINUTES else f"{LIBRARIES[name]} is not installed: .[third-party]")
        return judged[name]

    return report


def test_the_readme_lists_every_adapter():
    assert set(promised()) == set(LIBRARIES) == {path.stem for path in FOLDER.glob("*.py")}


@pytest.mark.parametrize("name", LIBRARIES)
def test_each_gets_the_verdict_that_is_promised(name, report_of):
    report, words = report_of(name), promised()[name]
    assert report.verdict == ("pass" if words.startswith("pass") else "fail"), report.summary
    failed = {outcome.id for outcome in report.checks if outcome.status == "fail"}
    assert set(re.findall(r"`([\w-]+)`", words)) <= failed


def test_with_several_outputs_the_data_part_is_named_as_what_is_off(report_of):
    report = report_of("sklearn_several_outputs")
    assert "The data part of the gradient is (number of outputs) times that of its own loss" in report.summary
    assert [diagnosis.fault for diagnosis in report.diagnosis] == ["factor-outputs"]


def test_with_several_outputs_the_figures_are_three_to_one(report_of):
    """Output biases are not decayed: on the smallest network claimed and right ones show the number of outputs, to all digits shown."""
    example = report_of("sklearn_several_outputs").counterexample
    ratios = [claimed / right for claimed, right in zip(example.claimed["biases[1]"], example.reference["biases[1]"], strict=True)]
    assert [f"{ratio:.6f}" for ratio in ratios] == ["3.000000"] * 3
