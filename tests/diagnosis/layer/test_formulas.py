"""The formulas that a diagnosis reads mistakes by: their terms add up to PyTorch's gradient, whatever right code may choose."""

from itertools import product

import numpy as np
import pytest

from verifier.contracts.layer.operations.catalogue import operations
from verifier.diagnosis.layer.formulas.catalogue import formulas_of
from verifier.diagnosis.layer.formulas.formula import Given
from verifier.oracles.layer_operations.catalogue import gradients_of, outputs_of
from verifier.problems.sizes import parse_shape

SIZES = {"N": 3, "T": 4, "S": 5, "D": 2, "H": 4, "E": 3, "C": 2, "F": 3, "W": 3, "HH": 2, "WW": 3, "M": 4, "L": 5, "K": 2}
CONVOLUTIONS = {"stride": (1, 2), "pad": (0, 1), "flip": (False,)}
KNOWN = [
    "rnn_step",
    "rnn",
    "lstm_step",
    "lstm",
    "gru_step",
    "gru",
    "attention",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "max_pool2d",
]
POOLS = {"window": (2, 3), "stride": (1, 2), "pad": (0,), "ceil": (False,)}


@pytest.mark.parametrize("name", KNOWN)
def test_the_terms_add_up_to_the_gradient(name):
    operation, generator = operations()[name], np.random.default_rng(0)
    arrays = {array: generator.normal(size=parse_shape(letters).of(SIZES)) for array, letters in operation.arrays.items()}
    variants = CONVOLUTIONS if name.startswith("conv") else POOLS if name == "max_pool2d" else operation.variants
    checked = 0
    for chosen in product(*variants.values()):
        values = {**SIZES, **dict(zip(variants, chosen, strict=True))}
        cotangents = tuple(generator.normal(size=output.shape) for output in outputs_of(name, arrays, values))
        right = gradients_of(name, arrays, values, cotangents, list(arrays))
        given = Given(arrays, cotangents[0], values, cotangents=cotangents)
        for array in arrays:
            formulas = formulas_of(name, array)
            if formulas is None:
                continue
            checked += 1
            assert sum(formulas.terms(given).values()) == pytest.approx(right[array], abs=1e-11)
            for says, one in formulas.instead(given).items():
                assert np.shape(one) == right[array].shape, says
    assert checked >= 3


@pytest.mark.parametrize(("x", "a"), [((3, 4), (4,)), ((3, 4), (1,)), ((2, 3, 4, 2), (3,)), ((3, 4), ())])
def test_the_slopes_of_prelu_are_of_columns_channels_or_everything(x, a):
    generator = np.random.default_rng(0)
    arrays = {"x": generator.normal(size=x), "a": generator.normal(size=a)}
    c = generator.normal(size=x)
    wide = arrays["a"].reshape(1, -1, 1, 1) if len(x) > 2 else arrays["a"]
    given, below = Given(arrays, c, {}), np.minimum(arrays["x"], 0) * c
    axes = (0, 2, 3) if len(x) > 2 else 0 if a == (4,) else None
    for part, right in (("x", c * np.where(arrays["x"] > 0, 1, wide)), ("a", below.sum(axis=axes).reshape(a))):
        formulas = formulas_of("prelu", part)
        assert sum(formulas.terms(given).values()) == pytest.approx(right)
        assert all(np.shape(one) == right.shape for one in formulas.instead(given).values())


@pytest.mark.parametrize("name", ["smooth_l1_loss", "mse_loss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "all", "half", "half_mean", "half_all"])
def test_the_terms_of_a_loss_add_up_under_each_reduction(name, reduction):
    generator = np.random.default_rng(0)
    arrays = {"x": 2 * generator.normal(size=(3, 4)), "y": generator.normal(size=(3, 4))}
    values = {"reduction": reduction}
    right = gradients_of(name, arrays, values, (np.array(1.0),), ["x"])
    formulas = formulas_of(name, "x")
    assert sum(formulas.terms(Given(arrays, np.array(1.0), values)).values()) == pytest.approx(right["x"])
    assert all(one.shape == (3, 4) for one in formulas.instead(Given(arrays, np.array(1.0), values)).values())
