"""The grammar of shapes, sizes and requirements."""

import numpy as np
import pytest

from verifier.problems.sizes import Allowed, GrammarError, allowed, draw_sizes, meets, parse_expression, parse_shape, sizes_of


@pytest.mark.parametrize(
    ("text", "values", "rest", "shape"),
    [
        ("N D", {"N": 2, "D": 3}, (), (2, 3)),
        ("4*H L+1", {"H": 2, "L": 5}, (), (8, 6)),
        ("3 N", {"N": 4}, (), (3, 4)),
        ("N C *", {"N": 2, "C": 3}, (5, 6), (2, 3, 5, 6)),
        ("* C", {"C": 3}, (), (3,)),
        ("", {}, (), ()),
        ("N (H + 2*pad - K)//stride+1", {"N": 1, "H": 5, "pad": 1, "K": 3, "stride": 2}, (), (1, 3)),
        ("int<C> N", {"C": 9, "N": 2}, (), (2,)),
    ],
)
def test_a_shape_is_worked_out_from_its_sizes(text, values, rest, shape):
    assert parse_shape(text).of(values, rest) == shape


def test_a_kind_stands_before_the_sizes():
    labels = parse_shape("int<C-1> N T")
    assert (labels.kind, labels.below.text, labels.names) == ("int", "C-1", ("C", "N", "T"))
    assert parse_shape("prob N C").kind == "prob"
    assert parse_shape("N C").kind is None


@pytest.mark.parametrize(
    "text",
    ["N.shape", "__import__('os')", "[x for x in y]", "(lambda: 1)()", "f(N)", "N D)", "* N *", "int N", "bool<C> N", "int<> N", "N[0]"],
)
def test_what_is_no_arithmetic_is_refused_and_quoted(text):
    with pytest.raises(GrammarError):
        parse_shape(text)


def test_a_power_that_would_take_forever_is_refused():
    with pytest.raises(GrammarError, match="too large"):
        parse_expression("9**9**9").value({})


def test_a_size_below_zero_or_between_whole_numbers_says_with_which_sizes():
    with pytest.raises(GrammarError, match=r'"L-3" is -1 with L = 2'):
        parse_shape("L-3").of({"L": 2})
    with pytest.raises(GrammarError, match=r"1\.5"):
        parse_shape("L/2").of({"L": 3})


def test_the_examples_show_the_sizes():
    shapes = {"x": parse_shape("N L+1 *"), "w": parse_shape("2*D"), "b": parse_shape("N")}
    assert sizes_of(shapes, {"x": (4, 6, 7, 8), "w": (10,), "b": (4,)}, {}) == ({"N": 4, "L": 5, "D": 5}, (7, 8))


@pytest.mark.parametrize(
    ("shapes", "actual", "words"),
    [
        ({"x": "N N"}, {"x": (2, 3)}, 'x has a dimension of 3 where "N" stands, with N = 2'),
        ({"x": "N D"}, {"x": (2,)}, "which is not"),
        ({"x": "2*D"}, {"x": (3,)}, "has a dimension of 3"),
        ({"x": "N", "y": "M"}, {"x": (2,)}, "do not show how large M is"),
    ],
)
def test_examples_that_contradict_the_shapes_say_which(shapes, actual, words):
    with pytest.raises(GrammarError, match=words):
        sizes_of({name: parse_shape(text) for name, text in shapes.items()}, actual, {})


def test_one_number_is_fixed_two_are_a_range_and_three_a_list():
    assert allowed(8).within(1, 6) == [8]
    assert allowed((2, 9)).within(1, 6) == [2, 3, 4, 5, 6]
    assert allowed([4, 8, 16]).within(1, 10) == [4, 8]
    with pytest.raises(GrammarError, match="empty range"):
        allowed((9, 2))
    with pytest.raises(GrammarError, match="says no size"):
        allowed("N")


def test_drawn_sizes_differ_keep_to_their_limits_and_meet_what_is_required():
    required = [parse_expression("L <= T"), parse_expression("D % 2 == 0")]
    for seed in range(50):
        drawn = draw_sizes(("L", "T", "D"), {"T": Allowed(2, 5)}, np.random.default_rng(seed), fits=lambda sizes: meets(required, sizes))
        assert drawn is not None and drawn["L"] < drawn["T"] <= 5 and drawn["D"] % 2 == 0
        assert len(set(drawn.values())) == 3


def test_the_same_seed_draws_the_same_sizes():
    one, two = (draw_sizes("ABC", {}, np.random.default_rng(3)) for _ in range(2))
    assert one == two


def test_what_cannot_be_met_is_none():
    assert draw_sizes("N", {}, np.random.default_rng(0), fits=lambda _: False) is None


def test_a_condition_may_ask_for_options():
    condition = parse_expression("mode == 'test' or N > 1 and mode in ('train', 'both')")
    assert condition.names == ("mode", "N")
    assert meets([condition], {"mode": "train", "N": 2}) and not meets([condition], {"mode": "train", "N": 1})
