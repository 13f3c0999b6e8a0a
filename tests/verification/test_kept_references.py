"""What PyTorch said of a layer's operation is asked once a manifest; nobody but this referee may have written it."""

import subprocess
import sys

import pytest

SOURCE = """# /// script
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
RUN = """
import sys, verifier
report = verifier.check(sys.argv[1], profile="ci", isolation=sys.argv[2])
print(report.verdict, report.layers[0].forward, "torch" in sys.modules)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIFIER_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "layers.py"
    file.write_text(SOURCE)

    def ran(isolation="auto"):
        done = subprocess.run([sys.executable, "-c", RUN, str(file), isolation], capture_output=True, text=True, check=True)
        return done.stdout.split()

    return ran


def kept(tmp_path):
    return list((tmp_path / "cache" / "corpora").glob("*.safetensors"))


def test_a_second_run_needs_no_pytorch_and_a_changed_file_is_not_believed(run, tmp_path):
    assert run() == ["pass", "pass", "True"]
    (file,) = kept(tmp_path)
    assert run() == ["pass", "pass", "False"]
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    assert run() == ["pass", "pass", "True"]


def test_where_files_are_not_confined_nothing_is_kept(run, tmp_path):
    assert run("off")[:2] == ["pass", "pass"]
    assert not kept(tmp_path)
