"""The preset for minitorch's course, on a small package of that name with the course's interface."""

import json

import pytest

PACKAGE = '''
"""A stand-in for the course's package: the same interface, NumPy inside."""
import numpy as np


class Tensor:
    def __init__(self, data, inputs=(), back=None):
        self._data, self.inputs, self.back, self.grad = np.asarray(data, dtype=np.float64), inputs, back, None
        self.shape = self._data.shape

    def requires_grad_(self, flag):
        pass

    def to_numpy(self):
        return self._data

    def contiguous(self):
        return self

    def __add__(self, other):
        return binary(self, other, lambda x, y: x + y, lambda c, x, y: (c, c))

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        return binary(self, other, lambda x, y: x * y, lambda c, x, y: (c * y, c * x))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return Tensor(-self._data, (self,), lambda c: (-c,))

    def relu(self):
        return Tensor(np.maximum(self._data, 0), (self,), lambda c: (c * (self._data > 0),))

    def exp(self):
        y = np.exp(self._data)
        return Tensor(y, (self,), lambda c: (c * y,))

    def sum(self, dim=None):
        y = self._data.sum(axis=dim, keepdims=True)
        return Tensor(y.reshape(1) if dim is None else y, (self,), lambda c: (np.broadcast_to(c.reshape(y.shape), self.shape),))

    def view(self, *shape):
        return Tensor(self._data.reshape(shape), (self,), lambda c: (c.reshape(self.shape),))

    def permute(self, *order):
        return Tensor(self._data.transpose(order), (self,), lambda c: (c.transpose(np.argsort(order)),))

    def backward(self, cotangent):
        if self.back is None:
            self.grad = cotangent if self.grad is None else Tensor(self.grad._data + cotangent._data)
            return
        for parent, part in zip(self.inputs, self.back(cotangent._data)):
            part = part.sum(axis=tuple(range(part.ndim - parent._data.ndim)))
            axes = tuple(axis for axis, size in enumerate(parent.shape) if size == 1 and part.shape[axis] != 1)
            parent.backward(Tensor(part.sum(axis=axes, keepdims=True).reshape(parent.shape)))


def binary(a, b, value, back):
    a, b = (one if isinstance(one, Tensor) else Tensor(one) for one in (a, b))
    return Tensor(value(a._data, b._data), (a, b), lambda c: back(c, a._data, b._data))


def tensor(numbers):
    return Tensor(numbers)
'''


@pytest.mark.parametrize(("right", "wrong", "verdict"), [("c * y,", "c * y,", "pass"), ("argsort(order)", "array(order)", "fail")])
def test_the_folder_of_the_course_is_judged_through_the_preset(command, tmp_path, right, wrong, verdict):
    package = tmp_path / "course" / "minitorch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE.replace(right, wrong))
    command("check", package.parent, "--preset", "minitorch", "--profile", "quick", "--report-dir", tmp_path / "reports")
    report = json.loads((tmp_path / "reports" / "course" / "report.json").read_text())
    assert report["verdict"] == verdict, report["summary"]
    assert verdict == "pass" or report["diagnosis"][0]["fault"].startswith("operation:transpose:a")


def test_the_preset_is_shown_and_asks_for_a_folder(command, tmp_path):
    assert 'contract = "engine"' in command("presets", "--show", "minitorch").stdout
    file = tmp_path / "answer.py"
    file.write_text("x = 1\n")
    answer = command("check", file, "--preset", "minitorch")
    assert answer.returncode == 2
    assert "is not a folder" in answer.stdout + answer.stderr
