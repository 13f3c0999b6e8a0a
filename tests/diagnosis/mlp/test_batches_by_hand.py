"""Mistakes that only a batch shows, one of samples that are alike among them: the lines by hand and the diagnosis name one equation."""

import numpy as np
import pytest

from benchmarks.diagnosis_power import IMPLEMENTATIONS, Asked, corpus_of
from verifier.checks import autograd
from verifier.checks.examination import Examination
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, with_arrays
from verifier.contracts.mlp.smallest import smallest_problems
from verifier.diagnosis.mlp import diagnosing
from verifier.diagnosis.mlp.explaining import explain_failure, same_mistake, work_by_hand
from verifier.diagnosis.mlp.solving import solve_deltas
from verifier.diagnosis.mlp.walkthrough import claimed_of, first_equation, work_through
from verifier.oracles.reference import Answered, refer
from verifier.verification.shrinking import shrink

FAULTS = ("output-derivative-missing", "hidden-derivative-missing", "bias-sign", "activation-left-out", "last-sample-only")


def alike(problem):
    samples = np.concatenate([problem.arrays["x"], problem.arrays["y"]], axis=1)
    return len(np.unique(samples, axis=0)) < len(samples)


def in_a_batch(problem):
    return len(problem.arrays["x"]) > 1


class Sometimes(Asked):
    """An implementation with a mistake on some networks alone."""

    def __init__(self, style, claims, fault, when):
        super().__init__(style, claims, [fault])
        self.right, self.when = Asked(style, claims, []), when

    def gradients(self, problem, *, where):
        return super().gradients(problem, where=where) if self.when(problem) else self.right.gradients(problem, where=where)


def batch_of_two(alike):
    problem = next(
        one
        for one in smallest_problems(Claims(), Architecture((2, 2, 2), ("sigmoid", "sigmoid"), "squared_error", 2), 2)
        if len(one.arrays["x"]) == 2 and one.arrays["x"].shape[1] == 2
    )
    return with_arrays(problem, {name: problem.arrays[name][[0, 0]] for name in ("x", "y")}) if alike else problem


def lines_of(problem, fault, equation):
    one = Answered(problem, refer(problem), Asked("vectorised", Claims(), [fault]).gradients(problem, where=""))
    return one, work_through(problem, one.reference, claimed_of(one, Claims(), {}, {}, equation=equation))


@pytest.mark.parametrize("same", [False, True], ids=["two samples", "two equal samples"])
@pytest.mark.parametrize(
    ("fault", "equation"), [("output-derivative-missing", "output-delta"), ("hidden-derivative-missing", "hidden-delta")]
)
def test_the_lines_of_a_batch_begin_at_the_delta_that_is_wrong(fault, equation, same):
    _, lines = lines_of(batch_of_two(same), fault, equation)
    assert first_equation(lines) == equation
    [first, *_] = [line for line in lines if line.parts]
    assert ("samples 0, 1 together: Σ δ" in first.text) == same


def test_of_equal_samples_the_sum_of_their_deltas_is_told():
    one, lines = lines_of(batch_of_two(True), "output-derivative-missing", "output-delta")
    [group] = solve_deltas(one, products_right=False)["deltas[1]"]
    assert group.rows == (0, 1)
    np.testing.assert_allclose(group.delta, one.claimed.gradients["biases[1]"], rtol=1e-12)
    together = [line for line in lines if "together" in line.text and line.name == "deltas[1]"]
    np.testing.assert_allclose([line.right for line in together], one.reference.gradients["biases[1]"], rtol=1e-12)


def test_no_delta_is_told_where_none_gives_the_gradients():
    one, _ = lines_of(batch_of_two(True), "bias-sign", "")
    assert solve_deltas(one, products_right=False) == {}
    assert [group.rows for group in solve_deltas(one, products_right=True)["deltas[1]"]] == [(0, 1)]


@pytest.mark.parametrize("when", [in_a_batch, alike])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_of_batches_alone_is_told_at_one_equation(fault, when, monkeypatch):
    monkeypatch.setattr(diagnosing, "match_pairs", lambda *args, **more: [])  # none is planted, and the search is long
    place = FAULTS.index(fault) % 4
    style, claims = IMPLEMENTATIONS[place]
    asked = Sometimes(style, claims, fault, when)
    answers = {item.index: asked.gradients(item.problem, where="") for item in corpus_of(place)}
    examination = Examination(claims, "backprop", corpus_of(place), (), answers, asked, 0, 0)
    finding = autograd.check(examination)
    assert finding.outcome.status == "fail"
    diagnosed = explain_failure({autograd.ID: finding}, examination)
    failing = next(item for item in examination.items if item.index == finding.outcome.problem)
    shrunk = shrink(examination, autograd.CHECK, failing, budget=120, same=same_mistake(diagnosed, examination))
    lines = work_by_hand(examination, shrunk.answered, diagnosed)
    named = diagnosed.diagnosis[0].equation if diagnosed.diagnosis else ""
    # Where the diagnosis knows no equation, the report takes that of the lines.
    assert first_equation(lines) == named or (not named and first_equation(lines))
