"""How the memory of a candidate's arguments lies when equal rows are asked."""

import numpy as np
import torch

from verifier.oracles.references.candidate import Candidate, Manner


def test_a_matrix_of_equal_rows_lies_once_in_memory_and_a_vector_as_it_is():
    met = {}

    def forward(x, v):
        met.update(x=(x.strides[0], x.copy()), v=(v.strides[0], v.copy()))
        return x @ v

    tensors = {"x": torch.arange(3.0).double().expand(4, 3).clone(), "v": torch.tensor([1.0, -2.0, 5.0]).double()}
    candidate = Candidate(forward, lambda x, v, c: (np.outer(c, v), x.T @ c), ("x", "v"), tensors, ("x", "v"))
    answered = candidate.answer(tensors, {}, lambda outputs: [np.ones_like(one) for one in outputs], Manner(inputs="rows"))
    assert (met["x"][0], met["v"][0]) == (0, 8)
    for name, tensor in tensors.items():
        assert np.array_equal(met[name][1], tensor.numpy())
    assert answered.changed == ()
