"""One problem put to the test: right gradients pass within the budget, planted mistakes are found and named."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from verifier.oracles.finite_difference.elements import find_wrong_element
from verifier.oracles.finite_difference.ladder import Slope
from verifier.oracles.finite_difference.line import (
    DirectionResult,
    Middle,
    check_direction,
)
from verifier.oracles.finite_difference.problem import (
    BUDGET,
    ProblemDifferences,
    check_problem,
)


class Network:
    """tanh layers, half the squared error summed: loss, gradient, and how far pre-activations move."""

    def __init__(self, widths: tuple[int, ...] = (3, 4, 2), batch: int = 3, seed: int = 0, dtype: str = "float64"):
        generator = np.random.default_rng(seed)
        self.dtype = dtype
        self.theta = {}
        for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
            self.theta[f"weights[{layer}]"] = generator.normal(size=(fan_out, fan_in)).astype(dtype)
            self.theta[f"biases[{layer}]"] = generator.normal(size=fan_out).astype(dtype)
        self.layers = len(widths) - 1
        self.x = generator.normal(size=(batch, widths[0])).astype(dtype)
        self.y = generator.normal(size=(batch, widths[-1])).astype(dtype)
        self.asked = 0

    def stages(self, theta: Mapping[str, np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        pre_activations, activations = [], [self.x]
        for layer in range(self.layers):
            pre_activations.append(activations[-1] @ theta[f"weights[{layer}]"].T + theta[f"biases[{layer}]"])
            activations.append(np.tanh(pre_activations[-1]))
        return pre_activations, activations

    def points(self, direction: Mapping[str, np.ndarray], steps: np.ndarray) -> np.ndarray:
        losses = []
        for step in steps:
            theta = dict(self.theta)
            theta |= {name: (theta[name].astype(float) + step * along).astype(self.dtype) for name, along in direction.items()}
            losses.append(float(((self.stages(theta)[1][-1] - self.y) ** 2).sum() / 2))
        self.asked += len(steps)
        return np.array(losses)

    def gradient(self) -> dict[str, np.ndarray]:
        _, activations = self.stages(self.theta)
        delta = (activations[-1] - self.y) * (1 - activations[-1] ** 2)
        gradients = {}
        for layer in reversed(range(self.layers)):
            gradients[f"weights[{layer}]"] = (delta.T @ activations[layer]).astype(float)
            gradients[f"biases[{layer}]"] = delta.sum(axis=0).astype(float)
            delta = (delta @ self.theta[f"weights[{layer}]"]) * (1 - activations[layer] ** 2)
        return gradients

    def moves(self, direction: Mapping[str, np.ndarray], step: float) -> tuple[float, bool]:
        here = self.stages(self.theta)[0]
        largest = 0.0
        for signed in (-step, step):
            there = self.stages({name: value + signed * direction.get(name, 0.0) for name, value in self.theta.items()})[0]
            largest = max(largest, *(float(np.abs(a - b).max()) for a, b in zip(here, there, strict=True)))
        return largest, False

    def check(self, gradients: Mapping[str, np.ndarray], **changed: object) -> ProblemDifferences:
        arguments = {
            "points": self.points,
            "theta": self.theta,
            "gradients": gradients,
            "moves": self.moves,
            "dtype": self.dtype,
            "loss_scatter": 20.0,
            "seed": 1,
            "index": 0,
        }
        return check_problem(**(arguments | changed))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_right_gradient_never_fails_and_stays_within_the_budget(seed, dtype):
    network = Network(seed=seed, dtype=dtype)
    result = network.check(network.gradient())
    assert result.status != "fail"
    assert result.evaluations == network.asked <= BUDGET


def test_the_cost_does_not_grow_with_tensors_and_parameters():
    network = Network(widths=(30, 40, 30, 20, 10, 5))
    result = network.check(network.gradient())
    assert result.status == "pass"
    assert network.asked == 35


def test_a_large_network_is_asked_along_one_line_where_that_decides_all():
    network = Network(widths=(60, 80, 40))
    result = network.check(network.gradient())
    assert result.status == "pass"
    assert network.asked == 21
    assert max(result.resolves.values()) < 1e-5


@pytest.mark.parametrize("tensor", ["weights[0]", "biases[0]", "weights[1]", "biases[1]"])
def test_one_line_sees_an_error_of_a_thousandth_in_any_tensor_of_a_large_network(tensor):
    for seed in range(20):
        network = Network(widths=(60, 80, 40), seed=seed)
        gradients = network.gradient()
        gradients[tensor] = gradients[tensor] * 1.001
        assert network.check(gradients).status == "fail"


def test_a_pass_says_what_it_excludes():
    network = Network()
    result = network.check(network.gradient())
    assert set(result.tensors.values()) == {"pass"}
    assert set(result.resolves) == set(network.theta)
    assert max(result.resolves.values()) < 1e-6


@pytest.mark.parametrize("tensor", ["weights[0]", "biases[0]", "weights[1]", "biases[1]"])
def test_a_wrong_factor_on_one_tensor_names_that_tensor_alone(tensor):
    network = Network()
    gradients = network.gradient()
    gradients[tensor] = gradients[tensor] * 1.001
    result = network.check(gradients)
    assert result.status == "fail"
    assert [name for name, status in result.tensors.items() if status == "fail"] == [tensor]


@pytest.mark.parametrize("widths", [(3, 4, 2), (20, 30, 2)])
def test_one_wrong_element_is_named_with_both_numbers(widths):
    network = Network(widths=widths)
    right = network.gradient()
    wrong = {name: value.copy() for name, value in right.items()}
    wrong["weights[0]"][1, 2] += 0.25 * np.abs(right["weights[0]"]).max()
    element = network.check(wrong).element
    assert element is not None
    assert (element.tensor, element.index) == ("weights[0]", (1, 2))
    assert element.claimed == wrong["weights[0]"][1, 2]
    assert abs(element.estimated - right["weights[0]"][1, 2]) <= element.tolerance


def test_gradients_that_are_all_zero_fail():
    network = Network()
    assert network.check({name: np.zeros(value.shape) for name, value in network.theta.items()}).status == "fail"


def test_every_tensor_asks_about_each_alone():
    network = Network()
    result = network.check(network.gradient(), every_tensor=True)
    assert [line.tensor for line in result.directions] == ["all", *network.gradient()]


@pytest.mark.parametrize("locate", [True, False])
@pytest.mark.parametrize(("tilted", "status"), [(1, "pass"), (99, "fail")])
def test_what_fails_along_one_line_is_wrong_only_where_another_line_fails_too(tilted, status, locate):
    """Something that lies on the first line by chance (a kink that no step within the trust region showed) is no mistake."""
    network, lines = Network(), []

    def points(direction, steps):
        lines.append(direction)
        return network.points(direction, steps) + (0.1 * steps if len(lines) <= tilted else 0.0)

    result = network.check(network.gradient(), points=points, locate=locate)
    assert result.directions[0].status == "fail"
    assert (result.status, result.element is not None) == (status, status == "fail" and locate)


def test_what_is_excluded_is_the_least_that_any_line_excludes():
    network = Network()
    result = network.check(network.gradient(), every_tensor=True)
    for name, resolved in result.resolves.items():
        seen = [line.powers[name] for line in result.directions if name in line.powers]
        assert len(set(seen)) > 1
        assert resolved == min(seen)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_line_through_tensors_of_very_different_gradients_moves_the_steep_one_by_more_than_rounding(dtype):
    """A step that is scaled down by all of 2^24, as far as the gradients are apart, no float32 of size 1 takes."""
    apart = 2.0**24
    theta = {name: np.array([1.0, 1.5], dtype=dtype) for name in ("steep", "flat")}

    def points(direction, steps):
        moved = [{name: (theta[name] + step * direction.get(name, 0.0)).astype(dtype) for name in theta} for step in steps]
        return np.array([float((apart * np.sin(one["steep"]) + np.sin(one["flat"])).sum(dtype=dtype)) for one in moved])

    gradients = {"steep": apart * np.cos(theta["steep"].astype(float)), "flat": np.cos(theta["flat"].astype(float))}
    arguments = {"moves": lambda direction, step: (step, False), "loss_scatter": 4 * apart, "seed": 1, "index": 0, "dtype": dtype}
    result = check_problem(points, theta, gradients, **arguments)
    assert result.status != "fail"
    assert result.directions[0].powers["steep"] < 0.1


def test_a_zero_gradient_that_is_right_stays_undecided():
    network = Network()
    network.theta["weights[1]"][:] = 0
    result = network.check(network.gradient())
    assert result.status == "undecided"
    assert result.tensors == {"weights[1]": "pass", "biases[1]": "pass", "weights[0]": "undecided", "biases[0]": "undecided"}
    assert result.resolves["weights[0]"] == np.inf


def test_on_a_kink_everything_is_undecided_and_nothing_is_asked():
    network = Network()
    result = network.check(network.gradient(), moves=lambda direction, step: (0.0, True))
    assert (result.status, result.evaluations) == ("undecided", 0)


def test_a_loss_that_is_never_finite_leaves_everything_undecided():
    network = Network()
    result = network.check(network.gradient(), points=lambda direction, steps: np.full(len(steps), np.nan))
    assert result.status == "undecided"
    assert result.element is None


def test_a_candidate_that_answers_noise_is_undecided():
    network = Network()
    generator = np.random.default_rng(0)
    noisy = network.check(network.gradient(), points=lambda d, t: network.points(d, t) + 0.3 * generator.uniform(-1, 1, size=len(t)))
    assert noisy.status == "undecided"


@pytest.mark.parametrize("scale", [1.0, 0.01, 0.001, 0.0003])
def test_a_loss_that_is_stored_in_half_precision_raises_no_alarm(scale):
    """Beside a large constant the whole ladder lies on one stair or on few."""
    for seed in range(60):
        network = Network(seed=seed)

        def points(direction, steps, network=network):
            return (1.0 + scale * network.points(direction, steps)).astype(np.float16).astype(np.float64)

        gradients = {name: scale * gradient for name, gradient in network.gradient().items()}
        assert network.check(gradients, points=points, loss_scatter=1.0).status != "fail"


def test_a_constant_loss_with_a_gradient_fails():
    network = Network()
    assert network.check(network.gradient(), points=lambda direction, steps: np.full(len(steps), 0.7)).status == "fail"


def test_a_wrong_number_of_losses_is_refused():
    network = Network()
    with pytest.raises(ValueError, match="asked for 21 losses"):
        network.check(network.gradient(), points=lambda direction, steps: np.ones(3))


def test_an_offset_in_the_loss_hides_small_errors_but_raises_no_alarm():
    network = Network()
    gradients = network.gradient()
    result = network.check(gradients, points=lambda d, t: network.points(d, t) + 1e9)
    assert result.status != "fail"
    assert max(result.resolves.values()) > 1e-7


def test_rounding_of_the_parameters_is_no_error_of_the_slope():
    theta = {"w": np.array([1e6, -1e6, 1e6, 3.0])}
    direction = {"w": np.array([0.7, 0.6, 0.9, 0.8])}

    def points(direction, steps):
        moved = [theta["w"] + step * direction["w"] for step in steps]
        return np.array([float((w[0] + w[1]) * 1e3 + w[2] - 1e6 + np.sin(w[3])) for w in moved])

    gradient = {"w": np.array([1e3, 1e3, 1.0, np.cos(3.0)])}
    result = check_direction(points, theta, gradient, direction, first=0.5, dtype=np.float64, loss_scatter=1.0)
    assert result.status == "pass"
    assert result.tolerance < 1e-9 * 1e3


def test_a_tensor_whose_steps_rounding_swallows_is_not_decided():
    theta = {"w": np.array([1e20]), "b": np.array([0.5])}
    gradient = {"w": np.array([1.0]), "b": np.array([1.0])}
    direction = {"w": np.array([0.7]), "b": np.array([0.7])}
    result = check_direction(lambda d, t: 0.5 + 0.7 * t, theta, gradient, direction, first=0.5, dtype=np.float64, loss_scatter=1.0)
    assert result.powers["w"] == np.inf
    assert result.powers["b"] < 1e-9


def test_a_line_that_could_not_see_an_error_of_one_percent_decides_nothing():
    theta, gradient, direction = {"w": np.array([0.5])}, {"w": np.array([np.cos(0.5)])}, {"w": np.array([1.0])}
    found = []
    for offset in 2.0 ** np.arange(20, 50):  # beside which the loss has fewer and fewer digits

        def points(direction, steps, offset=offset):
            return offset + np.sin(0.5 + steps)

        found.append(check_direction(points, theta, gradient, direction, first=0.5, dtype=np.float64, loss_scatter=offset))
    resolved = [result.resolves for result in found]
    assert any(0.002 < one <= 0.01 for one in resolved)
    assert any(0.01 < one < 0.05 for one in resolved)
    assert [result.status for result in found] == ["pass" if one <= 0.01 else "undecided" for one in resolved]


def test_halving_costs_few_lines_in_a_large_tensor():
    right = np.random.default_rng(0).normal(size=(100, 100))
    claimed = right.copy()
    claimed[17, 42] += 1.0
    asked = []

    def ask(direction):
        asked.append(direction)
        error = float(((right - claimed) * direction).sum())
        status = "fail" if abs(error) > 1e-6 else "pass"
        return DirectionResult(
            "w", status, error, 1e-6, 1e-6, {"w": 1e-6}, Slope(error, 1e-7, 1.0, (), ()), Middle(1.0, 1e-16, 2.0**-52), 14
        )

    element, _ = find_wrong_element("w", claimed, np.ones((100, 100)), ask)
    assert element is not None
    assert element.index == (17, 42)
    assert element.estimated == pytest.approx(right[17, 42])
    assert len(asked) <= 30


@pytest.mark.parametrize("places", [(1, 6), (6, 1)])
@pytest.mark.parametrize("size", [8, 64])
def test_of_two_wrong_elements_the_worse_one_is_named(size, places):
    right = np.random.default_rng(0).normal(size=size)
    claimed, (slightly, badly) = right.copy(), (place * size // 8 for place in places)
    claimed[slightly] += 0.01
    claimed[badly] -= 1.0

    def ask(direction):
        error = float(((right - claimed) * direction).sum())
        status = "fail" if abs(error) > 1e-6 else "pass"
        return DirectionResult(
            "w", status, error, 1e-6, 1e-6, {"w": 1e-6}, Slope(error, 1e-7, 1.0, (), ()), Middle(1.0, 1e-16, 2.0**-52), 14
        )

    element, _ = find_wrong_element("w", claimed, np.ones(size), ask)
    assert element is not None
    assert (element.index, element.claimed) == ((badly,), claimed[badly])
