"""The gradient of a batch against those of its own samples."""

import tracemalloc

import pytest

from verifier import textbook
from verifier.checks import batch_additivity
from verifier.checks.examination import Examination, Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.oracles.reference import refer


def additivity(verify, source):
    return verify(source, only=("batch-additivity",)).outcome("batch-additivity")


def test_batches_that_add_up_pass(verify, plain):
    outcome = additivity(verify, plain)
    assert (outcome.status, outcome.problems) == ("pass", 10)


@pytest.mark.parametrize(
    ("reduction", "loss", "factor"),
    [("sum", "np.sum((a[-1] - y) ** 2)", "1"), ("mean_all", "np.mean((a[-1] - y) ** 2)", "y.size")],
)
def test_every_reduction_adds_up_in_its_own_way(reduction, loss, factor, verify, plain):
    reduced = plain.but("np.sum((a[-1] - y) ** 2) / len(y)", loss).but("(a[-1] - y) / len(y)", f"(a[-1] - y) / {factor}")
    verified = verify(reduced.claims(f'reduction = "{reduction}"'))
    assert verified.verdict == "pass", verified.report.summary
    assert verified.status("batch-additivity") == "pass"


def test_regularisation_does_not_add_up_and_is_taken_out_first(verify, plain):
    decayed = plain.but("[d.T @ i for d, i in zip(found, inputs)]", "[d.T @ i + 0.2 * w for d, i, w in zip(found, inputs, weights)]")
    decayed = decayed.but("** 2) / len(y)", "** 2) / len(y) + 0.1 * sum(np.sum(w**2) for w in weights)")
    verified = verify(decayed.claims("l2 = 0.1"))
    assert verified.verdict == "pass", verified.report.summary
    assert verified.status("batch-additivity") == "pass"


MISTAKES = {
    "bias of the first sample": ("d.sum(axis=0)", "d[0]"),
    "the last sample only": ("[d.T @ i for", "[d[-1:].T @ i[-1:] for"),
    "the mean taken twice": ("[d.T @ i for", "[d.T @ i / len(d) for"),
    "no mean": ("(a[-1] - y) / len(y)", "(a[-1] - y)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_that_only_batches_show_fails(mistake, verify, plain):
    outcome = additivity(verify, plain.but(*MISTAKES[mistake]))
    assert outcome.status == "fail"
    assert outcome.message.startswith("The batch does not add up from its own samples")


def test_a_wrong_gradient_that_is_wrong_alike_for_every_sample_adds_up(verify, plain):
    # No second failure for one cause: it is the other checks' to find.
    assert additivity(verify, plain.but("* slope(z[-1], a[-1])", "")).status == "pass"


def test_a_candidate_of_single_samples_is_not_asked(verify, plain):
    single = plain.but("[d.T @ i for", "[np.outer(d, i) for").but("d.sum(axis=0)", "d").but("(a[-1] - y) / len(y)", "(a[-1] - y)")
    verified = verify(single.but("** 2) / len(y)", "** 2)").claims('batch = "single"'))
    assert verified.verdict == "pass", verified.report.summary
    assert verified.status("batch-additivity") == "skipped"


def test_a_large_networks_samples_are_added_one_array_at_a_time():
    # All samples' gradients, references and scatters at once would be eight, three and three times the network.
    claims = Claims(activations=("tanh",), output_activations=("identity",))
    architecture = Architecture((400, 400, 400, 400, 400, 2), ("tanh",) * 4 + ("identity",), "squared_error", 6)
    problem = draw_problem(architecture, Recipe(), claims, seed=1, index=0)
    item = Item(0, problem, refer(problem))

    class RightAnswers:
        def gradients(self, problem, *, where):
            return textbook.evaluate(problem)

    examination = Examination(claims, "backprop", (item,), (), {0: textbook.evaluate(problem)}, RightAnswers(), 0, 0)
    size = sum(problem.arrays[name].nbytes for name in problem.program.differentiate)
    tracemalloc.start()
    try:
        assert batch_additivity.check(examination).outcome.status == "pass"
        assert tracemalloc.get_traced_memory()[1] < 5 * size  # sum, tolerance, one answer, and a few copies of one array
    finally:
        tracemalloc.stop()
