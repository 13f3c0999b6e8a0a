"""What a step of an optimiser claims to be: the name and the arguments of `torch.optim`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from verifier.contracts.keys import TableError, described, did_you_mean, shown

ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "sgd": {"lr": 1e-2, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False},
    "rmsprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False},
    "adagrad": {"lr": 1e-2, "lr_decay": 0.0, "weight_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10},
    "adam": {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False},
    "adamw": {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False},
    "adamax": {"lr": 2e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0},
    "nadam": {"lr": 2e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, "momentum_decay": 4e-3},
    "adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.0},
}
"""By name, the arguments and their defaults, as torch.optim has them."""

ALIASES = {"sgd_momentum": "sgd", "momentum": "sgd", "nesterov": "sgd", "rms_prop": "rmsprop", "ada_grad": "adagrad"}


@dataclass(frozen=True)
class Optimizer:
    """A step: its name, every argument that torch.optim takes, and which momentum a schedule meets ("gradient" or "step")."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    velocity: str = "gradient"

    def with_velocity(self, velocity: str | None) -> "Optimizer":
        """The same with the convention of its momentum, where it is said."""
        return self if velocity is None else replace(self, velocity=velocity)


def read_optimizer(key: str, value: Any) -> Optimizer:
    """The optimiser that a table names. TableError where the name or an argument is not known."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise TableError(key, f'is {described(value)}; it takes a table such as {{name = "adam", lr = 1e-2}}.')
    plain = value["name"].lower().replace("-", "_")
    name = ALIASES.get(plain, plain)
    if name not in ARGUMENTS:
        raise TableError(f"{key}.name", f"is {shown(value['name'])}; known are {', '.join(ARGUMENTS)}.{did_you_mean(plain, ARGUMENTS)}")
    usual = dict(ARGUMENTS[name])
    for argument, given in value.items():
        if argument == "name":
            continue
        if argument not in usual:
            raise TableError(f"{key}.{argument}", f"is no argument of {name}; it takes {', '.join(usual)}.{did_you_mean(argument, usual)}")
        if not isinstance(given, type(usual[argument])) and not (isinstance(usual[argument], float) and type(given) in (int, float)):
            raise TableError(f"{key}.{argument}", f"is {described(given)}; torch.optim has {usual[argument]!r} there.")
        usual[argument] = given
    return Optimizer(name, usual)
