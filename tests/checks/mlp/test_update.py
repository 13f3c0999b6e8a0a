"""Steps: the right gradient at every rate, the right sign, all along a path."""

import pytest

from verifier.checks.mlp import update as mlp_update


def update(verify, source):
    return verify(source, only=("update",)).outcome("update")


def test_gradient_descent_passes(verify, plain):
    assert update(verify, plain).status == "pass"


def test_without_update_there_is_nothing_to_see(verify, plain):
    assert update(verify, plain.without("update")).status == "skipped"


STEP = "weights = [w - learning_rate * g for w, g in zip(weights, by_weights)]"
MISTAKES = {
    "up the hill": (STEP, STEP.replace("w - ", "w + ")),
    "a rate of its own": (STEP, STEP.replace("learning_rate", "0.1")),
    "biases left behind": ("biases = [b - learning_rate * g for b, g in zip(biases, by_biases)]", "biases = list(biases)"),
    "its own rates alone": (STEP, STEP.replace("learning_rate", "(learning_rate if learning_rate in (2.0**20, 0.5, 0.1) else 1.0)")),
    "twice the step": (STEP, STEP.replace("learning_rate", "2 * learning_rate")),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_step_fails(mistake, verify, plain):
    assert update(verify, plain.but(*MISTAKES[mistake])).status == "fail"


def test_rates_that_are_known_by_their_value_would_let_it_pass(verify, plain, monkeypatch):
    monkeypatch.setattr(mlp_update, "_drawn_rates", lambda seed: (0.5, 0.1))
    assert update(verify, plain.but(*MISTAKES["its own rates alone"])).status == "pass"


def test_the_message_shows_the_gradient_that_the_step_shows(verify, plain):
    outcome = update(verify, plain.but(*MISTAKES["up the hill"]))
    assert outcome.message.startswith("A step is not W - η ∂L/∂W")
    assert "should be" in outcome.message


UPDATED_FIRST = """\
def update(weights, biases, x, y, learning_rate):
    weights, biases = [w.copy() for w in weights], [b.copy() for b in biases]
    z, a = forward(weights, biases, x)
    inputs = [x, *a[:-1]]
    delta = 2 * (a[-1] - y) / len(y) * slope(z[-1], a[-1])
    for l in range(len(weights) - 1, -1, -1):
        weights[l] -= learning_rate * delta.T @ inputs[l]
        biases[l] -= learning_rate * delta.sum(axis=0)
        if l:
            delta = delta @ weights[l] * slope(z[l - 1], a[l - 1])
    return weights, biases
"""


def test_weights_that_are_updated_before_they_carry_the_delta_are_told_by_what_changes_with_the_rate(verify, plain):
    verified = verify(plain.without("update") + "\n\n" + UPDATED_FIRST, only=("update",))
    assert verified.status("update") == "fail"
    assert [diagnosis.equation for diagnosis in verified.report.diagnosis] == ["hidden-delta"]
    assert "change with η" in verified.report.diagnosis[0].explanation


def test_a_first_layer_that_never_learns_does_not_change_with_the_rate(verify, plain):
    stuck = UPDATED_FIRST.replace("range(len(weights) - 1, -1, -1)", "range(len(weights) - 1, 0, -1)")
    stuck = stuck.replace("        weights[l] -=", "        below = delta @ weights[l]\n        weights[l] -=")
    stuck = stuck.replace("            delta = delta @ weights[l] *", "            delta = below *")
    verified = verify(plain.without("update") + "\n\n" + stuck, only=("update",))
    assert verified.status("update") == "fail"
    assert "updated-before-propagated" not in [diagnosis.fault for diagnosis in verified.report.diagnosis]


def test_a_step_of_which_every_layer_changes_with_the_rate_is_not_told_as_one_of_deltas(verify, plain):
    """A rate that counts twice changes the output layer too, which an order of updates never does."""
    squared = UPDATED_FIRST.replace("-= learning_rate *", "-= learning_rate * (1 + learning_rate) *")
    verified = verify(plain.without("update") + "\n\n" + squared, only=("update",))
    assert verified.status("update") == "fail"
    assert "updated-before-propagated" not in [diagnosis.fault for diagnosis in verified.report.diagnosis]


def test_the_same_code_with_the_delta_carried_first_passes(verify, plain):
    right = UPDATED_FIRST.replace("        weights[l] -=", "        below = delta @ weights[l]\n        weights[l] -=")
    right = right.replace("            delta = delta @ weights[l] *", "            delta = below *")
    assert update(verify, plain.without("update") + "\n\n" + right).status == "pass"


MOMENTUM = """

velocity = {}


def carried(layer, g):
    velocity[layer, g.shape] = g + 0.9 * velocity.get((layer, g.shape), 0)
    return velocity[layer, g.shape]
"""


def test_momentum_that_is_kept_between_calls_fails(verify, plain):
    carried = "weights = [w - learning_rate * carried(l, g) for l, (w, g) in enumerate(zip(weights, by_weights))]"
    outcome = update(verify, plain.but(STEP, carried) + MOMENTUM)
    assert outcome.status == "fail"


FROM_ITS_OWN = """

last = []


def pulled(weights):
    pulled_back = [w * (1 - 1e-6) for w in weights] if last and all(np.array_equal(w, l) for w, l in zip(weights, last)) else weights
    last[:] = pulled_back
    return pulled_back
"""


def test_a_step_that_is_wrong_only_from_its_own_weights_fails_along_the_path(verify, plain):
    shrinking = plain.but("weights = [w - learning_rate", "weights = pulled(weights)\n    weights = [w - learning_rate")
    shrinking = shrinking.but("    return weights, biases\n", "    last[:] = weights\n    return weights, biases\n")
    outcome = update(verify, shrinking + FROM_ITS_OWN)
    assert outcome.status == "fail"
    assert "after a step along a path" in outcome.message


ONLY_STEPS = "def backprop(weights, biases, x, y):"


def test_a_candidate_that_only_steps_is_judged_by_the_gradients_of_its_steps(verify, plain):
    only_steps = plain.but(ONLY_STEPS, ONLY_STEPS.replace("backprop", "_learn")).but("= backprop(", "= _learn(")
    verified = verify(only_steps)
    assert verified.verdict == "pass", verified.report.summary
    assert verified.status("autograd") == "pass"
    wrong = verify(only_steps.but("d.sum(axis=0)", "d.mean(axis=0)"))
    assert {"autograd", "update"} <= wrong.failed


def test_a_constant_rate_is_used_where_it_is_claimed_and_fails_where_it_is_not(verify, plain):
    constant = plain.but(STEP, STEP.replace("learning_rate", "0.01")).but("[b - learning_rate * g", "[b - 0.01 * g")
    constant = constant.but(ONLY_STEPS, ONLY_STEPS.replace("backprop", "_learn")).but("= backprop(", "= _learn(")
    claimed = verify(constant.claims("learning_rate = 0.01"))
    assert claimed.verdict == "pass", claimed.report.summary
    assert verify(constant).verdict == "fail"


def test_a_step_that_works_in_place_and_returns_what_it_made_passes(verify, plain):
    in_place = plain.but(STEP, "for w, g in zip(weights, by_weights):\n        w -= learning_rate * g")
    verified = verify(in_place)
    assert verified.verdict == "pass", verified.report.summary
