"""A contract is one folder and one line: two of them, defined here and plugged in, are judged, reported, shrunk and replayed."""

import json
import os
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOYS = Path(__file__).parent / "toys"

ELEMENTWISE = """
# /// script
# [tool.verifier]
# contract = "elementwise"
# function = "softplus"
# ///
import numpy as np

def value(x):
    return np.logaddexp(x, 0.0)

def slope(x):
    return SLOPE
"""
GATED = """
# /// script
# [tool.verifier]
# contract = "gated"
# ///
import numpy as np

class Cache:
    pass

def forward(x, w):
    cache = Cache()
    cache.x, cache.w = x, w
    z = x @ w.T
    cache.out, cache.gate = np.tanh(z), 1 / (1 + np.exp(-z))
    return cache.out, cache.gate, cache

def backward(dout, dgate, cache):
    dz = dout * (1 - cache.out**2) + GATE
    return dz @ cache.w, dz.T @ cache.x
"""
RIGHT_GATE = "dgate * cache.gate * (1 - cache.gate)"
TOYS_NAMED = ("elementwise", "gated")
APPLY = {"contract", "forward", "finite-difference", "autograd", "purity"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder on the import path with the toys, each one folder and one line of entry points."""
    folder = tmp_path_factory.mktemp("site")
    for name in TOYS_NAMED:
        shutil.copytree(TOYS / name, folder / name)
        information = folder / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[verifier.contracts]\n{name} = {name}.contract\n")
    return folder


@pytest.fixture
def verifier(site, tmp_path):
    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]), "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
        words = [sys.executable, "-m", "verifier", *map(str, arguments)]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return run


def texts(contract, right):
    if contract == "elementwise":
        return ELEMENTWISE.replace("SLOPE", "1 / (1 + np.exp(-x))" if right else "np.exp(-x) / (1 + np.exp(-x))")
    return GATED.replace("GATE", RIGHT_GATE if right else "dgate * cache.gate")


@pytest.mark.parametrize("contract", TOYS_NAMED)
def test_right_code_passes_the_checks_that_apply(contract, verifier, tmp_path):
    (tmp_path / "right.py").write_text(texts(contract, right=True))
    done = verifier("check", "right.py", "--profile", "quick")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "reports" / "right" / "report.json").read_text())
    assert report["candidate"]["contract"] == contract
    statuses = {outcome["id"]: outcome["status"] for outcome in report["checks"]}
    assert {check for check, status in statuses.items() if status == "pass"} == APPLY
    assert set(statuses.values()) == {"pass", "skipped"}
    assert "twice the gradient" in report["certificate"]["excludes"]


@pytest.mark.parametrize("contract", TOYS_NAMED)
def test_a_wrong_one_fails_is_made_small_reported_and_replayed(contract, verifier, tmp_path):
    (tmp_path / "wrong.py").write_text(texts(contract, right=False))
    (tmp_path / "right.py").write_text(texts(contract, right=True))
    done = verifier("check", "wrong.py", "--profile", "quick", "--format", "html")
    assert done.returncode == 1, done.stdout + done.stderr
    folder = tmp_path / "reports" / "wrong"
    report = json.loads((folder / "report.json").read_text())
    assert {outcome["id"] for outcome in report["checks"] if outcome["status"] == "fail"} == {"finite-difference", "autograd"}
    arrays = report["counterexample"]["arrays"]
    assert [len(arrays["x"]), len(arrays["x"][0])] == [1, 1]
    page = (folder / "report.html").read_text()
    assert escape(report["counterexample"]["problem"]) in page
    stored = folder / "counterexample.safetensors"
    assert verifier("replay", stored, "wrong.py").returncode == 1
    assert verifier("replay", stored, "right.py").returncode == 0


def test_a_cache_that_is_not_handed_back_is_an_error_with_its_line(verifier, tmp_path):
    (tmp_path / "broken.py").write_text(
        texts("gated", right=True).replace("return cache.out, cache.gate, cache", "return cache.out, cache.gate")
    )
    done = verifier("check", "broken.py", "--profile", "quick")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "broken.py, in forward: returned 2 parts, expected (out, gate, cache)" in " ".join(done.stdout.split())
