"""Names of the candidates of a run."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.candidates.naming import LONGEST_NAME, plain_name, unique_names


@pytest.mark.parametrize(
    ("candidates", "names"),
    [
        ([("net", []), ("other", [])], ["net", "other"]),
        ([("columns", []), ("columns", ["other"])], ["columns", "other.columns"]),
        ([("net", ["s1"]), ("net", ["s2"]), ("own", ["s3"])], ["s1.net", "s2.net", "own"]),
        ([("net", ["a", "x"]), ("net", ["b", "x"]), ("net", ["c"])], ["a.x.net", "b.x.net", "c.net"]),
        ([("Net", []), ("net", [])], ["Net", "net-2"]),
        ([("net", []), ("net", []), ("net-2", [])], ["net", "net-3", "net-2"]),
        ([("net", ["/", "home", ".."]), ("net", ["/"])], ["home.net", "net"]),
    ],
)
def test_names_that_are_the_same_take_the_folders_they_lie_in(candidates: list[tuple[str, list[str]]], names: list[str]) -> None:
    assert unique_names(candidates) == names


words = st.sampled_from(["a", "A", "b", "a.b", "b-2", "a-2", "x" * LONGEST_NAME])


@given(st.lists(st.tuples(words, st.lists(words, max_size=3)), max_size=12))
def test_no_two_names_are_the_same_even_where_capitals_do_not_count(candidates: list[tuple[str, list[str]]]) -> None:
    names = unique_names(candidates)
    assert len({name.casefold() for name in names}) == len(candidates)


@given(st.text())
def test_any_text_becomes_a_name_that_is_a_plain_word(text: str) -> None:
    name = plain_name(text)
    assert all(sign in "._-" or unicodedata.category(sign)[0] in "LMN" for sign in name)
    assert not name.startswith((".", "-"))
    assert len(name.encode()) <= LONGEST_NAME


@pytest.mark.parametrize("text", ["задание", "作业", "واجب", "Übung-2"])
def test_letters_of_every_script_stay(text: str) -> None:
    assert plain_name(text) == text
