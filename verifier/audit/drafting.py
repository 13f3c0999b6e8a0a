"""The text of proposed tests: a call like a recorded one, on inputs that show more. Pure: recorded calls in, texts out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from verifier.audit.calling import CALLINGS, Calling, Style
from verifier.audit.finding.passages import Passage
from verifier.audit.mutations import LARGE, TILE
from verifier.audit.recording import Argument, Facts, Sample

UNEQUAL = (3, 5, 4, 7, 2, 6)
SPECIAL = frozenset(  # what an ordinary call does not show
    {"cotangent-contiguous", "previous-call", "added-to-previous", "where-large", "at-zeros", "at-ties", "nan-at-zero"}
    | {"last-tile", "equal-sizes"}
)


@dataclass(frozen=True)
class Draft:
    """A test's text.

    Attributes:
        shows: the mutations that it is for; None: all.
        measures: whether it measures rounding in place of testing.
    """

    source: str
    shows: frozenset[str] | None = None
    measures: bool = False

    def may_show(self, mutation: str) -> bool:
        """Whether this test may be there to show a mutation: a special one, or one of another output, only where the test says so."""
        if self.shows is not None:
            return mutation in self.shows
        return mutation not in SPECIAL and not mutation.startswith("other-")


POSITIVE = Style(values="abs({}) + 0.5")  # inside the domain of logarithms and roots


def usable(passage: Passage, samples: Sequence[Sample]) -> str:
    """Why no test can be written for a pass; "" where one can."""
    if passage.callee is None:
        return "it has no name that a test could import"
    if passage.kind == "pattern" and passage.forward is None:
        return "no forward pass beside it was found (its name with forward in place of backward)"
    if samples and not any(_is_written(sample) for sample in samples):
        return "its forward pass takes arguments that a test cannot write down"
    return ""


def _is_written(sample: Sample) -> bool:
    nested = any("[" in one.name and not one.gradient for one in sample.arguments)
    return not nested and all(one.domain != "value" or one.literal is not None for one in sample.arguments)


def drafts(passage: Passage, samples: Sequence[Sample], by_test: Mapping[str, Facts]) -> Iterator[Draft]:
    """Texts in the order in which they are worth a try: as recorded but unequal first, then each with something special."""
    written = [sample for sample in samples if _is_written(sample)]
    sample = min(written, key=lambda one: (sum(len(a.shape) == 0 for a in one.arguments), len(one.arguments)))
    sample = _fixing(sample, {output for facts in by_test.values() for output in facts.outputs})
    for calling in CALLINGS.get(passage.kind, ()):
        measuring = calling.measuring(passage, sample.arguments)
        if measuring is not None:
            yield Draft(measuring, frozenset(), measures=True)
        yield from _of_calling(calling, passage, sample, by_test)


def _fixing(sample: Sample, outputs: Collection[str]) -> Sample:
    """With real arguments that have no gradient marked as fixed; all are differentiated where the gradients have names of their own."""
    if not any(one.name in outputs for one in sample.arguments):
        return sample
    arguments = [
        one
        if one.name in outputs or one.gradient or one.domain in ("integer", "boolean", "value")
        else msgspec.structs.replace(one, fixed=True)
        for one in sample.arguments
    ]
    return Sample(tuple(arguments), sample.outputs)


def _of_calling(calling: Calling, passage: Passage, sample: Sample, by_test: Mapping[str, Facts]) -> Iterator[Draft]:
    def draft(arguments: Sequence[Argument], shows: set[str] | None = None, style: Style | None = None) -> Draft:
        return Draft(calling.test(passage, arguments, style or Style()), None if shows is None else frozenset(shows))

    arguments = sample.arguments
    shapes = list(dict.fromkeys([_by_position(arguments), _renamed(arguments), tuple(arguments), *_spread(arguments)]))
    for unequal in shapes:
        yield draft(unequal)
        yield draft(unequal, style=POSITIVE)
    for shaped in shapes:
        yield draft(shaped, {"cotangent-contiguous"}, Style(strided=True))
        yield draft(shaped, {"previous-call", "added-to-previous"}, Style(twice=True))
        yield draft(shaped, {"where-large"}, Style(values=f"{3 * LARGE:g} * {{}}"))
        yield draft(shaped, {"at-zeros", "at-ties", "nan-at-zero"}, Style(values="rounded({})"))
        yield draft(shaped, {"nan-at-zero"}, Style(values="4 * {}"))
        yield draft(_last(shaped, TILE + 3), {"last-tile"})
        yield draft(_last(shaped, TILE + 3), {"last-tile"}, POSITIVE)
        yield draft(_deeper(shaped), {"other-rank"})
        for name, other in _other_options(shaped, by_test):
            yield draft(other, {f"other-{name}"})
    yield draft(_all(arguments, 3), {"equal-sizes"})


def _with_shapes(arguments: Sequence[Argument], shapes: Sequence[tuple[int, ...]]) -> tuple[Argument, ...]:
    return tuple(msgspec.structs.replace(one, shape=shape) for one, shape in zip(arguments, shapes, strict=True))


def _renamed(arguments: Sequence[Argument]) -> tuple[Argument, ...]:
    """Each different size becomes another, from 3 on; equal ones stay equal. 1 stays where something else is not 1."""
    sizes = list(dict.fromkeys(size for one in arguments for size in one.shape))
    lonely = set(sizes) == {1}
    new = iter(UNEQUAL + tuple(range(8, 40)))
    names = {size: 1 if size == 1 and not lonely else next(new) for size in sizes}
    return tuple(
        msgspec.structs.replace(one, shape=tuple(names[size] for size in one.shape), below=names.get(one.below, one.below))
        for one in arguments
    )


def _by_position(arguments: Sequence[Argument]) -> tuple[Argument, ...]:
    """Axes of an array are taken to be different sizes though they were equal; arrays of one shape stay of one shape."""
    lonely = {size for one in arguments for size in one.shape} == {1}
    return _with_shapes(
        arguments,
        [tuple(1 if old == 1 and not lonely else UNEQUAL[axis % len(UNEQUAL)] for axis, old in enumerate(one.shape)) for one in arguments],
    )


def _last(arguments: Sequence[Argument], size: int) -> tuple[Argument, ...]:
    """The last size of the first array becomes this one, wherever it stands."""
    last = next((one.shape[-1] for one in arguments if one.shape), None)
    return tuple(
        msgspec.structs.replace(
            one, shape=tuple(size if old == last else old for old in one.shape), below=size if one.below == last else one.below
        )
        for one in arguments
    )


def _all(arguments: Sequence[Argument], size: int) -> tuple[Argument, ...]:
    return tuple(
        msgspec.structs.replace(one, shape=tuple(size for _ in one.shape), below=min(one.below, size) if one.below else 0)
        for one in arguments
    )


def _deeper(arguments: Sequence[Argument]) -> tuple[Argument, ...]:
    """One more axis before the others, for the arrays that have the first one's rank."""
    rank = next((len(one.shape) for one in arguments if one.shape), 0)
    return _with_shapes(arguments, [(2, *one.shape) if len(one.shape) == rank else one.shape for one in arguments])


def _spread(arguments: Sequence[Argument]) -> Iterator[tuple[Argument, ...]]:
    """Where only numbers were recorded: a vector and a matrix in their places, as an elementwise function takes them."""
    if not any(one.shape for one in arguments):
        for shape in ((UNEQUAL[1],), UNEQUAL[:2]):
            yield _with_shapes(arguments, [() if one.domain == "value" else shape for one in arguments])


def _other_options(arguments: Sequence[Argument], by_test: Mapping[str, Facts]) -> Iterator[tuple[str, tuple[Argument, ...]]]:
    """Each option by itself, by name, at another value: one that was recorded, or its neighbour."""
    for place, one in enumerate(arguments):
        if one.literal is None:
            continue
        recorded = [value for facts in by_test.values() for value in facts.options.get(one.name, [])]
        for value in dict.fromkeys([*recorded, *_neighbours(one.literal)]):
            if value != one.literal and not value.startswith("<"):
                changed = list(arguments)
                changed[place] = msgspec.structs.replace(one, literal=value)
                yield one.name, tuple(changed)


def _neighbours(literal: str) -> list[str]:
    if literal in ("True", "False"):
        return ["False" if literal == "True" else "True"]
    try:
        number = float(literal)
    except ValueError:
        return ["1", "2", "True"] if literal == "None" else []
    if "." in literal or "e" in literal:
        return [repr(number * 1.5), repr(number + 0.5)]
    return [str(int(number) + 1), str(int(number) - 1)]
