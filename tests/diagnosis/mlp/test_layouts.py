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
    assert (report.verdict, "in the manifest it is" in report.summary) == ("fail", False), report.summary


IN_OUT = """import numpy as np


def backprop(weights, biases, x, y):
    a = [x]
    for w, b in zip(weights, biases):
        a.append(1 / (1 + np.exp(-(a[-1] @ w + b))))
    loss = 0.5 * np.sum((a[-1] - y) ** 2)
    delta = (a[-1] - y) * a[-1] * (1 - a[-1])
    dw, db = [], []
    for i in reversed(range(len(weights))):
        dw.insert(0, a[i].T @ delta)
        db.insert(0, delta.sum(axis=0))
        delta = (delta @ weights[i].T) * a[i] * (1 - a[i])
    return loss, dw, db
"""
LINES = 'losses = ["half_squared_error"]', 'reduction = "sum"', 'weight_layout = "in_out"'


def test_a_file_that_claims_nothing_is_told_its_layout_and_its_loss_together(tmp_path):
    file = tmp_path / "quick_one.py"
    file.write_text(IN_OUT)
    says = "With `{}`, `{}` and `{}` in the manifest it is right on every network tried.".format(*LINES)
    report = check(file, profile="quick")
    assert (report.verdict, says in report.summary) == ("fail", True), report.summary
    manifest = "".join(f"# {line}\n" for line in ("/// script", "[tool.verifier]", *LINES, "///"))
    file.write_text(manifest + IN_OUT)
    assert check(file, profile="quick").verdict == "pass"


def test_code_that_is_right_in_no_layout_is_told_the_one_in_which_it_answers(tmp_path):
    file = tmp_path / "hyperbolic.py"
    file.write_text(
        IN_OUT.replace("1 / (1 + np.exp(-(a[-1] @ w + b)))", "np.tanh(a[-1] @ w + b)").replace("a[-1] * (1 - a[-1])", "(1 - a[-1] ** 2)")
    )
    report = check(file, profile="quick")
    assert 'With `weight_layout = "in_out"` in the manifest it answers on every network tried, but not as claimed' in report.summary
