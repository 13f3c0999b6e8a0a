"""Undeclared conventions: a note with the line that declares them; two departures at once, or one that is none, fail."""

import pytest

CLASSIFIER = ('activations = ["tanh"]', 'output_activations = ["softmax"]', 'losses = ["cross_entropy"]')
SOFTMAX = {"output": "softmax(z)", "loss": "-np.sum(y * np.log(p)) / len(x)", "delta": "(p - y) / len(x)"}


def chain_rule(by_p: str) -> str:
    """δ of a softmax by its Jacobian, from the derivative by p."""
    return f"p * (({by_p}) - np.sum(({by_p}) * p, axis=1, keepdims=True)) / len(x)"


def lines(report) -> list[str]:
    return [note.manifest_line for note in report.notes if note.manifest_line]


@pytest.mark.parametrize("epsilon", [1e-7, 1e-12])
def test_an_epsilon_in_loss_and_gradient_passes_with_the_line_that_declares_it(epsilon, report, network):
    source = network(
        *CLASSIFIER,
        output="softmax(z)",
        loss=f"-np.sum(y * np.log(p + {epsilon})) / len(x)",
        delta=chain_rule(f"-y / (p + {epsilon})"),
    )
    found = report(source)
    assert found.verdict == "pass", found.summary
    assert lines(found) == [f"log_epsilon = {epsilon!r}"]
    assert "Loss and gradient follow a convention" in found.notes[0].message


def test_the_line_that_was_shown_makes_it_pass_without_a_note(report, network):
    source = network(
        *CLASSIFIER,
        "log_epsilon = 1e-12",
        output="softmax(z)",
        loss="-np.sum(y * np.log(p + 1e-12)) / len(x)",
        delta=chain_rule("-y / (p + 1e-12)"),
    )
    found = report(source)
    assert (found.verdict, lines(found)) == ("pass", []), found.summary


def test_an_epsilon_in_the_loss_alone_passes_and_the_note_says_so(report, network):
    found = report(network(*CLASSIFIER, **{**SOFTMAX, "loss": "-np.sum(y * np.log(p + 1e-8)) / len(x)"}))
    assert found.verdict == "pass", found.summary
    assert lines(found) == ["log_epsilon = 1e-08"]
    assert "the gradient is that of the loss without it" in found.notes[0].message


def test_a_clip_in_the_loss_alone_passes_with_its_line(report, network):
    found = report(network(*CLASSIFIER, **{**SOFTMAX, "loss": "-np.sum(y * np.log(np.clip(p, 1e-7, 1 - 1e-7))) / len(x)"}))
    assert found.verdict == "pass", found.summary
    assert lines(found) in ([], ["clip_output = 1e-07"])  # [] where no probability of the corpus is beyond the clip


@pytest.mark.parametrize(("slope", "line"), [("0.1", "leaky_slope = 0.1"), ("0.2", "leaky_slope = 0.2")])
def test_another_leaky_slope_passes_with_its_line(slope, line, report, network):
    found = report(
        network(
            'activations = ["leaky_relu"]',
            'output_activations = ["identity"]',
            output="z",
            hidden=f"np.where(z > 0, z, {slope} * z)",
            slope=f"np.where(h > 0, 1, {slope})",
            loss="np.sum((p - y) ** 2) / len(x)",
            delta="2 * (p - y) / len(x)",
        )
    )
    assert found.verdict == "pass", found.summary
    assert lines(found) == [line]


def test_a_softplus_that_is_linear_above_20_passes_with_its_line(report, network):
    found = report(
        network(
            'activations = ["softplus"]',
            'output_activations = ["identity"]',
            output="z",
            hidden="np.where(z > 20, z, np.log1p(np.exp(np.minimum(z, 20))))",
            slope="np.where(h > 20, 1, -np.expm1(-h))",
            loss="np.sum((p - y) ** 2) / len(x)",
            delta="2 * (p - y) / len(x)",
        )
    )
    assert found.verdict == "pass", found.summary
    assert lines(found) == ["softplus_threshold = 20.0"]


@pytest.mark.parametrize("epsilon", ["1e-08", "1e-06", "1e-12"])
def test_an_epsilon_below_a_softmax_passes_with_its_line(epsilon, report, network):
    powers = "np.exp(z - z.max(axis=1, keepdims=True))"
    found = report(network(*CLASSIFIER, **{**SOFTMAX, "output": f"{powers} / ({powers}.sum(axis=1, keepdims=True) + {epsilon})"}))
    assert found.verdict == "pass", found.summary
    assert lines(found) == [f"softmax_epsilon = {epsilon}"]


FAILING = {
    "an ε that is in no catalogue": {"loss": "-np.sum(y * np.log(p + 3e-5)) / len(x)", "delta": chain_rule("-y / (p + 3e-5)")},
    "ε and a gradient of another ε": {"loss": "-np.sum(y * np.log(p + 1e-8)) / len(x)", "delta": chain_rule("-y / (p + 1e-7)")},
    "ε and a wrong factor": {"loss": "-np.sum(y * np.log(p + 1e-8)) / len(x)", "delta": "(p - y) / len(x) / 2"},
    "the gradient alone has an ε": {"loss": SOFTMAX["loss"], "delta": chain_rule("-y / (p + 1e-7)")},
}


@pytest.mark.parametrize("departure", FAILING)
def test_what_no_single_convention_explains_fails(departure, report, network):
    found = report(network(*CLASSIFIER, output="softmax(z)", **FAILING[departure]))
    assert found.verdict == "fail"
    assert lines(found) == []


def test_two_conventions_at_once_fail(report, network):
    found = report(
        network(
            'activations = ["leaky_relu"]',
            'output_activations = ["softmax"]',
            'losses = ["cross_entropy"]',
            output="softmax(z)",
            hidden="np.where(z > 0, z, 0.2 * z)",
            slope="np.where(h > 0, 1, 0.2)",
            loss="-np.sum(y * np.log(p + 1e-8)) / len(x)",
            delta=chain_rule("-y / (p + 1e-8)"),
        )
    )
    assert (found.verdict, lines(found)) == ("fail", [])


def test_a_declared_convention_that_the_code_does_not_follow_fails(report, network):
    assert report(network(*CLASSIFIER, "log_epsilon = 1e-7", **SOFTMAX)).verdict == "fail"
    leaky = network(
        'activations = ["leaky_relu"]',
        'output_activations = ["identity"]',
        "leaky_slope = 0.2",
        output="z",
        hidden="np.where(z > 0, z, 0.01 * z)",
        slope="np.where(h > 0, 1, 0.01)",
        loss="np.sum((p - y) ** 2) / len(x)",
        delta="2 * (p - y) / len(x)",
    )
    found = report(leaky)
    assert found.verdict == "fail", found.notes


@pytest.mark.parametrize(
    ("line", "loss"),
    [
        ("log_epsilon = 1e-07", "-np.sum(y * np.log(p + 1e-7)) / len(x)"),
        ("clip_output = 1e-07", "-np.sum(y * np.log(np.clip(p, 1e-7, 1 - 1e-7))) / len(x)"),
    ],
)
def test_the_gradient_of_the_plain_loss_passes_where_the_convention_is_declared_too(line, loss, report, network):
    found = report(network(*CLASSIFIER, line, **{**SOFTMAX, "loss": loss}))
    assert found.verdict == "pass", found.summary
    if lines(found):  # none where no probability of the corpus is beyond the clip
        assert lines(found) == [line]
        assert "without the convention that the manifest declares" in found.notes[0].message


@pytest.mark.parametrize("epsilon", [1e-6, 1e-5, 1e-3])
def test_a_large_epsilon_in_the_loss_passes_with_its_line(epsilon, report, network):
    found = report(network(*CLASSIFIER, **{**SOFTMAX, "loss": f"-np.sum(y * np.log(p + {epsilon})) / len(x)"}))
    assert (found.verdict, lines(found)) == ("pass", [f"log_epsilon = {epsilon!r}"]), found.summary


def test_a_clip_from_below_alone_can_be_declared(report, network):
    one_sided = {**SOFTMAX, "loss": "-np.sum(y * np.log(np.clip(p, 1e-3, 1.0))) / len(x)"}
    # Where no probability of the corpus lies beyond the clip from above, a clip from both sides fits as well, and is named first.
    (line,) = lines(report(network(*CLASSIFIER, **one_sided)))
    assert line in ("clip_output = [0.001, 1.0]", "clip_output = 0.001")
    assert report(network(*CLASSIFIER, line, **one_sided)).verdict == "pass"
    assert report(network(*CLASSIFIER, "clip_output = [1e-3, 1.0]", **one_sided)).verdict == "pass"


BINARY = ('activations = ["tanh"]', 'output_activations = ["sigmoid"]', 'losses = ["binary_cross_entropy"]')
GUARDED = "-np.sum(y * np.log(p) + (1 - y) * np.log(1.0000001 - p)) / len(x)"  # 1.0000001 for 1, so that the logarithm stays finite


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ("(p - y) / len(x)", "the gradient is that of the loss without it"),
        ("p * (1 - p) * ((1 - y) / (1.0000001 - p) - y / p) / len(x)", "Loss and gradient follow a convention"),
    ],
    ids=["in the loss alone", "in both"],
)
def test_an_epsilon_in_one_of_two_logarithms_passes_with_its_line(delta, said, report, network):
    one_sided = {"output": "1 / (1 + np.exp(-z))", "loss": GUARDED, "delta": delta}
    found = report(network(*BINARY, **one_sided))
    assert (found.verdict, lines(found)) == ("pass", ["log_epsilon = [0.0, 1e-07]"]), found.summary
    assert said in found.notes[0].message
    wrong = report(network(*BINARY, **{**one_sided, "delta": f"1.001 * {delta}"}))
    assert wrong.verdict == "fail"
