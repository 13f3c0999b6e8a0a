"""What is said of a whole engine with one mistake in it."""

from verifier import check

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
