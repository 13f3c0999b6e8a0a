"""What a second audit asks again, and what a limit in time leaves out."""

import shutil

import pytest

from tests.audit.conftest import run_audit
from tests.audit.projects import LAYERS, PATTERNS, TESTS

QUICK = (*PATTERNS, "--no-proposals")


def asked(audited):
    """Mutants that a test was run for."""
    return sum(one["outcome"] in ("noticed", "not-noticed") for function in audited.found["functions"] for one in function["mutants"])


@pytest.fixture
def again(layers_audited):
    """Audit the same folder again, with other files, from the cache that the first audit left."""
    _first, home = layers_audited
    shutil.copytree(home / "cache", home / "before")

    def audited(files, *arguments):
        for name, text in files.items():
            (home / "project" / name).write_text(text, encoding="utf-8")
        return run_audit(home / "project", *QUICK, *arguments, cache=home / "cache")

    yield audited
    (home / "project" / "layers.py").write_text(LAYERS, encoding="utf-8")
    (home / "project" / "test_layers.py").write_text(TESTS, encoding="utf-8")
    shutil.rmtree(home / "cache")
    shutil.move(home / "before", home / "cache")


def test_nothing_is_asked_again_where_nothing_but_a_comment_changed(layers_audited, again):
    first, second = layers_audited[0], again({"layers.py": "# A comment.\n" + LAYERS})
    assert (first.found["kept"], second.found["kept"]) == (0, asked(first))
    assert [one["mutants"] for one in first.found["functions"]] == [one["mutants"] for one in second.found["functions"]]
    assert [one["resolutions"] for one in first.found["functions"]] == [one["resolutions"] for one in second.found["functions"]]


def test_after_a_change_of_one_pass_the_mutants_of_the_other_are_kept(layers_audited, again):
    second = again({"layers.py": LAYERS.replace("return dout @ w.T, x.T @ dout", "return np.dot(dout, w.T), x.T @ dout")})
    others = [one for one in layers_audited[0].function("Dense.backward")["mutants"] if one["outcome"] in ("noticed", "not-noticed")]
    assert second.found["kept"] == len(others)


def test_after_a_change_outside_of_functions_everything_is_asked(again):
    assert again({"test_layers.py": TESTS.replace("default_rng(1)", "default_rng(2)")}).found["kept"] == 0


def test_without_the_cache_everything_is_asked_and_what_a_limit_in_time_leaves_out_is_listed_in_order(layers_audited, again):
    stopped, whole = again({}, "--no-cache", "--time-limit", "0"), asked(layers_audited[0])
    assert (asked(stopped), stopped.found["kept"]) == (0, 0)
    assert len(stopped.found["not_asked"]) == whole
    assert [one[2] for one in stopped.found["not_asked"]][:2] == ["zero", "zero"]
    assert f"Not asked for lack of time, {whole}:" in stopped.printed
