"""docs/tolerance.md shows what the benchmarks wrote: every row of its tables is made again from the committed results."""

import re
from pathlib import Path

import pytest

from verifier.tolerance import FLOOR, FREE_LENGTH, SAFETY

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tolerance.md").read_text(encoding="utf-8")


def result(name: str) -> str:
    return (ROOT / "benchmarks" / "results" / f"{name}.txt").read_text(encoding="utf-8")


def cells(name: str, row: str, *, below: str = "") -> list[str]:
    """The cells of the first row that begins so, in the table whose header begins so."""
    text = result(name)
    text = text[text.index(f"\n{below}") :] if below else text
    line = next(line for line in text.splitlines() if line.startswith(row + " "))
    return re.split(r"\s{2,}", line.removeprefix(row).strip())


def shown(*row: str) -> bool:
    return f"| {' | '.join(row)} |" in PAGE


def grouped(number: str) -> str:
    return f"{int(number):,}"


@pytest.mark.parametrize(
    ("name", "kind", "dtype"),
    [
        ("gradients", "gradient", "float64"),
        ("gradients", "gradient", "float32"),
        ("loss", "loss", "float64"),
        ("stages", "stage", "float64"),
    ],
)
def test_errors_of_right_code_are_those_of_the_calibration(name, kind, dtype):
    runs, half, _, most, largest, alarms, not_finite = cells("calibration", f"{dtype} all", below=f"{kind} ")
    assert shown(f"{name}, {dtype}", grouped(runs), half, most, largest, alarms)
    assert (alarms, not_finite) == ("0", "0")


def test_the_largest_error_by_hand_and_the_undecided_runs_are_those_of_the_calibration():
    text = result("calibration")
    gradient = text[text.index("\ngradient ") : text.index("\nloss ")]
    rows = [line for line in gradient.splitlines() if line.startswith("float") and " all " not in line and "engine" not in line]
    largest = max(float(re.split(r"\s{2,}", line)[5]) for line in rows)
    assert f"by hand is above {largest:.1f}." in PAGE
    assert "7440 networks" in text and "7,440 networks" in PAGE
    assert "never decides: 0 of 163" in text and "0 of 163" in PAGE


def test_the_largest_errors_of_long_sums_are_those_measured():
    rows = [re.split(r"\s{2,}", line) for line in result("long_sums").splitlines()]
    found: dict[str, list[tuple[float, str, str]]] = {"drawn": [], "equal": []}
    kind = ""
    for row in rows:
        if "margin" in row:
            kind = "drawn" if "drawn" in row[0] else "equal"
        elif kind and len(row) == 9:
            found[kind].append((max(map(float, row[1:7])), row[7], row[0]))
    ratio, allowed, length = max(found["drawn"])
    assert f"{ratio:.0f} of {int(allowed):,} allowed ({length} terms)" in PAGE
    ratio, allowed, _ = max(found["equal"])
    assert f"{ratio:,.0f} of {int(allowed):,}." in PAGE
    assert "False alarms: 0 of 384 rows" in result("long_sums") and "384 rows" in PAGE


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_errors_of_differences_are_those_of_the_calibration(dtype):
    lines, _, half, _, _, most, largest, beyond = cells("difference_calibration", dtype, below="|estimated")
    assert shown(dtype, grouped(lines), half, most, largest)
    assert beyond == "0"


@pytest.mark.parametrize(
    "checker",
    [
        *("ours: autograd", "ours: finite-difference", "gradcheck, slow", "gradcheck, fast", "jax check_grads", "autograd check_grads"),
        *("scipy check_grad < 1e-6", "CS231n < 1e-7"),
    ],
)
def test_what_is_found_and_accused_is_what_was_measured(checker):
    smallest = cells("detection", checker, below="smallest")
    accused = [cell.split(" of ")[0] for cell in cells("detection", checker, below="false alarms")]
    assert shown(checker, *smallest, *accused)


def test_costs_are_those_measured():
    by_checker = {name: cells("cost", "ours: finite-difference", below=name) for name in ("÷ gradcheck, fast", "evaluations", "resolves")}
    assert shown("finite differences ÷ gradcheck's fast mode, seconds", *by_checker["÷ gradcheck, fast"][1:])
    assert shown("evaluations, ours", *by_checker["evaluations"][1:])
    assert shown("ours resolves", *by_checker["resolves"][1:])
    assert shown("evaluations, gradcheck fast", *cells("cost", "gradcheck, fast", below="evaluations")[1:])


def test_memory_is_what_was_measured():
    assert f"worker stays at {cells('memory', 'worker')[2]} times" in PAGE
    assert f"the referee needs {cells('memory', 'referee')[2]} " in PAGE


def test_each_count_of_the_fault_matrix_is_what_was_found():
    text = result("fault_matrix")
    columns = re.split(r"\s{2,}", next(line for line in text.splitlines() if "finite-difference  autograd" in line).strip())
    counts = dict(zip(columns, cells("fault_matrix", "found"), strict=True))
    for column in (
        "finite-difference",
        "autograd",
        "gradcheck, slow",
        "gradcheck, fast",
        "jax",
        "HIPS autograd",
        "scipy < 1e-6",
        "CS231n < 1e-7",
    ):
        assert shown(column, counts[column]), column
    assert "\nNot found: none" in text and "Each of the 61 is found by us" in PAGE


def test_the_constants_are_those_of_the_code():
    assert f"S = {SAFETY:g}" in PAGE and f"√(n / {FREE_LENGTH})" in PAGE and f"max(scatter, {FLOOR:g} ·" in PAGE
