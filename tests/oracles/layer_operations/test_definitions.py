"""References of layers held against their definitions, element by element, and against PyTorch's own function where it has one."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from verifier.oracles.layer_operations.catalogue import outputs_of

RANDOM = np.random.default_rng(4)


def test_the_hinge_loss_is_its_definition():
    x, y = 2 * RANDOM.normal(size=(6, 4)), np.array([0, 3, 2, 2, 1, 0])
    (found,) = outputs_of("multi_margin_loss", {"x": x, "y": y}, {"reduction": "sum"})
    by_hand = sum(max(0.0, x[n, c] - x[n, y[n]] + 1) for n in range(6) for c in range(4) if c != y[n])
    assert found == pytest.approx(by_hand, rel=1e-14)
    (mean,) = outputs_of("multi_margin_loss", {"x": x, "y": y}, {"reduction": "mean"})  # PyTorch's is also divided by the classes
    assert mean == pytest.approx(4 * float(functional.multi_margin_loss(torch.tensor(x), torch.tensor(y))), rel=1e-14)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # PyTorch's own
@pytest.mark.parametrize("window", [(1,), (2,), (5,), (3, 2), (4, 3)])
def test_a_convolution_that_keeps_the_size_is_pytorchs(window):
    name, function = (("conv1d", functional.conv1d), ("conv2d", functional.conv2d))[len(window) - 1]
    x, w = RANDOM.normal(size=(2, 3, 7, 6)[: len(window) + 2]), RANDOM.normal(size=(4, 3, *window))
    (found,) = outputs_of(name, {"x": x, "w": w}, {"stride": 1, "pad": "same", "flip": False})
    assert found.shape == (2, 4, *x.shape[2:])
    assert found == pytest.approx(function(torch.tensor(x), torch.tensor(w), padding="same").numpy(), abs=1e-13)
