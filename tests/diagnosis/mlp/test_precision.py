"""Float32 inside is told by how its errors behave, not by their size: smooth errors as small as float32's are something else."""

import pytest

SOFTMAX = {
    "claims": '# losses = ["cross_entropy"]\n# output_activations = ["softmax"]\n',
    "output": "softmax(z)",
    "loss": "-(y * np.log(p)).sum() / len(x)",
    "delta": "(p - y) / len(x)",
}
TANH = {
    "claims": '# activations = ["tanh"]\n',
    "hidden": "np.tanh(z)",
    "output": "np.tanh(z)",
    "delta": "2 * (p - y) / len(x) * (1 - p**2)",
    "slope": "1 - h**2",
}
BINARY = {
    "claims": '# losses = ["binary_cross_entropy"]\n',
    "loss": "-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / len(x)",
    "delta": "(p - y) / len(x)",
}


def softmax_with(epsilon):
    return f"(lambda e: e / (e.sum(axis=1, keepdims=True) + {epsilon}))(np.exp(z - z.max(axis=1, keepdims=True)))"


def sigmoid_of(e):
    return f"1 / (1 + {e} ** (-z))"


def slope_of(e):
    again = sigmoid_of(e).replace("z", "np.log(h / (1 - h))")
    return f"{again} * (1 - {again})"


SMOOTH = {
    "e = 2.71828 in both passes": {"hidden": sigmoid_of(2.71828), "output": sigmoid_of(2.71828)},
    "e = 2.7182818 in both passes": {"hidden": sigmoid_of(2.7182818), "output": sigmoid_of(2.7182818)},
    "e = 2.71828 in the backward pass": {"slope": slope_of(2.71828)},
    "e = 2.7182818 in the backward pass": {"slope": slope_of(2.7182818)},
    "softmax with 1.5e-6": {**SOFTMAX, "output": softmax_with(1.5e-6)},
    "softmax with 1e-7 in the backward pass": {**SOFTMAX, "delta": f"({softmax_with(1e-7)} - y) / len(x)"},
    "sigmoid with 1e-8": {"hidden": "1 / (1 + np.exp(-z) + 1e-8)", "output": "1 / (1 + np.exp(-z) + 1e-8)"},
    "p(1-p) + 1e-7 below": {**BINARY, "delta": "(p - y) / (p * (1 - p) + 1e-7) * p * (1 - p) / len(x)"},
    "batch + 1e-7 below": {"delta": "2 * (p - y) / (len(x) + 1e-7) * p * (1 - p)"},
    "tanh with 1e-8": {**TANH, "hidden": "(np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z) + 1e-8)"},
}
CONSTANT = {"pi = 3.1415927": "3.1415927 / np.pi", "ln 2 = 0.693147": "0.693147 / np.log(2)"}
CUT = {
    "activations of 7 decimals": {"hidden": "np.round(sigmoid(z), 7)"},
    "activations of 8 decimals": {"hidden": "np.round(sigmoid(z), 8)"},
    "tanh of 8 decimals": {**TANH, "hidden": "np.round(np.tanh(z), 8)"},
    "a softmax of 8 decimals": {**SOFTMAX, "output": "np.round(softmax(z), 8)"},
}
FLOAT32 = {
    "everything": {
        "start": "weights, biases, x, y = [np.float32(w) for w in weights], [np.float32(b) for b in biases], np.float32(x), np.float32(y)"
    },
    "weights": {"start": "weights = [np.float32(w).astype(float) for w in weights]"},
    "biases": {"start": "biases = [np.float32(b).astype(float) for b in biases]"},
    "inputs": {"start": "x = np.float32(x).astype(float)"},
    "targets": {"start": "y = np.float32(y).astype(float)"},
    "pre-activations": {"hidden": "sigmoid(np.float32(z)).astype(float)"},
    "hidden activations": {"hidden": "np.float32(sigmoid(z)).astype(float)"},
    "tanh": {**TANH, "hidden": "np.float32(np.tanh(z)).astype(float)"},
    "softmax": {**SOFTMAX, "output": "np.float32(softmax(z)).astype(float)"},
    "delta": {"delta": "np.float32(2 * (p - y) / len(x) * p * (1 - p)).astype(float)"},
    "slope": {"slope": "np.float32(h * (1 - h))"},
    "bias gradients": {"end": "gb = [np.float32(g).astype(float) for g in gb]"},
}
ROUNDING = ("single-precision", "numerical-differentiation")


@pytest.mark.parametrize("pieces", SMOOTH.values(), ids=SMOOTH)
def test_a_rounded_constant_or_an_epsilon_is_no_rounding(pieces, told_of):
    verdict, [first, *rest] = told_of(**pieces)
    assert verdict == "fail"
    assert not {first.fault, *(other.fault for other in rest)} & set(ROUNDING)
    assert "nearly right" in first.explanation and "2.71828" in first.explanation


@pytest.mark.parametrize("factor", CONSTANT.values(), ids=CONSTANT)
def test_a_constant_of_few_digits_is_given_in_full(factor, told_of):
    _, [first] = told_of(delta=f"2 * (p - y) / len(x) * p * (1 - p) * ({factor})")
    assert first.fault == "constant-factor"
    assert " 1 times" not in first.explanation and "few digits" in first.explanation


@pytest.mark.parametrize("pieces", CUT.values(), ids=CUT)
def test_decimals_are_not_bits(pieces, told_of):
    verdict, told = told_of(**pieces)
    assert verdict == "fail"
    assert not {one.fault for one in told} & set(ROUNDING)


def test_gradients_of_eight_decimals_are_told_as_such(told_of):
    _, [first] = told_of(end="gw, gb = [np.round(g, 8) for g in gw], [np.round(g, 8) for g in gb]")
    assert first.fault == "no-known-mistake" and "rounded to 8 decimals" in first.explanation


@pytest.mark.parametrize("pieces", FLOAT32.values(), ids=FLOAT32)
def test_float32_inside_is_named_wherever_it_is(pieces, told_of):
    verdict, [first, *_] = told_of(**pieces)
    assert (verdict, first.fault) == ("fail", "single-precision")


@pytest.mark.parametrize("step", ["1e-5", "1e-7"])
def test_differences_are_still_told_from_both(step, told_of):
    # The loss once more, as a function of one moved array: forward differences over every element.
    differences = f"""
    def again():
        out = x
        for w, b in zip(weights, biases):
            out = sigmoid(out @ w.T + b)
        return ((out - y) ** 2).sum() / len(x)
    for arrays, found in ((weights, gw), (biases, gb)):
        for place, array in enumerate(arrays):
            found[place] = np.zeros_like(array)
            for index in np.ndindex(array.shape):
                before = array[index]
                array[index] = before + {step}
                found[place][index] = (again() - loss) / {step}
                array[index] = before
    """
    _, [first, *_] = told_of(end=differences.strip())
    assert first.fault == "numerical-differentiation"
