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


@pytest.mark.parametrize(("feature", "shape", "index"), INDICES, ids=lambda one: str(one))
def test_an_index_that_travelled_as_plain_data_reads_the_same(feature, shape, index):
    array = np.arange(float(np.prod(shape))).reshape(shape)
    travelled = decode_index(json.loads(json.dumps(encode_index(index))))
    assert np.array_equal(array[travelled], array[index])
