"""Code that raises on most networks, and is right on those that another manifest would draw."""

from verifier import check

ONE_OUTPUT = """# /// script
# [tool.verifier]
# contract = "mlp"
# losses = ["binary_cross_entropy"]
# layers = 2
# ///
import numpy as np


def backprop(weights, biases, x, y):
    y = y.reshape(-1, 1)
    h = 1 / (1 + np.exp(-(x @ weights[0].T + biases[0])))
    p = 1 / (1 + np.exp(-(h @ weights[1].T + biases[1])))
    m = len(y)
    above = (p - y) / m
    below = above @ weights[1] * h * (1 - h)
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum() / m
    return loss, [below.T @ x, above.T @ h], [below.sum(axis=0), above.sum(axis=0)]
"""
SAYS = "With `sizes = [0, 0, 1]` in the manifest it is right on every network tried."


def test_code_for_one_output_is_told_the_line_that_says_so(tmp_path):
    file = tmp_path / "one_output.py"
    file.write_text(ONE_OUTPUT)
    report = check(file, profile="quick")
    assert (report.verdict, report.summary.endswith(SAYS)) == ("error", True), report.summary
    file.write_text(ONE_OUTPUT.replace("# layers = 2", "# sizes = [0, 0, 1]"))
    assert check(file, profile="quick").verdict == "pass"


def test_wrong_code_for_one_output_is_told_no_such_line(tmp_path):
    file = tmp_path / "one_output.py"
    file.write_text(ONE_OUTPUT.replace("* h * (1 - h)", "* h"))
    report = check(file, profile="quick")
    assert (report.verdict, "in the manifest it is" in report.summary) == ("error", False), report.summary
