"""What a step of an optimiser claims to be, with the names of `torch.optim`, and the names that its statement carries from step to step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.contracts.keys import TableError, described, did_you_mean, shown
from verifier.contracts.layer.names import PREFIXES
from verifier.contracts.layer.statements import Script
from verifier.problems.optimizers import DEFAULTS, SCHEDULE, VELOCITIES, Rule

ALIASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sgd_momentum": ("sgd", {"momentum": 0.9}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "rms_prop": ("rmsprop", {}),
}
NEXT = ("next_{}", "{}_next", "new_{}", "{}_new", "{}_out", "{}1")


@dataclass(frozen=True)
class Path:
    """What a step's statements carry: by parameter, the name of its gradient, and the name that holds its next value."""

    gradients: Mapping[str, str] = field(default_factory=dict)
    following: Mapping[str, str] = field(default_factory=dict)


def read_optimizer(key: str, value: Any) -> Rule:
    """The optimiser that a table names. TableError where the name or an argument is not known."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise TableError(key, f'is {described(value)}; it takes a table such as {{name = "adam", lr = 1e-2}}.')
    plain = value["name"].lower().replace("-", "_")
    name, implied = ALIASES.get(plain, (plain, {}))
    if name not in DEFAULTS:
        known = (*DEFAULTS, *ALIASES)
        raise TableError(f"{key}.name", f"is {shown(value['name'])}; known are {', '.join(known)}.{did_you_mean(plain, known)}")
    usual = {**DEFAULTS[name], **SCHEDULE}
    said = dict(implied)
    for argument, given in value.items():
        if argument == "name":
            continue
        if argument not in usual:
            hint = did_you_mean(argument, usual)
            raise TableError(f"{key}.{argument}", f"is no argument of {name}; it takes {', '.join(usual)}.{hint}")
        said[argument] = _like(f"{key}.{argument}", usual[argument], given)
    if name == "sgd" and said.get("velocity", "gradient") not in VELOCITIES:
        raise TableError(f"{key}.velocity", f"is {shown(said['velocity'])}; it takes {', '.join(VELOCITIES)}.")
    return Rule(name, tuple(said.items()))


def with_velocity(rule: Rule, velocity: str | None) -> Rule:
    """The same rule with what its momentum adds up, where that is said."""
    return rule if velocity is None or rule.name != "sgd" else Rule(rule.name, (*rule.said, ("velocity", velocity)))


def path_of(step: Script, setup: Script) -> Path:
    """Which names of a step are parameters, gradients and next values.

    Raises:
        TableError: no gradient is read beside its parameter, or nothing that is given can be its next value.
    """
    named = dict.fromkeys((*step.reads, *setup.reads, *step.gives))
    gradients = {name: prefix + name for name in named for prefix in PREFIXES if prefix + name in step.reads}
    if not gradients:
        raise TableError("step", f"reads no parameter with its gradient, such as w and dw; it reads {', '.join(step.reads)}.")
    following = {}
    for name in gradients:
        usual = (name, *(pattern.format(name) for pattern in NEXT))
        found = next((given for given in usual if given in step.gives), None)
        fresh = [given for given in step.gives if given not in step.reads]
        if found is None and len(gradients) == 1 and fresh:
            found = fresh[0]
        if found is None:
            raise TableError(
                "step", f"gives no next value of {name}: it must give {name} or next_{name}; it gives {', '.join(step.gives)}."
            )
        following[name] = found
    return Path(gradients, following)


def _like(key: str, usual: Any, given: Any) -> Any:
    """The value, if it is of the usual one's kind."""
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if isinstance(usual, tuple):
        if isinstance(given, list) and len(given) == len(usual) and all(isinstance(one, int | float) for one in given):
            return tuple(float(one) for one in given)
    elif isinstance(usual, bool):
        if isinstance(given, bool):
            return given
    elif isinstance(usual, str):
        if isinstance(given, str):
            return given
    elif number:
        return given
    raise TableError(key, f"is {described(given)}; torch.optim has {usual!r} there.")
