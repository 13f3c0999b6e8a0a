"""The table of operations: what NumPy and PyTorch compute under one name is the same, and every question about it can be asked."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from verifier.contracts.engine.alone import cases_of
from verifier.contracts.engine.claims import engine_of
from verifier.contracts.engine.endings import ended, shape_of, values_of
from verifier.contracts.engine.graph import VARIANT
from verifier.contracts.engine.operations.table import ALIASES, OPERATIONS, value_of
from verifier.contracts.engine.operations.variants import VARIANTS
from verifier.oracles.engine.graphs import refer_graph
from verifier.oracles.engine.operations import REFERENCES

ENGINE = engine_of(
    {
        "functions": {name: {"names": ["a"]} for name in ("leaf", "value", "backward", "gradient")},
        "operations": {name: {"any": True} for name in OPERATIONS},
    }
)
MOST_NUMBERS = 400  # of one question: there are thousands, and an engine may take a while for each


def test_every_operation_has_its_reference_and_every_alias_an_operation():
    assert set(OPERATIONS) == set(REFERENCES)
    assert set(ALIASES.values()) <= set(OPERATIONS)


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_question_can_be_computed_and_is_small(name):
    with np.errstate(all="ignore"):  # at the edge of its domain log is infinite
        for case in cases_of(ENGINE.entries[name], ENGINE, seed=1):
            values = values_of(case.graph)
            assert not any(np.isnan(values[node.output]).any() for node in case.graph.nodes), case.feature
            assert sum(array.size for array in case.graph.arrays.values()) <= MOST_NUMBERS, case.feature


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_both_compute_the_same_on_every_question(name):
    cases = cases_of(ENGINE.entries[name], ENGINE, seed=1)
    assert cases
    for case in cases[:: max(1, len(cases) // 2)]:
        graph = ended(case.graph, "weighted", np.random.default_rng(3), shape_of(case.graph, "y"))
        reference, values = refer_graph(graph, epsilon=2.0**-52), values_of(graph)
        for node, answered in reference.values.items():
            assert answered.right.shape == values[node].shape
            assert np.all(np.abs(answered.right - values[node]) <= answered.tolerance + 1e-300), (name, case.feature, node)


OTHERWISE = [(name, variant) for name, variants in VARIANTS.items() for variant in variants]


@pytest.mark.parametrize(("name", "variant"), OTHERWISE)
def test_both_compute_the_same_under_each_other_definition(name, variant):
    case = cases_of(ENGINE.entries[name], ENGINE, seed=1)[1 if name == "linear" else 0]  # both definitions take a square weight
    first = case.graph.nodes[0]
    node = replace(first, options={**{key: value for key, value in first.options.items() if key == "axis"}, VARIANT: variant})
    graph = replace(case.graph, nodes=(node, *case.graph.nodes[1:]))
    reference, values = refer_graph(graph, epsilon=2.0**-52, copies=1), values_of(graph)
    answered, right = reference.values[node.output], values[node.output]
    assert answered.right.shape == right.shape
    assert np.all(np.abs(answered.right - right) <= answered.tolerance + 1e-300)


def test_a_layer_norm_is_over_the_last_axis_of_any_rank():
    generator = np.random.default_rng(1)
    for shape in ((2, 3), (2, 3, 4), (2, 1, 3, 4)):
        x, weight, bias = generator.normal(size=shape), generator.normal(size=shape[-1]), generator.normal(size=shape[-1])
        right = torch.nn.functional.layer_norm(torch.from_numpy(x), shape[-1:], torch.from_numpy(weight), torch.from_numpy(bias))
        # Two orders of the same sums of at most four numbers: a few last bits of the largest term.
        assert np.all(
            np.abs(value_of("layer_norm", [x, weight, bias], {}) - right.numpy()) <= 64 * np.finfo(np.float64).eps * np.abs(x).max()
        )


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if one.kind in ("unary", "binary") and one.domain(0).low < 0])
def test_an_operation_is_asked_over_numbers_of_both_signs_where_it_takes_them(name):
    plain = [case.graph for case in cases_of(ENGINE.entries[name], ENGINE, seed=1) if case.feature == "plain"]
    signs = {sign for graph in plain for leaf in graph.leaves for sign in np.sign(graph.arrays[leaf]).ravel().tolist()}
    assert signs >= {-1.0, 1.0}
