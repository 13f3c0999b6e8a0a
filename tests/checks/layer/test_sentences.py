"""The first sentence about a planted mistake names the tensor, the relation, and the sizes or options at which it shows."""

from pathlib import Path

import pytest

import verifier

COURSE = Path(__file__).parents[2] / "planted" / "layers" / "course.py"
PLANTED = [
    ("affine", "dout.sum(axis=0)  # affine", "dout.mean(axis=0)", "db is divided by N"),
    ("affine", "dout @ w.T", "-dout @ w.T", "dx has the wrong sign"),
    ("affine", "dout @ w.T", "np.ones_like(dout) @ w.T", "dx does not depend on the cotangent"),
    ("affine", "dout.sum(axis=0)  # affine", "dout[-1]", "db counts the last sample alone"),
    (
        "batchnorm",
        "(dout * normal).sum(axis=0), dout.sum(axis=0)",
        "dout.sum(axis=0), (dout * normal).sum(axis=0)",
        "dgamma and dbeta are exchanged",
    ),
    ("batchnorm", " - inner.mean(axis=0)", "", "dx is off by a number that is the same over the batch"),
    ("batchnorm", " - normal * (inner * normal).mean(axis=0)", "", "dx is off by a multiple of x - mean"),
    (
        "conv2d",
        "padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]",
        "padded[:, :, pad:-pad, pad:-pad]",
        "dx is empty: it has shape",
    ),
    ("conv2d", "padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]", "padded[:, :, pad:-pad, pad:-pad]", "with pad = 0 only"),
    ("maxpool", "width] += mask", "width] = mask", "where windows overlap only"),
    ("maxpool", "mask / mask.sum(axis=(2, 3), keepdims=True)", "mask", "dx is handed out more than once where elements are equal"),
    ("softmax", "out * (dout - (dout * out).sum(axis=1, keepdims=True))", "dout * out * (1 - out)", "the Jacobian's diagonal"),
    ("linear_loss", "+ 2 * reg * W", "+ reg * W", "dW is off by reg·W: that term is missing"),
    ("embedding", "np.add.at(dW, x, dout)", "dW[x] = dout", "dW counts, of several outputs"),
    ("rnn", "dprev = step @ Wh.T", "dprev = 0 * step", "dh0 is zero everywhere."),
]


def test_the_course_file_is_right_as_it_stands():
    report = verifier.check(COURSE, profile="quick")
    assert report.verdict == "pass", report.summary


@pytest.mark.parametrize(("layer", "right", "wrong", "says"), PLANTED)
def test_the_first_sentence_names_the_mistake(tmp_path, layer, right, wrong, says):
    source = COURSE.read_text()
    assert source.count(right) == 1
    head, _, body = source.partition("# operation")
    body = f'# operation = "{layer}"' + body[body.index("\n") :]
    file = tmp_path / "course.py"
    file.write_text(head + body.replace(right, wrong))
    report = verifier.check(file, profile="quick")
    assert report.verdict == "fail"
    assert says in report.summary
