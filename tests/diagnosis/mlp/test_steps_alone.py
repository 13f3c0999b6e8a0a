"""A candidate that only steps: what is wrong with its step is said of the step, not of a gradient that nobody saw."""

import pytest

UPDATE = """

def update(weights, biases, x, y, eta):
    _, gw, gb = backprop(weights, biases, x, y)
    BODY
    return W, B
"""
ALONG = "W, B = [w - ({0}) * v for w, v in zip(weights, gw)], [b - ({0}) * v for b, v in zip(biases, gb)]"
BEFORE = "new, key = gw + gb, str([w.shape for w in weights]); old = kept.get(key, [0 * v for v in new]); kept[key] = new"
STEPS = {
    "divided by the rate": (ALONG.format("1 / eta"), "by 1 / η"),
    "clipped": (f"gw, gb = ([np.clip(v, -0.01, 0.01) for v in vs] for vs in (gw, gb)); {ALONG.format('eta')}", "to ± 0.01"),
    "without the biases": (f"{ALONG.format('eta')}; B = biases", "never moves the biases"),
    "not at all": ("W, B = weights, biases", "moves nothing"),
    "the gradient before": (
        f"{BEFORE}; W = [w - eta * v - 0.5 * o for w, v, o in zip(weights, gw, old)]; "
        "B = [b - eta * v - 0.5 * o for b, v, o in zip(biases, gb, old[len(gw):])]",
        "adds 0.5 times the gradient of the step before",
    ),
}


@pytest.mark.parametrize(("body", "said"), STEPS.values(), ids=STEPS)
def test_its_law_is_named(body, said, told_of):
    verdict, [first, *_] = told_of(claims='# entry = "update"\n', after=UPDATE.replace("BODY", body))
    assert (verdict, first.equation) == ("fail", "update")
    assert said in first.explanation


def test_a_wrong_gradient_below_a_right_step_keeps_its_name(told_of):
    pieces = {"claims": '# entry = "update"\n', "after": UPDATE.replace("BODY", ALONG.format("eta"))}
    _, [first, *_] = told_of(slope="1", **pieces)
    assert (first.fault, first.equation) == ("hidden-derivative-missing", "hidden-delta")
    assert "own loss" not in first.explanation
