"""The smallest failing network: two layers and two units at most for typical faults, of plain numbers, the same each time."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from verifier import textbook
from verifier.checks.check import Check
from verifier.checks.examination import Examination, Finding, Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.oracles.reference import refer
from verifier.problems.storage import problem_from_bytes
from verifier.results.outcome import Outcome
from verifier.verification.shrinking import shrink

FAULTY = Path(__file__).parents[2] / "reference_impls" / "faulty"
TYPICAL = (
    "factor_two",
    "bias_averaged",
    "no_hidden_derivative",
    "tanh_derivative_unsquared",
    "outer_product_transposed",
    "mutates_inputs",
    "update_wrong_sign",
)


@pytest.mark.parametrize("fault", TYPICAL)
def test_a_typical_fault_shrinks_to_two_layers_of_two_units_at_most(fault, judged):
    found = judged(FAULTY / f"{fault}.py")
    problem = problem_from_bytes(found.counterexample)
    network = architecture_of(problem)
    assert network.layers <= 2 and max(network.widths) <= 2 and network.batch <= 2, problem.description
    assert found.report.counterexample.problem == problem.description
    for name, array in problem.arrays.items():
        assert np.array_equal(np.array(found.report.counterexample.arrays[name]).reshape(array.shape), array)
        assert np.all(array * 4 == np.round(array * 4)), "numbers to work by hand"
    right = textbook.evaluate(problem)
    for name, gradient in found.report.counterexample.reference.items():
        assert np.max(np.abs(np.array(gradient) - right.gradients[name])) <= 4 * np.finfo(float).eps * np.max(np.abs(gradient))


FIRST_OF_EQUALS = "np.isin(np.arange(len(x)), np.unique(np.hstack([x, y]), axis=0, return_index=True)[1])[:, None]"
UNUSUAL = {
    "equal samples": ("[delta.T @ a for delta, a", f"[({FIRST_OF_EQUALS} * delta).T @ a for delta, a"),
    "large inputs": ("layer_inputs = [x,", "layer_inputs = [np.clip(x, -8, 8),"),
}


@pytest.mark.parametrize(("old", "new"), UNUSUAL.values(), ids=UNUSUAL)
def test_what_needs_unusual_numbers_is_made_smaller_with_such_numbers(old, new, judged, plain):
    found = judged(plain.but(old, new))
    network = architecture_of(problem_from_bytes(found.counterexample))
    assert found.report.verdict == "fail"
    assert network.layers == 1 and max(network.widths) == 1 and network.batch <= 2


def test_the_search_finds_the_same_network_each_time(judged):
    first, second = (judged(FAULTY / "bias_averaged.py").report.counterexample for _ in range(2))
    assert first == second


def test_another_seed_may_find_another_network_that_fails_all_the_same(judged):
    found = judged(FAULTY / "bias_averaged.py", seed=5)
    assert architecture_of(problem_from_bytes(found.counterexample)).batch == 2  # with one sample there is nothing to see
    assert found.report.counterexample.claimed != found.report.counterexample.reference


def test_a_fault_that_only_large_networks_show_keeps_the_network_that_failed(judged, plain):
    only_wide = "    if max(map(len, weights)) > 5:\n        activations[-1] = activations[-1] + 1\n"
    wide = plain.but("    loss = np.sum(", f"{only_wide}    loss = np.sum(")
    found = judged(wide)
    assert found.report.verdict == "fail"
    assert max(architecture_of(problem_from_bytes(found.counterexample)).widths) > 5


def test_a_candidate_that_fails_on_every_second_call_still_ends_in_a_report(judged, plain):
    sometimes = "    if next(calls) % 2:\n        bias_gradients[0] = bias_gradients[0] + 1\n"
    flaky = plain.but("    return loss, weight", f"{sometimes}    return loss, weight")
    found = judged(flaky + "\n\nimport itertools\n\ncalls = itertools.count()\n")
    assert found.report.verdict == "fail"
    assert found.report.counterexample is not None


def test_a_passing_candidate_has_no_counterexample(judged, plain):
    found = judged(plain)
    assert (found.counterexample, found.report.counterexample) == (None, None)


def test_the_counterexample_of_a_network_in_float32_is_one_in_float32(judged):
    source = (FAULTY / "factor_two.py").read_text(encoding="utf-8")
    found = judged(source.replace('# contract = "mlp"\n', '# contract = "mlp"\n# dtypes = ["float32"]\n'))
    assert problem_from_bytes(found.counterexample).dtype == "float32"
    assert found.report.verdict == "fail"


def test_a_gradient_that_is_not_finite_can_be_written_down(judged, plain):
    found = judged(plain.but("delta.sum(axis=0)", "delta.sum(axis=0) * np.nan"))
    assert found.report.verdict == "fail"
    assert msgspec.json.encode(found.report)
    assert "nan" in str(found.report.counterexample.claimed["biases[0]"])


class Right:
    """A candidate that answers right, and counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def gradients(self, problem, *, where):
        self.asked += 1
        return textbook.evaluate(problem)


@pytest.mark.parametrize("budget", [0, 3, 20])
def test_a_search_that_finds_nothing_ends_at_its_budget_with_the_network_that_failed(budget):
    claims, candidate = Claims(), Right()
    problem = draw_problem(Architecture((3, 3, 2), ("sigmoid",) * 2, "squared_error", 2), Recipe(), claims, seed=0, index=0)
    item = Item(0, problem, refer(problem))
    never = Check("never", "fails on no small network", lambda examination: Finding(Outcome("never", "pass", "")), shrinkable=True)
    examination = Examination(claims, "backprop", (item,), (), {0: textbook.evaluate(problem)}, candidate, 0, 0)
    found = shrink(examination, never, item, budget=budget)
    assert found.answered.problem is problem
    assert candidate.asked == budget + 1  # and once for the network that failed
