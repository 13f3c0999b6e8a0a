"""A beginner's first hour: mistakes as they are made, and what the first screen of a terminal of 80 x 24 says: place, cause, remedy."""

import textwrap

import pytest

import verifier
from verifier.reports.terminal import write
from verifier.verification.judging import judge

SIGMOID = "import numpy as np\n\n\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n\n\n"
RIGHT = (
    SIGMOID
    + """\
def backprop(weights, biases, x, y):
    a = [x]
    for W, b in zip(weights, biases):
        a.append(sigmoid(a[-1] @ W.T + b))
    m = x.shape[0]
    loss = np.sum((a[-1] - y) ** 2) / m
    delta = 2 * (a[-1] - y) * a[-1] * (1 - a[-1]) / m
    dW, db = [], []
    for l in range(len(weights) - 1, -1, -1):
        dW.insert(0, delta.T @ a[l])
        db.insert(0, delta.sum(axis=0))
        delta = delta @ weights[l] * a[l] * (1 - a[l])
    return loss, dW, db
"""
)
RETURN = "    return loss, dW, db\n"
ASKED = ["contract", "forward", "autograd"]
LOSS, DELTA = "** 2) / m", "(1 - a[-1]) / m"
SOFTMAX = [
    ("def backprop", "def softmax(z):\n    e = np.exp(z)\n    return e / e.sum(axis=1, keepdims=True)\n\n\ndef backprop"),
    ("    m = x", "    a[-1] = softmax(a[-2] @ W.T + b)\n    m = x"),
    ("2 * (a[-1] - y) * a[-1] * (1 - a[-1]) / m", "(a[-1] - y) / m"),
]


def but(*changes, to=RIGHT):
    for old, new in changes:
        assert to.count(old) == 1, old
        to = to.replace(old, new)
    return to


TRAINING = """

W, B = [np.ones((1, 3))], [np.zeros(1)]
for epoch in range(10**10):
    loss, dW, db = backprop(W, B, np.ones((20, 3)), np.ones((20, 1)))
    print("epoch", epoch, "loss", loss)
"""
TWO = (
    SIGMOID
    + """\
def backprop(weights, biases, x, y):
    W1, W2 = weights
    b1, b2 = biases
    a1 = sigmoid(x @ W1.T + b1)
    a2 = sigmoid(a1 @ W2.T + b2)
    d2 = 2 * (a2 - y) * a2 * (1 - a2) / len(x)
    d1 = d2 @ W2 * a1 * (1 - a1)
    return np.sum((a2 - y) ** 2) / len(x), [d1.T @ x, d2.T @ a1], [d1.sum(axis=0), d2.sum(axis=0)]
"""
)
GLOBALS = but(
    ("def backprop", "W1, W2 = np.ones((3, 4)), np.ones((4, 1))\n\n\ndef backprop"),
    ("zip(weights, biases)", "[(W1.T, 0), (W2.T, 0)]"),
    ("len(weights)", "2"),
    ("@ weights[l] ", "@ [W1.T, W2.T][l] "),
)
CLASS = SIGMOID + "class Network:\n" + textwrap.indent(RIGHT[len(SIGMOID) :].replace("backprop(w", "backprop(self, w"), "    ")

MISTAKES = {
    "append_for_insert": (
        but(("dW.insert(0, ", "dW.append("), ("db.insert(0, ", "db.append(")),
        "in reverse order, last layer first",
        "insert(0",
    ),
    "two_layers": (TWO, "line 9, in backprop: ValueError: not enough values to unpack", "`layers = 2`"),
    "bias_of_one_sample": (but(("delta.sum(axis=0)", "delta[0]")), "line 18, in backprop", "not summed over the batch"),
    "bias_not_summed": (but(("delta.sum(axis=0)", "delta")), "one row per sample", "`delta.sum(axis=0)`"),
    "star_for_at": (but(("a[-1] @ W.T", "a[-1] * W.T")), "line 11, in backprop: ValueError", "write `@`"),
    "mean_over_all": (but((LOSS, "** 2) / y.size"), (DELTA, "(1 - a[-1]) / y.size")), "not the claimed one", '`reduction = "mean_all"`'),
    "in_out": (
        but(("W.T + b", "W + b"), ("delta.T @ a[l]", "a[l].T @ delta"), ("@ weights[l] *", "@ weights[l].T *")),
        "line 11, in backprop: ValueError",
        '`weight_layout = "in_out"` in the manifest it is right',
    ),
    "no_return": (but((RETURN, "")), "returned None", "end it with `return loss, weight_gradients, bias_gradients`"),
    "dictionary": (but((RETURN, "    return {'dW': dW, 'db': db}\n")), "returned a dict", "end it with `return loss, weight_gradients"),
    "flat": (but((RETURN, "    return [loss, *dW, *db]\n")), "returned 5 parts", "into one list"),
    "one_array": (but((RETURN, "    return loss, np.array(dW), db\n")), "line 20, in backprop", "keep them in a list"),
    "trains": (RIGHT + TRAINING, 'the last "epoch', 'below `if __name__ == "__main__":`'),
    "asks": (RIGHT + "\nn = input('How many units? ')\n", "line 22: EOFError", "Nobody answers `input()`"),
    "reads_data": (RIGHT + "\ndata = np.loadtxt('data.csv')\n", "line 22: FileNotFoundError", 'below `if __name__ == "__main__":`'),
    "float32": (but(("    a = [x]", "    a = [x.astype(np.float32)]")), "right to float32's last bits", 'dtypes = ["float32"]'),
    "integers": (
        but((RETURN, "    return loss, [d.astype(int) for d in dW], [d.astype(int) for d in db]\n")),
        "is a whole number",
        "Use floats",
    ),
    "indices": (
        '# /// script\n# [tool.verifier]\n# output_activations = ["softmax"]\n# losses = ["cross_entropy"]\n# ///\n'
        + but(*SOFTMAX, ("np.sum((a[-1] - y) ** 2) / m", "-np.mean(np.log(a[-1][np.arange(m), y]))")),
        "in backprop: IndexError",
        "one column per class (one-hot)",
    ),
    "softmax": (
        but(*SOFTMAX, ("(a[-1] - y) ** 2) / m", "-y * np.log(a[-1])) / m")),
        "does not compute what is claimed",
        'losses = ["cross_entropy"]',
    ),
    "globals": (GLOBALS, "ValueError", "never reads its parameters weights and biases; it computes with W1, W2"),
    "order": (
        but(("(weights, biases, x, y)", "(x, y, weights, biases)")),
        "line 11, in backprop",
        "in another order: x, y, weights, biases",
    ),
    "class": (CLASS, "no function 'backprop'", '`entry = "net.backprop"`'),
    "class_with_object": (CLASS + "model = Network()\n", "no function 'backprop'", 'model is one: add `entry = "model.backprop"`'),
    "misspelt": (RIGHT.replace("backprop", "back_prop"), "no function 'backprop'; it has back_prop", "Rename back_prop to backprop"),
    "python_2": (but((RETURN, "    print loss\n" + RETURN)), "line 20: SyntaxError", "Did you mean print(...)?"),
    "tabs": (but(("    m = x", "\tm = x")), "line 12: TabError", "tabs and spaces"),
    "relative": ("from .activations import relu\n" + RIGHT, "line 1: ImportError", "folder with a verifier.toml"),
    "neighbour": ("from activations import relu\n" + RIGHT, "line 1: ModuleNotFoundError", "folder with a verifier.toml"),
}


@pytest.fixture(scope="module")
def screens(tmp_path_factory):
    """The first 24 lines of each file's report, as one text."""
    folder = tmp_path_factory.mktemp("hour")
    for name, (source, *_) in MISTAKES.items():
        (folder / f"{name}.py").write_text(source)
    found = {}
    for judged in judge([str(folder / f"{name}.py") for name in MISTAKES], profile="quick", only=ASKED, limits={"load_seconds": 2}):
        text = write(judged.report)
        found[judged.report.candidate.name] = " ".join(" ".join(text.split("\n")[:24]).split())
    return found


@pytest.mark.parametrize("name", MISTAKES)
def test_the_first_screen_names_the_place_the_cause_and_the_remedy(screens, name):
    _, cause, remedy = MISTAKES[name]
    assert cause in screens[name]
    assert remedy in screens[name]
    assert "no-known-mistake" not in screens[name] or name == "integers"


def test_right_code_in_another_layout_is_told_no_remedy_for_another_mistake(screens):
    assert "in the manifest it is right" not in "".join(screens[name] for name in MISTAKES if name != "in_out")


def test_a_method_is_judged_where_the_manifest_names_its_object(tmp_path):
    file = tmp_path / "net.py"
    file.write_text('# /// script\n# [tool.verifier]\n# entry = "net.backprop"\n# ///\n' + CLASS + "net = Network()\n")
    assert verifier.check(file, profile="quick").verdict == "pass"


def test_lists_in_reverse_order_are_a_mistake_by_name(screens):
    assert "Diagnosis: reversed-order" in screens["append_for_insert"]
