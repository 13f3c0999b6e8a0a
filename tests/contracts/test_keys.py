"""Values of single keys, and the sentence about the first that is wrong."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.contracts.keys import TableError, described, did_you_mean, flag, number, read_table, shown, texts, whole, wholes, word, words

toml_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)
EVERY_KIND = {
    "word": word("mean", "sum"),
    "words": words("sigmoid", "tanh"),
    "flag": flag(),
    "number": number("a number above 0", lambda value: value > 0),
    "whole": whole(1, 6),
    "wholes": wholes(0, 9, at_least=2, at_most=3, what="input first"),
    "texts": texts("[a-z]+", "small words"),
}


@given(st.sampled_from(sorted(EVERY_KIND)), toml_values)
def test_a_value_is_read_or_refused_in_one_printable_line(key: str, value: Any) -> None:
    try:
        read_table({key: value}, EVERY_KIND)
    except TableError as error:
        assert error.key == key
        assert error.says.isprintable()
        assert len(error.says) < 500


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("word", "maen", 'holds "maen"; allowed: "mean", "sum". Did you mean "mean"?'),
        ("word", ["mean"], 'is the list ["mean"]; it takes one string: word = "mean".'),
        ("word", True, 'holds true; allowed: "mean", "sum".'),
        ("words", "sigmoid", 'is the string "sigmoid"; it takes a list: words = ["sigmoid"].'),
        ("words", 1, 'is the number 1; it takes a list of strings, of "sigmoid", "tanh".'),
        ("words", [], 'is an empty list; it takes at least one of "sigmoid", "tanh".'),
        ("words", ["tanh", "tanh"], 'holds "tanh" twice.'),
        ("words", ["tanh", 3], 'holds the number 3; allowed: "sigmoid", "tanh".'),
        ("flag", "true", 'is the string "true"; it takes true or false, without quotes.'),
        ("flag", 1, "is the number 1; it takes true or false, without quotes."),
        ("number", True, "is true; it takes a number above 0."),
        ("number", "0.1", 'is the string "0.1"; it takes a number above 0.'),
        ("number", math.nan, "is nan; it takes a number above 0."),
        ("number", 10**400, "is about 2^1328; it takes a number above 0."),
        ("whole", 2.0, "is the number 2.0; it takes a whole number from 1 to 6."),
        ("whole", 7, "is 7; it takes a whole number from 1 to 6."),
        ("wholes", [2, True], "holds true; it takes a list of 2 to 3 whole numbers from 0 to 9, input first."),
        ("wholes", [2], "is [2], which has 1 entries; it takes a list of 2 to 3 whole numbers from 0 to 9, input first."),
        ("texts", "torch", 'is the string "torch"; it takes a list: texts = ["torch"].'),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(key: str, value: Any, says: str) -> None:
    with pytest.raises(TableError) as caught:
        read_table({key: value}, EVERY_KIND)
    assert caught.value.says == says


def test_an_unknown_key_is_named_with_its_near_miss_or_else_with_the_known_ones() -> None:
    with pytest.raises(TableError, match=r'"wrod" is not known. Did you mean "word"\?'):
        read_table({"wrod": 1}, EVERY_KIND)
    with pytest.raises(TableError, match=r'"zzz" is not known. Known are flag, number, texts, whole, wholes, word, words\.'):
        read_table({"zzz": 1}, EVERY_KIND)


def test_an_integer_is_read_as_a_float_where_a_number_is_wanted() -> None:
    value = read_table({"number": 2}, EVERY_KIND)["number"]
    assert (value, type(value)) == (2.0, float)


@pytest.mark.parametrize("value", ["\x1b[31mred\x1b[0m", "line\nbreak", "\u202egnp.exe", "x" * 1000, ["\x07"], 10**4000])
def test_no_value_reaches_a_message_raw_or_long(value: Any) -> None:
    assert shown(value).isprintable()
    assert described(value).isprintable()
    assert len(shown(value)) <= 80


def test_a_near_miss_ignores_case_and_separators_and_knows_other_names() -> None:
    assert did_you_mean("Leaky-ReLU", ["relu", "leaky_relu"]) == ' Did you mean "leaky_relu"?'
    assert did_you_mean("MSE", ["squared_error"], {"mse": "squared_error"}) == ' Did you mean "squared_error"?'
    assert did_you_mean("mse", ["cross_entropy"], {"mse": "squared_error"}) == ""
