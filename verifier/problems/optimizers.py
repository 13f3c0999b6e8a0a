"""The rules of optimisers, in NumPy, each in the plain form that textbooks and students use; the names of options are PyTorch's.

A rule takes parameters, gradients and what it carried from the step before, and gives the next parameters. Every stored quantity passes
through a hook, as in `operations`. What is right to the last bits is PyTorch's own optimiser, see `oracles.steps`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.problems.operations import Store

State = dict[str, FloatArray]  # what one tensor carries from step to step
Options = Mapping[str, Any]

# Of every rule: the rate's decay, lr / (1 + lr_decay · t) or lr · gamma^⌊t / step_size⌋, with t the number of steps before.
SCHEDULE: Options = {"lr_decay": 0.0, "gamma": 1.0, "step_size": 1}
DEFAULTS: Mapping[str, Options] = {
    "sgd": {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "velocity": "gradient"},
    "adam": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False, "eps_hat": False},
    "adamw": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False, "eps_hat": False},
    "adamax": {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "rmsprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False},
    "adagrad": {"lr": 1e-2, "weight_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10},
    "adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0},
}
VELOCITIES = ("gradient", "step", "average")


@dataclass(frozen=True)
class Rule:
    """An optimiser by name with the options that were said, as PyTorch names them; those left out are PyTorch's defaults.

    `velocity` of `sgd` says what momentum adds up where the rate changes: gradients, v ← μv + g, w ← w - ηv; steps, v ← μv - ηg, w ← w + v;
    or an average of gradients that starts at 0, v ← μv + (1 - μ)g. `eps_hat` of `adam` and `adamw` says that ε is added to the root of v
    before its correction, which then stands in the rate: the form that the paper calls efficient, and that TensorFlow and Keras have.
    """

    name: str
    said: tuple[tuple[str, Any], ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """Every option of the rule: PyTorch's defaults, no schedule, and what was said over them."""
        return {**DEFAULTS[self.name], **SCHEDULE, **dict(self.said)}

    def as_table(self) -> dict[str, Any]:
        """The manifest's table that says it, plain data."""
        return {"name": self.name} | {key: list(value) if isinstance(value, tuple) else value for key, value in self.said}

    @property
    def manifest_line(self) -> str:
        """`optimizer = { name = "sgd", momentum = 0.9 }`."""
        said = ", ".join(f"{key} = {_as_toml(value)}" for key, value in self.as_table().items())
        return f"optimizer = {{ {said} }}"

    @property
    def plain(self) -> bool:
        """Whether each step shows the gradient by itself: W ← W - η ∂L/∂W."""
        return not self.stateful and not self.options["weight_decay"]

    @property
    def forms(self) -> "tuple[Rule, ...]":
        """The rule, and what else goes by its name: Adam with ε on the other side of the correction, unless the manifest says on which."""
        told = any(key == "eps_hat" for key, _ in self.said)
        return (self,) if told or "eps_hat" not in self.options else (self, Rule(self.name, (*self.said, ("eps_hat", True))))

    @property
    def normalises(self) -> bool:
        """Whether a step's length hardly depends on the gradient's: then a gradient within rounding of 0 decides nothing."""
        return self.name != "sgd"

    @property
    def stateful(self) -> bool:
        """Whether one step depends on the steps before."""
        options = self.options
        return self.normalises or bool(options["momentum"]) or bool(options["lr_decay"]) or options["gamma"] != 1

    def rate(self, base: float, step: int) -> float:
        """The rate of a step (from 0) that begins with this one."""
        options = self.options
        return float(base / (1 + options["lr_decay"] * step) * options["gamma"] ** (step // options["step_size"]))


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def take_step(rule: Rule, before: FloatArray, gradient: FloatArray, state: State, *, rate: float, count: int, store: Store) -> FloatArray:
    """The next value of one tensor. `state` is empty before the first step and is changed; `count` is the number of steps before."""
    options = rule.options
    if options["weight_decay"] and rule.name != "adamw":
        gradient = store(gradient + store(options["weight_decay"] * before))
    if rule.name == "adamw":
        before = store(before - store(rate * options["weight_decay"] * before))
    return store(before - _RULES[rule.name](gradient, state, options, rate, count, store))


def _sgd(gradient: FloatArray, state: State, options: Options, rate: float, count: int, store: Store) -> FloatArray:
    momentum = options["momentum"]
    if not momentum:
        return store(rate * gradient)
    if options["velocity"] == "step":
        state["step"] = store(_kept(state, "step", gradient, momentum, store) + store(rate * gradient))
        return store(store(momentum * state["step"]) + store(rate * gradient)) if options["nesterov"] else state["step"]
    share = 1 - momentum if options["velocity"] == "average" else 1 - options["dampening"] if "v" in state else 1.0
    state["v"] = store(_kept(state, "v", gradient, momentum, store) + store(_of_one(share, gradient, store) * gradient))
    own = _of_one(share, gradient, store) * gradient if options["velocity"] == "average" else gradient
    velocity = store(own + store(momentum * state["v"])) if options["nesterov"] else state["v"]
    return store(rate * velocity)


def _kept(state: State, name: str, like: FloatArray, factor: float, store: Store) -> FloatArray:
    """What is kept of a carried quantity: 0 before the first step."""
    return store(factor * state.get(name, np.zeros_like(like)))


def _of_one(share: float, like: FloatArray, store: Store) -> FloatArray:
    """A share of 1, such as 1 - β: exact to one part of 1, not of its value."""
    return store(np.full_like(like, share), absolute=share != 1.0)


def _averaged(state: State, name: str, value: FloatArray, beta: float, store: Store) -> FloatArray:
    """β · the average so far + (1 - β) · value, kept under this name."""
    state[name] = store(_kept(state, name, value, beta, store) + store(_of_one(1 - beta, value, store) * value))
    return state[name]


def _adam(gradient: FloatArray, state: State, options: Options, rate: float, count: int, store: Store) -> FloatArray:
    first, second = options["betas"]
    mean = _averaged(state, "m", gradient, first, store)
    square = _averaged(state, "v", store(gradient * gradient), second, store)
    corrected = _of_one(1 - second ** (count + 1), square, store)
    mean = store(mean / _of_one(1 - first ** (count + 1), mean, store))
    square = store(square / corrected)
    if options["amsgrad"]:
        # PyTorch takes the largest before the correction, which only grows towards 1.
        state["largest"] = np.maximum(state.get("largest", np.zeros_like(square)), state["v"])
        square = store(state["largest"] / corrected)
    epsilon = store(options["eps"] / np.sqrt(corrected)) if options["eps_hat"] else options["eps"]
    return store(rate * store(mean / store(store(np.sqrt(square)) + epsilon)))


def _adamax(gradient: FloatArray, state: State, options: Options, rate: float, count: int, store: Store) -> FloatArray:
    first, second = options["betas"]
    mean = _averaged(state, "m", gradient, first, store)
    state["norm"] = np.maximum(_kept(state, "norm", gradient, second, store), store(np.abs(gradient) + options["eps"]))
    return store(rate * store(store(mean / _of_one(1 - first ** (count + 1), mean, store)) / state["norm"]))


def _rmsprop(gradient: FloatArray, state: State, options: Options, rate: float, count: int, store: Store) -> FloatArray:
    square = _averaged(state, "v", store(gradient * gradient), options["alpha"], store)
    if options["centered"]:
        mean = _averaged(state, "m", gradient, options["alpha"], store)
        square = store(square - store(mean * mean))
    scaled = store(gradient / store(store(np.sqrt(square)) + options["eps"]))
    if options["momentum"]:
        scaled = state["buffer"] = store(_kept(state, "buffer", gradient, options["momentum"], store) + scaled)
    return store(rate * scaled)


def _adagrad(gradient: FloatArray, state: State, options: Options, rate: float, count: int, store: Store) -> FloatArray:
    start = np.full_like(gradient, options["initial_accumulator_value"])
    state["sum"] = store(state.get("sum", start) + store(gradient * gradient))
    return store(rate * store(gradient / store(store(np.sqrt(state["sum"])) + options["eps"])))


def _adadelta(gradient: FloatArray, state: State, options: Options, rate: float, count: int, store: Store) -> FloatArray:
    square = _averaged(state, "v", store(gradient * gradient), options["rho"], store)
    moved = state.get("moved", np.zeros_like(gradient))
    step = store(store(np.sqrt(store(moved + options["eps"]) / store(square + options["eps"]))) * gradient)
    _averaged(state, "moved", store(step * step), options["rho"], store)
    return store(rate * step)


_RULES: Mapping[str, Callable[[FloatArray, State, Options, float, int, Store], FloatArray]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adam,
    "adamax": _adamax,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
}
