"""The names that the statement of an optimiser's step carries from step to step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from verifier.contracts.keys import TableError
from verifier.contracts.layer.names import PREFIXES
from verifier.contracts.layer.statements import Script
from verifier.problems.optimizers import Rule

NEXT = ("next_{}", "{}_next", "new_{}", "{}_new", "{}_out", "{}1")


@dataclass(frozen=True)
class Path:
    """What a step's statements carry: by parameter, the name of its gradient, and the name that holds its next value."""

    gradients: Mapping[str, str] = field(default_factory=dict)
    following: Mapping[str, str] = field(default_factory=dict)


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
            gives = f"it gives {', '.join(step.gives)}" if step.gives else f'where {name} is changed in place, add "next_{name} = {name}"'
            raise TableError("step", f"gives no next value of {name}: it must give {name} or next_{name}; {gives}.")
        following[name] = found
    return Path(gradients, following)
