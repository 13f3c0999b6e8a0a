"""A problem worked by hand, and the worked example that the mathematics came with."""

import math

import pytest

from benchmarks.diagnosis_power import Asked
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.contracts.mlp.smallest import smallest_problems
from verifier.diagnosis.mlp.walkthrough import claimed_of, work_through
from verifier.diagnosis.mlp.worked_example import CONTRADICTION, worked_example
from verifier.oracles.reference import Answered, refer
from verifier.results.evaluation import Evaluation


def small_problem(claims=None, layers=2, batch=1):
    claims = claims or Claims()
    return next(smallest_problems(claims, _like(claims, layers), layers))


def _like(claims, layers):
    from verifier.contracts.mlp.network import Architecture

    output, loss = claims.pairs()[0]
    return Architecture((2,) * (layers + 1), (*claims.activations[:1] * (layers - 1), output), loss, 2)


def worked(fault):
    problem = small_problem()
    reference = refer(problem)
    one = Answered(problem, reference, Asked("vectorised", Claims(), [fault] if fault else []).gradients(problem, where=""))
    return work_through(problem, reference, claimed_of(one, Claims(), {}, {}))


def test_right_code_parts_nowhere():
    assert not any(step.parts for step in worked(None))


@pytest.mark.parametrize(
    ("fault", "equation"),
    [
        ("output-derivative-missing", "output-delta"),
        ("hidden-derivative-missing", "hidden-delta"),
        ("activation-left-out", "weight-gradient"),
        ("bias-sign", "bias-gradient"),
    ],
)
def test_the_first_line_that_parts_is_that_of_the_broken_equation(fault, equation):
    assert next(step.equation for step in worked(fault) if step.parts) == equation


def test_the_arithmetic_on_the_page_gives_the_number_beside_it():
    [delta] = [step for step in worked(None) if step.name == "deltas[1]"]
    numbers = delta.text.rpartition(" = ")[2].replace("·", "*").replace(" (", "*(")
    assert math.isclose(eval(numbers), delta.right, rel_tol=1e-3)  # five digits on the page


def test_a_page_has_every_parameter_once_as_gradient_and_once_as_update():
    steps, problem = worked(None), small_problem()
    parameters = sum(array.size for name, array in problem.arrays.items() if name.startswith(("weights", "biases")))
    assert sum(step.equation in ("weight-gradient", "bias-gradient") for step in steps) == parameters
    assert sum(step.equation == "update" for step in steps) == parameters


def test_small_problems_come_by_size_and_without_zeros():
    problems = list(smallest_problems(Claims(), _like(Claims(), 2), 2))
    sizes = [(sum(architecture_of(p).widths), architecture_of(p).batch) for p in problems]
    assert sizes == sorted(sizes)
    assert all(array.all() for problem in problems for name, array in problem.arrays.items() if name != "y")


def test_the_worked_example_as_it_is_printed_and_as_it_is():
    lines = {line.formula.split(" = ")[0].split(" ←")[0]: line for line in worked_example()}
    assert [f"{lines[name].exact:.5f}" for name in ("h", "z_out", "ŷ", "L")] == ["0.75026", "0.60021", "0.64570", "0.12553"]
    assert f"{lines['δ_out'].exact:.5f} {lines['δ_h'].exact:.5f}" == "-0.08105 -0.01215"
    for line in lines.values():
        assert line.printed is None or math.isclose(line.rounded, float(line.printed), abs_tol=1e-12)
    assert {name for name, line in lines.items() if line.by_rounding} == {"L", "δ_h", "∂L/∂w₁", "∂L/∂w₂"}
    assert all(math.isclose(line.full, 2 * line.exact) for name, line in lines.items() if name.startswith(("δ", "∂")))
    assert "factor ½" in CONTRADICTION


def test_where_a_step_came_back_no_delta_is_read_from_it():
    problem = small_problem()
    reference = refer(problem)
    right = Asked("vectorised", Claims(), []).gradients(problem, where="")
    stepped = {name: problem.arrays[name] - 0.1 * gradient for name, gradient in right.gradients.items()}
    one = Answered(problem, reference, Evaluation(right.loss, None, stepped))
    steps = work_through(problem, reference, claimed_of(one, Claims(), {}, {}, equation="update"))
    parting = [step.equation for step in steps if step.parts]
    assert parting
    assert not any(equation.endswith("-delta") for equation in parting)
