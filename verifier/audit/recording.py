"""What a suite shows of each backward pass: how often, with which shapes, types, layouts, cotangents, options and values; and which
mutations would change a value in which test. Noted while the tests run, kept as plain data.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from verifier.arrays import Array
from verifier.audit.calls import Call
from verifier.audit.edits import differs, edited
from verifier.audit.kits import TRACED
from verifier.audit.listening import Heard
from verifier.audit.mutations import CATALOGUE, LARGE, Mutation, watched

KEPT = 24  # different values of one kind that are listed
PLAIN = (type(None), bool, int, float, str)
SAMPLE = 4096  # elements of a call that a proposed test may be made after

EVERY = "every output"


class Argument(msgspec.Struct, frozen=True):
    """An argument of the forward pass, as a test would write it: an array's shape, type and domain, or a value's text.

    Attributes:
        domain: of real numbers "real", "positive", "unit" (0 to 1) or "rows" (of sum 1); of integers "integer" or "boolean"; else "value".
        below: of integers one more than the largest.
        least, most: of positive numbers, to three digits.
        literal: of a value its text; None where it has none that could be read again.
        gradient: of an object's parameter the place of its gradient.
        fixed: whether it is real, and never differentiated.
    """

    name: str
    domain: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    below: int = 0
    least: float = 0.5
    most: float = 1.5
    literal: str | None = None
    gradient: str = ""
    fixed: bool = False


class Sample(msgspec.Struct, frozen=True):
    """One call of a pass, to make a test after: its arguments and how many outputs it has."""

    arguments: tuple[Argument, ...]
    outputs: int = 1


class Facts(msgspec.Struct):
    """What one test showed of one pass.

    Attributes:
        gradient_ranks: by output, the largest.
        masked: outputs whose input is known, element beside element.
        shown: (output, mutation) of those that would change a value.
    """

    calls: int = 0
    outputs: list[str] = []
    shapes: list[str] = []
    dtypes: list[str] = []
    layouts: list[str] = []
    cotangents: list[str] = []
    batches: list[int] = []
    ranks: list[int] = []
    gradient_ranks: dict[str, int] = {}
    masked: list[str] = []
    cotangent_count: int = 0
    values: list[str] = []
    sizes: list[str] = []
    options: dict[str, list[str]] = {}
    shown: list[tuple[str, str]] = []
    sample: Sample | None = None


def _note(values: list[Any], value: Any) -> None:
    if value not in values and len(values) < KEPT:
        values.append(value)


class Recorder:
    """Notes every call of every pass."""

    def __init__(self) -> None:
        self.test = ""
        self.facts: dict[str, dict[str, Facts]] = {}
        self._pending: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._previous: dict[str, tuple[Array | None, ...]] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def begin(self) -> None:
        self._previous, self._seen = {}, set()

    def recast(self, heard: Heard) -> Sequence[Any]:
        return heard.cotangents

    def compare(self, heard: Heard, right: Callable[[], Sequence[Any]], given: Sequence[Any]) -> None: ...

    def regrade(self, heard: Heard, gradients: Sequence[Any]) -> Sequence[Any]:
        call = heard.call(gradients, self._previous.get(heard.passage, ()))
        facts = self.facts.setdefault(heard.passage, {}).setdefault(self.test, Facts())
        facts.calls += 1
        for name, gradient in zip(call.outputs, call.gradients, strict=True):
            if gradient is not None:
                _note(facts.outputs, name)
                facts.gradient_ranks[name] = max(facts.gradient_ranks.get(name, 0), gradient.ndim)
                if (x := call.inputs[call.outputs.index(name)]) is not None and x.shape == gradient.shape:
                    _note(facts.masked, name)
        facts.cotangent_count = max(facts.cotangent_count, len(call.cotangents))
        self._describe(facts, call)
        for mutation in CATALOGUE:
            _show(facts, call, mutation)
        if facts.sample is None:
            facts.sample = sample_of(heard)
        self._previous[heard.passage] = tuple(None if one is None else one.copy() for one in call.gradients)
        return gradients

    def _describe(self, facts: Facts, call: Call) -> None:
        arrays = [array for array in (*call.inputs, *call.cotangents) if array is not None]
        _note(facts.shapes, " ".join(str(list(array.shape)) for array in call.inputs if array is not None))
        for array in arrays:
            _note(facts.dtypes, str(array.dtype))
        for cotangent, strides in zip(call.cotangents, call.layouts, strict=True):
            if cotangent is not None:
                _note(facts.cotangents, kind_of(cotangent))
                if strides is not None:
                    _note(facts.layouts, layout_of(cotangent.shape, strides))
        if call.batch is not None:
            _note(facts.batches, call.batch)
        if call.rank is not None:
            _note(facts.ranks, call.rank)
        if len(call.sizes) > 1:
            _note(facts.sizes, "equal" if len(set(call.sizes)) == 1 else "unequal")
        for name in call.options:
            _note(facts.options.setdefault(name, []), watched(call, name))
        for x in call.inputs:
            if x is not None:
                for trait in traits_of(x):
                    _note(facts.values, trait)


def _show(facts: Facts, call: Call, mutation: Mutation) -> None:
    """Note for which outputs this call shows the mutation."""
    if mutation.of_cotangent:
        if (EVERY, mutation.id) not in facts.shown and _changes(call, mutation, call.cotangents, range(len(call.cotangents))):
            facts.shown.append((EVERY, mutation.id))
        return
    for position, name in enumerate(call.outputs):
        if (name, mutation.id) not in facts.shown and _changes(call, mutation, call.gradients, [position]):
            facts.shown.append((name, mutation.id))


def _changes(call: Call, mutation: Mutation, arrays: Sequence[Array | None], positions: Sequence[int]) -> bool:
    for position in positions:
        array = arrays[position]
        edit = None if array is None else mutation.edit(call, position)
        if array is not None and edit is not None and differs(array, edited(edit, arrays, position)):
            return True
    return False


def kind_of(cotangent: Array) -> str:
    """ "ones", "zeros", "constant", "one sign" or "signed"."""
    if not cotangent.size:
        return "empty"
    least, most = float(cotangent.min()), float(cotangent.max())
    if least == most and least in (0.0, 1.0):
        return "ones" if least else "zeros"
    if least == most:
        return "constant"
    return "signed" if least < 0 < most else "one sign"


def layout_of(shape: tuple[int, ...], strides: tuple[int, ...]) -> str:
    """ "contiguous", "expanded" (one element stands for several) or "strided"."""
    axes = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size > 1]
    if any(stride == 0 for _, stride in axes):
        return "expanded"
    expected = 1
    for size, stride in reversed(axes):
        if stride != expected:
            return "strided"
        expected *= size
    return "contiguous"


def traits_of(x: Array) -> list[str]:
    """What is special about an input's values."""
    if not x.size:
        return ["empty"]
    flat = np.sort(x, axis=None)
    traits = {
        "negative": flat[0] < 0,
        "zeros": (flat == 0).any(),
        "ties": (flat[1:] == flat[:-1]).any(),
        "large": max(abs(flat[0]), abs(flat[-1])) > LARGE,
        "not finite": not np.isfinite(flat).all(),
    }
    return ["seen", *(name for name, holds in traits.items() if holds)]


def sample_of(heard: Heard) -> Sample | None:
    """The call as a test would write it; None where it is too large."""
    arguments = tuple(_argument(name, value, heard) for name, value in heard.arguments.items())
    if sum(int(np.prod(one.shape)) for one in arguments) > SAMPLE:
        return None
    return Sample(arguments, len(heard.cotangents))


def _argument(name: str, value: Any, heard: Heard) -> Argument:
    array = heard.kit.view(value) if hasattr(value, "shape") else None
    if array is not None:
        dtype = str(getattr(value, "dtype", array.dtype)).removeprefix("torch.")
        domain = "real" if heard.kit is TRACED else _domain(array)
        least, most = (float(f"{edge:.3g}") for edge in (array.min(), array.max())) if domain in ("positive", "unit") else (0.5, 1.5)
        gradient = heard.parameters.get(name, "")
        return Argument(name, domain, tuple(array.shape), dtype, least=least, most=most, gradient=gradient)
    if hasattr(value, "shape"):
        try:
            plain = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        except (RuntimeError, TypeError, ValueError):
            return Argument(name, "value")
        kind = {"b": "boolean", "i": "integer", "u": "integer"}.get(plain.dtype.kind, "value")
        below = int(plain.max()) + 1 if kind == "integer" and plain.size else 0
        return Argument(name, kind, tuple(plain.shape), str(plain.dtype), below)
    if isinstance(value, float) and hasattr(value, "dtype"):  # a number that JAX has given a type
        return Argument(name, "real", (), str(value.dtype))
    return Argument(name, "value", literal=repr(value) if _is_written(value) else None)


def _is_written(value: Any) -> bool:
    """Whether a value's repr can be read again: a subclass of a plain type has one of its own."""
    if type(value) in (tuple, list):
        return all(type(one) in PLAIN for one in value)
    return type(value) in PLAIN


def _domain(array: Array) -> str:
    """What a proposed test draws such an array from: rows of shares, shares, positive numbers, any numbers."""
    shares = array.size and array.ndim and (array >= 0).all() and np.allclose(array.sum(-1), 1)  # what is drawn rests on it
    if shares and (array.shape[-1] > 1 or not array.all()):
        return "rows"
    if not array.size or not (array > 0).all():
        return "real"
    return "unit" if (array < 1).all() else "positive"
