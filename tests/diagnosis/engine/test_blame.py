"""Whose fault it is: the engine's where a feature is wrong in most operations that are right without it, else an operation's."""

import numpy as np
import pytest

from verifier.diagnosis.engine import blame
from verifier.diagnosis.engine.relations import Observation

ONES = np.ones((3, 4))


def faults(wrong, right, *, plain_too=()):
    """What is blamed where operands that are broadcast have a doubled gradient in some of these operations."""
    names = [*wrong, *right]
    tested = [blame.Tested(name, "plain", name not in plain_too) for name in names]
    tested += [blame.Tested(name, "broadcast", name not in wrong) for name in names]
    seen = [Observation(name, "broadcast", "b", 2 * ONES, ONES, ONES, ONES, {"a": ONES, "b": ONES}, {}) for name in wrong]
    return [one.fault.rpartition(":")[0] for one in blame.blame_alone(tested, seen)]


@pytest.mark.parametrize(
    ("wrong", "right", "of_the_engine"),
    [
        (("add", "mul"), (), True),
        (("add", "mul"), ("sub",), True),
        (("add", "mul"), ("sub", "div"), False),  # in half of them only
        (("add", "mul"), ("sub", "div", "maximum"), False),
        (("add",), (), False),  # one is no pattern
    ],
)
def test_the_engine_is_blamed_for_what_is_wrong_in_most_operations_alike(wrong, right, of_the_engine):
    assert faults(wrong, right) == (["engine"] if of_the_engine else [f"operation:{name}:b" for name in wrong])


def test_an_operation_that_is_wrong_where_plain_shows_nothing_of_the_engine():
    assert faults(("add", "mul"), (), plain_too=("add",)) == ["operation:add:b", "operation:mul:b"]


@pytest.mark.parametrize(("right", "said"), [((), False), (("point",), True)])
def test_only_is_said_where_something_else_came_back_right(right, said):
    # An engine of numbers is asked nothing but numbers without dimensions.
    tested = [blame.Tested("cos", "zero-dim", False), *(blame.Tested("cos", feature, True) for feature in right)]
    seen = [Observation("cos", "zero-dim", "a", 2 * ONES, ONES, ONES, ONES, {"a": ONES}, {})]
    assert ("(only: zero-dim)" in blame.blame_alone(tested, seen)[0].explanation) == said
