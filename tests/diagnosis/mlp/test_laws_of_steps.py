"""Laws of steps that are not along the gradient, and rules of optimisers with one mistake, each predicted to the last bits and named."""

import numpy as np
import pytest

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, with_arrays
from verifier.diagnosis.mlp.optimizers import explain_by_a_rule, tell_carried
from verifier.diagnosis.mlp.other_steps import tell_other_steps
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.oracles.reference import refer
from verifier.oracles.steps import Path
from verifier.problems.optimizers import Rule

CLAIMS = Claims(activations=("tanh",), output_activations=("sigmoid",))
RATE = 0.5


def gradients_at(problem, arrays):
    """By the four equations, written out; rows, tanh below and sigmoid at the output, squared error, mean over the batch."""
    last = architecture_of(problem).layers - 1
    a = [problem.arrays["x"]]
    for layer in range(last + 1):
        z = a[-1] @ arrays[f"weights[{layer}]"].T + arrays[f"biases[{layer}]"]
        a.append(np.tanh(z) if layer < last else 1 / (1 + np.exp(-z)))
    delta = 2 * (a[-1] - problem.arrays["y"]) / len(a[0]) * a[-1] * (1 - a[-1])
    found = {}
    for layer in reversed(range(last + 1)):
        found[f"weights[{layer}]"], found[f"biases[{layer}]"] = delta.T @ a[layer], delta.sum(axis=0)
        delta = (delta @ arrays[f"weights[{layer}]"]) * (1 - a[layer] ** 2)
    return found


def parameters_of(problem):
    return {name: problem.arrays[name] for name in problem.program.differentiate}


def step(problem, arrays, kept):
    return {name: arrays[name] - RATE * g * kept(name) for name, g in gradients_at(problem, arrays).items()}


def within_a_norm(problem, arrays, kept):
    g = gradients_at(problem, arrays)
    length = np.sqrt(sum((v**2).sum() for v in g.values()))
    return {name: arrays[name] - RATE * v * min(1.0, 0.05 / length) for name, v in g.items()}


def twice(problem, arrays, kept):
    return step(problem, step(problem, arrays, kept), kept)


LAWS = {
    "norm limit": (within_a_norm, "shortens the gradient to a norm of 0.05"),
    "two steps": (twice, "takes 2 steps in one call"),
    "output alone": (lambda p, a, kept: step(p, a, lambda n: kept(n)), "moves the output layer alone"),
    "output never": (lambda p, a, kept: step(p, a, lambda n: 1 - kept(n)), "never moves the output layer"),
}


@pytest.mark.parametrize(("law", "said"), LAWS.values(), ids=LAWS)
def test_the_law_is_named(law, said):
    probes = []
    for problem, reference in draw_probes(CLAIMS, seed=2, count=10):
        last = architecture_of(problem).layers - 1

        def of_output(name, last=last):
            return 1.0 * name.endswith(f"[{last}]")

        kept = of_output if "output" in said else lambda name: 1.0
        probes.append((problem, reference, law(problem, parameters_of(problem), kept)))
    told = tell_other_steps(probes, RATE)
    assert (told.fault, told.equation) == ("update-by-another-law", "update")
    assert said in told.explanation


def adam_without_correcting_v(state, g, count):
    m, v = state.get("m", 0 * g), state.get("v", 0 * g)
    state["m"], state["v"] = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return state["m"] / (1 - 0.9**count) / np.sqrt(state["v"] + 1e-8)


def momentum_added_twice(state, g, count):
    kept = 0.9 * state.get("v", 0 * g)
    state["v"] = kept + g
    return kept + state["v"]


def squares_kept(state, g, count):
    """Carries something that no rule carries."""
    state["v"] = state.get("v", 0 * g) + (g * g if count > 1 else 0)
    return g + state["v"]


def path_of(problem, rate, move, decayed=lambda array: 0.0):
    problems, references, afters, states = [], [], [], {}
    for count in range(1, 6):
        problems.append(problem)
        references.append(refer(problem))
        after = {}
        for name, g in gradients_at(problem, parameters_of(problem)).items():
            start = problem.arrays[name]
            after[name] = start - rate * (move(states.setdefault(name, {}), g, count) + decayed(start) * start)
        afters.append(after)
        problem = with_arrays(problem, after)
    return Path(problems, references, afters, rate)


def paths_of(rate, move, decayed=lambda array: 0.0):
    return [path_of(problem, rate, move, decayed) for problem, _ in draw_probes(CLAIMS, seed=5, count=2)]


MISTAKES = {
    "v not corrected, ε inside": (Rule("adam"), 0.01, adam_without_correcting_v, lambda a: 0.0, "divides m only, and ε stands inside"),
    "momentum twice": (Rule("sgd", (("momentum", 0.9), ("nesterov", True))), 0.1, momentum_added_twice, lambda a: 0.0, "added twice"),
    "weights alone decay": (
        Rule("sgd", (("weight_decay", 0.01),)),
        0.1,
        lambda state, g, count: g,
        lambda a: 0.01 * (a.ndim == 2),
        "Only the weights decay",
    ),
}


@pytest.mark.parametrize(("rule", "rate", "move", "decayed", "said"), MISTAKES.values(), ids=MISTAKES)
def test_the_mistake_of_a_declared_rule_is_named(rule, rate, move, decayed, said):
    told = explain_by_a_rule(paths_of(rate, move, decayed), rule, seed=0)
    assert told.fault == "update-rule-with-a-mistake"
    assert said in told.explanation


def test_gradients_that_are_right_are_not_said_to_be_the_place_to_look():
    rule = Rule("sgd", (("momentum", 0.9), ("nesterov", True)))
    told = explain_by_a_rule(paths_of(0.1, squares_kept), rule, seed=0, right_gradients=True)
    assert told.fault == "no-known-mistake"
    assert "the gradients are right, so it is the rule" in told.explanation and "look at the gradients" not in told.explanation


def test_what_no_rule_explains_is_said_to_be_carried_from_step_to_step():
    told = tell_carried(paths_of(0.1, squares_kept), seed=0)
    assert told.equation == "update" and "something is carried from one step to the next" in told.explanation
    assert tell_carried(paths_of(0.1, lambda state, g, count: g), seed=0) is None
