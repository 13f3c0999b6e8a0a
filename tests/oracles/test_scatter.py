"""Right code stays below the derived tolerance in every form; a wrong constant does not; long sums stay within √n."""

from dataclasses import replace

import numpy as np
import pytest

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of, build_problem
from verifier.contracts.mlp.numbers import Recipe, draw_problem, is_ordinary
from verifier.oracles import scatter as scatter_module
from verifier.oracles.reference import refer
from verifier.oracles.scatter import gradients_with_scatter, measure_scatter, touches_a_kink
from verifier.problems.program import Problem, machine_epsilon
from verifier.tolerance import SAFETY, compare, safety

NETWORKS = 240
SCALAR = ("fsum", "loops")  # slow in pure Python: a part of the networks


def largest_ratio(variant, items) -> float:
    """The largest error ÷ tolerance of a variant's gradients and losses."""
    worst = 0.0
    for item in items:
        with np.errstate(over="ignore"):
            loss, gradients = variant.backprop(item.problem)
        worst = max(worst, abs(loss - item.reference.loss) / item.reference.loss_tolerance())
        for name, gradient in gradients.items():
            found = compare(gradient, item.reference.gradients[name], item.reference.gradient_tolerance(name))
            worst = max(worst, found.ratio)
    return worst


def test_right_code_in_any_form_raises_no_false_alarm(variant, drawn):
    items = drawn(NETWORKS)
    assert {item.problem.dtype for item in items} == {"float64", "float32"}
    assert largest_ratio(variant, items[::8] if variant.name.endswith(SCALAR) else items) <= 1


@pytest.mark.parametrize(
    ("kind", "unstable"),
    [
        ("softplus", lambda z: np.log(1 + np.exp(z))),
        ("sigmoid", lambda z: (1 + np.tanh(z / 2)) / 2),
        ("tanh", lambda z: 2 / (1 + np.exp(-2 * z)) - 1),
    ],
)
def test_a_form_that_loses_the_digits_of_a_small_activation_is_right_code_still(kind, unstable):
    # a is about 1e-9, and right to an epsilon of 1 only: seven digits of the gradient of the weights that it is multiplied with.
    claims = Claims(activations=(kind,), output_activations=("identity",))
    bias = {"softplus": -20.0, "sigmoid": -20.0, "tanh": 1e-9}[kind]
    arrays = {"weights[0]": np.array([[1e-10]]), "biases[0]": np.array([bias])}
    arrays |= {"weights[1]": np.array([[0.5]]), "biases[1]": np.array([0.25])}
    arrays |= {"x": np.array([[1.0], [0.3]]), "y": np.array([[1.0], [-2.0]])}
    problem = build_problem(Architecture((1, 1, 1), (kind, "identity"), "squared_error", 2), arrays, claims)
    reference = refer(problem)
    a = unstable(arrays["x"] @ arrays["weights[0]"].T + bias)
    claimed = (2 * (a @ arrays["weights[1]"].T + 0.25 - arrays["y"]) / 2).T @ a
    found = compare(claimed, reference.gradients["weights[1]"], reference.gradient_tolerance("weights[1]"))
    assert found.within
    assert found.error > 1e-10 * abs(found.reference)  # far beyond what a relative error of each number could do


def test_the_scatter_of_every_ordinary_network_is_finite_and_not_nothing(drawn):
    for item in drawn(NETWORKS):
        scatter = item.reference.scatter
        assert np.isfinite(scatter.loss) and scatter.loss > 0, item.where
        for name, gradient in item.reference.gradients.items():
            assert np.isfinite(scatter.gradients[name]).all(), item.where
            assert scatter.gradients[name].shape == gradient.shape
            assert scatter.gradients[name].max() > 0 or not gradient.any(), item.where


def test_an_error_of_a_billionth_in_one_element_is_seen_on_some_of_ten_networks(drawn, plain):
    seen = []
    for item in [item for item in drawn(NETWORKS) if item.problem.dtype == "float64"][:10]:
        gradients = plain.backprop(item.problem)[1]
        name = next(iter(gradients))
        place = np.unravel_index(np.argmax(np.abs(gradients[name])), gradients[name].shape)
        gradients[name][place] *= 1 + 1e-9
        tolerance = item.reference.gradient_tolerance(name)
        seen.append(not compare(gradients[name], item.reference.gradients[name], tolerance).within)
    assert any(seen)


def test_a_slope_of_0_0101_for_0_01_is_seen_on_some_of_ten_networks(drawn, plain):
    items = [item for item in drawn(NETWORKS) if "leaky_relu" in architecture_of(item.problem).activations][:10]
    assert len(items) == 10
    assert largest_ratio(plain, items) <= 1 < largest_ratio(replace(plain, slope_changed=0.0101), items)


def linear(dtype: str, batch: int, width: int) -> Problem:
    claims = Claims(activations=("identity",), output_activations=("identity",), reduction="sum")
    return draw_problem(Architecture((width, 1), ("identity",), "squared_error", batch, dtype), Recipe(), claims, seed=3, index=batch)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("batch", "width"), [(64, 2), (1_000, 2), (10_000, 2), (100_000, 1), (3, 10_000)])
def test_plain_sums_over_long_batches_and_layers_stay_within_the_tolerance(dtype, batch, width):
    problem = linear(dtype, batch, width)
    reference = refer(problem)
    w, b, x, y = (problem.arrays[name] for name in ("weights[0]", "biases[0]", "x", "y"))
    delta = 2 * (x @ w.T + b - y)
    assert reference.gradient_tolerance("biases[0]")[0] == safety(max(batch, width)) * reference.scatter.gradients["biases[0]"][0]
    running = np.cumsum(delta, axis=0)[-1]  # one term after another: what a loop does
    for claimed, name in ((delta.T @ x, "weights[0]"), (delta.sum(axis=0), "biases[0]"), (running, "biases[0]")):
        assert claimed.dtype == dtype
        found = compare(claimed.astype(np.float64), reference.gradients[name], reference.gradient_tolerance(name))
        assert found.within, (name, found)


def test_the_scatter_is_that_of_the_candidates_own_dtype():
    problem = draw_problem(Architecture((3, 4, 2), ("tanh", "tanh"), "squared_error", 3, "float32"), Recipe(), Claims(), seed=1, index=1)
    single = measure_scatter(problem)
    double = measure_scatter(replace(problem, dtype="float64"))
    ratio = machine_epsilon("float32") / machine_epsilon("float64")
    for name, scatter in single.gradients.items():
        assert np.array_equal(scatter, double.gradients[name] * ratio)


def test_the_same_seed_gives_the_same_scatter_and_another_seed_another():
    problem = draw_problem(Architecture((3, 4, 2), ("tanh", "tanh"), "squared_error", 3), Recipe(), Claims(), seed=1, index=1)
    first, again, other = measure_scatter(problem, seed=5), measure_scatter(problem, seed=5), measure_scatter(problem, seed=6)
    assert all(np.array_equal(first.gradients[name], again.gradients[name]) for name in first.gradients)
    assert not np.array_equal(first.gradients["weights[0]"], other.gradients["weights[0]"])


def test_copies_swept_one_after_another_scatter_like_stacked_ones(monkeypatch):
    # Where memory forbids to stack them. Other noise is drawn, so only the size can agree: the median over the elements, within a factor 2.
    problem = draw_problem(Architecture((6, 8, 5), ("tanh", "sigmoid"), "squared_error", 7), Recipe(), Claims(), seed=1, index=1)
    stacked = measure_scatter(problem)
    monkeypatch.setattr(scatter_module, "STACKED_ELEMENTS", 0)
    single = measure_scatter(problem)
    for name, scatter in stacked.gradients.items():
        assert scatter.shape == single.gradients[name].shape
        assert 0.5 <= np.median(scatter) / np.median(single.gradients[name]) <= 2, name


@pytest.mark.parametrize(("bias", "touches"), [(0.0, True), (1e-18, True), (2e-15, True), (1e-12, False), (-1e-12, False), (0.5, False)])
def test_a_pre_activation_that_rounding_may_take_across_a_kink_touches_it(bias, touches):
    # z = 1·1 - 1·1 + bias: the sum of its terms' roundings is of the order of an epsilon.
    claims = Claims(activations=("relu",), output_activations=("relu",))
    arrays = {"weights[0]": np.array([[1.0, -1.0]]), "biases[0]": np.array([bias]), "x": np.ones((1, 2)), "y": np.ones((1, 1))}
    problem = build_problem(Architecture((2, 1), ("relu",), "squared_error", 1), arrays, claims)
    assert touches_a_kink(problem, measure_scatter(problem), SAFETY) is touches


def test_right_code_that_underflows_is_right():
    # δ of the first layer is about 1e-321, a number of a few bits: whether the mean is taken first or last decides some of them,
    # and a relative error says nothing of it.
    arrays = {"weights[0]": np.array([[1.0]]), "biases[0]": np.array([0.5])}
    arrays |= {"weights[1]": np.array([[3.2e-322]]), "biases[1]": np.array([0.0])}
    arrays |= {"x": np.array([[0.3], [0.7], [0.9]]), "y": np.array([[-0.8], [-0.3], [-1.9]])}
    claims = Claims(activations=("identity",), output_activations=("identity",))
    problem = build_problem(Architecture((1, 1, 1), ("identity",) * 2, "squared_error", 3), arrays, claims)
    reference = refer(problem)
    claimed = -2 / 3 * (arrays["y"] * arrays["weights[1]"]).sum(axis=0)
    found = compare(claimed, reference.gradients["biases[0]"], reference.gradient_tolerance("biases[0]"))
    assert found.error > 0 and found.within


def test_what_rounds_alike_in_equal_samples_does_not_average_out():
    # 250 samples of two kinds, whose errors cancel in the sum over the batch. A loop rounds each sample of a kind alike, by some 30 last
    # bits; copies with noise for each sample average that out. One copy with shared noise may draw next to none: ten seeds need both.
    terms, samples = 250, 250
    x = np.ones((samples, terms), np.float32)
    x[1::2] /= 64
    weights = np.full((1, terms), 0.493, np.float32)
    right = x.astype(np.float64) @ weights[0].astype(np.float64)
    y = (right + np.where(np.arange(samples) % 2, 0.1, -0.1)).astype(np.float32)[:, None]
    arrays = {"weights[0]": weights, "biases[0]": np.zeros(1, np.float32), "x": x, "y": y}
    problem = build_problem(
        Architecture((terms, 1), ("identity",), "squared_error", samples, "float32"), arrays, Claims(output_activations=("identity",))
    )
    looped = np.cumsum(x * weights, axis=1, dtype=np.float32)[:, -1:]  # one term after another
    claimed = (2 * (looped - y) / np.float32(samples)).sum(axis=0, dtype=np.float32)
    for seed in range(10):
        reference = refer(problem, seed=seed)
        found = compare(claimed.astype(np.float64), reference.gradients["biases[0]"], reference.gradient_tolerance("biases[0]"))
        assert found.within, (seed, found)


def test_a_smooth_network_touches_no_kink():
    problem = draw_problem(Architecture((3, 2), ("tanh",), "squared_error", 3), Recipe(inputs="zero"), Claims(bias="none"), seed=1, index=1)
    assert not touches_a_kink(problem, measure_scatter(problem), SAFETY)


def test_a_kink_of_a_loss_is_touched_too():
    claims = Claims(losses=("binary_cross_entropy",), clip_output=0.25)
    z = np.log(0.25 / 0.75)  # σ(z) = 0.25, the bound, but for rounding
    arrays = {"weights[0]": np.array([[z]]), "biases[0]": np.array([0.0]), "x": np.ones((1, 1)), "y": np.ones((1, 1))}
    problem = build_problem(Architecture((1, 1), ("sigmoid",), "binary_cross_entropy", 1), arrays, claims)
    assert touches_a_kink(problem, measure_scatter(problem), SAFETY)


@pytest.mark.parametrize("stacked", [scatter_module.STACKED_ELEMENTS, 0])
def test_gradients_come_one_by_one_with_the_scatter_of_them_all(stacked, drawn, monkeypatch):
    monkeypatch.setattr(scatter_module, "STACKED_ELEMENTS", stacked)
    for item in drawn(NETWORKS)[:20]:
        scatter, evaluation = measure_scatter(item.problem, seed=3), textbook.evaluate(item.problem)
        one_by_one = {name: (right, found) for name, right, found in gradients_with_scatter(item.problem, seed=3)}
        assert set(one_by_one) == set(item.problem.program.differentiate)
        for name, (right, found) in one_by_one.items():
            assert found.tobytes() == scatter.gradients[name].tobytes(), item.where
            np.testing.assert_allclose(right, evaluation.gradients[name], rtol=1e-12, atol=0)


def two_logits(z: float) -> Problem:
    claims = Claims(activations=("tanh",), output_activations=("softmax",), losses=("binary_cross_entropy",))
    arrays = {"weights[0]": np.array([[z], [-z]]), "biases[0]": np.zeros(2), "x": np.ones((1, 1)), "y": np.array([[0.5, 0.5]])}
    return build_problem(Architecture((1, 2), ("softmax",), "binary_cross_entropy", 1), arrays, claims)


@pytest.mark.parametrize(("z", "ordinary"), [(7.4, True), (14.0, False)])
def test_a_softmax_whose_scatter_may_not_exist_is_not_ordinary(z, ordinary):
    # Where two logits lie 28 apart, 1 - p is smaller than the perturbation of p, and its logarithm does not exist.
    problem = two_logits(z)
    assert is_ordinary(problem, textbook.evaluate(problem).stages) is ordinary
    finite = [np.isfinite(measure_scatter(problem, seed=seed).loss) for seed in range(50)]
    assert all(finite) is ordinary
