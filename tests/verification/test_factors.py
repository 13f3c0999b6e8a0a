"""A factor on the whole gradient, told by the law that it follows over networks of other batches and outputs."""

import pytest

DELTA = "delta = 2.0 * (output - y) / len(y) * output * (1.0 - output)"

FACTORS = {
    # what the delta is multiplied with -> words of the explanation
    "0.5": "exactly half",
    "2": "exactly twice",
    "-1": "minus one times",
    "0": "zero",
    "len(y)": "(batch size) times",
    "1 / len(y)": "1/(batch size) times",
    "y.shape[1]": "(number of outputs) times",
    "1 / y.shape[1]": "1/(number of outputs) times",
    "y.size": "(batch size × number of outputs) times",
}


@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_on_every_gradient_is_named_by_its_law(factor, report, plain):
    found = report(plain.but(DELTA, f"{DELTA} * ({factor})"))
    assert found.verdict == "fail"
    explanation = found.diagnosis[0].explanation
    assert FACTORS[factor] in explanation and "its own loss" in explanation
    assert found.summary.startswith(explanation)


def test_a_factor_without_a_law_is_given_as_a_number(report, plain):
    found = report(plain.but(DELTA, f"{DELTA} * 0.7"))
    assert found.verdict == "fail"
    assert "0.7 times" in found.diagnosis[0].explanation


L2 = '# l2 = 0.1\n# losses = ["squared_error"]\n'


def test_a_factor_on_the_data_part_alone_is_told_apart_from_the_penalty(report, plain):
    regularised = plain.but('# losses = ["squared_error"]\n', L2)
    penalty = "0.1 * sum(np.sum(w**2) for w in weights)"
    regularised = regularised.but("activations[-1]) ** 2) / len(y)", f"activations[-1]) ** 2) / len(y) + {penalty}")
    plain_products = "[delta.T @ a for delta, a in zip(layer_deltas,"
    right = regularised.but(plain_products, "[delta.T @ a + 0.2 * w for delta, w, a in zip(layer_deltas, weights,")
    assert report(right).verdict == "pass"
    found = report(right.but(DELTA, f"{DELTA} * y.shape[1]"))
    assert found.verdict == "fail"
    assert "data part of the gradient is (number of outputs) times that of its own loss" in found.diagnosis[0].explanation


def test_single_precision_is_told_from_numerical_differentiation(report, plain):
    rounded = "weights, biases, x = [np.float32(w) for w in weights], [np.float32(b) for b in biases], np.float32(x)"
    first = "    _, activations = forward(weights, biases, x)\n    loss"
    found = report(plain.but(first, f"    {rounded}\n{first}"))
    assert found.verdict == "fail"
    assert "float32" in found.diagnosis[0].explanation
    inexact = report(plain.but("weight_gradients = [delta.T @ a for", "weight_gradients = [np.round(delta.T @ a, 9) for"))
    assert inexact.verdict == "fail"
    assert not any("float32" in diagnosis.explanation for diagnosis in inexact.diagnosis)
