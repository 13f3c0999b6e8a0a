"""A layer beside PyTorch's operation: which of its two passes is wrong, under whatever conventions and letters right code has."""

from pathlib import Path

import pytest

import verifier

MANIFEST = '# /// script\n# [tool.verifier]\n# contract = "layer"\n{keys}\n# ///\nimport numpy as np\n'
BATCHNORM = """
def batchnorm_forward(x, gamma, beta, bn_param):
    mean, deviation = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-3)
    normal = (x - mean) / deviation
    return gamma * normal + beta, (normal, deviation, gamma)

def batchnorm_backward(dout, cache):
    normal, deviation, gamma = cache
    inner = gamma * dout
    dx = (inner - inner.mean(axis=0) - normal * (inner * normal).mean(axis=0)) / deviation
    return dx, (dout * normal).sum(axis=0), dout.sum(axis=0)
"""
LSTM = """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)

def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    dc = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2)
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * np.tanh(next_c) * o * (1 - o), dc * i * (1 - g**2)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)
"""
ATTENTION = """
def attention_forward(q, k, v):
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2])
    p = np.exp(scores - scores.max(axis=2, keepdims=True))
    p = p / p.sum(axis=2, keepdims=True)
    return p @ v, (q, k, v, p)

def attention_backward(dout, cache):
    q, k, v, p = cache
    dp = dout @ v.transpose(0, 2, 1)
    ds = p * (dp - (dp * p).sum(axis=2, keepdims=True)) / np.sqrt(q.shape[2])
    return ds @ k, ds.transpose(0, 2, 1) @ q, p.transpose(0, 2, 1) @ dout
"""
CLASSES = """
class Conv:
    def __init__(self, w, b, stride):
        self.w, self.b, self.stride = w, b, stride

    def forward(self, x):
        self.x, s = x, self.stride
        kh, kw = self.w.shape[:2]
        out = np.zeros((len(x), (x.shape[1] - kh) // s + 1, (x.shape[2] - kw) // s + 1, self.w.shape[3]))
        for i, j in np.ndindex(*out.shape[1:3]):
            out[:, i, j] = np.tensordot(x[:, i * s:i * s + kh, j * s:j * s + kw], self.w, 3) + self.b
        return out

    def backward(self, dout):
        s, (kh, kw) = self.stride, self.w.shape[:2]
        dx, self.dw, self.db = np.zeros_like(self.x), np.zeros_like(self.w), dout.sum(axis=(0, 1, 2))
        for i, j in np.ndindex(*dout.shape[1:3]):
            window = np.s_[:, i * s:i * s + kh, j * s:j * s + kw]
            dx[window] += np.tensordot(dout[:, i, j], self.w, (1, 3))
            self.dw += np.tensordot(self.x[window], dout[:, i, j], (0, 0))
        return dx
"""
CONV = [
    'operation = "conv2d"',
    'arrays = { x = "N H V C", w = "A B C F", b = "F" }',
    "sizes = { H = [3, 6], V = [3, 6], A = [1, 3], B = [1, 3] }",
    "options = { s = [1, 2] }",
    'setup = "layer = Conv(w, b, s)"',
    'forward = "out = layer.forward(x)"',
    'backward = ["dx = layer.backward(dout)", "dw, db = layer.dw, layer.db"]',
]


@pytest.fixture
def judge(tmp_path):
    def judged(source, *keys):
        file = tmp_path / "layers.py"
        file.write_text(MANIFEST.format(keys="\n".join(f"# {key}" for key in keys)) + source)
        return verifier.check(file, profile="quick")

    return judged


def planted(source, right, wrong):
    assert source.count(right) == 1
    return source.replace(right, wrong)


@pytest.mark.parametrize(
    ("source", "operation", "chosen"),
    [
        (BATCHNORM, "batchnorm", "eps = 0.001"),
        (LSTM, "lstm_step", "gates = ifog"),
        (ATTENTION, "attention", "scaled_dot"),
        (CLASSES, "", ""),
    ],
)
def test_outputs_are_those_of_the_operation_whatever_right_code_chooses(judge, source, operation, chosen):
    report = judge(source, *(CONV if source is CLASSES else [f'operation = "{operation}"']))
    assert report.verdict == "pass", report.summary
    assert report.layers[0].forward == "pass"
    said = next(outcome.message for outcome in report.checks if outcome.id == "forward")
    assert chosen in said or operation == "attention"


def test_where_the_outputs_are_right_the_backward_pass_is_called_wrong(judge):
    report = judge(planted(BATCHNORM, " - inner.mean(axis=0)", ""), 'operation = "batchnorm"')
    assert report.diagnosis[0].explanation == "dx lacks the term through the mean."
    assert report.diagnosis[0].evidence.endswith("Its outputs are PyTorch's batch_norm (eps = 0.001): the backward pass is wrong.")


@pytest.mark.parametrize(
    ("source", "operation", "right", "wrong"),
    [
        (
            BATCHNORM,
            "batchnorm",
            "(x - mean) / deviation\n",
            "(x - mean) / deviation**2\n    normal_ = normal; normal = (x - mean) / deviation\n",
        ),
        (ATTENTION, "attention", "return p @ v, ", "return 2 * p @ v, "),
        (
            LSTM,
            "lstm_step",
            "next_c = f * prev_c + i * g\n    next_h = o * np.tanh(next_c)",
            "next_c = f * prev_c + i * g\n    next_h = o * next_c",
        ),
    ],
)
def test_where_the_gradients_are_the_operations_own_the_forward_pass_is_called_wrong(judge, source, operation, right, wrong):
    source = planted(source, right, wrong)
    if operation == "batchnorm":
        source = planted(source, "return gamma * normal + beta, ", "return gamma * normal_ + beta, ")
    report = judge(source, f'operation = "{operation}"')
    assert report.verdict == "fail"
    assert "The forward pass is wrong, the backward pass is that of" in report.summary
    assert (report.layers[0].forward, report.diagnosis[0].fault) == ("fail", "forward")


def test_outputs_that_are_none_of_the_usual_ones_are_no_mistake(judge):
    report = judge(planted(BATCHNORM, "1e-3", "3.3e-4"), 'operation = "batchnorm"')
    assert report.verdict == "pass", report.summary
    assert report.layers[0].forward == "skipped"


NAMED = [
    (LSTM, "lstm_step", "dc * prev_c * f * (1 - f)", "dc * prev_c * f", "has σ where σ(1 - σ) belongs, in the forget gate; likewise"),
    (LSTM, "lstm_step", "dc * g * i * (1 - i)", "0 * dc", "lacks the part through the input gate; likewise"),
    (LSTM, "lstm_step", " * (1 - np.tanh(next_c) ** 2)", "", "lacks the factor 1 - tanh² of the cell"),
    (LSTM, "lstm_step", "dc * f, x.T", "dc, x.T", "dprev_c lacks the forget gate on the way back"),
    (
        ATTENTION,
        "attention",
        " / np.sqrt(q.shape[2])\n    return",
        "\n    return",
        "dq is √D times what it should be",
    ),
    (ATTENTION, "attention", "(dp - (dp * p).sum(axis=2, keepdims=True))", "dp", "lacks the softmax's other columns"),
]


@pytest.mark.parametrize(("source", "operation", "right", "wrong", "says"), NAMED)
def test_the_missing_part_is_named(judge, source, operation, right, wrong, says):
    report = judge(planted(source, right, wrong), f'operation = "{operation}"')
    assert says in report.summary, report.summary


SOFTMAX_LOSS = """
def softmax_loss(x, y):
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(x)), y] + 1e-8).mean()
    dx = p.copy()
    dx[np.arange(len(x)), y] -= 1
    return loss, dx / len(x)
"""


BINARY_LOSS = """
def loss_forward(x, y):
    return -np.mean(y * np.log(x + 1e-8) + (1 - y) * np.log(1 - x + 1e-8))

def loss_backward(x, y):
    return (x - y) / (x * (1 - x)) / x.size
"""
OF_PROBABILITIES = [
    'operation = "binary_cross_entropy"',
    'arrays = { x = "prob N 1", y = "bool N 1" }',
    'differentiate = ["x"]',
    'forward = "loss = loss_forward(x, y)"',
    'backward = "dx = loss_backward(x, y)"',
]
LEFT_OUT = [
    (SOFTMAX_LOSS, ['operation = "softmax_loss"'], "dx / len(x)", "1e-05"),
    (BINARY_LOSS, OF_PROBABILITIES, "(x - y) / (x * (1 - x)) / x.size", "1e-08"),
]


@pytest.mark.parametrize(("source", "keys", "gradient", "epsilon"), LEFT_OUT)
def test_an_epsilon_in_a_logarithm_that_the_gradient_leaves_out_is_a_note(judge, source, keys, gradient, epsilon):
    report = judge(source.replace("1e-8", epsilon), *keys)
    assert report.verdict == "pass", report.summary
    assert any(f"an ε of {epsilon} inside its logarithm" in note.message for note in report.notes)
    wrong = judge(planted(source, gradient, f"{gradient} * (1 + 1e-11)"), *keys)
    assert wrong.verdict == "fail"
    assert "forward pass is wrong" not in wrong.summary


def test_a_loss_may_be_off_by_what_an_epsilon_about_its_logarithm_does_and_by_no_more(judge):
    beside = SOFTMAX_LOSS.replace(" + 1e-8", "").replace(".mean()", ".mean() + np.log1p(1e-8 / np.exp(x).sum(axis=1)).mean()")
    assert judge(beside, 'operation = "softmax_loss"').verdict == "pass"
    wrong = judge(SOFTMAX_LOSS.replace(" + 1e-8", "").replace(".mean()", ".mean() * 1.0005"), 'operation = "softmax_loss"')
    assert (wrong.verdict, "the backward pass is that of cross_entropy" in wrong.summary) == ("fail", True)


def test_a_loss_of_sequences_is_one_of_as_many_samples(judge):
    over_steps = [
        'arrays = { x = "N T C", y = "int<C> N T" }',
        'forward = ["loss, flat = softmax_loss(x.reshape(N * T, C), y.reshape(N * T))", "dx = flat.reshape(N, T, C)"]',
    ]
    report = judge(SOFTMAX_LOSS, 'operation = "cross_entropy"', *over_steps)
    assert (report.verdict, report.layers[0].forward) == ("pass", "pass"), report.summary


@pytest.mark.parametrize("shape", ["N", "1 N"])
def test_single_probabilities_may_lie_in_any_layout(judge, shape):
    keys = [key.replace("prob N 1", f"prob {shape}").replace("bool N 1", f"bool {shape}") for key in OF_PROBABILITIES]
    report = judge(BINARY_LOSS, *keys)
    assert (report.verdict, report.layers[0].forward) == ("pass", "pass"), report.summary


def test_a_mean_that_the_gradient_forgets_beside_an_epsilon_is_no_wrong_forward_pass(judge):
    """The gradient is then that of the summed loss, the loss nearly the mean: each is the operation's, and only one is what is computed."""
    report = judge(planted(SOFTMAX_LOSS, "dx / len(x)", "dx"), 'operation = "softmax_loss"')
    assert report.verdict == "fail"
    assert report.summary.startswith(
        "softmax_loss: dx is the gradient of the sum over the samples, and the loss is the mean over the samples: "
    )


DROPOUT = """
def dropout_forward(x, dropout_param):
    keep = 1 - dropout_param["p"]
    np.random.seed(dropout_param["seed"])
    mask = (np.random.rand(*x.shape) < keep) / keep
    training = dropout_param["mode"] == "train"
    return x * mask if training else x, mask if training else np.ones_like(x)

def dropout_backward(dout, mask):
    return dout * mask
"""


def test_dropout_is_held_beside_pytorch_with_its_own_mask_under_either_meaning_of_p(judge):
    for source in (DROPOUT, planted(DROPOUT, '1 - dropout_param["p"]', 'dropout_param["p"]')):
        report = judge(source, 'operation = "dropout"')
        assert (report.verdict, report.layers[0].forward) == ("pass", "pass"), report.summary
    report = judge(planted(DROPOUT, "dout * mask", "dout * (mask > 0)"), 'operation = "dropout"')
    assert report.verdict == "fail"
    assert "the backward pass is wrong" in report.diagnosis[0].evidence


PADDED = """
def word_embedding_forward(x, W):
    out = W[x]
    out[x == 0] = 0.0
    return out, (x, W)

def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, np.where((x == 0)[..., None], 0.0, dout))
    return dW
"""


def test_an_embedding_whose_index_0_is_padding_is_right_and_one_that_loses_another_row_is_not(judge):
    """Padding is a convention that right code may choose; a row that is 0 by a mistake elsewhere is none."""
    keys = 'operation = "embedding"'
    assert judge(PADDED, keys).verdict == "pass"
    report = judge(PADDED.replace("x == 0", "x == 1"), keys)
    assert (report.verdict, next(check.status for check in report.checks if check.id == "forward")) == ("fail", "fail")


LAYER_CLASSES = Path(__file__).parents[3] / "reference_impls" / "layers" / "correct" / "layer_classes.py"
POOL_KEYS = """# name = "MaxPool2d"
# operation = "maxpool"
# dtypes = ["float32"]
# options = { K = [2, 3], stride = [1, 2] }
# require = ["H >= K", "W >= K"]
# setup = "layer = MaxPool2d(K, stride)"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
"""


@pytest.mark.parametrize(
    ("changed", "verdicts"), [("dx = layer.backward(dout)", {"pass"}), ("dx = 1.005 * layer.backward(dout)", {"fail", "inconclusive"})]
)
def test_where_steps_between_kinks_are_too_short_in_float32_the_operations_own_gradient_decides(tmp_path, changed, verdicts):
    path = tmp_path / "pool.py"
    keys = POOL_KEYS.replace("dx = layer.backward(dout)", changed)
    source = LAYER_CLASSES.read_text().rpartition("# ///")[2]
    path.write_text(f'# /// script\n# [tool.verifier]\n# contract = "layer"\n{keys}# ///\n{source}')
    report = verifier.check(path, profile="quick", seed=4)
    assert report.verdict in verdicts, report.summary


EMBEDDED = (
    'arrays = { x = "int<V> N T", W = "V D" }',
    'forward = "out, cache = word_embedding_forward(x, W)"',
    'backward = "dW = word_embedding_backward(dout, cache)"',
)
PYTORCHS = """
def word_embedding_forward(x, W):
    return W[x], (x, W)

def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    dW[0] = 0.0
    return dW
"""


@pytest.mark.parametrize("keys", [['operation = "embedding"'], EMBEDDED])
def test_a_row_whose_gradient_is_zero_by_convention_is_right_where_the_manifest_says_so(judge, keys):
    """PyTorch's padding_idx: forward takes the row as it stands, and it is no parameter. Elsewhere nothing is left out of the judgement."""
    report = judge(PYTORCHS, *keys, "zero_at = { W = [0] }")
    assert report.verdict == "pass"
    assert any("the gradient of W is 0 in row 0" in note.message for note in report.notes)
    undeclared = judge(PYTORCHS, *keys)
    assert undeclared.verdict == "fail"
    assert "zero_at = { W = [0] }" in undeclared.diagnosis[0].evidence
    for wrong in (("dW[0] = 0.0", "dW[:2] = 0.0"), ("    dW[0] = 0.0\n", ""), ("np.add.at(dW, x, dout)", "dW[x] += dout")):
        assert judge(planted(PYTORCHS, *wrong), *keys, "zero_at = { W = [0] }").verdict == "fail"
