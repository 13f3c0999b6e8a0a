"""What a step of an optimiser claims to be: a table with the names of `torch.optim`, as every contract takes it."""

from collections.abc import Mapping
from typing import Any

from verifier.contracts.keys import TableError, described, did_you_mean, shown
from verifier.problems.optimizers import DEFAULTS, SCHEDULE, VELOCITIES, Rule

ALIASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sgd_momentum": ("sgd", {"momentum": 0.9}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "rms_prop": ("rmsprop", {}),
}


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
