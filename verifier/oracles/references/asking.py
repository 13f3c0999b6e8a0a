"""From what the user of `assert_gradients` says to a judge and a space of cases; what was not said is read off the examples, and noted."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.interpreted import as_on_a_gpu
from verifier.oracles.dispatched.devices import narrowest
from verifier.oracles.functions.nests import leaves
from verifier.oracles.functions.plain import argument_names
from verifier.oracles.references.candidate import Candidate
from verifier.oracles.references.constants import constants_of, integers_in
from verifier.oracles.references.domains import LABELS, ORDINARY, WHOLE, WITHIN, domain_of, is_label, is_lengths, is_offsets
from verifier.oracles.references.evidence import not_its_own
from verifier.oracles.references.jax_arrays import as_jax_computes
from verifier.oracles.references.judging import UNJUDGED, Judge
from verifier.oracles.references.modules import opened
from verifier.oracles.references.options import guessed, said_or_read
from verifier.oracles.references.own import NO_DIGITS
from verifier.oracles.references.points import Draw, Source
from verifier.oracles.references.saying import in_words
from verifier.oracles.references.search import TOO_SLOW, Searched, search
from verifier.oracles.references.space import AXES, Case, Space, parse_rule
from verifier.oracles.references.within import within_examples
from verifier.oracles.threads import threads, threads_for
from verifier.oracles.torch_functions import signature_of
from verifier.problems.sizes import Allowed, GrammarError, Shape, allowed, parse_expression, parse_shape, sizes_of

LIFTED = (
    "It is asked in float64: weights that it holds have to come as arguments, or function and reference be modules with the same parameters"
)


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
    failure: Searched | None = None


@dataclass(frozen=True)
class Prepared:
    """A candidate beside its reference, and what may be drawn for them.

    Attributes:
        judge, space: of the cases.
        examples: the user's tensors, by name.
        seed: of the drawing.
        not_drawn, notes: what was left as it is, and what was read off the examples.
    """

    judge: Judge
    space: Space
    examples: Mapping[str, Tensor]
    seed: int
    not_drawn: tuple[str, ...]
    notes: tuple[str, ...]


def prepare(
    function: Callable[..., Any], arguments: Sequence[Any], reference: Callable[..., Any], said: Said, *, outputs_too: bool = True
) -> Prepared:
    """Read what the user says; `arguments` are examples, after the gradient where the function is one of arrays.

    Raises:
        GrammarError: something that was said cannot be read, or does not fit the examples.
    """
    plain = callable(arguments[0]) and not isinstance(arguments[0], Tensor)
    gradient, examples = (arguments[0], arguments[1:]) if plain else (None, arguments)
    narrower = ""
    if plain:
        examples, narrower = as_jax_computes(function, examples, said.options or {})
    readable, skip = (function, 0) if plain else signature_of(function)
    names = argument_names(readable, len(examples), skip=skip)
    if not all(name.isidentifier() for name in names):  # the author's own are not to be seen
        names = argument_names(reference, len(examples))
    parameters: dict[str, Tensor] = {}
    if isinstance(function, torch.nn.Module):
        function, reference, parameters = opened(function, reference, len(examples))
    fixed = dict(zip(names, examples, strict=True)) | _also_wanted(parameters, examples)
    held = {leaf: one for name, value in fixed.items() for leaf, one in leaves(name, value)}
    tensors = {leaf: _tensor(one) for leaf, one in held.items() if isinstance(one, np.ndarray | np.generic | Tensor)}
    _refuse_what_does_not_fit(function, reference, tuple(fixed), tensors, said)
    candidate = Candidate(function, gradient, tuple(fixed), fixed, _differentiated(tensors, said.masks), held=tuple(parameters))
    space, sources, not_drawn, notes = _space(candidate, reference, tensors, said, tuple(parameters))
    notes += [narrower] if narrower else []
    judge = Judge(
        _claiming(candidate, sources, tensors, space.base.options),
        reference,
        sources,
        narrowest(tensors.values()),
        outputs_too=outputs_too,
        zero_at=_masks(said.zero_at),
        precision=said.precision,
        random=space.random,
    )
    sources = dict(within_examples(judge, space.base, {name: one.detach() for name, one in tensors.items()}))
    notes += [f"{name} is drawn as its example shows it: {WITHIN}" for name, one in sources.items() if one.domain == WITHIN]
    judge = replace(judge, sources=sources)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) % 10**6 if said.seed is None else said.seed
    return Prepared(judge, space, {name: one.detach() for name, one in tensors.items()}, seed, tuple(not_drawn), tuple(notes))


def _claiming(candidate: Candidate, sources: Mapping[str, Source], tensors: Mapping[str, Tensor], options: Mapping[str, Any]) -> Candidate:
    """The candidate without the labels whose gradient it gives as None: they are no variables of its function."""
    labels = [name for name in candidate.differentiated if sources[name].domain == LABELS]
    if not labels:
        return candidate
    try:
        given = candidate.answer(tensors, options, lambda outputs: [np.ones_like(one) for one in outputs]).gradients
    except Exception:  # what it raises is said elsewhere
        return candidate
    constant = [name for name in labels if given.get(name) is None]
    return replace(candidate, differentiated=tuple(name for name in candidate.differentiated if name not in constant))


def ask(prepared: Prepared, said: Said) -> Answer:
    """Put a candidate to the test against its reference: at the examples first, then at what is drawn."""
    few = sum(tensor.numel() for tensor in prepared.examples.values())
    with as_on_a_gpu(), threads(threads_for(few)) as given:
        return _asked(prepared, said, given)


def _asked(prepared: Prepared, said: Said, threads_given: int) -> Answer:
    judge, space, seed = prepared.judge, prepared.space, prepared.seed
    not_drawn, notes = list(prepared.not_drawn), list(prepared.notes)
    base = replace(space.base, axes={"cotangent": "signed"}, seed=seed)
    # On the user's own threads: if those of the candidate race, it shows here.
    examples_first = replace(judge, threads=threads_given).try_case(base, prepared.examples)
    borrowed = not_its_own(judge.candidate, judge.reference, dict(prepared.examples), dict(base.options))
    notes += [borrowed] if borrowed else []
    if examples_first.wrong is not None:
        found = Searched(examples_first.wrong, base, (), 1, {}, (), ())
        plain = search(judge, space, seed=seed, draws=0, time_limit=said.time_limit)
        found = plain if plain.wrong is not None else replace(found, formula=plain.formula)
    else:
        found = search(judge, space, seed=seed, draws=said.draws, time_limit=said.time_limit)
    if found.stopped:
        not_drawn.append(f"the time limit of {said.time_limit} s ended the search after {found.asked} draws")
    if found.asked and space.base.sizes:
        largest = max(space.base.sizes.values())
        own = f"; beside the candidate's own constants: {', '.join(map(str, sorted(set(space.own))))}" if space.own else ""
        not_drawn.append(f"sizes asked: up to {max(largest, 65)}, now and then 250, 500 and 1030{own}")
    if slow := found.skipped.get(TOO_SLOW, 0):
        not_drawn.append(f"{slow} points of large sizes: {TOO_SLOW}")
    for reason, count in found.skipped.items():
        if count > found.asked > 0 and reason.startswith("the reference"):
            not_drawn.append(f"{count} points: {reason} there; say with draw= what it takes")
    undecided = found.unclear
    unjudged = {reason: found.skipped[reason] for reason in (UNJUDGED, NO_DIGITS) if reason in found.skipped}
    notes += [f"not judged at {count} drawn points: {reason}" for reason, count in unjudged.items()]
    mostly = examples_first.skipped in (UNJUDGED, NO_DIGITS) and sum(unjudged.values()) >= found.asked
    if found.wrong is None and (found.asked == 0 or mostly):
        reason = (
            max(found.skipped, key=lambda one: found.skipped[one]) if found.skipped else examples_first.skipped or "nothing could be drawn"
        )
        undecided = ("next to " if found.asked else "") + f"nothing could be asked: {reason}"
        if "dtype" in reason and "reference" in reason:
            undecided += f". {LIFTED}"
    return Answer(
        in_words(found, judge, seed) if found.wrong is not None else "",
        seed,
        found.asked,
        found.asked,
        found.axes,
        tuple(not_drawn),
        _precision(judge.dtype, said.precision),
        (*notes, *found.notes),
        judge.resolves(base, prepared.examples) if found.wrong is None else {},
        undecided,
        found if found.wrong is not None else None,
    )


def _also_wanted(parameters: Mapping[str, Tensor], examples: Sequence[Any]) -> dict[str, Tensor]:
    """Parameters are differentiated too, where of the arguments only those are that require it."""
    some = any(isinstance(one, Tensor) and one.requires_grad for one in examples)
    return {name: one.requires_grad_() if some else one for name, one in parameters.items()}


def _refuse_what_does_not_fit(
    function: Callable[..., Any], reference: Callable[..., Any], names: Sequence[str], tensors: Mapping[str, Tensor], said: Said
) -> None:
    """Names that no argument has, and functions that cannot be called with these arguments."""
    for word, given in (("integers", said.integers), ("masks", said.masks), ("draw", said.draw), ("zero_at", said.zero_at)):
        unknown = [name for name in given or () if name not in tensors]
        if unknown:
            raise GrammarError(f"{word}= names {unknown[0]}, which is no argument: there are {', '.join(tensors)}.")
    for what, one in (("candidate", function), ("reference", reference)):
        try:
            inspect.signature(one).bind(*names, **(said.options or {}))
        except ValueError:  # one without a signature
            continue
        except TypeError as error:
            called = ", ".join([*names, *(f"{name}=" for name in said.options or ())])
            raise GrammarError(f"the {what} cannot be called with ({called}): {error}.") from None


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
    candidate: Candidate, reference: Callable[..., Any], tensors: Mapping[str, Tensor], said: Said, parameters: Sequence[str]
) -> tuple[Space, dict[str, Source], list[str], list[str]]:
    not_drawn: list[str] = []
    notes: list[str] = []
    shapes = _shapes(tensors, said, parameters, not_drawn)
    options = said_or_read(candidate, reference, said.options, not_drawn)
    guesses = guessed(candidate, reference, tensors, options, not_drawn)
    options |= guesses
    first = {name: values[0] for name, values in options.items()}
    limits = {name: allowed(given) for name, given in (said.sizes or {}).items()}
    known = {name: limit.listed[0] for name, limit in limits.items() if limit.listed is not None and len(limit.listed) == 1}
    sizes, rest = sizes_of(shapes, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, {**first, **known})
    sizes = {name: size for name, size in {**known, **sizes}.items() if name not in options}
    if said.shapes is None:
        limits |= _fixed(candidate, reference, tensors, shapes, sizes, said, not_drawn)
    labels = _labels(candidate, tensors, said.masks)
    sources = {name: _source(name, tensor, shapes[name], said, not_drawn, label=name in labels) for name, tensor in tensors.items()}
    if said.shapes is None:
        given = {**(said.integers or {}), **(said.draw or {})}
        for name in [one for one, tensor in tensors.items() if one not in given and _is_lengths(tensor, tensors)]:
            sources[name] = replace(sources[name], draw=_in_another_order(tensors[name]))
    domains = {name: source.domain for name, source in sources.items() if source.domain not in ORDINARY}
    notes += [f"{name} is drawn as its example shows it: {domain}" for name, domain in domains.items() if shapes[name].kind is None]
    required = tuple(parse_expression(text) for text in said.require)
    for one in (*required, *(rule for source in sources.values() for rule in source.rule)):
        if unknown := [name for name in one.names if name not in {**sizes, **first}]:
            raise GrammarError(f'"{one.text}" names {unknown[0]}, which is no size and no option: shapes= names the sizes.')
    base = Case(sizes, rest, first, {}, 0)
    axes = dict(AXES)
    if random := _is_random(reference, candidate, tensors, first):
        axes["inputs"] = AXES["inputs"][:1]  # a mask is drawn in the order of memory
        notes.append("the reference draws random numbers: both are asked from the same state of the generator")
    own = tuple(size for constant in constants_of(candidate.forward) for size in (constant, constant + 1, 2 * constant + 1))
    if not any(source.rule for source in sources.values()):
        axes["integers"] = AXES["integers"][:1]
    if not any(source.domain in ("booleans", "mask") for source in sources.values()):
        axes["masks"] = AXES["masks"][:1]
    if any(source.draw or source.domain in WHOLE for source in sources.values()):
        axes["inputs"] = tuple(value for value in AXES["inputs"] if value != "rows")  # equal rows may not be what they have to be
    overflows = narrowest(tensors.values()) is torch.float32
    space = Space(shapes, base, options, limits, required, axes, said.shapes is not None, own, random, overflows, frozenset(guesses))
    return space, sources, not_drawn, notes


def _is_random(reference: Callable[..., Any], candidate: Candidate, tensors: Mapping[str, Tensor], options: Mapping[str, Any]) -> bool:
    """Whether the reference moves the processor's generator."""
    state = torch.get_rng_state()
    try:
        with torch.no_grad():
            reference(*candidate.arguments({name: tensor.detach().clone() for name, tensor in tensors.items()}), **options)
        return not torch.equal(state, torch.get_rng_state())
    except Exception:  # what it raises is said elsewhere
        return False
    finally:
        torch.set_rng_state(state)


def _shapes(tensors: Mapping[str, Tensor], said: Said, parameters: Sequence[str], not_drawn: list[str]) -> dict[str, Shape]:
    """Of each tensor; the sizes of a module's parameters stay as they are."""
    fixed = {name: " ".join(map(str, tensors[name].shape)) for name in parameters}
    drawn = [name for name in tensors if name not in fixed]
    if said.shapes is None:
        letters = {size: str(size) for name in parameters for size in tensors[name].shape}
        not_drawn.append("shapes: dimensions of equal size are taken for one size; name them with shapes= to draw others and other ranks")
        texts = {name: " ".join(letters.setdefault(size, f"size{size}") for size in tensors[name].shape) for name in drawn}
        return {name: parse_shape((fixed | texts)[name]) for name in tensors}
    given = dict(said.shapes) if isinstance(said.shapes, Mapping) else dict(zip(drawn, said.shapes, strict=False))
    count = len(said.shapes)
    if set(given) != set(drawn) or count != len(drawn):
        raise GrammarError(f"shapes= says {count} shapes; right is one for each of {', '.join(drawn)}.")
    return {name: parse_shape((fixed | given)[name]) for name in tensors}


def _fixed(
    candidate: Candidate,
    reference: Callable[..., Any],
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, Shape],
    sizes: Mapping[str, int],
    said: Said,
    not_drawn: list[str],
) -> dict[str, Allowed]:
    """Of sizes that were only guessed, those that stay: 1; all beside bounds of segments; what stands as a number in the code."""
    if any(is_offsets(tensor) or _is_lengths(tensor, tensors) for name, tensor in tensors.items() if name not in (said.integers or {})):
        not_drawn.append(
            "sizes: an argument looks like bounds or lengths of segments, which belong to the others' sizes; say with draw= how to draw it"
        )
        return {name: Allowed(listed=(size,)) for name, size in sizes.items()}
    written = {*integers_in(candidate.forward), *integers_in(reference)}
    last = {tensor.shape[-1] for tensor in tensors.values() if tensor.dim()}
    own = {name for name, size in sizes.items() if size in written and (size > 2 or size in last)}
    if own:
        which = ", ".join(str(sizes[name]) for name in sorted(own))
        not_drawn.append(f"sizes: {which} stays, as the number stands in the code; say with shapes= what it is")
    return {name: Allowed(listed=(size,)) for name, size in sizes.items() if size <= 1 or name in own}


def _is_lengths(tensor: Tensor, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a tensor holds the lengths of segments of another's rows."""
    return is_lengths(tensor, {len(one) for one in tensors.values() if one.dim() and one.is_floating_point()})


def _in_another_order(example: Tensor) -> Draw:
    return lambda shape, sizes, generator: example.cpu()[torch.randperm(len(example), generator=generator)]


def _labels(candidate: Candidate, tensors: Mapping[str, Tensor], masks: Sequence[str]) -> list[str]:
    """What holds two numbers of -1, 0 and 1 beside something else to differentiate, and was not said to be differentiated: labels."""
    alike = [name for name, tensor in tensors.items() if name not in masks and not tensor.requires_grad and is_label(tensor)]
    return alike if set(candidate.differentiated) - set(alike) else []


def _source(name: str, tensor: Tensor, shape: Shape, said: Said, not_drawn: list[str], *, label: bool) -> Source:
    rule: tuple[Any, ...] = ()
    text = (said.integers or {}).get(name)
    domain = LABELS if label and shape.kind is None else domain_of(tensor, shape.kind, name in said.masks)
    if text is not None:
        rule = tuple(parse_expression(part) for part in parse_rule(text))
    elif shape.below is not None:
        rule = (shape.below,)
    elif domain == "integers" and not (said.draw and name in said.draw):
        not_drawn.append(f'{name}: only the integers of the example; say what they may be with integers={{"{name}": "index C"}}')
    return Source(shape, tensor.detach(), domain, rule, (said.draw or {}).get(name))
