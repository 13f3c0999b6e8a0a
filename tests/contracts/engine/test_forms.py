"""The forms in which an operation is asked: each can be asked, its name says what it is, and together they leave no mistake a place."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from verifier.contracts.engine.alone import cases_of
from verifier.contracts.engine.claims import engine_of
from verifier.contracts.engine.forms.form import Form
from verifier.contracts.engine.forms.table import forms
from verifier.contracts.engine.operations.joining import decode_index
from verifier.contracts.engine.operations.table import OPERATIONS, value_of

ENGINE = engine_of(
    {
        "functions": {name: {"names": ["a"]} for name in ("leaf", "value", "backward", "gradient")},
        "operations": {name: {"any": True} for name in OPERATIONS},
    }
)
MATRICES = ("unary", "binary", "choice", "reduction", "axis", "list", "loss", "labels")
ORDINARY = 100.0


def forms_of(*kinds: str) -> list[tuple[str, Form]]:
    return [(name, form) for name, operation in OPERATIONS.items() if operation.kind in kinds for form in forms(operation)]


@cache
def answers_of(name: str) -> list[tuple[str, dict[str, np.ndarray], np.ndarray]]:
    """Of every question: its feature, its arrays and NumPy's value."""
    found = []
    for case in cases_of(ENGINE.entries[name], ENGINE, seed=1):
        (node,) = case.graph.nodes
        with np.errstate(all="ignore"):  # at the edge of its domain log is infinite
            found.append((case.feature, dict(case.graph.arrays), value_of(name, node.given(case.graph.arrays), node.options)))
    return found


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_form_is_one_that_numpy_takes(name):
    # A form that NumPy refuses, or that is larger than an engine takes which claims nothing, would be left out without a word.
    assert [feature for feature, _, _ in answers_of(name)] == [form.feature for form in asked_of(name)]


def asked_of(name):
    """The forms of an operation whose entry takes every option: those without an axis are for entries that take none."""
    return [form for form in forms(OPERATIONS[name]) if "axis" in form.options or OPERATIONS[name].kind != "axis"]


def test_every_value_is_of_ordinary_size():
    for name in OPERATIONS:
        for feature, _, value in answers_of(name):
            assert np.all(np.abs(value[np.isfinite(value)]) <= ORDINARY), (name, feature)


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.kind in MATRICES])
def test_a_matrix_is_asked_square_and_with_unequal_sides(name):
    # What is transposed by mistake raises where sizes differ, and stays silent where they are equal.
    asked = [shape for form in forms(OPERATIONS[name]) if form.feature in ("plain", "axis") for shape in form.shapes.values()]
    sides = [set(shape) for shape in asked if len(shape) == 2 and 1 not in shape]
    assert {len(one) for one in sides} == {1, 2}


def test_what_is_called_broadcast_is_stretched():
    for name, form in forms_of("binary", "choice"):
        shapes = list(form.shapes.values())
        if form.column == "broadcasting":
            whole = np.broadcast_shapes(*shapes)
            assert any(np.prod(shape) < np.prod(whole) for shape in shapes), (name, form)
        elif form.feature == "plain":
            assert len(set(shapes)) == 1, (name, form)
    for name, form in forms_of("write"):
        places = np.zeros(form.shapes["a"])[decode_index(form.options["index"])]
        assert (places.size > np.prod(form.shapes["b"])) == (form.column == "broadcasting"), (name, form)


def test_what_is_called_unequal_is_joined_from_sizes_that_differ():
    unequal = [form for _, form in forms_of("list") if form.feature == "unequal"]
    assert unequal
    for form in unequal:
        lengths = [shape[form.options["axis"]] for shape in form.shapes.values()]
        assert len(set(lengths)) == len(lengths)


def test_nothing_that_moves_elements_may_leave_all_as_they_are():
    # An engine whose operation hands its operand on, and the cotangent back, would be right on such a question.
    for name in (name for name, operation in OPERATIONS.items() if operation.kind == "shape"):
        for feature, arrays, value in answers_of(name):
            assert not np.array_equal(value, arrays["a"]), (name, feature)


def test_a_pool_that_begins_at_zero_is_noticed():
    for feature, _, value in answers_of("max_pool2d"):
        assert np.any(value < 0), feature
        assert np.any(value > 0), feature


def test_an_engine_of_at_most_five_elements_an_axis_is_asked_all_but_a_few_layers():
    small, less = replace(ENGINE, largest=5), set()
    for name, entry in ENGINE.entries.items():
        if len(cases_of(entry, small, seed=1)) < len(asked_of(name)):
            less.add(name)
    assert less <= {"reshape", "conv2d"}


def test_the_largest_size_that_is_asked_is_the_one_that_an_engine_takes_which_claims_nothing():
    sizes = [size for operation in OPERATIONS.values() for form in forms(operation) for shape in form.shapes.values() for size in shape]
    assert max(sizes) == ENGINE.largest
