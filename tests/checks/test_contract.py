"""Whether every problem is answered in the claimed form, and what is accepted with a note."""

from types import SimpleNamespace

import pytest

from verifier.checks.contract import ask_all
from verifier.checks.examination import Item, Unanswered


def contract(verify, source):
    return verify(source, only=("contract",)).outcome("contract")


def test_answers_in_the_claimed_form_pass_without_a_note(verify, plain):
    outcome = contract(verify, plain)
    assert (outcome.status, outcome.problems, outcome.notes) == ("pass", 25, ())  # 20 ordinary networks, 5 saturated


def test_another_shape_of_the_same_elements_passes_with_a_note(verify, plain):
    verified = verify(plain.but("d.sum(axis=0)", "d.sum(axis=0, keepdims=True)"))
    assert verified.verdict == "pass", verified.report.summary
    assert ["biases[0] came back with shape (1," in note.message for note in verified.report.notes].count(True) == 1
    assert not any("biases[1]" in note.message for note in verified.report.notes)


def test_one_number_for_a_layers_biases_is_a_wrong_gradient_and_no_broken_contract(verify, plain):
    verified = verify(plain.but("d.sum(axis=0)", "d.sum()"))
    assert verified.status("contract") == "pass"
    assert verified.outcome("autograd").tensor.startswith("biases")
    assert verified.verdict == "fail"


def test_a_wrong_number_of_elements_is_an_error_that_names_tensor_and_shapes(verify, plain):
    outcome = contract(verify, plain.but("[d.T @ i for", "[(d.T @ i)[:, :1] if i.shape[1] > 1 else np.ones((5, 5)) for"))
    assert outcome.status == "error"
    assert "weights[0] came back with shape" in outcome.message and "it must have shape" in outcome.message
    assert "student.py, in backprop" in outcome.message and "Network " in outcome.message


def test_a_missing_layer_is_an_error_in_words(verify, plain):
    outcome = contract(verify, plain.but("[d.sum(axis=0) for d in found]", "[d.sum(axis=0) for d in found][1:]"))
    assert outcome.status == "error"
    assert "one per layer, first layer first" in outcome.message


def test_none_in_the_place_of_a_gradient_is_an_error_that_names_the_tensor(verify, plain):
    outcome = contract(verify, plain.but("return loss, [d.T @ i for", "return loss, [None for"))
    assert outcome.status == "error"
    assert "weights[0] came back as nothing" in outcome.message


def test_an_exception_names_file_line_and_function_and_the_other_checks_go_on(verify, plain):
    deep = plain.but("    inputs = [x, *a[:-1]]\n", "    inputs = [x, *a[:-1]]\n    if len(weights) > 3:\n        inputs = inputs[9]\n")
    verified = verify(deep)
    line = deep.split("\n").index("        inputs = inputs[9]") + 1
    outcome = verified.outcome("contract")
    assert outcome.status == "error"
    assert f"student.py, line {line}, in backprop: IndexError: list index out of range." in outcome.message
    assert 0 < outcome.failed < outcome.problems
    assert verified.status("autograd") == "pass"  # on the networks that were answered
    assert verified.verdict == "error"


def test_a_wrong_gradient_outweighs_a_network_without_an_answer(verify, plain):
    both = plain.but("d.sum(axis=0)", "d.mean(axis=0)")
    verified = verify(both.but("    inputs = [x", "    if len(weights) > 3:\n        raise ValueError\n    inputs = [x"))
    assert verified.status("contract") == "error"
    assert verified.verdict == "fail"


def test_a_candidate_that_never_answers_leaves_the_other_checks_skipped(verify, plain):
    verified = verify(plain.but("    inputs = [x", "    raise ValueError('no')\n    inputs = [x"))
    assert verified.verdict == "error"
    assert {outcome.status for outcome in verified.report.checks if outcome.id != "contract"} == {"skipped"}


FEW, SHAPE = "a.py, in backprop: returned {} parts.", "a.py, in backprop: weights[0] came back with shape ({}, 2)."
RAISED = "a.py, line 3, in backprop: IndexError: {}. It was called as backprop(weights, biases, x, y)."


@pytest.mark.parametrize(
    ("texts", "leading"),
    [
        ([FEW.format(1), SHAPE.format(3), SHAPE.format(4)], 1),  # numbers apart they are one kind: networks differ in size
        ([FEW.format(1), SHAPE.format(3)], 0),
        ([SHAPE.format(3), FEW.format(1), FEW.format(1)], 1),
        ([RAISED.format(1), SHAPE.format(3), SHAPE.format(4)], 0),  # an exception is told as it was met
    ],
)
def test_of_unusable_answers_the_most_frequent_kind_is_told_first(texts, leading):
    """A network of one layer is often a case of its own, and comes first."""

    def gradients(problem, *, where):
        raise Unanswered(f"{texts[problem.index]} {where}.")

    items = [Item(index, SimpleNamespace(index=index, description="layers 1-1"), None) for index in range(len(texts))]
    finding, answers = ask_all(SimpleNamespace(deaths_left=3, gradients=gradients), items, lambda item, asked: None)
    assert (finding.outcome.status, finding.outcome.problem, answers) == ("error", leading, {})
    assert finding.outcome.message.startswith(texts[leading])
