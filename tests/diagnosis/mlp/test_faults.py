"""The catalogue: what it must hold, and that every fault in it is one piece of the textbook replaced."""

import numpy as np
import pytest

from verifier import textbook
from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.diagnosis.mlp.faults import BY_ID, FAULTS, PREDICTING
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.diagnosis.mlp.selftesting import CONTRACTS, constant_of, shows_under
from verifier.diagnosis.mlp.variation import Hypothesis, Inapplicable, predict, predict_nominal, single, sweep_faulty
from verifier.results.equations import EQUATIONS


def problem_of(widths=(3, 2, 2), activations=("tanh", "sigmoid"), loss="squared_error", batch=3, claims=None):
    return draw_problem(Architecture(widths, activations, loss, batch), Recipe(), claims or Claims(), seed=4, index=0)


def test_there_are_at_least_45_faults_and_each_has_its_own_name():
    assert len(FAULTS) >= 45
    assert len(BY_ID) == len(FAULTS)


def test_each_fault_says_which_equation_it_breaks_and_what_to_do():
    for fault in FAULTS:
        assert fault.equation in EQUATIONS, fault.id
        assert fault.explanation.endswith(".") and fault.hint.endswith((".", "?")), fault.id
        assert len(fault.explanation) < 140, fault.id
        assert ("{c}" in fault.explanation) == (fault.constant is not None and fault.constant.words != "form"), fault.id


@pytest.fixture(scope="module")
def items():
    return {claims: [Item(i, p, r) for i, (p, r) in enumerate(draw_probes(claims, seed=0, count=9))] for _, claims in CONTRACTS}


@pytest.mark.parametrize("fault", PREDICTING, ids=lambda fault: fault.id)
def test_each_fault_changes_the_gradient_under_some_contract(fault, items):
    assert any(shows_under(fault, items[claims], claims) for _, claims in CONTRACTS)


def test_no_fault_gives_the_textbook():
    problem = problem_of()
    _, _, evaluation = sweep_faulty(problem, Claims(), Hypothesis((), ()), textbook.double(problem.arrays))
    right = textbook.evaluate(problem).gradients
    assert all(np.array_equal(evaluation.gradients[name], right[name]) for name in right)


def test_hidden_faults_leave_the_output_layer_alone():
    problem = problem_of()
    right = textbook.evaluate(problem).gradients
    predicted = predict_nominal(problem, Claims(), single(BY_ID["hidden-derivative-missing"]))
    assert np.array_equal(predicted["weights[1]"], right["weights[1]"])
    assert not np.allclose(predicted["weights[0]"], right["weights[0]"])


def test_a_fault_that_needs_square_layers_cannot_run_on_others():
    problem = problem_of(widths=(4, 3, 2))
    assert predict(problem, Claims(), single(BY_ID["untransposed-weights"])) is None
    with pytest.raises(Inapplicable):
        sweep_faulty(problem, Claims(), single(BY_ID["untransposed-weights"]), textbook.double(problem.arrays))


def test_two_faults_combine():
    problem = problem_of()
    both = Hypothesis((BY_ID["hidden-derivative-missing"], BY_ID["sign"]), (0.0, 0.0))
    one = predict_nominal(problem, Claims(), single(BY_ID["hidden-derivative-missing"]))
    combined = predict_nominal(problem, Claims(), both)
    assert all(np.array_equal(combined[name], -one[name]) for name in one)


@pytest.mark.parametrize("fault", [fault for fault in PREDICTING if fault.constant is None][::7], ids=lambda fault: fault.id)
def test_a_prediction_with_scatter_is_the_nominal_one_in_the_middle(fault):
    problem = problem_of(widths=(3, 3, 3), activations=("tanh", "tanh"))
    nominal, predicted = predict_nominal(problem, Claims(), single(fault)), predict(problem, Claims(), single(fault))
    for name, gradient in nominal.items():
        assert gradient.shape == predicted.gradients[name].shape == predicted.tolerance[name].shape
        assert np.all(np.abs(gradient - predicted.gradients[name]) <= predicted.tolerance[name])


def test_constants_are_within_what_may_be_fitted():
    for fault in PREDICTING:
        if fault.constant is not None and fault.constant.choices:
            assert constant_of(fault) in fault.constant.choices, fault.id
