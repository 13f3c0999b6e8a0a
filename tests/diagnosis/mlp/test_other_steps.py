"""Steps that are not along the gradient are named by their law, in the real command; and a fault of deep networks gets its equation."""

import pytest

STEP = """

def update(weights, biases, x, y, learning_rate):
    _, gw, gb = backprop(weights, biases, x, y)
    eta = learning_rate
    BODY
    return W, B
"""
PLAIN = "B = [b - eta * v for b, v in zip(biases, gb)]"
LAWS = {
    "sign": (
        "W = [w - eta * np.sign(v) for w, v in zip(weights, gw)]; B = [b - eta * np.sign(v) for b, v in zip(biases, gb)]",
        "by the sign",
    ),
    "clip": (
        "W = [w - eta * np.clip(v, -0.01, 0.01) for w, v in zip(weights, gw)]; "
        "B = [b - eta * np.clip(v, -0.01, 0.01) for b, v in zip(biases, gb)]",
        "to ± 0.01",
    ),
    "norm": (
        "s = np.sqrt(sum((v ** 2).sum() for v in gw + gb)); W = [w - eta * v / s for w, v in zip(weights, gw)]; "
        "B = [b - eta * v / s for b, v in zip(biases, gb)]",
        "by its norm over all parameters",
    ),
    "first layer": (
        f"W = [w - eta * v if i else w for i, (w, v) in enumerate(zip(weights, gw))]; {PLAIN}",
        "the weights of the first layer",
    ),
    "in turns": (
        "W = [w - eta * v for w, v in zip(weights, gw)]; gb = backprop(W, biases, x, y)[2]; " + PLAIN,
        "moves the weights first",
    ),
    "weights alone wrong": (f"W = [w - eta * v ** 3 for w, v in zip(weights, gw)]; {PLAIN}", "Always right: the biases of"),
}


@pytest.mark.parametrize(("body", "said"), LAWS.values(), ids=LAWS)
def test_the_law_of_a_step_is_named(body, said, told_of):
    verdict, diagnosis = told_of(after=STEP.replace("BODY", body))
    assert verdict == "fail"
    assert diagnosis[0].equation == "update"
    assert said in diagnosis[0].explanation


def test_a_fault_that_only_deep_networks_show_gets_its_equation(told_of):
    verdict, diagnosis = told_of(slope="h * (1 - h) * (1.01 if l < len(weights) - 3 else 1)")
    assert verdict == "fail"
    assert diagnosis[0].equation == "hidden-delta", diagnosis


def test_a_hint_does_not_take_a_mean_for_a_sum(told_of):
    _, diagnosis = told_of(end="s = len(x) * y.shape[1]; gw = [g / s for g in gw]; gb = [g / s for g in gb]")
    assert "1/(batch size × number of outputs)" in diagnosis[0].explanation
    assert "is a sum" not in diagnosis[0].explanation
