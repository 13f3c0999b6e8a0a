"""docs/any_function.md shows what the benchmarks wrote."""

import re
from pathlib import Path

from verifier.oracles.dispatched.measuring import COPIES, PROBE, RELATIVE
from verifier.oracles.dispatched.narrow.judging import COPIES as NARROW_COPIES
from verifier.oracles.dispatched.narrow.judging import ORDER
from verifier.oracles.dispatched.narrow.statistics import LIMITS
from verifier.tolerance import SAFETY

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "any_function.md").read_text(encoding="utf-8")


def result_rows(name: str, first: str, last: str) -> list[list[str]]:
    """The rows of a result from the one after the first that begins so, up to the one that begins so."""
    lines = (ROOT / "benchmarks" / "results" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(first)) + 1
    end = next(i for i, line in enumerate(lines) if i >= start and line.startswith(last))
    return [re.split(r"\s{2,}", line.strip()) for line in lines[start : end + 1]]


def test_every_form_is_shown_as_it_was_measured():
    for row in result_rows("dispatched", "right code in another form", "batch norm"):
        assert f"| {' | '.join(row[:5])} |" in PAGE


def test_the_cost_is_the_measured_one():
    large, small = result_rows("dispatched", "transformer block", "d = 128")
    assert f"takes {large[3]} times" in PAGE and f"(d = 128) {small[3]} times" in PAGE and float(large[3]) <= 6


def test_faults_missed_and_right_tensors_accused_are_shown_as_they_were_measured():
    faults = result_rows("narrow", "faults, missed", "all")
    assert all(f"| {' | '.join(row)} |" in PAGE for row in faults)
    text = (ROOT / "benchmarks" / "results" / "narrow.txt").read_text(encoding="utf-8")
    unseen = re.search(r"Missed at every input: (\d+ of \d+ faults) of a function \((\S+)%\)", text)
    assert unseen and f"{unseen[1]} were called right ({unseen[2]} %)" in PAGE
    accused = result_rows("narrow", "right tensors fit", "right, accused")[-1]
    assert f"| {' | '.join(accused)} |" in PAGE and accused[2] == "0"


def test_what_a_whole_call_misses_in_a_narrow_type_is_told_as_it_was_measured():
    of, _, undecided, missed, share, declared, declared_share = result_rows("narrow_calls", "right in float64: all ", "all")[-1][1:]
    text = (ROOT / "benchmarks" / "results" / "narrow_calls.txt").read_text(encoding="utf-8")
    right = re.search(r"Calls with right code: (\d+), 0 accused", text)
    assert right and f"Of {right[1]} calls with right code none fails" in PAGE.replace("\n", " ")
    assert f"{missed} of {of} faults pass ({share.replace('%', ' %')}; undecided: {undecided})" in PAGE.replace("\n", " ")
    assert f"{declared} pass ({declared_share.replace('%', ' %')})" in PAGE.replace("\n", " ")


def test_what_gpu_kernels_gave_is_told_as_it_was_judged():
    device = (ROOT / "benchmarks" / "results" / "narrow_device.txt").read_text(encoding="utf-8").splitlines()
    accused, missed = (next(re.split(r"\s{2,}", line) for line in device if line.startswith(first)) for first in ("right, accused", "all "))
    assert accused[2] == "0" and f"Of {accused[1]} tensors" in PAGE and f"and {missed[2]} of {missed[1]} faults" in PAGE
    assert f"`assert_close` {accused[3]} accused, {missed[3]} missed" in PAGE


def test_what_an_own_run_on_a_gpu_gave_is_shown_as_it_was_judged():
    lines = (ROOT / "benchmarks" / "results" / "device.txt").read_text(encoding="utf-8").splitlines()
    rows = [re.split(r"\s{2,}", line) for line in lines if line.startswith("right, accused")]
    total, ours, peer = (sum(int(row[column]) for row in rows) for column in (1, 2, 3))
    assert ours == 0 and f"Of {total:,} right tensors" in PAGE and f"(`assert_close`: {peer:,})" in PAGE


def test_the_constants_are_the_codes():
    assert (COPIES, PROBE, RELATIVE, NARROW_COPIES, SAFETY) == (4, 4.0, 2.0**-40, 16, 32.0)
    assert LIMITS == {"element": 5.0, "row": 5.0, "column": 5.0, "slope": 3.0}
    assert "five times for elements, rows and columns, three times for the slope" in PAGE
    assert all(f"| `{precision}` |" in PAGE for precision in ORDER)
