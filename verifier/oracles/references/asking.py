"""From what the user of `assert_gradients` says to a judge and a space of cases; what was not said is read off the examples, and noted."""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.references.candidate import Candidate
from verifier.oracles.references.judging import Judge
from verifier.oracles.references.points import Source, domain_of
from verifier.oracles.references.saying import in_words
from verifier.oracles.references.search import Searched, search
from verifier.oracles.references.space import AXES, Case, Space, parse_rule
from verifier.problems.sizes import Allowed, GrammarError, Shape, allowed, parse_expression, parse_shape, sizes_of


@dataclass(frozen=True)
class Said:
    """What the user says beside function, examples and reference; see `assert_gradients`."""

    shapes: Sequence[str] | Mapping[str, str] | None = None
    sizes: Mapping[str, Any] | None = None
    options: Mapping[str, Sequence[Any]] | None = None
    integers: Mapping[str, str] | None = None
    masks: Sequence[str] = ()
    require: Sequence[str] = ()
    draw: Mapping[str, Any] | None = None
    zero_at: Mapping[str, Any] | None = None
    seed: int | None = None
    draws: int = 100
    time_limit: float | None = None
    precision: str | None = None


@dataclass(frozen=True)
class Answer:
    """What `assert_gradients` returns from: a message where something is wrong, else what was asked."""

    message: str
    seed: int
    asked: int
    evaluations: int
    axes: tuple[str, ...]
    not_drawn: tuple[str, ...]
    precision: str
    notes: tuple[str, ...]
    resolves: Mapping[str, float]
    undecided: str = ""


def ask(
    function: Callable[..., Any],
    gradient: Callable[..., Any] | None,
    examples: Sequence[Any],
    names: Sequence[str],
    reference: Callable[..., Any],
    said: Said,
    *,
    outputs_too: bool = True,
) -> Answer:
    """Put a candidate to the test against its reference.

    Raises:
        GrammarError: something that was said cannot be read, or does not fit the examples.
    """
    tensors = {name: _tensor(one) for name, one in zip(names, examples, strict=True) if isinstance(one, np.ndarray | np.generic | Tensor)}
    fixed = {name: one for name, one in zip(names, examples, strict=True) if name not in tensors}
    differentiated = _differentiated(tensors, said.masks)
    candidate = Candidate(function, gradient, tuple(names), fixed, differentiated)
    space, sources, not_drawn, notes = _space(function, reference, tensors, said)
    floating = [tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()]
    dtype = max(floating or [torch.float64], key=lambda one: torch.finfo(one).eps)
    judge = Judge(candidate, reference, sources, dtype, outputs_too=outputs_too, zero_at=_masks(said.zero_at), precision=said.precision)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) % 10**6 if said.seed is None else said.seed
    base = replace(space.base, axes={"cotangent": "signed"}, seed=seed)
    examples_first = judge.try_case(base, {name: tensor.detach() for name, tensor in tensors.items()})
    if function is reference:
        notes.append("the candidate is the reference itself: nothing was compared")
    if examples_first.wrong is not None:
        found = Searched(examples_first.wrong, base, (), 1, {}, (), ())
        plain = search(judge, space, seed=seed, draws=0, time_limit=said.time_limit)
        found = plain if plain.wrong is not None else found
    else:
        found = search(judge, space, seed=seed, draws=said.draws, time_limit=said.time_limit)
    if found.stopped:
        not_drawn.append(f"the time limit of {said.time_limit} s ended the search after {found.asked} draws")
    if found.asked and space.base.sizes:
        largest = max(space.base.sizes.values())
        not_drawn.append(f"sizes asked: up to {max(largest, 65)}, now and then 250, 500 and 1030")
    undecided = ""
    if found.wrong is None and found.asked == 0:
        reason = (
            max(found.skipped, key=lambda one: found.skipped[one]) if found.skipped else examples_first.skipped or "nothing could be drawn"
        )
        undecided = f"nothing could be asked: {reason}"
    return Answer(
        in_words(found, judge, seed) if found.wrong is not None else "",
        seed,
        found.asked,
        found.asked,
        found.axes,
        tuple(not_drawn),
        _precision(dtype, said.precision),
        (*notes, *found.notes),
        judge.resolves(base, {name: tensor.detach() for name, tensor in tensors.items()}) if found.wrong is None else {},
        undecided,
    )


def _precision(dtype: torch.dtype, said: str | None) -> str:
    name = str(dtype).removeprefix("torch.")
    return f"{said} in {name}" if said else name


def _tensor(one: Any) -> Tensor:
    return one if isinstance(one, Tensor) else torch.as_tensor(np.array(one))


def _differentiated(tensors: Mapping[str, Tensor], masks: Sequence[str]) -> tuple[str, ...]:
    real = [name for name, tensor in tensors.items() if tensor.is_floating_point() or tensor.is_complex()]
    wanted = [name for name in real if tensors[name].requires_grad]
    return tuple(wanted or [name for name in real if name not in masks])


def _masks(zero_at: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        name: np.asarray(mask.detach().cpu() if isinstance(mask, Tensor) else mask, dtype=bool) for name, mask in (zero_at or {}).items()
    }


def _space(
    function: Callable[..., Any], reference: Callable[..., Any], tensors: Mapping[str, Tensor], said: Said
) -> tuple[Space, dict[str, Source], list[str], list[str]]:
    not_drawn: list[str] = []
    notes: list[str] = []
    shapes = _shapes(tensors, said, not_drawn)
    options = _options(function, reference, said, not_drawn)
    first = {name: values[0] for name, values in options.items()}
    limits = {name: allowed(given) for name, given in (said.sizes or {}).items()}
    known = {name: limit.listed[0] for name, limit in limits.items() if limit.listed is not None and len(limit.listed) == 1}
    sizes, rest = sizes_of(shapes, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, {**first, **known})
    sizes = {name: size for name, size in {**known, **sizes}.items() if name not in options}
    if said.shapes is None:
        limits |= {name: Allowed(listed=(size,)) for name, size in sizes.items() if size <= 1}
    sources = {name: _source(name, tensor, shapes[name], said, not_drawn) for name, tensor in tensors.items()}
    domains = {name: source.domain for name, source in sources.items() if source.domain not in ("real", "integers", "booleans", "mask")}
    notes += [f"{name} is drawn as its example shows it: {domain}" for name, domain in domains.items() if shapes[name].kind is None]
    required = tuple(parse_expression(text) for text in said.require)
    base = Case(sizes, rest, first, {}, 0)
    axes = dict(AXES)
    if not any(source.rule for source in sources.values()):
        axes["integers"] = AXES["integers"][:1]
    if not any(source.domain in ("booleans", "mask") for source in sources.values()):
        axes["masks"] = AXES["masks"][:1]
    return Space(shapes, base, options, limits, required, axes, said.shapes is not None), sources, not_drawn, notes


def _shapes(tensors: Mapping[str, Tensor], said: Said, not_drawn: list[str]) -> dict[str, Shape]:
    if said.shapes is None:
        letters: dict[int, str] = {}
        not_drawn.append("shapes: dimensions of equal size are taken for one size; name them with shapes= to draw others and other ranks")
        texts = {}
        for name, tensor in tensors.items():
            texts[name] = " ".join(letters.setdefault(size, f"size{size}") for size in tensor.shape)
        return {name: parse_shape(text) for name, text in texts.items()}
    given = dict(said.shapes) if isinstance(said.shapes, Mapping) else dict(zip(tensors, said.shapes, strict=False))
    count = len(said.shapes)
    if set(given) != set(tensors) or count != len(tensors):
        raise GrammarError(f"shapes= says {count} shapes; right is one for each of {', '.join(tensors)}.")
    return {name: parse_shape(given[name]) for name in tensors}


def _options(function: Callable[..., Any], reference: Callable[..., Any], said: Said, not_drawn: list[str]) -> dict[str, tuple[Any, ...]]:
    """What was said, and keyword arguments with boolean defaults or literal annotations, where both functions take them."""
    found = {name: tuple(values) for name, values in (said.options or {}).items()}
    if any(not values for values in found.values()):
        raise GrammarError("options= has an option without a value.")
    try:
        mine, other = (inspect.signature(one).parameters for one in (function, reference))
    except (TypeError, ValueError):
        return found
    for name, parameter in mine.items():
        if name in found or name not in other or parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is parameter.empty:
            continue
        literal = typing.get_args(parameter.annotation) if typing.get_origin(parameter.annotation) is typing.Literal else ()
        choices = (parameter.default, not parameter.default) if isinstance(parameter.default, bool) else literal
        if choices:
            found[name] = (parameter.default, *(one for one in choices if one != parameter.default))
        else:
            not_drawn.append(f"{name}: always {parameter.default!r}; say its values with options=")
    return found


def _source(name: str, tensor: Tensor, shape: Shape, said: Said, not_drawn: list[str]) -> Source:
    rule: tuple[Any, ...] = ()
    text = (said.integers or {}).get(name)
    domain = domain_of(tensor, shape.kind, name in said.masks)
    if text is not None:
        rule = tuple(parse_expression(part) for part in parse_rule(text))
    elif shape.below is not None:
        rule = (shape.below,)
    elif domain == "integers" and not (said.draw and name in said.draw):
        not_drawn.append(f'{name}: only the integers of the example; say what they may be with integers={{"{name}": "index C"}}')
    return Source(shape, tensor.detach(), domain, rule, (said.draw or {}).get(name))
