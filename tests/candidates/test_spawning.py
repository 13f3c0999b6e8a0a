"""The process that starts workers, begun ahead of the referee's own imports: it is taken once, and nothing of it stays."""

import os
from pathlib import Path

import pytest

from verifier.candidates import spawning
from verifier.candidates.limits import Limits
from verifier.candidates.session import Target
from verifier.candidates.spawning import begun_ahead, take
from verifier.candidates.zygote import Zygote
from verifier.errors import HarnessError


def test_one_that_was_begun_ahead_starts_the_workers(tmp_path):
    file = tmp_path / "candidate.py"
    file.write_text("def backprop():\n    return 1\n")
    with begun_ahead(isolated=True):
        (ahead,) = spawning._ahead.values()
        with Zygote() as zygote, zygote.start(Target(file, None, (file,)), Limits()) as session:
            assert zygote._spawned is ahead
            assert session.hello["functions"] == {"backprop": 1}
        with Zygote() as another:
            assert another._spawned is not ahead
    assert ahead.process.returncode is not None and not Path(ahead.home).exists()


def test_one_that_nobody_took_is_ended():
    with begun_ahead(isolated=True):
        (ahead,) = spawning._ahead.values()
        with Zygote(isolation="off") as zygote:  # that confines nothing: another one
            assert zygote._spawned is not ahead
    assert ahead.process.returncode is not None and not Path(ahead.home).exists()


def test_where_none_can_be_begun_whoever_needs_it_says_so(monkeypatch):
    def full(**_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(spawning.tempfile, "TemporaryFile", full)
    with begun_ahead(isolated=True), pytest.raises(HarnessError, match="No space left on device"):
        take(isolated=True)
