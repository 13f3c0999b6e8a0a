"""Each bound of a layer's checks from above: an error of three times its tolerance is found, one of a third of it is not.

The layers are tanh(x w) and x w + b, answering in this process, with one element nudged; the tolerance is what the check itself says.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from verifier.checks.layer.asking import Answered, LayerAsking, claim_again
from verifier.checks.layer.differences import difference
from verifier.checks.layer.elsewhere import SUMMED, answers_otherwise
from verifier.checks.layer.examined import Examined
from verifier.checks.layer.outputs import beside_reference
from verifier.checks.layer.properties import ask_properties
from verifier.checks.layer.steps import walk
from verifier.checks.layer.ties import misplaced
from verifier.contracts.layer.drawing import draw_problems
from verifier.contracts.layer.manifest import claims_from
from verifier.oracles.functions.projection import scale_of
from verifier.oracles.layer_operations.kept import Answers

TANH = {"forward": "out, h = layer_forward(x, w)", "backward": "dx, dw = layer_backward(dout, h)", "arrays": {"x": "N D", "w": "D M"}}
AFFINE = {
    "forward": "out, cache = affine_forward(x, w, b)",
    "backward": "dx, dw, db = affine_backward(dout, cache)",
    "arrays": {"x": "N D", "w": "D M", "b": "M"},
    "operation": "affine",
}


def tanh(arrays):
    return np.tanh(arrays["x"] @ arrays["w"])


def through_tanh(arrays, cotangent):
    inner = cotangent * (1 - tanh(arrays) ** 2)
    return {"x": inner @ arrays["w"].T, "w": arrays["x"].T @ inner}


def affine(arrays):
    return arrays["x"] @ arrays["w"] + arrays["b"]


def through_affine(arrays, cotangent):
    return {"x": cotangent @ arrays["w"].T, "w": arrays["x"].T @ cotangent, "b": cotangent.sum(axis=0)}


class Here(LayerAsking):
    """A layer in this process; `added` stands beside the right number at a place of an output or a gradient, `when` it is asked so."""

    def __init__(self, claims, forward, backward, added=None, when=lambda *asked: True):
        super().__init__(claims, None, None, outputs=("out",))
        self.forward, self.backward, self.added, self.when = forward, backward, added or {}, when

    def again(self, problem):
        return self.answer(problem, second=True).gradients

    def answer(self, problem, *, arrays=None, one_sign=False, variant=0, layout="C", factor=1.0, second=False):
        self.problem, arrays = problem, arrays or problem.arrays
        outputs = {"out": self.forward(arrays)}
        self._elements = outputs["out"].size
        cotangent = self._cotangent("out", problem, one_sign, variant)[: self._elements].reshape(outputs["out"].shape)
        gradients = self.backward(arrays, factor * cotangent)
        for (name, place), amount in self.added.items() if self.when(layout, factor, second) else ():
            {**outputs, **gradients}[name][place] += amount
        return Answered(outputs, {"out": cotangent}, gradients)

    def along(self, lines, cotangents, *, dtype="float64"):
        found = []
        for direction, steps in lines:
            moved = [
                {name: array + step * direction.get(name, 0.0) for name, array in self.problem.arrays.items()} for step in np.asarray(steps)
            ]
            rows = np.stack([self.forward(arrays).ravel() for arrays in moved])
            found.append(rows @ cotangents["out"].ravel() if cotangents else rows)
        return found


def asked(keys, problems=1):
    (claims,) = claims_from(keys).layers
    return claims, draw_problems(claims, problems, seed=5)


def differenced(added, *, every_tensor=True, convicted=False):
    claims, (problem,) = asked(TANH)
    asking = Here(claims, tanh, through_tanh, added)
    answered = asking.answer(problem)
    again = partial(claim_again, asking, problem)
    found = difference(asking, problem, answered, again, seed=3, every_tensor=every_tensor, convicted=convicted)
    return problem, answered, found


def test_a_slope_off_by_three_bounds_of_the_difference_is_found_and_by_a_third_is_not():
    problem, answered, right = differenced({})
    assert right.wrong is None and not right.doubtful
    for name, gradient in answered.gradients.items():
        # The line through this array that sees its largest element best; lines run through arrays that are scaled to size 1.
        scale = scale_of(problem.arrays[name])
        lines = [(line, np.abs(line.direction[name])) for line in right.lines if name in line.direction]
        line, along = min(lines, key=lambda pair: pair[0].tolerance / pair[1].max())
        place = np.unravel_index(np.argmax(along), along.shape)
        bound = line.tolerance / (along[place] * scale)
        assert bound < 1e-7 * np.abs(gradient).max()
        for factor in (1 / 3, -1 / 3):
            assert differenced({(name, place): factor * bound})[2].wrong is None
        for factor in (3, -3):
            wrong = differenced({(name, place): factor * bound})[2].wrong
            assert (wrong.tensor, wrong.index) == (name, place)
            assert abs(wrong.claimed - wrong.estimated) == pytest.approx(3 * bound, rel=0.5)


def test_where_a_mistake_stands_already_each_wrong_array_is_named_and_no_right_one():
    for wrong in ((), ("x",), ("w",), ("x", "w")):
        _, _, found = differenced({(name, (0, 0)): 1.0 for name in wrong}, every_tensor=False, convicted=True)
        assert set(found.also_wrong) == set(wrong)
        assert set(found.decided) == {"x", "w"} - set(wrong)


def compared_with_pytorch(added, forward=affine):
    claims, problems = asked(AFFINE, problems=3)
    asking = Here(claims, forward, through_affine, added)
    examined = Examined(claims, problems, {problem.index: asking.answer(problem) for problem in problems})
    return beside_reference(examined, asking).outputs, examined


def test_an_output_off_by_three_tolerances_is_another_operations_and_by_a_third_is_not():
    outputs, examined = compared_with_pytorch({})
    assert outputs == "pass"
    bounds = [Answers().tolerances_of("affine", one.arrays, one.values, dtype="float64")[0][0, 0] for one in examined.problems]
    assert max(bounds) < 1e-12 * max(np.abs(answered.outputs["out"]).max() for answered in examined.answers.values())
    for amount, said in ((min(bounds) / 3, "pass"), (-min(bounds) / 3, "pass"), (3 * max(bounds), "fail"), (-3 * max(bounds), "fail")):
        assert compared_with_pytorch({("out", (0, 0)): amount})[0] == said, amount


@pytest.mark.parametrize(("off", "said"), [(0, "pass"), (1, "skipped"), (2, "fail")])
def test_outputs_that_are_an_operations_but_at_one_size_are_no_mistake(off, said):
    _, problems = asked(AFFINE, problems=3)
    shapes = [problem.arrays["x"].shape for problem in problems]
    assert len(set(shapes)) == 3

    def otherwise(arrays):
        return affine(arrays) + (arrays["x"].shape in shapes[:off])

    outputs, examined = compared_with_pytorch({}, otherwise)
    assert (outputs, len(examined.departures)) == (said, off if said == "fail" else 0)


def properties_asked(added, when):
    claims, problems = asked(AFFINE)
    asking = Here(claims, affine, through_affine, added, when)
    examined = Examined(claims, problems, {problem.index: Here(claims, affine, through_affine).answer(problem) for problem in problems})
    ask_properties(asking, examined)
    return examined


FORMS = {"linear": lambda layout, factor, second: factor == 2, "layout": lambda layout, factor, second: layout == "strided"}


@pytest.mark.parametrize("kind", FORMS)
def test_a_gradient_that_the_cotangents_form_changes_by_three_tolerances_is_found_and_by_a_third_is_not(kind):
    assert not properties_asked({}, FORMS[kind]).departures
    for place in (("x", (0, 0)), ("w", (2, 1)), ("b", (1,))):
        (sure,) = properties_asked({place: 1.0}, FORMS[kind]).departures
        assert (sure.tensor, sure.kind) == (place[0], kind)
        assert sure.tolerance < 1e-2
        for factor, departures in ((1 / 3, 0), (3, 1), (-3, 1)):
            assert len(properties_asked({place: factor * sure.tolerance}, FORMS[kind]).departures) == departures, (place, factor)


def test_a_second_backward_call_that_is_off_by_three_tolerances_is_noted_and_by_a_third_is_not():
    (sure,) = properties_asked({("w", (2, 1)): 1.0}, FORMS["layout"]).departures
    for factor, notes in ((1 / 3, 0), (3, 1), (-3, 1)):
        examined = properties_asked({("w", (2, 1)): factor * sure.tolerance}, lambda layout, times, second: second)
        assert (len(examined.notes), examined.departures) == (notes, [])


def found_at_a_zero(above, share):
    """The gradient at a zero of max(x, 0) off by so much, beyond its one-sided slopes (the cotangent and 0) or between them."""
    claims, (problem,) = asked({"forward": "out, c = relu_forward(x)", "backward": "dx = relu_backward(dout, c)", "arrays": {"x": "N D"}})
    x = np.round(problem.arrays["x"])
    x[0, 0] = 0.0
    problem = replace(problem, arrays={"x": x}, stress="zeros")

    def backward(arrays, cotangent):
        slopes = (arrays["x"] > 0).astype(np.float64)
        slopes[0, 0] = share
        return {"x": cotangent * slopes}

    asking = Here(claims, lambda arrays: np.maximum(arrays["x"], 0), backward, {("x", (0, 0)): above})
    answered = asking.answer(problem, one_sign=True)
    return [one for one in misplaced(asking, problem, answered, seed=3, elements=True, inside="float64") if one.index == (0, 0)]


@pytest.mark.parametrize(("share", "sign"), [(1.0, 1), (0.0, -1)])
def test_a_gradient_at_a_tie_off_by_three_tolerances_is_found_and_by_a_third_is_not(share, sign):
    assert not found_at_a_zero(0.0, share)
    assert not found_at_a_zero(0.0, 0.3)
    (sure,) = found_at_a_zero(sign, share)
    assert sure.tolerance < 1e-8
    assert not found_at_a_zero(sign * sure.tolerance / 3, share)
    assert found_at_a_zero(sign * sure.tolerance * 3, share)


def walked(step, amount):
    """A path of plain descent with one number off after one of the steps, from where it goes on as if nothing were."""
    (claims,) = claims_from({"step": "w = sgd(w, dw)", "optimizer": {"name": "sgd", "lr": 0.1}}).layers

    def exchange(message, arrays, where):
        rows = arrays["array w"] - 0.1 * np.cumsum(arrays["gradient w"], axis=0)
        rows[step, 0, 0] += amount
        return {"actions": [{}, {"values": {"w": "path"}}]}, {"path": rows}

    return walk(claims, exchange, None, Answers(), seed=1, steps=5)[1]


@pytest.mark.parametrize("step", [0, 4])
def test_a_step_off_by_three_tolerances_is_found_and_by_a_third_is_not(step):
    sure = walked(step, 1.0)
    assert (sure.parameter, sure.step, sure.index) == ("w", step + 1, (0, 0))
    assert sure.tolerance < 1e-12
    for factor in (1 / 3, -1 / 3):
        assert walked(step, factor * sure.tolerance) is None
    for factor in (3, -3):
        assert walked(step, factor * sure.tolerance).step == step + 1


def asked_again(place, factor):
    """What is said of a layer whose outputs alone are not those that it gave along a line."""
    claims, (problem,) = asked(TANH)
    asking = Here(claims, tanh, through_tanh)
    asking.answer(problem)
    points = asking.outputs_along({"x": np.ones(problem.arrays["x"].shape)}, [0.5])
    asking._keep_one(problem, {"x": np.ones(problem.arrays["x"].shape)}, [0.5], points, "float64")
    asking.added = {("out", place): factor * SUMMED * np.finfo(float).eps * np.abs(points).max()}
    return answers_otherwise(asking, "float64")


def test_an_output_that_is_another_one_alone_by_three_tolerances_is_found_and_by_a_third_is_not():
    assert not asked_again((0, 0), 1 / 3) and not asked_again((0, 0), -1 / 3)
    assert "gives other outputs than alone" in asked_again((0, 0), 3)
    assert "gives other outputs than alone" in asked_again((0, 0), -3)
