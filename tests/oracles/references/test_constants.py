"""Sizes that stand in a candidate's own code: read as code, through a few calls, never from libraries."""

import numpy as np

from verifier.oracles.references.constants import constants_of, integers_in

TILE = 128


def first(x):
    return second(x[:101])


def second(x):
    return third(x[:102])


def third(x):
    return fourth(x[:103])


def fourth(x):
    return fifth(x[:104])


def fifth(x):
    return np.sum(x[:105])


def tiled(x):
    return [x[start : start + TILE] for start in range(0, len(x), 64)], 3, 5000


class Kernel:
    @staticmethod
    def forward(ctx, x):
        return x[:77]


def around(x):
    return around(x[:55]) if len(x) > 55 else x


def test_calls_are_followed_four_deep():
    assert constants_of(first) == (101, 102, 103, 104)
    assert {101, 102, 103, 104} <= integers_in(first) and 105 not in integers_in(first)
    assert constants_of(second)[-1] == 105


def test_what_is_too_small_or_too_large_to_be_a_size_is_left_out():
    assert set(constants_of(tiled)) == {64, TILE}  # the one stands inside of a comprehension
    assert {3, 5000, 64} <= integers_in(tiled) and TILE not in integers_in(tiled)


def chunked(x, chunk=48, *, carry=90, scale=None, eps=1e-5):
    return first(x[:chunk]) + carry


def test_the_default_of_an_argument_may_be_a_size():
    assert {48, 90} <= set(constants_of(chunked)) and not {48, 90} & integers_in(chunked)


def test_a_class_is_read_by_its_methods_and_a_function_that_calls_itself_once():
    assert constants_of(Kernel) == (77,)
    assert constants_of(around) == (55,)


def test_a_librarys_code_and_what_has_no_code_say_nothing():
    assert constants_of(np.linalg.norm) == constants_of(len) == ()


def test_code_that_was_written_by_code_is_read_too():
    written = {"np": np}
    exec("def tiled(x, rows=72):\n    return np.sum(x[:61])", written)
    assert written["tiled"].__module__ is None
    assert set(constants_of(written["tiled"])) == {61, 72}


def enclosing(ready):
    def inner(x):
        return never(x[:82]) if x is None else around(x[:81])

    if ready:
        never = around
    return inner


def test_a_name_that_holds_nothing_yet_is_passed_over():
    assert set(constants_of(enclosing(ready=False))) == {81, 82, 55} == set(constants_of(enclosing(ready=True)))
