"""What is kept between runs cannot be rewritten by a candidate: neither right answers nor their signature."""

import hashlib
import json
import struct
from pathlib import Path

import pytest

from verifier.verification import judging, kept_files
from verifier.verification.judging import judge
from verifier.verification.signing import SIGNATURE_LENGTH

ZEROS = """
def backprop(weights, biases, x, y):
    return None, [0 * w for w in weights], [0 * b for b in biases]
"""
QUICK = {"profile": "quick", "only": ("autograd",)}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VERIFIER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def zeros(tmp_path) -> str:
    (tmp_path / "zeros.py").write_text(ZEROS)
    return str(tmp_path / "zeros.py")


def poison(cache: Path) -> None:
    """Have gradients of zeros be right in every kept corpus, with the digest that whoever knows the source can compute."""
    for file in (cache / "corpora").glob("*.safetensors"):
        blob = bytearray(file.read_bytes()[SIGNATURE_LENGTH:])
        (length,) = struct.unpack_from("<Q", blob)
        head = json.loads(bytes(blob[8 : 8 + length]))
        for name, entry in head.items():
            if "/gradient/" in name:
                begin, end = entry["data_offsets"]
                blob[8 + length + begin : 8 + length + end] = bytes(end - begin)
        file.write_bytes(hashlib.sha256(file.name.encode() + b"\0" + hashlib.sha256(blob).digest()).hexdigest().encode() + bytes(blob))


def verdict(path: str, **options: object) -> str:
    (judged,) = judge([path], **{**QUICK, **options})
    return judged.report.verdict


def test_poisoned_answers_are_drawn_again(cache, zeros, monkeypatch):
    assert verdict(zeros) == "fail"
    poison(cache)
    assert verdict(zeros) == "fail"
    # With an unkeyed digest in the place of the signature the poisoned answers count: zeros are as right as they say.
    poison(cache)
    monkeypatch.setattr(kept_files, "verifies", lambda data, signature: hashlib.sha256(data).hexdigest() == signature)
    assert verdict(zeros) != "fail"


def test_nothing_kept_is_used_or_written_where_files_are_not_confined(cache, zeros, monkeypatch):
    assert verdict(zeros, isolation="off") == "fail"
    assert not (cache / "corpora").exists()
    monkeypatch.setattr(judging, "files_can_be_confined", lambda: False)
    assert verdict(zeros) == "fail"
    assert not (cache / "corpora").exists()
