"""Which changes may be made of a recorded forward pass: what each operation there can be mistaken for."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from verifier.worker.probing import Change, Pass, Site, is_alike, is_factor, last_of_each

CHANGES = 6_000  # proposed for one pass
UNARY = ("tanh", "exp", "sqrt", "log", "log1p", "expm1", "sin", "cos", "maximum", "minimum", "abs", "absolute", "clip", "where", "power")
SELECTING = ("max", "amax", "min", "amin", "maximum.reduce", "minimum.reduce", "take_along_axis")
REDUCING = ("sum", "mean", "var", "std", "add.reduce")


def proposals(base: Pass) -> list[Change]:
    """The changes that may be made of a recorded pass: few of a kind first, other factors last."""
    found: list[Change] = []
    for site, events in base.of_site.items():
        first = base.events[events[0]]
        floats = [index for index, one in enumerate(first.operands) if one.dtype.kind == "f" and one.size]
        found.append(("hold", site, -1))
        found += [("hold", site, index) for index in floats if len(floats) > 1]
        if site[1] in UNARY and floats and first.operands[floats[0]].shape == first.result.shape and floats[0] == 0:
            found += [("derivative", site, by) for by in ("one", "value", "complement")]
        if site[1] in SELECTING and first.axis is not None:
            found.append(("unselected", site))
        if site[1] == "getitem" and not all(last_of_each(base.events[at]).all() for at in events):
            found.append(("once", site))
    found += dict.fromkeys(_of_calls(base))
    found += _of_expressions(base)
    found += dict.fromkeys(_of_axes(base))
    products = [(site, other) for site, events in base.of_site.items() for other in (1, 0) if is_factor(base.events[events[0]], other)]
    for instead in (_turned, _given, _made):
        found += [("factor", site, 1 - other, other, by) for site, other in products for by in instead(base, site, other)]
        if instead is _turned:
            several = [(site, other) for site, other in products if _is_factor_elsewhere(base, site, other)]
            found += [
                ("factors", site, 1 - other, other, by) for site, other in several for by in (("negative",), *_turned(base, site, other))
            ]
    return found[:CHANGES]


def _of_expressions(base: Pass) -> Iterator[Change]:
    """An expression from one of its parts to the whole, such as 1/(1 + exp(-z)) from z: what an activation is that has no name."""
    for whole, events in reversed(base.of_site.items()):  # the widest first
        for part, others in base.of_site.items():
            if (
                part == whole
                or len(events) != len(others)
                or part[0][1:] != whole[0][1:]
                or others[0] > events[0]
                or not _lies_in(part, whole)
            ):
                continue
            if base.events[others[0]].result.shape == base.events[events[0]].result.shape:
                yield from (("between", whole, part, by) for by in ("one", "value", "complement"))


def _lies_in(part: Site, whole: Site) -> bool:
    (file, first, last, start, end), (other, above, below, left, right) = part[0][0], whole[0][0]
    inside = (above, left) <= (first, start) and (last, end) <= (below, right)
    return file == other and inside and part[0][0] != whole[0][0]


def _of_calls(base: Pass) -> Iterator[Change]:
    """Functions of the candidate's own from one array to another of its shape: a σ."""
    for events in base.of_frame.values():
        first, last = base.events[events[0]], base.events[events[-1]]
        if len(first.site[0]) > 1 and len(events) > 1 and first.operands and first.operands[0].shape == last.result.shape:
            yield from (("call", (first.site[0][1:], ""), by) for by in ("one", "value", "complement"))


def _of_axes(base: Pass) -> Iterator[Change]:
    for event in base.events:
        if event.site[1] not in REDUCING or not event.kept or event.axis is None:
            continue
        rank = event.operands[0].ndim
        near = (axes for count in range(1, rank + 1) for axes in combinations(range(rank), count))
        yield from (("axes", ((), ""), event.axis, axes) for axes in near if axes != event.axis)


def _is_factor_elsewhere(base: Pass, site: Site, other: int) -> bool:
    """Whether the same array is a factor of another product too."""
    elsewhere = (base.events[events[0]] for one, events in base.of_site.items() if one != site)
    return any(is_factor(one, place) and is_alike(one.operands[place], site, other, base) for one in elsewhere for place in (0, 1))


def _given(base: Pass, site: Site, other: int) -> Iterator[tuple[Any, ...]]:
    """Inputs of the factor's shape, and the classes of labels."""
    factor = base.events[base.of_site[site][0]].operands[other]
    for name, array in base.inputs.items():
        if array.dtype.kind == "f" and array.shape == factor.shape:
            yield "array", name
        elif array.dtype.kind in "iu" and factor.ndim and array.size * factor.shape[-1] == factor.size and array.max() < factor.shape[-1]:
            yield "classes", name


def _made(base: Pass, site: Site, other: int) -> Iterator[tuple[Any, ...]]:
    """What other operations gave, of the factor's shape, as often as this one is done or once."""
    here = base.of_site[site]
    shape = base.events[here[0]].operands[other].shape
    known = {b"".join(base.events[at].operands[other].tobytes() for at in here)}
    for elsewhere, events in base.of_site.items():
        if len(events) in (1, len(here)) and base.events[events[0]].result.shape == shape:
            value = b"".join(base.events[at].result.tobytes() for at in events)
            if value not in known:  # another name of an array says the same
                known.add(value)
                yield "made", elsewhere


def _turned(base: Pass, site: Site, other: int) -> Iterator[tuple[Any, ...]]:
    """The factor itself, turned over, moved, left out."""
    factor = base.events[base.of_site[site][0]].operands[other]
    yield from (("ones",), ("complement",), ("square",), ("inverse",))
    long = [axis for axis, length in enumerate(factor.shape) if length > 1]
    yield from (("flip", axes) for count in range(1, len(long) + 1) for axes in combinations(long, count))
    yield from (("shift", axis, by) for axis in long for by in (1, -1))
    yield from (("swap", one, other) for one, other in combinations(long, 2) if factor.shape[one] == factor.shape[other])


def change_of(said: Any) -> Change:
    """A change as it came in a message: lists are tuples."""
    return tuple(change_of(one) if isinstance(one, list) else one for one in said)
