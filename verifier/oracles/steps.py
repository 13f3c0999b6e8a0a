"""Parameters along a path of steps by PyTorch's own optimisers in float64, and what last-bit errors everywhere can do to them.

The scatter is measured as that of gradients is (`oracles.scatter`): the rule's plain form, swept with every stored quantity times 1 + uξ
and with gradients that are off by their own scatter. PyTorch is imported where it is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.oracles.reference import Reference
from verifier.oracles.scatter import RELATIVE
from verifier.problems.optimizers import Rule, State, take_step
from verifier.problems.program import Problem, machine_epsilon
from verifier.tolerance import SAFETY, element_tolerance

Arrays = Mapping[str, FloatArray]

COPIES = 6
OURS = ("lr_decay", "gamma", "step_size", "velocity", "eps_hat")  # options that torch.optim has not


@dataclass(frozen=True)
class Path:
    """Where somebody stood before each step, the references there, and what they came to; the rate of all steps."""

    problems: Sequence[Problem]
    references: Sequence[Reference]
    afters: Sequence[Arrays]
    rate: float

    def judged_by(self, rule: Rule, *, seed: int) -> tuple["Stepped", ...]:
        """What the rule makes of each step, from where they stood before it."""
        names = list(self.afters[0])
        return follow(
            rule,
            {name: self.problems[0].arrays[name] for name in names},
            [reference.gradients for reference in self.references],
            rates=[self.rate] * len(self.afters),
            befores=[problem.arrays for problem in self.problems],
            gradient_scatters=[reference.scatter.gradients for reference in self.references],
            dtype=self.problems[0].dtype,
            seed=seed,
        )


@dataclass(frozen=True)
class Stepped:
    """The parameters after one step, by name, and the scatter of each; infinite where rounding of the gradient decides the step."""

    parameters: Arrays
    scatter: Arrays

    def tolerance(self, name: str) -> FloatArray:
        """The tolerance of each element; infinite where it decides nothing."""
        scatter = self.scatter[name]
        decided = np.isfinite(scatter)
        return np.where(decided, element_tolerance(np.where(decided, scatter, 0.0), 1), np.inf)

    def allowed(self, name: str, dtype: str) -> FloatArray:
        """The tolerance, and the rounding of the parameter in which the step is seen."""
        allowed: FloatArray = self.tolerance(name) + machine_epsilon(dtype) * np.abs(self.parameters[name])
        return allowed


def follow(
    rule: Rule,
    start: Arrays,
    gradients: Sequence[Arrays],
    *,
    rates: Sequence[float] | None = None,
    befores: Sequence[Arrays] | None = None,
    gradient_scatters: Sequence[Arrays] | None = None,
    dtype: str = "float64",
    seed: int = 0,
) -> tuple[Stepped, ...]:
    """The parameters after each step of a path, one step a mapping of gradients.

    Args:
        start: the parameters before the first step, by name; of any real type, taken as float64.
        rates: the base rate of each step, before the rule's own decay; None for the rule's `lr`.
        befores: the parameters before each step, where they are somebody else's (each step is then judged alone; what the rule carries is
            still the reference's); None to go on from the step before.
        gradient_scatters: the scatter of each gradient, where it is not exact, for `dtype`.
        dtype: whose rounding the scatter is for.
    Returns:
        One `Stepped` a step, float64.
    """
    bases = [float(rule.options["lr"])] * len(gradients) if rates is None else list(rates)
    nominal = _by_torch(rule, start, gradients, bases, befores)
    scatters = _scatters(rule, start, gradients, bases, befores, gradient_scatters, dtype, seed)
    return tuple(Stepped(parameters, scatter) for parameters, scatter in zip(nominal, scatters, strict=True))


def _by_torch(
    rule: Rule, start: Arrays, gradients: Sequence[Arrays], bases: Sequence[float], befores: Sequence[Arrays] | None
) -> list[dict[str, FloatArray]]:
    import torch

    options = {key: value for key, value in rule.options.items() if key not in OURS}
    of_steps = rule.name == "sgd" and rule.options["velocity"] == "step" and rule.options["momentum"] != 0
    if of_steps:
        options |= {"lr": 1.0, "weight_decay": 0.0}
    kinds: dict[str, Any] = {
        **{"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adamax": torch.optim.Adamax},
        **{"rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta},
    }
    tensors = {name: torch.tensor(np.asarray(array, dtype=np.float64)) for name, array in start.items()}
    optimizer = kinds[rule.name](list(tensors.values()), foreach=False, **options)
    found = []
    for count, (step, base) in enumerate(zip(gradients, bases, strict=True)):
        rate = rule.rate(base, count)
        for name, tensor in tensors.items():
            if befores is not None:
                tensor.copy_(torch.tensor(np.asarray(befores[count][name], dtype=np.float64)))
            gradient = torch.tensor(np.asarray(step[name], dtype=np.float64))
            # Velocities that add up steps are those that add up gradients, each times its own rate.
            tensor.grad = rate * (gradient + rule.options["weight_decay"] * tensor) if of_steps else gradient
        average = rule.name == "sgd" and rule.options["velocity"] == "average" and rule.options["momentum"] != 0
        if rule.options.get("eps_hat"):
            optimizer.param_groups[0]["eps"] = options["eps"] / (1 - options["betas"][1] ** (count + 1)) ** 0.5
        optimizer.param_groups[0]["lr"] = 1.0 if of_steps else rate * (1 - rule.options["momentum"]) if average else rate
        optimizer.step()
        found.append({name: tensor.numpy().copy() for name, tensor in tensors.items()})
    return found


def _scatters(
    rule: Rule,
    start: Arrays,
    gradients: Sequence[Arrays],
    bases: Sequence[float],
    befores: Sequence[Arrays] | None,
    gradient_scatters: Sequence[Arrays] | None,
    dtype: str,
    seed: int,
) -> list[dict[str, FloatArray]]:
    """By step and name, the largest departure of a perturbed copy from the exact one, scaled to the machine epsilon of the type."""
    scale = machine_epsilon(dtype) / RELATIVE
    noise = _Noise(seed)
    found: list[dict[str, FloatArray]] = [{} for _ in gradients]
    for name, array in start.items():
        value: FloatArray = np.broadcast_to(np.asarray(array, dtype=np.float64), (COPIES + 1, *np.shape(array)))
        state: State = {}
        undecided = np.zeros(np.shape(array), dtype=bool)
        for count, (step, base) in enumerate(zip(gradients, bases, strict=True)):
            if befores is not None:
                value = np.broadcast_to(np.asarray(befores[count][name], dtype=np.float64), value.shape)
            gradient: FloatArray = np.broadcast_to(np.asarray(step[name], dtype=np.float64), value.shape)
            if gradient_scatters is not None:
                own = gradient_scatters[count][name]
                gradient = gradient + noise.unit(gradient.shape) * own / scale
                undecided |= rule.normalises & (np.abs(step[name]) <= SAFETY * own) & (own > 0)
            value = take_step(rule, value, gradient, state, rate=rule.rate(base, count), count=count, store=noise)
            departure = np.abs(value - value[:1]).max(axis=0) * scale
            found[count][name] = np.where(undecided, np.inf, departure)
    return found


class _Noise:
    """The hook of the rules: copy 0 is exact, the others are times 1 + uξ, or plus uξ as well where an error is absolute."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng([seed, 0x57E9])

    def unit(self, shape: tuple[int, ...]) -> FloatArray:
        """ξ, uniform on [-1, 1], and 0 for the exact copy."""
        uniform = self._generator.uniform(-1.0, 1.0, shape)
        uniform[0] = 0.0
        return uniform

    def __call__(self, value: FloatArray, absolute: bool = False) -> FloatArray:
        noisy = value * (1.0 + RELATIVE * self.unit(value.shape))
        return noisy + RELATIVE * self.unit(value.shape) if absolute else noisy
