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
    ("batchnorm", " - inner.mean(axis=0)", "", "dx lacks the term through the mean."),
    ("batchnorm", " - normal * (inner * normal).mean(axis=0)", "", "dx lacks the term through the variance."),
    (
        "conv2d",
        "padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]",
        "padded[:, :, pad:-pad, pad:-pad]",
        "dx is empty: it has shape",
    ),
    ("conv2d", "padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]", "padded[:, :, pad:-pad, pad:-pad]", "with pad = 0 only"),
    ("maxpool", "width] += mask", "width] = mask", "dx is overwritten by the last window over a pixel"),
    ("maxpool", "mask / mask.sum(axis=(2, 3), keepdims=True)", "mask", "dx is handed out more than once where elements are equal"),
    ("softmax", "out * (dout - (dout * out).sum(axis=1, keepdims=True))", "dout * out * (1 - out)", "the Jacobian's diagonal"),
    ("linear_loss", "+ 2 * reg * W", "+ reg * W", "dW is off by reg·W: it has reg·W where 2·reg·W belongs"),
    ("linear_loss", "+ 2 * reg * W", "", "dW is off by 2·reg·W: that term is missing"),
    ("embedding", "np.add.at(dW, x, dout)", "dW[x] = dout", "dW counts, of several outputs"),
    ("rnn", "dprev = step @ Wh.T", "dprev = 0 * step", "dx lacks what comes back from later steps; likewise"),
]


COURSE_FUNCTIONS = Path(__file__).parents[3] / "reference_impls" / "layers" / "correct" / "course_functions.py"
NAMED = [
    ("batchnorm", "dxc += (2.0 / N) * xc * dvar", "dxc += (1.0 / N) * xc * dvar", "dx has the term through the variance half"),
    ("batchnorm", "dxn = gamma * dout", "dxn = dout", "dx is wrong where gamma is not 1: the factor gamma is missing"),
    ("relu", "dout * (cache > 0)", "dout * (dout > 0)", "the mask is made of dout, not of x"),
    ("rnn_step", "da = dnext_h * (1 - next_h**2)", "da = dnext_h", "the derivative of tanh is missing; likewise"),
    ("svm_loss", "(margins > 0).sum(axis=1)\n    dx /= N", "1\n    dx /= N", "not the number of margins"),
    ("softmax_loss", "dx = np.exp(log_probs)", "dx = np.exp(shifted)", "the division by its sum is missing"),
    ("softmax_loss", "dx[np.arange(N), y] -= 1\n    dx /= N\n    return", "dx[:, y] -= 1\n    dx /= N\n    return", "as dx[:, y] does"),
    ("svm_loss", "dx[margins > 0] = 1", "dx[margins > 0] = margins[margins > 0]", "has the margins where 1 belongs"),
    ("dropout", "return dout * mask", "return dout * (mask > 0)", "a division by p is missing"),
    ("conv2d", "dout[n, f, i, j] * w[f]", "dout[n, f, i, j] * w[f][:, ::-1, ::-1]", "dx has the filter rotated by 180 degrees"),
    ("rnn_step", "da = dnext_h * (1 - next_h**2)", "da = dnext_h * (1 - prev_h**2)", "has the slope of the state before"),
    ("lstm_step", "dc * i * (1 - g**2)", "dc * i * g * (1 - g)", "has g(1 - g) where 1 - g² belongs, in the candidate g"),
    ("lstm_step", "dc = dnext_c + dnext_h", "dc = dnext_h", "does not depend on dnext_c"),
    ("spatial_batchnorm", "dout.transpose(0, 2, 3, 1).reshape(-1, C), cache)", "dout.reshape(-1, C), cache)", "a transpose is missing"),
]


@pytest.mark.parametrize(("layer", "right", "wrong", "says"), NAMED)
def test_the_term_of_the_formula_is_named(tmp_path, layer, right, wrong, says):
    source = COURSE_FUNCTIONS.read_text()
    assert source.count(right) == 1
    named = '# name = "spatial_batchnorm"\n# operation = "batchnorm"' if layer == "spatial_batchnorm" else f'# operation = "{layer}"'
    more = '\n# arrays = { x = "N C H W", gamma = "C", beta = "C", running_mean = "real C", running_var = "positive C" }' + (
        '\n# forward = "out, cache = spatial_batchnorm_forward(x, gamma, beta, bn_param)"'
        '\n# backward = "dx, dgamma, dbeta = spatial_batchnorm_backward(dout, cache)"'
    )
    block = f'# /// script\n# [tool.verifier]\n# contract = "layer"\n{named}{more if "spatial" in layer else ""}\n# ///\n'
    file = tmp_path / "layers.py"
    file.write_text(block + source.replace(right, wrong))
    report = verifier.check(file, profile="quick")
    assert report.verdict == "fail"
    assert says in report.summary


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
