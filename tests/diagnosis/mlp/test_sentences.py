"""Sentences that were confident and false, each with what is true in its place; by the real command, without a smallest network."""

import pytest

CLASSES = {
    "claims": '# output_activations = ["softmax"]\n# losses = ["softmax_cross_entropy"]\n# targets = "one_hot"\n',
    "output": "softmax(z)",
    "loss": "-(y * np.log(p)).sum() / len(x)",
    "delta": "(p - y) / len(x)",
}

LINEAR = {"claims": '# output_activations = ["identity"]\n', "output": "z"}

SAID = {
    # pieces of the network, (fault, equation), what is said, what is not
    "a penalty in loss and gradient": (
        {
            "loss": "((p - y) ** 2).sum() / len(x) + 0.05 * sum((w * w).sum() for w in weights)",
            "end": "gw = [g + 0.1 * w for g, w in zip(gw, weights)]",
        },
        ("another-loss", "loss"),
        ["`l2 = 0.05`", "The gradients are its derivative"],
        ["a regularisation that the claimed loss does not have"],
    ),
    "a penalty of biases too in loss and gradient": (
        {
            "claims": "# l2 = 0.05\n",
            "loss": "((p - y) ** 2).sum() / len(x) + 0.05 * sum((v * v).sum() for v in [*weights, *biases])",
            "end": "gw = [g + 0.1 * w for g, w in zip(gw, weights)]; gb = [g + 0.1 * b for g, b in zip(gb, biases)]",
        },
        ("another-loss", "loss"),
        ["both regularise the biases too"],
        ["the loss regularises the weights only"],
    ),
    "biases of one number, of the wrong layer": (
        {**CLASSES, "end": "sums = [g.sum() for g in gb]; gb = [0 * g + sums[min(l + 1, len(gb) - 1)] for l, g in enumerate(gb)]"},
        ("bias-one-number-of-layer-above", "bias-gradient"),
        ["of the layer above"],
        [],
    ),
    "a sigmoid's derivative in the softmax's fused δ": (
        {**CLASSES, "delta": "(p - y) * p * (1 - p) / len(x)"},
        ("slope-in-fused-delta", "output-delta"),
        ["which is the softmax's δ already"],
        [],
    ),
    "a factor in loss and gradient": (
        {"loss": "2 * ((p - y) ** 2).sum() / len(x)", "delta": "4 * (p - y) / len(x) * p * (1 - p)"},
        ("another-loss", "loss"),
        ["`loss_scale = 2.0`", "fits its own loss"],
        ["twice that of"],
    ),
    "another loss, and a backward pass that is wrong for it": (
        {"loss": "3 * ((p - y) ** 2).sum() / len(x)", "delta": "-6 * (p - y) / len(x) * p * (1 - p)"},
        ("sign", "output-delta"),
        ["minus one times"],
        ["the gradients follow"],
    ),
    "a slightly different forward pass, and a backward pass that is wrong": (
        {"hidden": "1 / (1 + np.exp(-z) + 1e-12)", "slope": "h * (1 - h) * 0 + 1"},
        ("hidden-derivative-missing", "hidden-delta"),
        ["σ' is left out"],
        ["the gradients follow"],
    ),
    "chance in the backward pass alone": (
        {"slope": "h * (1 - h) * (np.random.rand(*h.shape) > 0.3)"},
        ("random-between-calls", "hidden-delta"),
        ["The loss is the same at each call"],
        ["Is dropout left on"],
    ),
    "the mean twice below the output": (
        {"slope": "h * (1 - h) / len(x)"},
        ("mean-on-the-way-down", "hidden-delta"),
        ["below the output"],
        ["The first equation that departs is the output's δ"],
    ),
    "= -1 for -= 1": (
        {**CLASSES, "delta": "np.where(y == 1, -1, p) / len(x)"},
        ("target-set-to-minus-one", "output-delta"),
        ["-= 1, not = -1"],
        [],
    ),
    "a softmax below the loss of logits": (
        {
            **CLASSES,
            "loss": "-(y * np.log(softmax(p))).sum() / len(x)",
            "delta": "p * ((softmax(p) - y) - ((softmax(p) - y) * p).sum(axis=1, keepdims=True)) / len(x)",
        },
        ("output-activation-twice", "forward"),
        ["is given the probabilities"],
        [],
    ),
    "Huber's loss and its gradient": (
        {
            **LINEAR,
            "loss": "np.where(abs(p - y) <= 1, (p - y) ** 2 / 2, abs(p - y) - 0.5).sum() / len(x)",
            "delta": "np.clip(p - y, -1, 1) / len(x)",
        },
        ("another-loss", "loss"),
        ["Huber's", "at most 1", "averaged over the batch", "The gradients are its derivative"],
        ["the forward pass"],
    ),
    "the root of the error, and the error's gradient": (
        {**LINEAR, "loss": "np.sqrt(((p - y) ** 2).sum() / len(x))", "delta": "(p - y) / len(x)"},
        ("another-loss", "loss"),
        ["the root of (ŷ - y)²", "not its derivative either"],
        ["fits its own loss"],
    ),
    "the absolute error beside right gradients": (
        {**LINEAR, "loss": "abs(p - y).sum() / len(x)", "delta": "2 * (p - y) / len(x)"},
        ("another-loss", "loss"),
        ["the absolute error", "it is the loss that is wrong"],
        ["derivative"],
    ),
    "a loop that ends above the first layer": (
        {"end": "gw[0], gb[0] = (0 * gw[0], 0 * gb[0]) if len(gw) > 1 else (gw[0], gb[0])"},
        ("first-hidden-layer-zero", "weight-gradient"),
        ["wherever a layer stands above it"],
        [],
    ),
    "gradients that are no numbers": (
        {"end": "gw = [g * np.nan for g in gw]; gb = [g / 0.0 for g in gb]"},
        ("no-known-mistake", "weight-gradient"),
        ["The gradients are NaN or infinite"],
        ["differences of the loss"],
    ),
    "a hidden fault in batches alone": (
        {"slope": "h * (1 - h) * (1.01 if len(x) > 1 else 1)"},
        ("no-known-mistake", "hidden-delta"),
        ["single samples are right", "The output layer's gradients are right"],
        ["the output's δ"],
    ),
}


@pytest.mark.parametrize(("pieces", "first", "said", "unsaid"), SAID.values(), ids=SAID)
def test_what_is_said_is_true(pieces, first, said, unsaid, told_of):
    verdict, diagnosis = told_of(**pieces)
    assert verdict == "fail"
    assert (diagnosis[0].fault, diagnosis[0].equation) == first, diagnosis
    text = " ".join(one.explanation for one in diagnosis)
    assert all(words in text for words in said), text
    assert not any(words in text for words in unsaid), text
