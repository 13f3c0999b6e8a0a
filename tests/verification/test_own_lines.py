"""The line of the student's own source: named where the right value there mends everything, and nowhere else."""

from pathlib import Path

import pytest

from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.source_lines import source_line
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Examination, Finding, Item
from verifier.contracts.catalogue import calling_of
from verifier.diagnosis.mlp.explaining import find_own_lines
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.reports import html, markdown, terminal
from verifier.reports.wording import own_line_sentence
from verifier.results.outcome import Outcome

FAULTY = Path(__file__).parents[2] / "reference_impls" / "faulty"

TWO_LAYERS = """\
# /// script
# [tool.verifier]
# contract = "mlp"
# layers = 2
# ///
import numpy as np

class Net:
    def sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def slope(self, z):
        s = self.sigmoid(z)
        return s * (1 - s)

    def forward(self, x):
        self.cache = {"Z1": x @ self.W[0].T + self.b[0]}
        self.cache["A1"] = self.sigmoid(self.cache["Z1"])
        self.cache["Z2"] = self.cache["A1"] @ self.W[1].T + self.b[1]
        self.out = self.sigmoid(self.cache["Z2"])

    def backward(self, x, y):
        self.dW, self.db = {}, {}
        error = 2 * (self.out - y) / len(x)
        d = error * self.slope(self.cache["Z2"])
        self.dW["2"] = d.T @ self.cache["A1"]
        self.db["2"] = d.sum(axis=0)
        d = d @ self.W[1]
        d *= self.slope(self.cache["Z1"])
        self.dW["1"] = d.T @ x
        self.db["1"] = d.sum(axis=0)


def backprop(weights, biases, x, y):
    net = Net()
    net.W, net.b = weights, biases
    net.forward(x)
    net.backward(x, y)
    loss = np.sum((net.out - y) ** 2) / len(x)
    return loss, [net.dW["1"], net.dW["2"]], [net.db["1"], net.db["2"]]
"""

FORGETTING = """\
# /// script
# [tool.verifier]
# contract = "mlp"
# layers = 2
# output_activations = ["identity"]
# ///
import numpy as np


def backprop(weights, biases, x, y):
    z = x @ weights[0].T + biases[0]
    a = 1 / (1 + np.exp(-z))
    out = a @ weights[1].T + biases[1]
    d2 = 2 * (out - y) / len(x)
    d1 = d2 @ weights[1] * a * (1 - a)
    return np.sum((out - y) ** 2) / len(x), [d1.T @ x, d2.T @ a], [d1.sum(axis=0), d2.sum(axis=0)]
"""

SUMMED = """\
import numpy as np


def one(weights, biases, x, y):
    a = [x]
    for w, b in zip(weights, biases):
        a.append(1 / (1 + np.exp(-(w @ a[-1] + b))))
    d = 2 * (a[-1] - y) * a[-1] * (1 - a[-1])
    gw, gb = [None] * len(weights), [None] * len(weights)
    for l in range(1, len(weights) + 1):
        gb[-l] = d
        gw[-l] = np.outer(d, a[-l - 1])
        d = weights[-l].T @ d
    return gw, gb


def total(weights, biases, x, y):
    sw, sb = [0 * w for w in weights], [0 * b for b in biases]
    for p, q in zip(x, y):
        gw, gb = one(weights, biases, p, q)
        sw = [s + g for s, g in zip(sw, gw)]
        sb = [s + g for s, g in zip(sb, gb)]
    return [s / len(x) for s in sw], [s / len(x) for s in sb]


def backprop(weights, biases, x, y):
"""

MISTAKES = {
    # what is replaced, what by, what the named line holds, and the quantity that belongs there
    "used as it is": ('        d *= self.slope(self.cache["Z1"])\n', "", ["d = d @ self.W[1]"], ["δ[0]"]),
    "in a helper": ("return s * (1 - s)", "return s * (1 + s)", ["return s * (1 + s)"], ["σ'(z[1])"]),
    "in what a helper is given": (
        'self.slope(self.cache["Z1"])',
        'self.slope(self.cache["A1"])',
        ['d *= self.slope(self.cache["A1"])'],
        ["z[0]"],
    ),
    "in a dictionary": ('self.dW["1"] = d.T @ x', 'self.dW["1"] = 2 * d.T @ x', ['self.dW["1"] = 2 * d.T @ x'], ["∂L/∂W[0]"]),
    "in a list that is returned": ('[net.dW["1"], ', '[2 * net.dW["1"], ', ['return loss, [2 * net.dW["1"]'], ["∂L/∂W[0]"]),
    "in an attribute of the forward pass": ('"Z1": x @ self.W[0].T + self.b[0]', '"Z1": x @ self.W[0].T', ["self.cache = "], ["z[0]"]),
}


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as started:
        yield started


@pytest.fixture
def own_lines(tmp_path, zygote):
    """The lines that are named for a candidate whose check `failed`."""

    def named(candidate, failed="autograd"):
        path = candidate if isinstance(candidate, Path) else tmp_path / "student.py"
        if not isinstance(candidate, Path):
            path.write_text(candidate, encoding="utf-8")
        (found,), _ = find_candidates([str(path)])
        problem, reference = next(draw_probes(found.claims, seed=0, count=1))
        entry = calling_of("mlp").entry_of([name for name in ("backprop", "update") if f"def {name}" in path.read_text()], "backprop")
        items, evaluations = [Item(0, problem, reference)], {0: reference.evaluation}
        examination = Examination(found.claims, entry, items, [], evaluations, None, seed=0, differences=0)
        return find_own_lines(found, examination, {failed: Finding(Outcome(failed, "fail", ""))}, None, zygote, Limits())

    return named


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_line_of_a_mistake_is_named_wherever_its_value_is_kept(own_lines, mistake):
    old, new, lines, quantities = MISTAKES[mistake]
    assert TWO_LAYERS.count(old) == 1
    found = own_lines(TWO_LAYERS.replace(old, new))
    assert [line.quantity for line in found] == quantities
    assert all(line.source.startswith(text) for line, text in zip(found, lines, strict=True)), found


def test_a_loss_that_is_wrong_alone_is_named_where_it_is_computed(own_lines):
    (line,) = own_lines(TWO_LAYERS.replace("(net.out - y) ** 2) / len(x)", "(net.out - y) ** 2)"), "forward")
    assert (line.source, line.quantity) == ("loss = np.sum((net.out - y) ** 2)", "L")
    assert "It is N times what it should be (N = 3 samples)." in line.sentence
    assert own_line_sentence(line).endswith("With that, the loss comes right; tried on 1 other network too.")


@pytest.mark.parametrize(
    "last", ["return None, *total(weights, biases, x, y)", "dw, db = total(weights, biases, x, y)\n    return None, dw, db"]
)
def test_code_that_goes_sample_by_sample_is_not_put_right_where_its_sums_are(own_lines, last):
    (line,) = own_lines(SUMMED + f"    {last}\n")
    assert (line.source, line.quantity) == ("d = weights[-l].T @ d", "δ[0]")


def test_a_wrong_forward_pass_is_named_before_the_loss_that_it_makes_wrong(own_lines):
    first, _ = own_lines(FAULTY / "another_forward_pass.py")
    assert (first.source, first.quantity) == ("activations = run(weights, biases, x)", "a[1]")


def test_two_mistakes_are_two_lines(own_lines):
    wrong = TWO_LAYERS.replace('self.db["2"] = d.sum(axis=0)', 'self.db["2"] = d.mean(axis=0)').replace(
        "d = d @ self.W[1]", "d = -d @ self.W[1]"
    )
    found = own_lines(wrong)
    assert [line.source for line in found] == ['self.db["2"] = d.mean(axis=0)', "d = -d @ self.W[1]"]


def test_right_code_and_code_whose_mistake_is_in_no_value_are_told_no_line(own_lines):
    assert own_lines(TWO_LAYERS) == ()
    assert own_lines(FAULTY / "first_layer_zero.py") == ()
    assert own_lines(FAULTY / "last_sample_only.py") == ()


def test_weights_that_change_before_they_are_used_are_named_where_they_change(own_lines):
    (line,) = own_lines(FAULTY / "updated_before_propagated.py")
    assert line.source.startswith("weights[layer] -= learning_rate")
    assert "before line 34 uses it" in line.sentence


def test_a_right_gradient_is_not_to_be_halved_for_a_step_that_is_twice_as_long(own_lines):
    step = [
        "def update(weights, biases, x, y, learning_rate):",
        "    _, gw, gb = backprop(weights, biases, x, y)",
        "    eta = 2 * learning_rate",
        "    return [w - eta * g for w, g in zip(weights, gw)], [b - eta * g for b, g in zip(biases, gb)]",
    ]
    (line,) = own_lines("\n".join([TWO_LAYERS, *step]), "update")
    assert (line.function, line.quantity) == ("update", "W[0] - η ∂L/∂W[0]")
    assert line.sentence.startswith("What update returns here should have W[0] - η ∂L/∂W[0] at [0][0]: ")
    assert own_line_sentence(line).endswith("With that, the step comes right; tried on 1 other network too.")


def test_the_lost_sign_of_an_exponent_is_told_from_its_values(own_lines):
    (line,) = own_lines(FORGETTING.replace("np.exp(-z)", "np.exp(z)"))
    assert line.quantity == "a[0]"
    assert "1 minus what it should be" in line.sentence


def test_of_a_wrong_step_beside_right_gradients_the_step_is_named(own_lines):
    found = own_lines(FAULTY / "update_wrong_sign.py", "update")
    assert [line.function for line in found] == ["update", "update"]


def test_every_page_shows_the_line_with_a_caret_below_what_makes_the_value(report):
    found = report(FAULTY / "no_hidden_derivative.py", only=["autograd"])
    assert found.place.endswith("no_hidden_derivative.py, line 33, in backprop")
    assert "It is ∂L/∂a[0]: the factor σ'(z[0]) is missing." in found.own_lines[0].sentence
    pair = ("delta = delta @ weights[layer]", "        ^~~~~~~~~~~~~~~~~~~~~~")
    for page in (terminal.write(found), markdown.write(found)):
        lines = page.split("\n")
        (at,) = [index for index, line in enumerate(lines) if line.strip() == pair[0]]
        assert lines[at + 1].rstrip() == lines[at].replace(*pair)
    assert f"{pair[0]}\n<span" in html.write(found)
    assert pair[1] in html.write(found)


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("d1 = (d2 @ W2) * slope(z, n=3)  # back", "(d2 @ W2) * slope(z, n=3)"),
        ("grads['a=b'] = a = f('#', x == y)", "f('#', x == y)"),
        ("w -= rate * g", "rate * g"),
        (r"a = 'it\'s = #' + b  # c", r"'it\'s = #' + b"),
        ("return a >= 0", "a >= 0"),
        ("grads.insert(0, d.T @ a[l])", "grads.insert(0, d.T @ a[l])"),
        ("rate * g)", "rate * g)"),
    ],
)
def test_the_caret_stands_below_what_makes_the_value(line, marked, tmp_path):
    (tmp_path / "net.py").write_text(f"def backprop(weights, biases, x, y):\n    {line}\n")
    (candidate,), _ = find_candidates([str(tmp_path / "net.py")])
    found = source_line(candidate, str(tmp_path / "net.py"), 2)
    assert found.text[found.column :][: found.length] == marked


def test_a_file_that_is_not_the_candidates_own_is_never_read(tmp_path):
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "verifier.toml").write_text('module = "net.py"\n')
    (folder / "net.py").write_text("def backprop(weights, biases, x, y):\n    return 1\n")
    (tmp_path / "secret.py").write_text("password = 1\n")
    (folder / "link.py").symlink_to(tmp_path / "secret.py")
    (candidate,), _ = find_candidates([str(folder)])
    assert source_line(candidate, str(folder / "net.py"), 2).text == "return 1"
    for other in (tmp_path / "secret.py", folder / "link.py", folder / ".." / "secret.py", folder / "verifier.toml", "/etc/passwd"):
        assert source_line(candidate, str(other), 1) is None
    assert source_line(candidate, str(folder / "net.py"), 99) is None
