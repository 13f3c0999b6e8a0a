"""The kept corpus: bit for bit, without PyTorch or Hypothesis, and never trusted where it is damaged."""

import hashlib
import importlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from verifier.contracts.at_home import hypothesis_at_home
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.family import Plan, held_bytes
from verifier.contracts.mlp.network import architecture_of
from verifier.contracts.mlp.numbers import Recipe
from verifier.verification import corpus as module
from verifier.verification import kept_files
from verifier.verification.corpus import (
    Corpus,
    cache_file,
    corpus_from_message,
    corpus_to_message,
    fresh_corpus,
    kept_corpus,
)
from verifier.verification.profiles import PROFILES
from verifier.verification.signing import sign

SMALL = replace(PROFILES["quick"], networks=6)
SMALL_WITH_ALL_STRATA = replace(PROFILES["quick"], networks=21)
CLAIMS = Claims(activations=("tanh", "relu"), output_activations=("softmax",), losses=("cross_entropy",), dtypes=("float64", "float32"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIFIER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def draw(seed: int = 0) -> Corpus:
    return fresh_corpus(CLAIMS, SMALL, seed, lambda done, total: None)


def kept(seed: int = 0) -> Corpus | None:
    return kept_corpus(CLAIMS, SMALL, seed)


def bits(corpus: Corpus) -> object:
    message, arrays = corpus_to_message(corpus)
    return message, [(name, array.dtype.name, array.shape, array.tobytes()) for name, array in arrays.items()]


def test_nothing_is_kept_before_the_first_run(cache):
    assert kept() is None


def test_a_kept_corpus_is_the_drawn_one_bit_for_bit(cache):
    drawn = draw()
    read = kept()
    assert (drawn.kept, read.kept) == (False, True)
    assert len(read.items) == 6 and len(read.extreme) == 5
    assert bits(read) == bits(drawn)
    for before, after in zip(drawn.items, read.items, strict=True):
        assert after.where == before.where and after.ordinary
        for name in before.reference.gradients:
            assert np.array_equal(after.reference.gradient_tolerance(name), before.reference.gradient_tolerance(name))
        assert after.reference.loss_tolerance() == before.reference.loss_tolerance()
        assert np.array_equal(after.reference.output_tolerance(), before.reference.output_tolerance())


def test_claims_seed_and_size_have_a_corpus_each(cache):
    files = {
        cache_file(claims, profile, seed)
        for claims in (CLAIMS, Claims(), replace(CLAIMS, bias="none"))
        for profile in (SMALL, PROFILES["ci"])
        for seed in (0, 1)
    }
    assert len(files) == 12
    draw(seed=0)
    assert kept(seed=1) is None


def test_another_version_of_an_operation_that_is_plugged_in_has_another_corpus(cache, monkeypatch):
    files = set()
    for versions in ({}, {"swish": "swish:operation 1.0"}, {"swish": "swish:operation 1.1"}):
        monkeypatch.setattr(module, "versions_of", lambda group, versions=versions: versions)
        files.add(cache_file(CLAIMS, SMALL, 0))
    assert len(files) == 3


def test_the_same_seed_draws_the_same_corpus_and_another_seed_another(cache):
    assert bits(draw(seed=3)) == bits(draw(seed=3))
    assert bits(draw(seed=3)) != bits(draw(seed=4))


def test_code_that_happens_to_be_loaded_changes_no_draw(tmp_path, monkeypatch):
    """Hypothesis would draw the large numbers that it reads there."""
    from verifier.contracts.mlp.strategy import draw_architectures

    wide = replace(CLAIMS, max_width=2000)

    def architectures() -> object:
        with hypothesis_at_home():
            return draw_architectures(wide, seed_=3, count=200, extreme=5)

    before = architectures()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "numbers_around.py").write_text(f"NUMBERS = {list(range(401, 467))}")
    importlib.import_module("numbers_around")
    try:
        assert architectures() == before
    finally:
        del sys.modules["numbers_around"]


def damage(data: bytes, kind: str) -> bytes:
    middle = len(data) // 2
    return {
        "empty": b"",
        "cut": data[:middle],
        "longer": data + b"\0",
        "header": b"\xff" * 64 + data[64:],
        "no problem": data.replace(b"differentiate", b"differentiatf"),
        "another format": data.replace(b'\\"format\\": 4', b'\\"format\\": 7'),
        "another index": data.replace(b'"0/losses/"', b'"9/losses/"').replace(b'\\"0/losses/\\"', b'\\"9/losses/\\"'),
        "no slash": data.replace(b"0/losses/", b"0_losses_"),
        "a flipped bit": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    }[kind]


def signed(file: Path, blob: bytes) -> bytes:
    """With its signature before it, as `corpus` writes it."""
    return sign(file.name.encode() + b"\0" + hashlib.sha256(blob).digest()).encode() + blob


@pytest.mark.parametrize(
    "kind", ["empty", "cut", "longer", "header", "no problem", "another format", "another index", "no slash", "a flipped bit"]
)
def test_a_damaged_file_counts_as_none_and_is_drawn_again(kind, cache):
    before = bits(draw())
    file = cache_file(CLAIMS, SMALL, 0)
    whole = file.read_bytes()
    damaged = damage(whole[64:], kind)
    assert damaged != whole[64:]
    # With a signature of its own the content must be found wrong; a flipped bit only the signature shows.
    file.write_bytes(whole[:64] + damaged if kind == "a flipped bit" else signed(file, damaged))
    assert kept() is None
    draw()
    assert bits(kept()) == before


def test_a_message_of_another_format_is_refused():
    with pytest.raises(ValueError, match="another format"):
        corpus_from_message({"format": 0, "problems": []}, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_does_no_harm(cache):
    cache.mkdir(mode=0o500)
    assert len(draw().items) == 6
    assert kept() is None


def test_a_file_in_the_place_of_the_folder_does_no_harm(cache):
    cache.write_text("not a folder")
    assert len(draw().items) == 6
    assert kept() is None


def test_a_write_that_fails_half_way_leaves_nothing_behind(cache, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_files.os, "replace", full)
    assert len(draw().items) == 6
    assert [path for path in (cache / "corpora").rglob("*") if path.is_file()] == []


def test_a_profile_that_keeps_nothing_writes_nothing(cache):
    fresh_corpus(CLAIMS, replace(SMALL, kept=False), 0, lambda done, total: None)
    assert not cache.exists()


READ = """
import sys
from verifier.contracts.mlp.claims import Claims
from verifier.verification.corpus import kept_corpus
from verifier.verification.profiles import PROFILES
from dataclasses import replace
corpus = kept_corpus({claims!r}, replace(PROFILES["quick"], networks=6), 0)
assert corpus is not None and corpus.kept
print(sorted({{"torch", "hypothesis"}} & set(sys.modules)))
"""


def test_a_kept_corpus_is_read_without_importing_torch_or_hypothesis(cache):
    draw()
    done = subprocess.run([sys.executable, "-c", READ.format(claims=CLAIMS)], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_hypothesis_writes_nothing_where_the_user_is(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]


LARGE = Claims(
    activations=("tanh", "relu"),
    output_activations=("identity", "sigmoid"),
    losses=("squared_error", "half_squared_error"),
    sizes=(40, 30, 5),
    max_width=40,
)
ONE = 4 * 8 * (40 * 30 + 30 * 5 + 8 * 45)  # bytes of such a network with its answers, batch 8 or less


@pytest.mark.parametrize(("networks_room", "least", "most"), [(0, 2, 8), (12, 8, 17), (1000, 40, 40)])
def test_where_each_network_is_large_fewer_are_drawn_but_every_claim_is_shown(networks_room, least, most, monkeypatch):
    monkeypatch.setattr(module, "CORPUS_BYTES", networks_room * ONE)
    corpus = module.draw_corpus(LARGE, PROFILES["quick"], 0, lambda done, total: None)
    assert least <= len(corpus.items) <= most
    assert len(corpus.items) + corpus.left_out == 40
    assert len(corpus.extreme) >= 1
    architectures = [architecture_of(item.problem) for item in corpus.items]
    assert {architecture.activations[0] for architecture in architectures} == {"tanh", "relu"}
    assert {architecture.activations[-1] for architecture in architectures} == {"identity", "sigmoid"}
    assert {architecture.loss for architecture in architectures} == {"squared_error", "half_squared_error"}
    assert {architecture.batch > 1 for architecture in architectures} == {False, True}
    assert {architecture.widths for architecture in architectures} == {(40, 30, 5)}
    if networks_room:  # what was chosen to show the claims takes up room too
        every = [architecture_of(item.problem) for item in (*corpus.items, *corpus.extreme)]
        assert sum(held_bytes(Plan(one, Recipe()), LARGE) for one in every) <= module.CORPUS_BYTES


def test_networks_of_free_sizes_are_drawn_narrower_where_they_would_be_large(monkeypatch):
    wide = Claims(max_width=10_000)
    monkeypatch.setattr(module, "CORPUS_BYTES", 16 << 20)
    corpus = module.draw_corpus(wide, SMALL_WITH_ALL_STRATA, 0, lambda done, total: None)
    assert corpus.left_out == 0
    assert max(held_bytes(Plan(architecture_of(item.problem), Recipe()), wide) for item in corpus.items) <= 1 << 20


def test_what_is_left_out_is_kept_with_the_corpus(cache, monkeypatch):
    monkeypatch.setattr(module, "CORPUS_BYTES", 0)
    drawn = draw()
    assert drawn.left_out > 0
    assert kept().left_out == drawn.left_out
