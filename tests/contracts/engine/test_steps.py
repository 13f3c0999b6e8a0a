"""What is proposed for a graph that grows can be computed."""

import json

import numpy as np
import pytest

from verifier.contracts.engine.forms.joining import INDICES
from verifier.contracts.engine.operations.joining import decode_index, encode_index
from verifier.contracts.engine.operations.table import value_of
from verifier.contracts.engine.steps import propose


def test_a_vector_is_sliced_too():
    vector = np.arange(5.0)
    for seed in range(10):
        name, operands, options = propose({"getitem": {"slice"}}, {"a": vector}, np.random.default_rng(seed))
        assert (name, operands) == ("getitem", ("a",))
        assert value_of(name, [vector], options).ndim == 1


def test_operations_of_two_operands_are_preferred_and_those_of_one_still_met():
    values, generator = {"a": np.ones(3), "b": np.ones(3)}, np.random.default_rng(0)
    features = {name: {"plain"} for name in ("mul", "exp", "tanh", "sin", "neg")}
    names = [proposed[0] for _ in range(300) if (proposed := propose(features, values, generator)) is not None]
    counts = {name: names.count(name) for name in features}
    assert counts["mul"] == max(counts.values())
    assert sum(counts.values()) - counts["mul"] > len(names) / 4
    assert all(counts.values())


@pytest.mark.parametrize(("feature", "shape", "index"), INDICES, ids=lambda one: str(one))
def test_an_index_that_travelled_as_plain_data_reads_the_same(feature, shape, index):
    array = np.arange(float(np.prod(shape))).reshape(shape)
    travelled = decode_index(json.loads(json.dumps(encode_index(index))))
    assert np.array_equal(array[travelled], array[index])
