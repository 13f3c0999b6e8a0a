"""What is said of a whole engine with one mistake in it."""

from pathlib import Path

import pytest

from verifier import check

ROOT = Path(__file__).resolve().parents[3]

ENGINE = """# /// script
# [tool.verifier]
# contract = "engine"
# ///
import numpy as np


class Tensor:
    def __init__(self, data, parents=(), back=None):
        self.data, self.parents, self.back, self.grad = np.asarray(data), parents, back, 0.0

    def __getitem__(self, key):
        def back(c):
            grad = np.zeros(self.data.shape)
            np.add.at(grad, key, c)
            self.grad = self.grad + grad

        return Tensor(self.data[key], (self,), back)


def backward(out, cotangent):
    order = []

    def visit(tensor):
        if tensor not in order:
            for parent in tensor.parents:
                visit(parent)
            order.append(tensor)

    visit(out)
    out.grad = cotangent
    for tensor in reversed(order):
        if tensor.back:
            tensor.back(tensor.grad)


leaf = Tensor
value = lambda t: t.data
gradient = lambda t: t.grad
operations = {"getitem": lambda a, key: a[key]}
"""


def test_an_index_that_assigns_its_gradient_is_named_and_one_that_adds_passes(tmp_path):
    right, wrong = tmp_path / "adds.py", tmp_path / "assigns.py"
    right.write_text(ENGINE)
    wrong.write_text(ENGINE.replace("np.add.at(grad, key, c)", "grad[key] = c"))
    assert check(right, profile="quick").diagnosis == ()
    report = check(wrong, profile="quick")
    assert report.verdict == "fail"
    assert [one.fault for one in report.diagnosis] == ["operation:getitem:a:index-overwritten"]


OF_NUMBERS = """# /// script
# [tool.verifier]
# contract = "engine"
# ///
import math


class Number:
    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0


def backward(out):
    order = []

    def visit(number):
        if number not in order:
            for parent, _ in number.parents:
                visit(parent)
            order.append(number)

    visit(out)
    for number in order[:-1]:
        number.grad = 0.0 if number.parents else number.grad
    out.grad = 1.0
    for number in reversed(order):
        for parent, slope in number.parents:
            parent.grad += slope * number.grad


scalar = True
leaf = Number
value = lambda number: number.data
gradient = lambda number: number.grad
operations = {
    "add": lambda a, b: Number(a.data + b.data, ((a, 1.0), (b, 1.0))),
    "mul": lambda a, b: Number(a.data * b.data, ((a, b.data), (b, a.data))),
    "tanh": lambda a: Number(math.tanh(a.data), ((a, 1.0 - math.tanh(a.data) ** 2),)),
    "exp": lambda a: Number(math.exp(a.data), ((a, math.exp(a.data)),)),
}
"""


@pytest.mark.parametrize(("wrong", "instead"), [("reversed(order)", "order"), ("reversed(order)", "order[-1:]")])
def test_a_pass_that_goes_no_further_than_the_output_is_the_engines_fault(tmp_path, wrong, instead):
    file = tmp_path / "numbers.py"
    file.write_text(OF_NUMBERS)
    assert check(file, profile="quick").verdict == "pass"
    file.write_text(OF_NUMBERS.replace(wrong, instead))
    report = check(file, profile="quick")
    assert (report.verdict, [one.fault for one in report.diagnosis]) == ("fail", ["engine:outermost"])


def test_a_gradient_that_is_computed_once_for_all_is_told_from_one_that_is_added_again(tmp_path):
    file = tmp_path / "numbers.py"
    written = OF_NUMBERS.replace("parent.grad += slope", "parent.grad += 0.0 if parent in DONE else slope").replace(
        "\n\nscalar = True", "\n    DONE.update(number for number in order if not number.parents)\n\n\nDONE = set()\nscalar = True"
    )
    file.write_text(written)
    report = check(file, profile="quick")
    assert [one.fault for one in report.diagnosis] == ["engine:kept"], report.summary


TAPE = """# /// script
# [tool.verifier]
# contract = "engine"
# ///
import math

tape = []


class Number:
    def __init__(self, value):
        self.value, self.grad = value, 0.0


def recorded(value, *sources):
    tape.append((Number(value), sources))
    return tape[-1][0]


def mul(a, b):
    return recorded(a.value * b.value, (a, b.value), (b, a.value))


def sin(a):
    return recorded(math.sin(a.value), (a, math.cos(a.value)))


def backward(out):
    out.grad = 1.0
    for number, sources in reversed(tape):
        for source, slope in sources:
            source.grad += slope * number.grad


scalar = True
leaf = Number
value = lambda number: number.value
gradient = lambda number: number.grad
operations = {"mul": mul, "sin": sin, "add": lambda a, b: recorded(a.value + b.value, (a, 1.0), (b, 1.0))}
"""


def test_a_tape_is_right_where_it_is_cleared_between_two_graphs_and_else_it_runs_again(tmp_path):
    path = tmp_path / "tape.py"
    path.write_text(TAPE)
    report = check(path, profile="quick")
    assert (report.verdict, report.diagnosis[0].fault) == ("fail", "engine:replayed"), report.summary
    path.write_text(TAPE + "fresh = tape.clear\n")
    report = check(path, profile="quick")
    assert report.verdict == "pass", report.summary
    assert any("only if `fresh` is called before it" in note.message.replace("\n", " ") for note in report.notes)
    path.write_text(TAPE.replace("source.grad += slope", "source.grad = slope") + "fresh = tape.clear\n")
    assert check(path, profile="quick").verdict == "fail"


def test_a_wrong_gradient_of_what_is_written_is_shown_where_something_is_written(tmp_path):
    right = (ROOT / "reference_impls" / "engines" / "tensor_engine.py").read_text()
    file = tmp_path / "engine.py"
    file.write_text(right.replace("return kept, c[index]", "return kept, 0.0 * c[index]"))
    report = check(file, profile="quick")
    assert [one.fault for one in report.diagnosis] == ["operation:setitem:b:zero"]
    assert "the gradient of b[0] is 0, should be 1" in report.summary
    row = next(one for one in report.operations if one.name == "setitem")
    assert row.gradients == {"a": "right", "b": "wrong"}


MATRICES = """# /// script
# [tool.verifier]
# contract = "engine"
# ///
import numpy as np


class Tensor:
    def __init__(self, data, parents=(), back=None):
        self.data, self.parents, self.back, self.grad = np.asarray(data), parents, back, None

    def give(self, cotangent):
        while cotangent.ndim > self.data.ndim:
            cotangent = cotangent.sum(0)
        axes = tuple(axis for axis, size in enumerate(self.data.shape) if size == 1 and cotangent.shape[axis] > 1)
        cotangent = cotangent.sum(axes, keepdims=True)
        self.grad = cotangent if self.grad is None else self.grad + cotangent


def backward(out, cotangent):
    order = []

    def visit(tensor):
        if tensor not in order:
            for parent in tensor.parents:
                visit(parent)
            order.append(tensor)

    visit(out)
    out.grad = cotangent
    for tensor in reversed(order):
        for place, parent in enumerate(tensor.parents):
            parent.give(tensor.back(place, tensor.grad))


leaf = Tensor
value = lambda t: t.data
gradient = lambda t: t.grad
operations = {
    "add": lambda a, b: Tensor(a.data + b.data, (a, b), lambda place, c: c),
    "sub": lambda a, b: Tensor(a.data - b.data, (a, b), lambda place, c: -c if place else c),
    "mul": lambda a, b: Tensor(a.data * b.data, (a, b), lambda place, c: c * (a if place else b).data),
    "div": lambda a, b: Tensor(a.data / b.data, (a, b), lambda place, c: -c * a.data / b.data**2 if place else c / b.data),
}
"""


def of_matrices(tmp_path, old="", new=""):
    file = tmp_path / "engine.py"
    file.write_text(MATRICES.replace(old, new))
    return check(file, profile="quick")


def test_operands_that_are_told_apart_by_identity_are_named_and_no_graph_is_drawn_that_has_one_twice(tmp_path):
    assert of_matrices(tmp_path).verdict == "pass"
    report = of_matrices(tmp_path, "tensor.back(place, tensor.grad)", "tensor.back(tensor.parents.index(parent), tensor.grad)")
    assert [one.fault for one in report.diagnosis] == ["engine:first-twice"]
    assert "told apart by identity (sub, div)" in report.summary
    assert {one.id: one.status for one in report.checks}["graphs"] == "pass"


def test_a_broadcast_gradient_that_is_averaged_is_said_to_be_that(tmp_path):
    report = of_matrices(tmp_path, "cotangent.sum(", "cotangent.mean(")
    assert report.diagnosis[0].fault == "engine:broadcasting"
    assert "averaged over the axes along which it was stretched, not summed" in report.summary


def test_the_first_explanation_is_one_that_the_smallest_graph_shows(tmp_path):
    file = tmp_path / "engine.py"
    wrong = MATRICES.replace("tensor.back(place, tensor.grad)", "tensor.back(tensor.parents.index(parent), tensor.grad)")
    file.write_text(
        wrong.replace("leaf = Tensor", "leaf = Tensor\nzero = lambda place, c: 0.0 * c").replace(
            "operations = {", 'operations = {\n    "neg": lambda a: Tensor(-a.data, (a,), zero),'
        )
    )
    report = check(file, profile="quick")
    assert {one.fault for one in report.diagnosis} == {"engine:first-twice", "operation:neg:a:zero"}
    shown = "neg" if "neg(" in report.counterexample.problem else "identity"
    assert shown in report.summary.partition(" On the smallest")[0]
