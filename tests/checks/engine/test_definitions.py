"""Operations that go by one name and are several: what an engine's values follow is judged, in the shape that they have."""

import pytest

from verifier import check

ENGINE = """# /// script
# [tool.verifier]
# contract = "engine"
# ///
import numpy as np


class Tensor:
    def __init__(self, data, parents=(), back=None):
        self.data, self.parents, self.back, self.grad = np.asarray(data), parents, back, 0.0


def backward(out):
    out.grad = np.ones_like(out.data)
    order = []

    def visit(tensor):
        if tensor not in order:
            for parent in tensor.parents:
                visit(parent)
            order.append(tensor)

    visit(out)
    for tensor in reversed(order):
        for parent, cotangent in zip(tensor.parents, tensor.back(tensor.grad) if tensor.back else ()):
            parent.grad = parent.grad + cotangent


def mul(a, b):
    if a.data.shape != b.data.shape:
        raise ValueError("sizes differ")
    return Tensor(a.data * b.data, (a, b), lambda c: (c * b.data, c * a.data))


def softmax(a):
    e = np.exp(a.data - a.data.max(0, keepdims=True))
    y = e / e.sum(0, keepdims=True)
    return Tensor(y, (a,), lambda c: (y * (c - (c * y).sum(0, keepdims=True)),))


def flatten(a):
    return Tensor(a.data.reshape(len(a.data), -1), (a,), lambda c: (c.reshape(a.data.shape),))


def mse(a, target):
    return Tensor(np.sum((a.data - target) ** 2) / len(target), (a,), lambda c: (c * 2 * (a.data - target) / len(target),))


def linear(x, weight, bias):
    return Tensor(x.data @ weight.data + bias.data, (x, weight, bias), lambda c: (c @ weight.data.T, x.data.T @ c, c.sum(0)))


leaf = Tensor
value = lambda t: t.data
gradient = lambda t: t.grad
operations = {
    "mul": mul,
    "sum": lambda a: Tensor(a.data.sum(), (a,), lambda c: (c * np.ones_like(a.data),)),
    "softmax": softmax,
    "flatten": flatten,
    "mse_loss": mse,
    "linear": linear,
}
"""
WITH_COTANGENT = ENGINE.replace(
    "def backward(out):\n    out.grad = np.ones_like(out.data)", "def backward(out, cotangent):\n    out.grad = cotangent"
)


@pytest.mark.parametrize("text", [ENGINE, WITH_COTANGENT], ids=["one number", "cotangent"])
def test_right_operations_by_other_definitions_pass(text, tmp_path):
    file = tmp_path / "engine.py"
    file.write_text(text)
    report = check(file, profile="quick")
    assert report.diagnosis == ()
    rows = {row.name: row for row in report.operations}
    assert all(rows[name].value == "right" for name in ("softmax", "flatten", "mse_loss", "linear")), rows
    notes = " ".join(note.message for note in report.notes)
    assert "softmax is judged by the definition that its values follow: along the first axis" in notes
    assert "flatten is judged by the definition that its values follow: all but the first axis" in notes
    assert "mse_loss is judged by the definition that its values follow: summed over a row, the mean over the rows" in notes
    assert "linear is judged by the definition that its values follow: its weight is (in, out)" in notes


@pytest.mark.parametrize(
    ("right", "wrong", "operation"),
    [
        ("y * (c - (c * y).sum(0, keepdims=True))", "y * (1 - y) * c", "softmax"),
        ("c.reshape(a.data.shape)", "c.T.reshape(a.data.shape)", "flatten"),
        ("c * 2 * (a.data - target) / len(target)", "c * 2 * (a.data - target)", "mse_loss"),
        ("x.data.T @ c", "c.T @ x.data", "linear"),
    ],
)
def test_a_wrong_gradient_by_another_definition_fails(right, wrong, operation, tmp_path):
    file = tmp_path / "engine.py"
    file.write_text(ENGINE.replace(right, wrong))
    report = check(file, profile="quick")
    assert report.verdict == "fail"
    assert all(one.fault.startswith(f"operation:{operation}:") for one in report.diagnosis)
    assert "value" not in {one.fault.split(":")[-1] for one in report.diagnosis}


def test_each_refusal_is_told_with_its_reason(tmp_path):
    file = tmp_path / "engine.py"
    more = """
def tell(words):
    raise TypeError(words)
operations |= {"exp": lambda a: tell("no exp here"), "log": lambda a: tell("no exp here"), "cos": lambda a: tell("no cos")}
"""
    file.write_text(ENGINE + more)
    notes = [note.message for note in check(file, profile="quick").notes]
    refused = next(note for note in notes if note.startswith("Refused altogether"))
    assert refused == "Refused altogether: exp, log, cos. exp, log: TypeError: no exp here; cos: TypeError: no cos"
