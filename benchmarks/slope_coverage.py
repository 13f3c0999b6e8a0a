"""How often the bound of the finite-difference oracle holds, what it resolves, what it costs, and which planted faults it finds.

Random multilayer perceptrons as plain NumPy functions, written apart from the rest of the package. Run:
``python benchmarks/slope_coverage.py [networks]``; the result that the documentation quotes is in benchmarks/results/slope_coverage.txt.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from verifier.oracles.finite_difference.line import DECISIVE
from verifier.oracles.finite_difference.problem import ProblemDifferences, check_problem

Array = NDArray[np.floating]
Arrays = dict[str, Array]
SEED = 20261124
U = 2.0**-40
VISIBLE = {"float64": 1e-9, "float32": 1e-4}  # a fault that changes no tensor by more, relative to its largest element, is not counted


@dataclass(frozen=True)
class Network:
    """A drawn network: arrays in the candidate's dtype, and what it computes."""

    theta: Arrays
    x: Array
    y: Array
    activations: tuple[str, ...]
    loss: str
    factor: float
    offset: float


def activate(kind: str, z: Array) -> Array:
    if kind == "sigmoid":
        return 1 / (1 + np.exp(-z))
    if kind == "tanh":
        return np.tanh(z)
    if kind == "relu":
        return np.maximum(z, 0)
    if kind == "leaky_relu":
        return np.where(z > 0, z, z * z.dtype.type(0.01))
    if kind == "softplus":
        return np.logaddexp(z.dtype.type(0), z)
    if kind == "softmax":
        powers: Array = np.exp(z - z.max(axis=1, keepdims=True))
        shares: Array = powers / powers.sum(axis=1, keepdims=True)
        return shares
    return z


def slope_of(kind: str, z: Array, a: Array) -> Array:
    if kind == "sigmoid":
        return a * (1 - a)
    if kind == "tanh":
        return 1 - a * a
    if kind == "relu":
        return (z > 0).astype(z.dtype)
    if kind == "leaky_relu":
        return np.where(z > 0, z.dtype.type(1), z.dtype.type(0.01))
    if kind == "softplus":
        return 1 / (1 + np.exp(-z))
    return np.ones_like(z)


Perturb = Callable[..., Array]


def unperturbed(value: Array, *, absolute: bool = False) -> Array:
    return value


def forward(network: Network, theta: Mapping[str, Array], perturb: Perturb = unperturbed) -> tuple[list[Array], list[Array]]:
    pre_activations, activations = [], [network.x]
    for layer, kind in enumerate(network.activations):
        z = perturb(perturb(activations[-1] @ theta[f"weights[{layer}]"].T) + theta[f"biases[{layer}]"])
        pre_activations.append(z)
        activations.append(perturb(activate(kind, z), absolute=kind in ("sigmoid", "tanh", "softplus")))
    return pre_activations, activations


def loss_of(network: Network, theta: Mapping[str, Array], perturb: Perturb = unperturbed) -> float:
    output = forward(network, theta, perturb)[1][-1]
    y = network.y
    if network.loss == "squared_error":
        terms = (y - output) ** 2
    elif network.loss == "half_squared_error":
        terms = (y - output) ** 2 / 2
    elif network.loss == "binary_cross_entropy":
        terms = -(y * perturb(np.log(output)) + (1 - y) * perturb(np.log(perturb(1 - output))))
    else:
        terms = -y * perturb(np.log(output))
    return float(
        perturb(np.asarray(perturb(terms).sum(dtype=terms.dtype) * terms.dtype.type(network.factor))) + terms.dtype.type(network.offset)
    )


FAULTS = (
    *("twice", "factor_batch", "sign", "no_output_slope", "no_hidden_slope", "relu_slope_one", "bias_mean", "last_sample"),
    *("slope_of_activation", "zero_tensor", "weight_decay", "transposed", "wrong_row", "antisymmetric"),
    *("element_10%", "tensor_1e-2", "tensor_1e-4", "tensor_1e-6"),
)


def backward(network: Network, theta: Mapping[str, Array], fault: str = "") -> Arrays:
    pre_activations, activations = forward(network, theta)
    output, y, batch = activations[-1], network.y, len(network.x)
    factor = output.dtype.type(network.factor)
    last = len(network.activations) - 1
    if network.loss == "squared_error":
        delta = 2 * (output - y) * factor
    elif network.loss == "half_squared_error":
        delta = (output - y) * factor
    else:
        delta = (output - y) * factor
    if network.loss.endswith("squared_error") and fault != "no_output_slope":
        delta = delta * slope_of(network.activations[last], pre_activations[last], output)
    gradients: Arrays = {}
    for layer in range(last, -1, -1):
        used = slice(-1, None) if fault == "last_sample" else slice(None)
        gradients[f"weights[{layer}]"] = delta[used].T @ activations[layer][used]
        gradients[f"biases[{layer}]"] = delta[used].mean(axis=0) if fault == "bias_mean" else delta[used].sum(axis=0)
        if layer:
            delta = delta @ theta[f"weights[{layer}]"]
            kind, z, a = network.activations[layer - 1], pre_activations[layer - 1], activations[layer]
            if fault == "slope_of_activation":
                z, a = a, activate(kind, a)
            if not (fault == "no_hidden_slope" or (fault == "relu_slope_one" and kind == "relu")):
                delta = delta * slope_of(kind, z, a)
    return planted(gradients, theta, fault, batch)


def planted(gradients: Arrays, theta: Mapping[str, Array], fault: str, batch: int) -> Arrays:
    names = sorted(gradients)
    wide = max(names, key=lambda name: gradients[name].size)
    changed = dict(gradients)
    if fault == "twice":
        changed = {name: gradient * 2 for name, gradient in gradients.items()}
    elif fault == "factor_batch":
        changed = {name: gradient * batch for name, gradient in gradients.items()}
    elif fault == "sign":
        changed = {name: -gradient for name, gradient in gradients.items()}
    elif fault == "zero_tensor":
        changed[names[0]] = np.zeros_like(gradients[names[0]])
    elif fault == "weight_decay":
        changed = {name: gradient + theta[name] * gradient.dtype.type(1e-3) for name, gradient in gradients.items()}
    elif fault == "transposed" and gradients[wide].shape == gradients[wide].T.shape:
        changed[wide] = gradients[wide].T.copy()
    elif fault == "wrong_row":
        changed[wide] = np.roll(gradients[wide], 1, axis=0)
    elif fault.startswith("tensor_"):
        middle = names[len(names) // 2]
        changed[middle] = gradients[middle] * gradients[middle].dtype.type(1 + float(fault.removeprefix("tensor_")))
    elif fault == "element_10%":
        changed[wide] = gradients[wide].copy()
        changed[wide].flat[np.argmax(np.abs(changed[wide]))] *= 1.1
    elif fault == "antisymmetric" and gradients[wide].ndim == 2 and min(gradients[wide].shape) > 1:
        changed[wide] = gradients[wide].copy()
        error = 0.1 * np.abs(gradients[wide]).max()
        changed[wide][0, 1] += error
        changed[wide][1, 0] -= error
    return changed


def draw(generator: np.random.Generator, dtype: str) -> Network | None:
    """A network; None where it is not ordinary or lies on a kink."""
    depth, batch = int(generator.integers(1, 5)), int(generator.integers(1, 9))
    widths = generator.integers(1, 9, size=depth + 1)
    if generator.random() < 0.4:
        widths[:] = widths[0]
    loss = str(generator.choice(["squared_error", "half_squared_error", "binary_cross_entropy", "cross_entropy"]))
    hidden = ["sigmoid", "tanh", "relu", "leaky_relu", "softplus", "identity"]
    kinds = [str(generator.choice(hidden)) for _ in range(depth)]
    kinds[-1] = {"binary_cross_entropy": "sigmoid", "cross_entropy": "softmax"}.get(loss, kinds[-1])
    scale = float(generator.choice([0.01, 0.3, 1.0, 1.0, 3.0, 30.0]))
    theta: Arrays = {}
    for layer in range(depth):
        zero = generator.random() < 0.03
        theta[f"weights[{layer}]"] = (generator.normal(size=(widths[layer + 1], widths[layer])) * (0 if zero else scale)).astype(dtype)
        theta[f"biases[{layer}]"] = (generator.normal(size=widths[layer + 1]) * min(scale, 3.0)).astype(dtype)
    x = generator.normal(size=(batch, widths[0])) * generator.choice([1.0, 1.0, 1.0, 1e-3, 1e2])
    if generator.random() < 0.05:
        x[:] = x[0]
    y = targets(generator, loss, (batch, int(widths[-1])))
    factor = float(generator.choice([1.0, 1 / batch, 1 / (batch * widths[-1])]))
    offset = float(generator.choice([0.0] * 19 + [1e4]))
    network = Network(theta, x.astype(dtype), y.astype(dtype), tuple(kinds), loss, factor, offset)
    if loss.endswith("squared_error") and generator.random() < 0.02:  # a perfect fit: the loss is at its minimum
        network = replace(network, y=forward(network, theta)[1][-1])
    return network if ordinary(network, dtype) else None


def targets(generator: np.random.Generator, loss: str, shape: tuple[int, int]) -> Array:
    if loss == "binary_cross_entropy":
        uniform: Array = generator.random(size=shape)
        return uniform.round() if generator.random() < 0.5 else uniform
    if loss == "cross_entropy":
        return np.eye(shape[1])[generator.integers(shape[1], size=shape[0])]
    return generator.normal(size=shape) * float(generator.choice([1.0, 1.0, 1.0, 1000.0]))


def ordinary(network: Network, dtype: str) -> bool:
    pre_activations, _ = forward(network, network.theta)
    single = dtype == "float32"
    if not network.loss.endswith("squared_error") and np.abs(pre_activations[-1]).max() > (8 if single else 15):
        return False
    if max(np.abs(z).max() for z in pre_activations) > (15 if single else 30):
        return False
    kinks = [np.abs(z).min() for z, kind in zip(pre_activations, network.activations, strict=True) if kind.endswith("relu")]
    return min(kinks, default=1.0) > 1e-12


def widen(network: Network) -> Network:
    """The same network for float64."""
    theta: Arrays = {name: value.astype(np.float64) for name, value in network.theta.items()}
    return replace(network, theta=theta, x=network.x.astype(np.float64), y=network.y.astype(np.float64))


def moves_of(network: Network) -> Callable[[Mapping[str, Array], float], tuple[float, bool]]:
    middle = forward(network, network.theta)[0]
    kinked = [kind.endswith("relu") for kind in network.activations]

    def moves(direction: Mapping[str, Array], step: float) -> tuple[float, bool]:
        largest, crossed = 0.0, False
        for signed in (-step, step):
            there = forward(
                network, {name: value + signed * direction[name] if name in direction else value for name, value in network.theta.items()}
            )[0]
            largest = max(largest, *(float(np.abs(a - b).max()) for a, b in zip(there, middle, strict=True)))
            crossed |= any(kink and bool(((a > 0) != (b > 0)).any()) for a, b, kink in zip(there, middle, kinked, strict=True))
        return largest, crossed

    return moves


def scatter_of(network: Network, generator: np.random.Generator) -> float:
    """Largest change of the loss under relative perturbations of everything stored, in units of their size."""

    def perturb(value: Array, *, absolute: bool = False) -> Array:
        moved = value * (1 + U * generator.uniform(-1, 1, size=value.shape))
        return moved + U * generator.uniform(-1, 1, size=value.shape) if absolute else moved

    nominal = loss_of(network, network.theta)
    return max(abs(loss_of(network, network.theta, perturb) - nominal) for _ in range(4)) / U


def points_of(network: Network, dtype: str) -> Callable[[Mapping[str, Array], Array], Array]:
    def points(direction: Mapping[str, Array], steps: Array) -> Array:
        losses = []
        for step in steps.tolist():
            theta = dict(network.theta)
            for name, along in direction.items():
                theta[name] = (theta[name].astype(np.float64) + step * along).astype(dtype)
            losses.append(loss_of(network, theta))
        return np.array(losses)

    return points


def ask(network: Network, gradients: Arrays, dtype: str, index: int, scatter: float) -> ProblemDifferences:
    claimed = {name: gradient.astype(np.float64) for name, gradient in gradients.items()}
    return check_problem(
        points_of(network, dtype),
        network.theta,
        claimed,
        moves=moves_of(widen(network)),
        dtype=dtype,
        loss_scatter=scatter,
        seed=SEED,
        index=index,
    )


def ask_narrow(network: Network, index: int, scatter: float) -> ProblemDifferences:
    """Right code that claims float64 and computes in float32."""
    inside = replace(network, theta={}, x=network.x.astype(np.float32), y=network.y.astype(np.float32))

    def narrow(theta: Mapping[str, Array]) -> Arrays:
        return {name: value.astype(np.float32) for name, value in theta.items()}

    def points(direction: Mapping[str, Array], steps: Array) -> Array:
        moved = [{name: value + step * direction.get(name, 0.0) for name, value in network.theta.items()} for step in steps.tolist()]
        return np.array([loss_of(inside, narrow(theta)) for theta in moved])

    claimed = {name: gradient.astype(np.float64) for name, gradient in backward(inside, narrow(network.theta)).items()}
    moves = moves_of(network)
    return check_problem(points, network.theta, claimed, moves=moves, dtype="float64", loss_scatter=scatter, seed=SEED, index=index)


def run_narrow(networks: int) -> None:
    generator = np.random.default_rng([SEED, networks, 1])
    statuses: Counter[str] = Counter()
    with np.errstate(all="ignore"):
        while statuses.total() < networks:
            network = draw(generator, "float64")
            if network is not None and ordinary(network, "float32"):
                statuses[ask_narrow(network, statuses.total(), scatter_of(network, generator)).status] += 1
    print(
        f"float32 inside a float64 claim: {networks} networks, false alarms {statuses['fail']}; problems {dict(sorted(statuses.items()))}"
    )


def visible(claimed: Arrays, truth: Arrays, dtype: str) -> bool:
    return any(np.abs(claimed[name] - truth[name]).max() > VISIBLE[dtype] * np.abs(truth[name]).max() for name in truth)


def quantiles(values: list[float]) -> str:
    ordered = np.sort(np.array(values))
    at = {f"{share:.0%}": float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) for share in (0.1, 0.5, 0.9, 0.99, 1.0)}
    return ", ".join(f"{share} {value:.1e}" for share, value in at.items())


@dataclass
class Tally:
    """What was counted over the networks of one dtype."""

    statuses: Counter[str]
    found: Counter[str]
    seen: Counter[str]
    ratios: list[float]
    margins: list[float]
    powers: list[float]
    zeros: int
    evaluations: list[int]
    false_alarms: list[str]


def run(dtype: str, networks: int, with_faults: int) -> None:
    generator = np.random.default_rng([SEED, networks])
    tally = Tally(Counter(), Counter(), Counter(), [], [], [], 0, [], [])
    started = time.perf_counter()
    drawn = 0
    with np.errstate(all="ignore"):
        while drawn < networks:
            network = draw(generator, dtype)
            if network is not None:
                drawn += 1
                judge(network, dtype, drawn, generator, tally, FAULTS if drawn <= with_faults else ())
    show(dtype, networks, with_faults, tally)
    print(f"    ({time.perf_counter() - started:.0f} s)", flush=True)


def judge(network: Network, dtype: str, index: int, generator: np.random.Generator, tally: Tally, faults: tuple[str, ...]) -> None:
    wide = widen(network)
    truth = backward(wide, wide.theta)
    scatter = scatter_of(wide, generator)
    claimed = backward(network, network.theta)
    result = ask(network, claimed, dtype, index, scatter)
    tally.statuses[result.status] += 1
    if any(line.status == "fail" for line in result.directions):
        tally.false_alarms.append(f"{index}: {network.loss} {network.activations} batch {len(network.x)} offset {network.offset}")
    tally.evaluations.append(result.evaluations)
    tally.powers += [power for name, power in result.resolves.items() if claimed[name].any()]
    tally.zeros += sum(not gradient.any() for gradient in claimed.values())
    tally.ratios += ratios_of(result, claimed, truth)
    tally.margins += [abs(line.error) / line.tolerance for line in result.directions if 0 < line.tolerance < np.inf]
    for fault in faults:
        wrong = backward(network, network.theta, fault)
        if visible(wrong, truth, dtype):
            tally.seen[fault] += 1
            tally.found[fault] += ask(network, wrong, dtype, index, scatter).status == "fail"


def show(dtype: str, networks: int, with_faults: int, tally: Tally) -> None:
    above = sum(ratio > 1 for ratio in tally.ratios)
    undecided = sum(power > DECISIVE for power in tally.powers) / len(tally.powers)
    print(f"{dtype}: {networks} networks, {len(tally.margins)} directions")
    print(f"  directions with a false alarm: {len(tally.false_alarms)}; problems {dict(sorted(tally.statuses.items()))}")
    for line in tally.false_alarms[:10]:
        print("    false alarm at", line)
    print(f"  |estimated - true| / E: {quantiles(tally.ratios)}; above 1: {above} of {len(tally.ratios)}")
    print(f"  |error| / tolerance of every direction: {quantiles(tally.margins)}")
    print(f"  resolving power of a tensor: {quantiles(tally.powers)}; undecided {undecided:.1%}, besides {tally.zeros} zero gradients")
    print(f"  evaluations: median {int(np.median(tally.evaluations))}, max {max(tally.evaluations)}")
    print(f"  faults found, of those visible (first {with_faults} networks):")
    for fault in FAULTS:
        print(f"    {fault:22s} {tally.found[fault]:5d} of {tally.seen[fault]:5d}")
    print(f"    {'all':22s} {tally.found.total():5d} of {tally.seen.total():5d}")


def ratios_of(result: ProblemDifferences, claimed: Arrays, truth: Arrays) -> list[float]:
    """|estimated − true| / E along every direction where a slope was estimated."""
    ratios = []
    for line in result.directions:
        if np.isfinite(line.tolerance) and line.slope.error_bound:
            error = sum(float(((truth[name] - claimed[name]) * along).sum()) for name, along in line.direction.items())
            ratios.append(abs(line.error - error) / line.slope.error_bound)
    return ratios


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    for name in ("float64", "float32"):
        run(name, count, min(count, max(20, count // 15)))
    run_narrow(count // 3)
