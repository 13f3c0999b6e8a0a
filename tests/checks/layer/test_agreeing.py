"""Where PyTorch says that a layer is right no line is asked; everywhere else it is differenced as ever, and nothing wrong gets by."""

from functools import partial

import numpy as np
import pytest

import verifier
from verifier.checks.layer import examining
from verifier.checks.layer.agreeing import FIRST, UNSEEN, Agreement
from verifier.checks.layer.asking import claim_again
from verifier.checks.layer.differences import difference
from verifier.checks.layer.examined import Departure, Examined
from verifier.checks.layer.ties import misplaced
from verifier.contracts.layer.drawing import draw_problems
from verifier.contracts.layer.manifest import claims_from
from verifier.oracles.functions.projection import scale_of
from verifier.oracles.layer_operations.kept import Answers

from .test_sharpness import AFFINE, Here, affine, through_affine

MANIFEST = '# /// script\n# [tool.verifier]\n# contract = "layer"\n{keys}\n# ///\nimport numpy as np\n'
LATE = """
def affine_forward(x, w, b):
    return x @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    wrong = {wrong} if x.shape == {shape} and w.shape[1] == {columns} else 1.0
    return dout @ w.T, x.T @ dout * wrong, dout.sum(axis=0)
"""


def asked(added=None, when=lambda *asked: True, *, keys=AFFINE, backward=through_affine, ready=True):
    """The agreement about the last of some problems, where all of these went through lines and were right."""
    (claims,) = claims_from(keys).layers
    problems = draw_problems(claims, 8, seed=5)
    right, last = Here(claims, affine, backward), Here(claims, affine, backward, added, when)
    found = Examined(claims, problems, {one.index: right.answer(one) for one in problems[:-1]}, references=Answers())
    agreement = Agreement(last, found)
    if ready:
        found.differenced, found.resolves = FIRST, dict.fromkeys("xwb", 1e-8)
    answered = found.answers[problems[-1].index] = last.answer(problems[-1])
    return problems[-1], answered, found, agreement


def test_a_gradient_off_by_less_than_any_line_could_tell_is_not_differenced_and_one_off_by_more_is():
    problem, answered, _, agreement = asked()
    assert agreement.tells(problem, answered)
    level = np.linalg.norm(answered.cotangents["out"] * answered.outputs["out"])
    for name in "xwb":
        unseen = UNSEEN * np.finfo(np.float64).eps * level / scale_of(problem.arrays[name])
        place = (0,) * problem.arrays[name].ndim
        for factor, told in ((1 / 3, True), (-1 / 3, True), (3, False), (-3, False)):
            problem, answered, _, agreement = asked({(name, place): factor * unseen})
            assert agreement.tells(problem, answered) == told


def test_no_line_tells_less_than_that():
    (claims,) = claims_from(AFFINE).layers
    tolerances = []
    for problem in draw_problems(claims, 8, seed=5):
        asking = Here(claims, affine, through_affine)
        answered = asking.answer(problem)
        unseen = UNSEEN * np.finfo(np.float64).eps * np.linalg.norm(answered.cotangents["out"] * answered.outputs["out"])
        found = difference(asking, problem, answered, partial(claim_again, asking, problem), seed=3, every_tensor=True)
        tolerances += [line.tolerance / unseen for line in found.lines]
    assert len(tolerances) >= 24
    assert 4 <= min(tolerances) < 20  # lines know other noise beside that which the bound counts


def test_another_output_is_differenced_although_the_gradients_are_right():
    problem, answered, _, agreement = asked({("out", (0, 0)): 1e-12})
    assert not agreement.tells(problem, answered)


def test_a_gradient_of_the_transposed_cotangent_is_no_agreement():
    def transposed(arrays, cotangent):
        square = cotangent.shape[0] == cotangent.shape[1]
        return through_affine(arrays, cotangent.T if square else cotangent)

    keys = AFFINE | {"sizes": {"N": 3, "M": 3}}
    assert asked(keys=keys)[3].tells(*asked(keys=keys)[:2])
    problem, answered, _, agreement = asked(keys=keys, backward=transposed)
    assert not agreement.tells(problem, answered)


def test_nothing_is_taken_from_pytorch_before_lines_have_decided_or_once_something_is_wrong():
    problem, answered, _, agreement = asked(ready=False)
    assert not agreement.tells(problem, answered)
    problem, answered, found, agreement = asked()
    found.resolves["w"] = 0.5
    assert not agreement.tells(problem, answered)
    problem, answered, found, agreement = asked()
    found.departures.append(Departure("finite-difference", "w", problem, "is wrong", "differences"))
    assert not agreement.tells(problem, answered)


def test_what_is_special_about_a_problem_is_held_to_pytorch_like_any_other():
    for off, told in ((0.0, True), (1e-9, False)):
        problem, answered, _, agreement = asked({("w", (0, 0)): off})
        for other in ({"stress": "tiny"}, {"values": {**problem.values, "stride": 2}}):
            special = type(problem)(**{**vars(problem), **other})
            assert agreement.tells(special, answered) == told


LEAKY = """
def forward(x, slope):
    return np.where(x > 0, x, slope * x), x

def backward(dout, x, slope):
    return dout * np.where(x > 0, 1.0, slope{wrong})
"""


@pytest.mark.parametrize(("wrong", "verdict"), [("", "pass"), (" + 1e-9 * (slope == 0.3)", "fail")])
def test_a_mistake_at_a_value_of_an_option_that_comes_after_the_first_problems_is_found(judge, wrong, verdict):
    keys = ['operation = "leaky_relu"', "options = { negative_slope = [0.01, 0.2, 0.3] }"]
    calls = ['forward = "out, cache = forward(x, negative_slope)"', 'backward = "dx = backward(dout, cache, negative_slope)"']
    report = judge(LEAKY.format(wrong=wrong), *keys, *calls)
    assert report.verdict == verdict
    assert verdict == "fail" or "3 were differenced" in differenced(report).message


@pytest.fixture
def judge(tmp_path):
    def judged(source, *keys, profile="quick"):
        file = tmp_path / "layers.py"
        file.write_text(MANIFEST.format(keys="\n".join(f"# {key}" for key in keys)) + source)
        return verifier.check(file, profile=profile)

    return judged


def differenced(report):
    (check,) = [one for one in report.checks if one.id == "finite-difference"]
    return check


@pytest.mark.parametrize("wrong", ["1.0001", "-1.0", "(1 + 1e-9)"])
def test_a_mistake_on_one_of_the_last_problems_alone_is_found(judge, wrong):
    (claims,) = claims_from({"operation": "affine"}).layers
    last = draw_problems(claims, 20, 0)[-1]
    source = LATE.format(wrong=wrong, shape=last.arrays["x"].shape, columns=last.arrays["b"].size)
    report = judge(source, 'operation = "affine"')
    assert report.verdict == "fail", report.summary
    assert differenced(report).tensor == "w" and differenced(report).problem == last.index


def test_the_report_says_how_many_problems_were_differenced(judge):
    right = LATE.format(wrong="1.0", shape=(1, 1), columns=1)
    check = differenced(judge(right, 'operation = "affine"'))
    assert check.problems == 20
    assert check.message == (
        "Its gradients are the derivatives of its own forward pass. Of these problems 3 were differenced; on 17 outputs and gradients are "
        "PyTorch's within rounding, and no difference could tell them apart."
    )
    arrays = 'arrays = { x = "N D", w = "D M", b = "M" }'
    unclaimed = differenced(
        judge(right, arrays, 'forward = "out, cache = affine_forward(x, w, b)"', 'backward = "dx, dw, db = affine_backward(dout, cache)"')
    )
    assert unclaimed.message == "Its gradients are the derivatives of its own forward pass."


RELU = """
def relu_forward(x):
    return np.maximum(x, 0), x

def relu_backward(dout, x):
    at_zero = {at_zero} if x.shape == {shape} else 0.0
    return dout * ((x > 0) + at_zero * (x == 0))
"""


def test_ties_are_asked_wherever_the_choice_is_not_pytorchs(judge, monkeypatch):
    (claims,) = claims_from({"operation": "relu"}).layers
    tied = [problem for problem in draw_problems(claims, 20, 0) if problem.stress == "zeros"]
    asked_about = []

    def counting(asking, problem, *arguments, **named):
        asked_about.append(problem.index)
        return misplaced(asking, problem, *arguments, **named)

    monkeypatch.setattr(examining, "misplaced", counting)
    verdicts = {
        at_zero: judge(RELU.format(at_zero=at_zero, shape=tied[-1].arrays["x"].shape), 'operation = "relu"').verdict
        for at_zero in (0.0, 0.5, 2.0)
    }
    assert verdicts == {0.0: "pass", 0.5: "pass", 2.0: "fail"}
    assert asked_about == [tied[-1].index] * 2  # not by the one whose choice is PyTorch's
