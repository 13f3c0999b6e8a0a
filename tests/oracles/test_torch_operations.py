"""Each PyTorch reference against mpmath at 50 digits, value and derivative, over the ordinary range (|z| ≤ 30; logits ≤ 15).

Errors are counted in machine epsilons of the sum of the magnitudes of the terms that make up a number: where no terms cancel, that is its
relative error. The allowances are twice what was measured here over 20 seeds; a wrong formula is off by 10⁶ and more.
"""

from collections.abc import Callable, Sequence

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mpf

from verifier.oracles.torch_operations import TORCH_OPERATIONS
from verifier.problems.operations import OPERATIONS

EPSILON = mpf(2) ** -52
Number = mpmath.mpf
Vector = list[Number]


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


def exact(values: Sequence[float]) -> Vector:
    return [mpf(float(value)) for value in values]


def sigma(z: Number) -> Number:
    return 1 / (1 + mpmath.exp(-z))


def shares(z: Vector) -> Vector:
    powers = [mpmath.exp(entry) for entry in z]
    return [power / sum(powers) for power in powers]


def epsilons(claimed: float, right: Number, magnitude: Number | None = None) -> float:
    """|claimed - right| in machine epsilons of the magnitude (of the right number, where none is given)."""
    scale = abs(right) if magnitude is None else magnitude
    error = abs(mpf(float(claimed)) - right)
    return 0.0 if error == 0 else float("inf") if scale == 0 else float(error / (scale * EPSILON))


def evaluate(name: str, *inputs: object, cotangent: object = 1.0, **attributes: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """The reference's value, and its derivative by each input along a cotangent."""
    tensors = [torch.tensor(np.asarray(value, dtype=np.float64), requires_grad=True) for value in inputs]
    value = TORCH_OPERATIONS[name](tuple(tensors), attributes)
    gradients = torch.autograd.grad(
        value, tensors, torch.tensor(np.broadcast_to(np.asarray(cotangent), value.shape).copy()), allow_unused=True, materialize_grads=True
    )
    return value.detach().numpy(), [gradient.numpy() for gradient in gradients]


def test_every_operation_of_the_catalogue_has_a_reference():
    assert set(TORCH_OPERATIONS) == set(OPERATIONS)


ELEMENTWISE: dict[str, tuple[Callable[[Number], Number], Callable[[Number], Number], float]] = {
    # value, derivative, allowance; measured over 20 seeds: 1.2 and 2.0, 1.2 and 1.7, 0.9 and 1.2
    "sigmoid": (sigma, lambda z: sigma(z) * sigma(-z), 4.0),
    "tanh": (mpmath.tanh, lambda z: mpmath.sech(z) ** 2, 3.5),
    "softplus": (lambda z: mpmath.log1p(mpmath.exp(z)), sigma, 2.5),
    "relu": (lambda z: max(z, mpf(0)), lambda z: mpf(z > 0), 0.0),
    "leaky_relu": (lambda z: z if z > 0 else mpf(0.01) * z, lambda z: mpf(1) if z > 0 else mpf(0.01), 1.0),
    "identity": (lambda z: z, lambda z: mpf(1), 0.0),
    "clip_preactivation": (lambda z: min(max(z, mpf(-20)), mpf(20)), lambda z: mpf(abs(z) < 20), 0.0),
}
ATTRIBUTES = {"leaky_relu": {"leaky_slope": 0.01}, "clip_preactivation": {"bound": 20.0}}
# Where formulas change their branch, and where torch's own softplus and σ' lose their digits.
CORNERS = (25.0, -25.0, 30.0, -30.0, 20.001, 19.999, 0.5, -0.5, np.nextafter(0.5, 0), 1e-300, -1e-300, 1e-17, -1e-17)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_activation_is_right_to_the_last_bits(name):
    function, slope, allowance = ELEMENTWISE[name]
    generator = np.random.default_rng(7)
    small = generator.choice([-1.0, 1.0], 100) * 10.0 ** generator.uniform(-12, 0, 100)
    points = np.concatenate([generator.uniform(-30, 30, 200), generator.standard_normal(60), small, CORNERS])
    value, (derivative,) = evaluate(name, points, **ATTRIBUTES.get(name, {}))
    for point, claimed, claimed_slope in zip(exact(points), value, derivative, strict=True):
        assert epsilons(claimed, function(point)) <= allowance, (name, "value", float(point))
        assert epsilons(claimed_slope, slope(point)) <= allowance, (name, "derivative", float(point))


@pytest.mark.parametrize(
    ("name", "value", "slope"), [("sigmoid", 0.5, 0.25), ("tanh", 0.0, 1.0), ("softplus", np.log(2), 0.5), ("identity", 0.0, 1.0)]
)
def test_an_activation_has_its_derivative_at_zero_too(name, value, slope):
    claimed, (derivative,) = evaluate(name, [0.0, -0.0])
    assert claimed.tolist() == [value, value]
    assert derivative.tolist() == [slope, slope]


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus"])
def test_an_activation_stays_finite_far_beyond_the_ordinary_range(name):
    value, (derivative,) = evaluate(name, [-1e4, -800.0, 800.0, 1e4])
    assert np.isfinite(value).all() and np.isfinite(derivative).all()


def logits(generator: np.random.Generator) -> np.ndarray:
    """A few logits; every third time all of them far apart, and ±15 among them."""
    drawn = generator.uniform(-15, 15, generator.integers(2, 6))
    drawn[:2] = (15.0, -15.0) if generator.integers(3) == 0 else drawn[:2]
    return drawn


def test_a_softmax_is_right_to_the_last_bits_of_the_differences_of_its_logits():
    # A difference of two logits up to 30 rounds by 8 epsilons, which e^z passes on: measured 9.0, derivative 9.5.
    generator = np.random.default_rng(8)
    for _ in range(80):
        z, cotangent = logits(generator), generator.standard_normal(8)
        cotangent = cotangent[: len(z)]
        value, (derivative,) = evaluate("softmax", z, cotangent=cotangent)
        p, g = shares(exact(z)), exact(cotangent)
        for i in range(len(z)):
            assert epsilons(value[i], p[i]) <= 18
            others = [j for j in range(len(z)) if j != i]
            right = p[i] * sum(p[j] * (g[i] - g[j]) for j in others)
            magnitude = p[i] * sum(p[j] * (abs(g[i]) + abs(g[j])) for j in others)
            assert epsilons(derivative[i], right, magnitude) <= 20


@pytest.mark.parametrize("kind", ["one_hot", "probability"])
def test_softmax_cross_entropy_is_right_to_the_last_bits(kind):
    # log p of the winner is -Σ e^d of the others: PyTorch's log_softmax has three digits of it left at d = 30. Measured 8.5 and 9.1.
    generator = np.random.default_rng(9)
    for _ in range(80):
        z = logits(generator)
        size = len(z)
        y = np.eye(size)[generator.integers(size)] if kind == "one_hot" else generator.dirichlet(np.ones(size))
        value, (derivative, _) = evaluate("softmax_cross_entropy", z, y)
        p, targets = shares(exact(z)), exact(y)
        total = sum(targets)  # 1 but for the rounding of the drawn targets
        assert epsilons(value, -sum(t * mpmath.log(q) for t, q in zip(targets, p, strict=True))) <= 18
        for i in range(size):
            others = [j for j in range(size) if j != i]
            right = p[i] * total - targets[i]  # = p_i Σ_others y - y_i Σ_others p, without the part that cancels
            magnitude = p[i] * sum(targets[j] for j in others) + targets[i] * sum(p[j] for j in others)
            assert epsilons(derivative[i], right, magnitude) <= 20


@pytest.mark.parametrize("kind", ["binary", "probability"])
def test_binary_cross_entropy_with_logits_is_right_to_the_last_bits(kind):
    generator = np.random.default_rng(10)  # measured 1.1 and 1.3
    for _ in range(80):
        z = logits(generator)
        y = generator.integers(2, size=len(z)).astype(float) if kind == "binary" else generator.uniform(size=len(z))
        value, (derivative, _) = evaluate("binary_cross_entropy_with_logits", z, y)
        exact_z, exact_y = exact(z), exact(y)
        losses = [t * mpmath.log1p(mpmath.exp(-q)) + (1 - t) * mpmath.log1p(mpmath.exp(q)) for q, t in zip(exact_z, exact_y, strict=True)]
        assert epsilons(value, sum(losses)) <= 2.5
        for claimed, q, t in zip(derivative, exact_z, exact_y, strict=True):
            assert epsilons(claimed, (1 - t) * sigma(q) - t * sigma(-q), (1 - t) * sigma(q) + t * sigma(-q)) <= 2.5


PROBABILITIES = (1e-13, 3e-7, 0.02, 0.4, 0.5, 0.7, 1 - 3e-7, 1 - 1e-13)


@pytest.mark.parametrize(
    "conventions", [{}, {"log_epsilon": 1e-12}, {"log_epsilon": 0.0, "log_epsilon_of_rest": 1e-7}, {"clip_output": 1e-7}]
)
def test_cross_entropies_of_probabilities_are_right_to_the_last_bits(conventions):
    generator = np.random.default_rng(11)  # measured 1.7 and 1.2
    epsilon, bound = mpf(conventions.get("log_epsilon", 0.0)), conventions.get("clip_output")
    rest = mpf(conventions.get("log_epsilon_of_rest", epsilon))

    def inside(p: float) -> tuple[Number, int]:
        if bound is None:
            return mpf(p), 1
        return min(max(mpf(p), mpf(bound)), mpf(1 - bound)), int(bound < p < 1 - bound)

    for _ in range(60):
        p = generator.choice(PROBABILITIES, 4)
        y = np.where(generator.integers(2, size=4) == 0, generator.integers(2, size=4), generator.uniform(size=4))
        seen, targets = [inside(entry) for entry in p.tolist()], exact(y)
        value, (derivative, _) = evaluate("cross_entropy", p, y, **conventions)
        losses = [-t * mpmath.log(q + epsilon) for (q, _), t in zip(seen, targets, strict=True)]
        assert epsilons(value, sum(losses), sum(abs(loss) for loss in losses)) <= 3.5
        for claimed, (q, passes), t in zip(derivative, seen, targets, strict=True):
            assert epsilons(claimed, -t / (q + epsilon) * passes) <= 2.5
        value, (derivative, _) = evaluate("binary_cross_entropy", p, y, **conventions)
        losses = [-t * mpmath.log(q + epsilon) - (1 - t) * mpmath.log(1 - q + rest) for (q, _), t in zip(seen, targets, strict=True)]
        assert epsilons(value, sum(losses), sum(abs(loss) for loss in losses)) <= 3.5
        for claimed, (q, passes), t in zip(derivative, seen, targets, strict=True):
            terms = -t / (q + epsilon) * passes, (1 - t) / (1 - q + rest) * passes
            assert epsilons(claimed, sum(terms), sum(map(abs, terms))) <= 2.5


@pytest.mark.parametrize(("name", "factor"), [("squared_error", 1), ("half_squared_error", mpf("0.5"))])
def test_squared_errors_are_right_to_the_last_bits(name, factor):
    generator = np.random.default_rng(12)
    a, y = generator.standard_normal((2, 5))
    value, (derivative, _) = evaluate(name, a, y)
    differences = [p - q for p, q in zip(exact(a), exact(y), strict=True)]
    assert epsilons(value, factor * sum(d * d for d in differences)) <= 4  # one sign: a rounding for each of 5 terms at most
    for claimed, difference in zip(derivative, differences, strict=True):
        assert epsilons(claimed, 2 * factor * difference) <= 1


@pytest.mark.parametrize("with_bias", [True, False])
def test_an_affine_map_is_right_to_the_last_bits_of_its_terms(with_bias):
    generator = np.random.default_rng(13)
    a, w, b, g = (generator.standard_normal(shape) for shape in ((3, 4), (2, 4), (2,), (3, 2)))
    value, gradients = evaluate("affine", a, w, *([b] if with_bias else []), cotangent=g)

    def held(claimed: float, terms: list[Number]) -> bool:
        return epsilons(claimed, sum(terms), sum(abs(term) for term in terms)) <= len(terms)

    for row in range(3):
        for unit in range(2):
            terms = [mpf(w[unit, i]) * mpf(a[row, i]) for i in range(4)] + ([mpf(b[unit])] if with_bias else [])
            assert held(value[row, unit], terms)
        for i in range(4):
            assert held(gradients[0][row, i], [mpf(g[row, unit]) * mpf(w[unit, i]) for unit in range(2)])
    for unit in range(2):
        for i in range(4):
            assert held(gradients[1][unit, i], [mpf(g[row, unit]) * mpf(a[row, i]) for row in range(3)])
        if with_bias:
            assert held(gradients[2][unit], [mpf(g[row, unit]) for row in range(3)])


def test_reduction_regularisation_and_total_are_right_to_the_last_bits():
    generator = np.random.default_rng(14)
    losses, first, second = generator.uniform(size=6), generator.standard_normal((3, 2)), generator.standard_normal((1, 3))
    value, (derivative,) = evaluate("reduce", losses, divisor=6.0)
    assert epsilons(value, sum(exact(losses)) / 6) <= 6
    assert all(epsilons(part, mpf(1) / 6) <= 1 for part in derivative)
    value, gradients = evaluate("l2", first, second, factor=0.1)
    squares = sum(entry * entry for entry in exact([*first.ravel(), *second.ravel()]))
    assert epsilons(value, mpf(0.1) * squares) <= 9
    for weights, gradient in ((first, gradients[0]), (second, gradients[1])):
        for entry, claimed in zip(exact(weights.ravel()), gradient.ravel(), strict=True):
            assert epsilons(claimed, 2 * mpf(0.1) * entry) <= 2
    value, (of_data, of_penalty) = evaluate("total", 0.7, 0.2, scale=3.0)
    assert epsilons(value, 3 * (mpf(0.7) + mpf(0.2))) <= 2
    assert (of_data, of_penalty) == (3.0, 3.0)
