"""Keyword arguments and what they may be: as was said, as a default or an annotation says, or guessed from a name that functions share.

A guess is one value or two beside the default. It counts only where both functions take the argument, both answer at the examples, and the
reference draws no random numbers; a candidate may refuse it.
"""

import inspect
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.references.candidate import Candidate
from verifier.problems.sizes import GrammarError

# What functions of PyTorch, NumPy and JAX call by these names; the default has to be one of them.
USUAL: Mapping[str, tuple[Any, ...]] = {
    "reduction": ("mean", "sum", "none"),
    "approximate": ("none", "tanh"),
    "dim": (-1, 0, 1),
    "axis": (-1, 0, 1),
    "stride": (1, 2),
    "dilation": (1, 2),
    "groups": (1, 2),
    "padding": (0, 1),
}
MOST = 3  # values of one argument
# Of numbers with such a part in their names another one is another accuracy, a random choice, or another number of steps.
NO_PARAMETERS = frozenset(
    {"p", "drop", "dropout", "prob", "rate", "noise", "std", "tol", "atol", "rtol", "tolerance", "lr", "dt", "step", "jitter"}
)
SMALL = 1e-2  # an epsilon below it is replaced by it: half of one would hardly show
NOT_OF_VALUES = ("inplace", "out")


def said_or_read(
    candidate: Candidate, reference: Callable[..., Any], said: Mapping[str, Sequence[Any]] | None, not_drawn: list[str]
) -> dict[str, tuple[Any, ...]]:
    """What was said, and keyword-only arguments with boolean defaults or literal annotations, where both functions take them."""
    found = {name: tuple(values) for name, values in (said or {}).items()}
    if any(not values for values in found.values()):
        raise GrammarError("options= has an option without a value.")
    for name, parameter in _shared(candidate, reference).items():
        if name in found or parameter.kind is not Parameter.KEYWORD_ONLY:
            continue
        literal = typing.get_args(parameter.annotation) if typing.get_origin(parameter.annotation) is typing.Literal else ()
        choices = (parameter.default, not parameter.default) if isinstance(parameter.default, bool) else literal
        if choices:
            found[name] = (parameter.default, *(one for one in choices if one != parameter.default))
        elif not _others(name, parameter.default):
            not_drawn.append(f"{name}: always {parameter.default!r}; say its values with options=")
    return found


def guessed(
    candidate: Candidate,
    reference: Callable[..., Any],
    examples: Mapping[str, Tensor],
    options: Mapping[str, Sequence[Any]],
    not_drawn: list[str],
) -> dict[str, tuple[Any, ...]]:
    """The arguments of which nothing is known but name and default, each with its default first and what else both functions take."""
    first = {name: values[0] for name, values in options.items()}
    found: dict[str, tuple[Any, ...]] = {}
    for name, parameter in _shared(candidate, reference).items():
        others = _others(name, parameter.default) if name not in options else ()
        taken = [value for value in others if _both_take(candidate, reference, examples, {**first, name: value})]
        if taken:
            found[name] = (parameter.default, *taken)
        if others:
            drawn = f"only {' and '.join(map(repr, found[name]))}" if taken else f"always {parameter.default!r}"
            not_drawn.append(f"{name}: {drawn}; say its values with options=")
    return found


def _shared(candidate: Candidate, reference: Callable[..., Any]) -> dict[str, Parameter]:
    """The arguments after those that are given, with their defaults, which both functions take, and a gradient of arrays too."""
    functions = [one for one in (candidate.forward, reference, candidate.backward) if one is not None]
    try:
        mine, *others = (inspect.signature(one).parameters for one in functions)
    except (TypeError, ValueError):  # one without a signature
        return {}
    named = (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    later = {
        name: one for place, (name, one) in enumerate(mine.items()) if place >= len(candidate.names) or one.kind is Parameter.KEYWORD_ONLY
    }
    return {
        name: one
        for name, one in later.items()
        if one.kind in named and one.default is not Parameter.empty and all(name in other for other in others)
    }


def _others(name: str, default: Any) -> tuple[Any, ...]:
    """What an argument may be beside its default; () where its name says nothing."""
    if isinstance(default, bool):
        return () if name in NOT_OF_VALUES else (not default,)
    if default in USUAL.get(name, ()):
        return tuple(value for value in USUAL[name] if value != default)[: MOST - 1]
    if type(default) is not float or not math.isfinite(default) or NO_PARAMETERS & set(name.lower().split("_")):
        return ()
    if name.lower().startswith("eps"):
        return (SMALL,) if 0 <= default < SMALL else ()
    # Within 0 and 1 where it is, and above 1 where it is: weights and exponents have such bounds.
    return (default / 2 if 0 < abs(default) <= 1 else default * 1.5 if default else 0.1,)


def _both_take(candidate: Candidate, reference: Callable[..., Any], examples: Mapping[str, Tensor], options: Mapping[str, Any]) -> bool:
    """Whether both answer at the examples, and the reference without random numbers."""
    state = torch.get_rng_state()
    try:
        with torch.no_grad():
            reference(*candidate.arguments({name: tensor.detach().clone() for name, tensor in examples.items()}), **options)
        if not torch.equal(state, torch.get_rng_state()):
            return False
        candidate.answer(examples, options, lambda outputs: [np.ones_like(one) for one in outputs])
        return True
    except Exception:  # what was only guessed may be refused
        return False
    finally:
        torch.set_rng_state(state)
