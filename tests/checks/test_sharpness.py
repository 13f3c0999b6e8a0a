"""Each bound from above: an error of three times a check's tolerance fails, one of a third of it passes.

The candidate is the textbook, answering in this process, with one element nudged; the tolerance is what the check itself used.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from verifier import textbook
from verifier.checks import autograd, batch_additivity, finite_difference, forward, purity
from verifier.checks.examination import Examination, Item
from verifier.checks.mlp import stages, unit_permutation, update
from verifier.contracts.catalogue import calling_of, family_of
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, with_arrays
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.oracles.reference import refer

CLAIMS = Claims(activations=("tanh",), output_activations=("identity",))
KINDS = ("tanh", "identity")


def drawn(dtype):
    problem = draw_problem(Architecture((3, 4, 2), KINDS, "squared_error", 3, dtype), Recipe(), CLAIMS, seed=11, index=0)
    return Item(0, problem, refer(problem))


@dataclass
class Textbook:
    """Answers right, but for what is added to one element of one gradient; the arguments stay as they are."""

    added: dict[tuple[str, tuple[int, ...]], float] = field(default_factory=dict)
    functions: tuple[str, ...] = ("backprop",)

    def gradients(self, problem, *, where):
        right = textbook.evaluate(problem)
        gradients = {name: gradient.copy() for name, gradient in right.gradients.items()}
        for (name, index), amount in self.added.items():
            gradients[name][index] += amount
        return replace(right, gradients=gradients)

    def arguments_after(self, problem, *, where):
        return calling_of("mlp").values_of(problem, CLAIMS)[1]


def examination(item, evaluation, asking):
    return Examination(CLAIMS, "backprop", (item,), (), {0: evaluation}, asking, 0, 0)


def on_the_second_call(item, added):
    return examination(item, Textbook().gradients(item.problem, where=""), Textbook(added))


def on_the_first_call(item, added):
    return examination(item, Textbook(added).gradients(item.problem, where=""), Textbook())


ASKED = [
    pytest.param(purity.check, on_the_second_call, id="purity"),
    pytest.param(unit_permutation.check, on_the_second_call, id="unit-permutation"),
    pytest.param(autograd.check, on_the_first_call, id="autograd"),
    pytest.param(batch_additivity.check, on_the_second_call, id="batch-additivity"),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("check", "nudged"), ASKED)
def test_a_nudge_of_three_tolerances_fails_and_one_of_a_third_passes(check, nudged, dtype):
    item = drawn(dtype)
    right = check(nudged(item, {}))
    assert right.outcome.status == "pass"
    for measurement in right.measurements:
        gradient = item.reference.gradients[measurement.tensor]
        share = np.abs(gradient).max() * np.finfo(dtype).eps * 2**13
        assert measurement.tolerance < share  # errors of a thousandth of a ten-thousandth, in float32 of a thousandth, are never allowed
        # Three samples each carry the nudge, and the mean over them leaves one of it.
        place = measurement.tensor, measurement.index
        below = check(nudged(item, {place: measurement.tolerance / 3}))
        assert below.outcome.status == "pass", place
        above = check(nudged(item, {place: 3 * bound(check, nudged, item, place, measurement.tolerance)}))
        assert above.outcome.status == "fail", place
        assert above.outcome.tensor == measurement.tensor


def bound(check, nudged, item, place, tolerance):
    """What the check allows at this element for an answer that is off by three tolerances: its own rounding may come on top."""
    found = check(nudged(item, {place: 3 * tolerance}))
    (measurement,) = [one for one in found.measurements if one.tensor == place[0]]
    assert measurement.tolerance < 20 * tolerance
    return max(measurement.tolerance, tolerance)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_batch_is_held_to_its_own_rounding_and_to_that_of_its_samples_as_they_are_added(reduction):
    """Of a mean over eight samples each one's rounding counts an eighth."""
    claims = replace(CLAIMS, reduction=reduction)
    problem = draw_problem(Architecture((3, 4, 2), KINDS, "squared_error", 8), Recipe(), claims, seed=11, index=0)
    item = Item(0, problem, refer(problem))
    samples = [refer(family_of("mlp").sample_of(problem, row, claims)) for row in range(8)]
    asked = Examination(claims, "backprop", (item,), (), {0: Textbook().gradients(problem, where="")}, Textbook(), 0, 0)
    found = batch_additivity.check(replace(asked, few=1))
    assert found.outcome.status == "pass"
    assert {one.tensor for one in found.measurements} == set(item.reference.gradients)
    for one in found.measurements:
        of_samples = sum(sample.gradient_tolerance(one.tensor)[one.index] for sample in samples) / (8 if reduction == "mean" else 1)
        of_batch = item.reference.gradient_tolerance(one.tensor)[one.index]
        assert one.tolerance == pytest.approx(of_batch + of_samples, rel=1e-9, abs=0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_another_answer_is_noted_where_it_is_off_by_three_times_what_rounding_does_twice(dtype):
    """Later, or from arguments that lie otherwise in memory: both answers may round, so that twice the tolerance is nothing."""
    item = drawn(dtype)
    first = Textbook().gradients(item.problem, where="")
    for name, tolerance in ((name, item.reference.gradient_tolerance(name)) for name in first.gradients):
        index = (0,) * tolerance.ndim
        for factor, noted in ((2 / 3, False), (6, True), (-6, True)):
            other = Textbook({(name, index): factor * float(tolerance[index])}).gradients(item.problem, where="")
            assert bool(purity.note_on_later_answers(item, first, other)) == noted
            assert bool(purity.note_on_layouts(item, first, {"strided": other})) == noted


@dataclass
class ShowsStages(Textbook):
    """Shows the right stages, but for what is added to one element."""

    functions: tuple[str, ...] = ("backprop", "forward", "deltas")

    def call(self, problem, call, read, *, where):
        shown = {"forward": ("pre_activations", "activations"), "deltas": ("deltas",)}[call.function]
        right = {name: stage.copy() for name, stage in textbook.evaluate(problem).stages.items() if name.startswith(shown)}
        for (name, index), amount in self.added.items():
            if name in right:
                right[name][index] += amount
        return right


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_stage_off_by_three_tolerances_fails_and_by_a_third_passes(dtype):
    item = drawn(dtype)

    def asked(added):
        return stages.check(examination(item, Textbook().gradients(item.problem, where=""), ShowsStages(added)))

    right = asked({})
    assert right.outcome.status == "pass"
    assert {one.tensor.partition("[")[0] for one in right.measurements} == {"pre_activations", "activations", "deltas"}
    for one in right.measurements:
        place = one.tensor, one.index
        tolerance = item.reference.stage_tolerance(one.tensor)[one.index]
        assert asked({place: tolerance / 3}).outcome.status == "pass", place
        wrong = asked({place: -3 * tolerance})
        assert (wrong.outcome.status, wrong.outcome.tensor) == ("fail", one.tensor)
        assert wrong.equation == ("forward" if "activation" in one.tensor else f"{'output' if '[1]' in one.tensor else 'hidden'}-delta")


@dataclass
class Steps(Textbook):
    """Steps right, but for what is added to one parameter at one of the rates, in the order in which they come."""

    functions: tuple[str, ...] = ("backprop", "update")
    at: int = 0
    rates: list[float] = field(default_factory=list)

    def call(self, problem, call, read, *, where):
        (rate,) = call.numbers
        if rate not in self.rates:
            self.rates.append(rate)
        gradients = textbook.evaluate(problem).gradients
        after = {name: problem.arrays[name].astype(np.float64) - rate * gradient for name, gradient in gradients.items()}
        for (name, index), amount in self.added.items():
            after[name][index] += amount if self.rates.index(rate) == self.at else 0
        return after


FIRST, SECOND, PATH = 0, 1, 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("at", [FIRST, SECOND, PATH])
def test_a_step_off_by_three_tolerances_fails_and_by_a_third_passes(at, dtype, monkeypatch):
    """At the rate that gradients are recovered at, at the second, and along the path: the rate's share of the gradient's, and rounding."""
    monkeypatch.setattr(update, "PATH_STEPS", 2)
    item = drawn(dtype)
    right = Textbook().gradients(item.problem, where="")
    steps = Steps()
    found = update.check(examination(item, right, steps))
    assert found.outcome.status == "pass"
    tensors = len(item.reference.gradients)
    assert len(found.measurements) == 4 * tensors
    rate, epsilon = steps.rates[at], np.finfo(dtype).eps
    for one in found.measurements[at * tensors : (at + 1) * tensors]:
        before, gradient = item.problem.arrays[one.tensor][one.index], item.reference.gradients[one.tensor][one.index]
        rounding = epsilon * max(abs(before), abs(before - rate * gradient))
        tolerance = rate * item.reference.gradient_tolerance(one.tensor)[one.index] + rounding
        for factor, status in ((1 / 3, "pass"), (3, "fail"), (-3, "fail")):
            added = {(one.tensor, one.index): factor * tolerance}
            outcome = update.check(examination(item, right, Steps(added, at=at))).outcome
            assert outcome.status == status, (one.tensor, factor)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_loss_off_by_three_tolerances_fails_and_by_a_third_passes(dtype):
    item = drawn(dtype)
    right = Textbook().gradients(item.problem, where="")
    for factor, status in ((3, "fail"), (-3, "fail"), (1 / 3, "pass"), (-1 / 3, "pass")):
        nudged = replace(right, loss=item.reference.loss + factor * item.reference.loss_tolerance())
        assert forward.check(examination(item, nudged, Textbook())).outcome.status == status
    assert item.reference.loss_tolerance() < 2**13 * np.finfo(dtype).eps * abs(right.loss)


class HasLosses(Textbook):
    """Its loss is the textbook's, wherever it is asked."""

    def losses(self, problem, direction, steps, *, where):
        def at(step):
            moved = {name: problem.arrays[name] + step * along for name, along in direction.items()}
            return textbook.evaluate(with_arrays(problem, {**problem.arrays, **moved})).loss

        return np.array([at(step) for step in steps])


def test_a_slope_off_by_three_bounds_of_the_difference_fails_and_by_a_third_passes():
    item = drawn("float64")
    right = Textbook().gradients(item.problem, where="")

    def differenced(added):
        claimed = Textbook(added).gradients(item.problem, where="")
        return finite_difference.check(replace(examination(item, claimed, HasLosses()), differences=1))

    found = differenced({})
    assert found.outcome.status == "pass"
    (one,) = found.differenced
    largest = max(np.abs(gradient).max() for gradient in right.gradients.values())
    for name in right.gradients:
        # The line through this tensor that sees its largest element best.
        lines = [(line, np.abs(line.direction[name])) for line in one.differences.directions if name in line.direction]
        line, along = min(lines, key=lambda pair: pair[0].tolerance / pair[1].max())
        place, nudge = np.unravel_index(np.argmax(along), along.shape), line.tolerance / along.max()
        assert nudge < 1e-6 * largest
        assert differenced({(name, place): nudge / 3}).outcome.status == "pass", name
        for factor in (3, -3):
            outcome = differenced({(name, place): factor * nudge}).outcome
            assert (outcome.status, outcome.tensor) == ("fail", name)
