"""What `forward` and `deltas` show, and which equation is the first wrong one."""

import pytest


def stages(verify, source):
    return verify(source, only=("stages",)).outcome("stages")


def test_right_stages_pass(verify, plain):
    assert stages(verify, plain).status == "pass"


def test_without_forward_and_deltas_there_is_nothing_to_see(verify, plain):
    # What `backprop` calls keeps its code, under names that nobody asks for.
    hidden = plain.replace("forward(", "_forward(").replace("deltas(", "_deltas(")
    assert stages(verify, hidden).status == "skipped"


FIRST_WRONG = {
    "z without its bias": ("z = x @ w.T + b", "z = x @ w.T", "pre_activations[0]", "forward"),
    "a of another function": ("return 1 / (1 + np.exp(-z))", "return np.tanh(z)", "activations[0]", "forward"),
    "δ of the output without σ'": ("/ len(y) * slope(z[-1], a[-1])", "/ len(y)", "deltas[", "output-delta"),
    "δ below without σ'": ("weights[l] * slope(z[l - 1], a[l - 1])", "weights[l]", "deltas[", "hidden-delta"),
}


@pytest.mark.parametrize("mistake", FIRST_WRONG)
def test_the_first_wrong_stage_is_named_with_its_equation(mistake, verify, plain):
    old, new, stage, equation = FIRST_WRONG[mistake]
    outcome = stages(verify, plain.but(old, new))
    assert outcome.status == "fail"
    assert outcome.message.startswith(f"The first wrong stage is {stage}")
    assert f"(equation `{equation}`)" in outcome.message


def test_deltas_without_the_reductions_factor_pass_only_where_they_are_claimed_so(verify, plain):
    # δ a sample; the 1/B enters with the products.
    sample = plain.but("delta = 2 * (a[-1] - y) / len(y) *", "delta = 2 * (a[-1] - y) *")
    sample = sample.but("[d.T @ i for", "[d.T @ i / len(y) for").but("d.sum(axis=0)", "d.mean(axis=0)")
    assert stages(verify, sample.claims('delta_scale = "sample"')).status == "pass"
    assert stages(verify, sample).status == "fail"
    assert stages(verify, plain.claims('delta_scale = "sample"')).status == "fail"


def test_a_stage_of_the_wrong_number_of_layers_is_an_error_in_words(verify, plain):
    with_input = plain.but("return pre_activations, activations", "return pre_activations, [x, *activations]")
    outcome = stages(verify, with_input.but("a = forward(weights, biases, x)[1]", "a = forward(weights, biases, x)[1][1:]"))
    assert outcome.status == "error"
    assert "without the input" in outcome.message
