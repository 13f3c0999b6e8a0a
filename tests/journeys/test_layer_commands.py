"""What a file of layers is given beside `check`: its counterexample again, reports compared, known failures, pytest, a notebook."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from verifier.cli import main

ROOT = Path(__file__).parents[2]
RIGHT = """# /// script
# [tool.verifier]
# contract = "layer"
# operation = "affine"
# ///
def affine_forward(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)
"""
WRONG = RIGHT.replace("dout.sum(axis=0)", "dout.mean(axis=0)")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the reports of the wrong file in `old` and of the right one in `new`."""
    folder = tmp_path_factory.mktemp("layers")
    file = folder / "layers.py"
    for text, reports, status in ((RIGHT, "new", 0), (WRONG, "old", 1)):
        file.write_text(text)
        words = ["check", str(file), "--profile", "quick", "--report-dir", str(folder / reports), "--format", "baseline"]
        assert main(words) == status
    return folder


def test_the_counterexample_fails_again_and_passes_once_it_is_right(place, capsys):
    stored, file = str(place / "old" / "layers" / "counterexample.safetensors"), place / "layers.py"
    file.write_text(WRONG)
    assert main(["replay", stored, str(file)]) == 1
    assert "db is half of what it should be" in " ".join(capsys.readouterr().out.split())
    file.write_text(RIGHT)
    assert main(["replay", stored, str(file)]) == 0


def test_a_counterexample_of_another_layer_is_refused(place, capsys):
    other = place / "other.py"
    other.write_text(RIGHT.replace('"affine"', '"relu"'))
    assert main(["replay", str(place / "old" / "layers" / "counterexample.safetensors"), str(other)]) == 2
    assert "holds a problem of affine with b, w, x" in " ".join(capsys.readouterr().err.split())


def test_two_reports_are_compared(place, capsys):
    assert main(["compare", str(place / "old"), str(place / "new")]) == 0
    assert "BETTER    layers  fail → pass" in capsys.readouterr().out
    assert main(["compare", str(place / "new"), str(place / "old")]) == 1


def test_a_known_failure_counts_as_a_pass_and_another_one_does_not(place):
    known, file = str(next((place / "old").rglob("baseline.toml"))), place / "layers.py"
    words = ["check", str(file), "--profile", "quick", "--report-dir", str(place / "held"), "--baseline", known]
    file.write_text(WRONG)
    assert main(words) == 0
    file.write_text(RIGHT.replace("dout @ w.T", "0 * dout @ w.T"))
    assert main(words) == 1


def test_pytest_collects_its_checks_and_a_notebook_is_judged_like_a_file(place):
    file, book = place / "layers.py", place / "book.ipynb"
    file.write_text(WRONG)
    cells = [
        {"cell_type": "code", "source": text, "outputs": [], "metadata": {}, "execution_count": None} for text in (RIGHT, "print('ran')")
    ]
    book.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    words = ["-p", "no:cacheprovider", "--verify-profile=quick", "--verify", file, "--verify", book]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, words)], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert failed and all("layers.py" in line for line in failed), done.stdout
