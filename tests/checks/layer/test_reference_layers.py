"""reference_impls/layers: its README lists what is there, and the first sentence about a wrong layer holds the words that it promises."""

import re
from contextlib import closing
from pathlib import Path

import pytest

import verifier
from benchmarks.layers import Judging
from benchmarks.planted_layers import Plant

ROOT = Path(__file__).parents[3] / "reference_impls"
ROW = re.compile(r"^\| `layers/(\w+)/(\w+)\.py` \|", re.MULTILINE)
PROMISED = dict(re.findall(r"^\| `layers/faulty/(\w+)\.py` \|[^|]*\| fails: ([^|]*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE))
PUBLISHED = ("residual_without_skip", "vae_half_missing", "pool_one_mask", "dense_stepped_first")
# All of them take a minute; benchmarks.layers judges the same mistakes.
JUDGED = ("batchnorm_half_variance", "dropout_test_mode", "net_missing_bias", "pool_last_window", "rnn_own_step", *PUBLISHED)


def test_the_readme_lists_what_is_there():
    there = {(path.parent.name, path.stem) for path in ROOT.glob("layers/*/*.py")}
    assert set(ROW.findall((ROOT / "README.md").read_text())) == there
    assert set(PROMISED) == {name for folder, name in there if folder == "faulty"}


@pytest.mark.parametrize("name", JUDGED)
def test_the_first_sentence_is_the_promised_one(name):
    report = verifier.check(ROOT / "layers" / "faulty" / f"{name}.py", profile="quick")
    assert report.verdict == "fail"
    assert PROMISED[name] in report.summary


def test_published_forms_are_right():
    report = verifier.check(ROOT / "layers" / "correct" / "words_and_paths.py", profile="quick")
    assert report.verdict == "pass", report.summary
    assert len(report.layers) == 9


def test_in_float32_each_of_many_arrays_is_decided_by_a_line_of_its_own(tmp_path):
    right = "dr = dn * self.inner * self.r * (1 - self.r)"
    wrong = Plant("layer_classes", "GRUCell", right, f"{right} * 1.1", ("dWrx",))
    with closing(Judging("quick", tmp_path)) as judging:
        report = judging.judge("layer_classes", "GRUCell", dtype="float32")
        assert report.verdict == "pass", report.summary
        assert len(report.layers[0].gradients) == 12
        assert judging.judge("layer_classes", "GRUCell", plant=wrong, dtype="float32").verdict == "fail"
