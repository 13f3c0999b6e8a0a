"""`verifier cache`, and the cap on what is kept."""

import os

import pytest
from click.testing import CliRunner

from verifier.cli.cache import cache
from verifier.verification.cache import hold_below, kept_bytes
from verifier.verification.kept_files import read_kept, write_kept


@pytest.fixture
def corpora(tmp_path, monkeypatch):
    """Three kept files of 1,000 bytes, used one after another."""
    monkeypatch.setenv("VERIFIER_CACHE", str(tmp_path))
    folder = tmp_path / "corpora"
    folder.mkdir()
    for age, name in enumerate(("newest", "middle", "oldest")):
        (folder / name).write_bytes(b"x" * 1000)
        os.utime(folder / name, (1_000_000 - age, 1_000_000 - age))
    return folder


def test_it_says_where_and_how_much(corpora):
    done = CliRunner().invoke(cache, [], standalone_mode=False)
    assert str(corpora) in done.output
    assert "0.0 MiB of at most 2,048.0 MiB" in done.output


def test_clear_empties_it(corpora):
    CliRunner().invoke(cache, ["--clear"], standalone_mode=False)
    assert kept_bytes() == 0
    assert list(corpora.iterdir()) == []


def test_what_was_used_longest_ago_goes_first(corpora):
    hold_below(2000)
    assert sorted(path.name for path in corpora.iterdir()) == ["middle", "newest"]


def test_what_was_read_just_now_is_not_the_first_to_go(corpora):
    written = corpora / "long-ago"
    write_kept(written, {"format": 1}, {})
    os.utime(written, (1, 1))
    assert read_kept(written) == ({"format": 1}, {})
    hold_below(2000)
    assert written.exists()
    assert not (corpora / "oldest").exists()


def test_a_link_is_neither_counted_nor_followed(corpora, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"x" * 5000)
    (corpora / "link").symlink_to(tmp_path / "elsewhere")
    assert kept_bytes() == 3000
    hold_below(0)
    assert (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("VERIFIER_CACHE", str(tmp_path / "none"))
    assert kept_bytes() == 0
