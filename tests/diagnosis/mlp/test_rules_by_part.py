"""Two findings in one path of steps are both said: a rule, and weights that are updated before they are used, or other parameters' rule."""

import numpy as np
import pytest

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, with_arrays
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.diagnosis.mlp.rules_by_part import explain_by_parts
from verifier.oracles.reference import refer
from verifier.oracles.steps import Path
from verifier.problems.optimizers import Rule

CLAIMS = Claims(activations=("tanh",), output_activations=("sigmoid",))


def plain(state, g, rate):
    return rate * g


def momentum(state, g, rate):
    state["v"] = 0.9 * state.get("v", 0 * g) + g
    return rate * state["v"]


def adam(state, g, rate):
    m, v, t = state.get("kept", (0 * g, 0 * g, 0))
    m, v, t = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g, t + 1
    state["kept"] = m, v, t
    return rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def stepped(problem, states, move, *, early):
    """One step by the equations, written out: `early` takes each layer's before δ goes through its weights."""
    arrays = {name: problem.arrays[name].copy() for name in problem.program.differentiate}
    last = architecture_of(problem).layers - 1
    a = [problem.arrays["x"]]
    for layer in range(last + 1):
        z = a[-1] @ arrays[f"weights[{layer}]"].T + arrays[f"biases[{layer}]"]
        a.append(np.tanh(z) if layer < last else 1 / (1 + np.exp(-z)))
    delta = 2 * (a[-1] - problem.arrays["y"]) / len(a[0]) * a[-1] * (1 - a[-1])
    for layer in reversed(range(last + 1)):
        old = arrays[f"weights[{layer}]"].copy()
        for name, g in ((f"weights[{layer}]", delta.T @ a[layer]), (f"biases[{layer}]", delta.sum(axis=0))):
            arrays[name] -= move(name)(states.setdefault(name, {}), g, 0.1)
        delta = delta @ (arrays[f"weights[{layer}]"] if early else old) * (1 - a[layer] ** 2)
    return arrays


def paths_of(move, *, early=False):
    found = []
    for problem, _ in draw_probes(CLAIMS, seed=5, count=3):
        problems, afters, states = [problem], [], {}
        for _ in range(6):
            afters.append(stepped(problems[-1], states, move, early=early))
            problems.append(with_arrays(problem, afters[-1]))
        found.append(Path(problems[:-1], [refer(one) for one in problems[:-1]], afters, 0.1))
    return found


RULES = {"momentum 0.9": momentum, "Adam": adam}


@pytest.mark.parametrize("words", RULES)
def test_a_rule_beside_weights_updated_too_early(words):
    told = explain_by_parts(paths_of(lambda name: RULES[words], early=True), None, seed=0)
    assert told.fault == "updated-before-propagated"
    assert "before they carry the delta down" in told.explanation
    assert f"And also: `update` steps by {words}" in told.explanation


@pytest.mark.parametrize("velocity", ["gradient", "step"])  # one rule while the rate stands still
def test_a_declared_rule_is_not_told_as_another(velocity):
    declared = Rule("sgd", (("momentum", 0.9), ("velocity", velocity)))
    told = explain_by_parts(paths_of(lambda name: momentum, early=True), declared, seed=0)
    assert "before they carry the delta down" in told.explanation and "And also" not in told.explanation


def test_weights_and_biases_by_two_rules():
    told = explain_by_parts(paths_of(lambda name: momentum if name.startswith("weights") else plain), None, seed=0)
    assert told.fault == "update-by-two-rules"
    assert "the weights by momentum 0.9" in told.explanation and "the biases by plain gradient descent" in told.explanation


def still(state, g, rate):
    return 0 * g


@pytest.mark.parametrize(
    ("move", "early"),
    [
        (lambda name: momentum, False),
        (lambda name: plain, True),  # the check says it
        (lambda name: plain if name.startswith("weights") else still, False),  # no rule moves nothing
    ],
    ids=["one rule", "plain steps", "biases that stay"],
)
def test_nothing_is_said_of_what_one_rule_or_none_explains(move, early):
    assert explain_by_parts(paths_of(move, early=early), None, seed=0) is None
