import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.reports.untrusted import last_lines, one_line, plain


@given(st.text(st.characters(), max_size=200))
def test_plain_text_holds_nothing_that_a_terminal_acts_on(text):
    categories = {unicodedata.category(character) for character in plain(text) if character not in "\n\t"}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    plain(text).encode()  # lone surrogates are gone too


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=100))
def test_ordinary_text_stays_as_it_is(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("one\rtwo\r\nthree", "one\ntwo\nthree"),
        ("cut off \x1b[3", "cut off 3"),
        ("\u202ethgir", "thgir"),
        ("\ud800", "\ufffd"),
    ],
)
def test_escapes_are_taken_out_whole(written, shown):
    assert plain(written) == shown


def test_a_megabyte_of_message_is_cut_and_says_so():
    assert one_line("x" * 1_000_000).endswith("… (998,000 more characters)")


def test_the_last_lines_tell_how_many_are_not_shown():
    assert last_lines("1\n2\n3\n", 2) == ["… (1 line before)", "2", "3"]
    assert last_lines("1\n2", 2) == ["1", "2"]
