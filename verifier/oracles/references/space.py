"""What may be drawn for one function: sizes, options and axes; a case is one choice of them, and everything drawn follows from it.

A *base* case is what a typical test uses: the examples' own sizes, the first value of each option, ordinary numbers, a cotangent of ones,
one call. Every departure from it is an axis, which can be taken back, so that a failure is shrunk to the axes that it needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from verifier.problems.sizes import ANY, Allowed, Expression, GrammarError, Shape, draw_sizes, meets

# axis -> its values; the first is that of the base
COTANGENT = ("ones", "signed", "one-hot", "zero", "large", "one output alone")
LAYOUT = ("contiguous", "transposed", "stepped", "sliced", "expanded", "rows")
INPUTS = tuple(layout for layout in LAYOUT if layout != "expanded")
VALUES = ("ordinary", "zeros", "ties", "equal contents", "large", "small")
INTEGERS = ("ordinary", "repeated", "edges")
MASKS = ("ordinary", "a row without any", "all")
USAGE = (
    "one call",
    "two forward passes before one backward",
    "the same tensor twice",
    "one gradient alone",
    "another user of the inputs",
    "poisoned memory",
    "four calls",
)
AXES: Mapping[str, tuple[str, ...]] = {
    "cotangent": COTANGENT,
    "layout": LAYOUT,
    "inputs": INPUTS,
    "values": VALUES,
    "integers": INTEGERS,
    "masks": MASKS,
    "usage": USAGE,
}
_LAID_OUT = {
    "transposed": "{} transposed in memory",
    "stepped": "{} with strides",
    "sliced": "{} with gaps between the rows",
    "expanded": "{} expanded (strides of 0)",
    "rows": "{} expanded along the first dimension (a stride of 0)",
}
WORDS = {
    ("cotangent", "signed"): "a cotangent that is not constant",
    ("cotangent", "one-hot"): "a cotangent of one element",
    ("cotangent", "zero"): "a cotangent of zeros",
    ("cotangent", "large"): "a cotangent of numbers up to 64",
    ("cotangent", "one output alone"): "one of the outputs used alone",
    **{("layout", layout): words.format("a cotangent") for layout, words in _LAID_OUT.items()},
    **{("inputs", layout): words.format("inputs") for layout, words in _LAID_OUT.items()},
    ("cotangent", "equal rows"): "a cotangent of equal rows",
    ("values", "equal rows"): "inputs of equal rows",
    ("values", "zeros"): "zeros among the inputs",
    ("values", "ties"): "ties among the inputs",
    ("values", "equal contents"): "inputs of equal contents",
    ("values", "large"): "large inputs",
    ("values", "huge"): "inputs of 100 and more, where exp(x) overflows in float32",
    ("values", "small"): "small inputs",
    ("integers", "repeated"): "repeated indices",
    ("integers", "edges"): "indices at the edges of what they may be",
    ("masks", "a row without any"): "a row that is masked altogether",
    ("masks", "all"): "nothing masked",
    ("usage", "two forward passes before one backward"): "two forward passes before one backward pass",
    ("usage", "the same tensor twice"): "the same tensor given twice",
    ("usage", "one gradient alone"): "the gradient of one input asked for alone",
    ("usage", "another user of the inputs"): "inputs that are used elsewhere too",
    ("usage", "poisoned memory"): "memory that held something before (an element is never written)",
    ("usage", "four calls"): "repeated calls",
}
SIZE_SPANS = {"small": (1, 3), "unequal": (2, 7), "near tiles": (15, 66), "large": (250, 1030)}
NEAR = (15, 16, 17, 31, 32, 33, 63, 64, 65)
LARGE = (250, 500, 1030)
MOST_ELEMENTS = 300_000  # of all tensors of a case together
MOST_NARROW = 20_000  # where each case takes some twenty runs of the reference
MOST_ALIKE = 70  # equal rows: one after another, more of them add up to errors that all have one sign
COMBINED = 0.35  # share of the axes that a random combination turns on
RANKS = 3


@dataclass(frozen=True)
class Case:
    """One choice; `seed` decides the numbers."""

    sizes: Mapping[str, int]
    rest: tuple[int, ...]
    options: Mapping[str, Any]
    axes: Mapping[str, str]
    seed: int

    @property
    def values(self) -> dict[str, Any]:
        """Options and sizes by name, as one draw has them."""
        return {**self.options, **self.sizes}

    def axis(self, name: str) -> str:
        """The value that this case has on an axis; the axis's first, plain one where the case does not name it."""
        return self.axes.get(name, AXES[name][0])


@dataclass(frozen=True)
class Space:
    """What may be drawn.

    Attributes:
        shapes: by tensor.
        base: the case of a typical test.
        options: the values of each, the base's first.
        limits, required: of the sizes.
        axes: those that there are something for (no indices without integers).
        said: whether the user named the shapes; else equal dimensions of the examples are one size, which is a guess.
        own: sizes at and above the constants of the candidate's own code, and above twice of them: three chunks.
        random: whether the reference draws random numbers.
        overflows: whether an exponential of ordinary numbers' size may overflow: in float32 e^89 does, which is met in training.
        guessed: options of which nothing was said.
    """

    shapes: Mapping[str, Shape]
    base: Case
    options: Mapping[str, tuple[Any, ...]]
    limits: Mapping[str, Allowed]
    required: tuple[Expression, ...]
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: AXES)
    said: bool = True
    own: tuple[int, ...] = ()
    random: bool = False
    overflows: bool = False
    guessed: frozenset[str] = frozenset()

    def fits(self, case: Case) -> bool:
        """Whether the sizes meet what is required, and are not too many."""
        return self._elements(case) <= MOST_ELEMENTS and meets(self.required, case.values)

    def _elements(self, case: Case) -> float:
        """Of all tensors together; infinite where there are no such shapes."""
        try:
            return sum(int(np.prod(shape.of(case.values, case.rest), dtype=np.int64)) for shape in self.shapes.values())
        except GrammarError:
            return float("inf")

    def of_many_equal_rows(self, seed: int) -> Case | None:
        """As many equal rows as may be: what is added up in a narrow type stands still there, as the sum outgrows what is added."""
        first = next((shape.dimensions[0] for shape in self.shapes.values() if len(shape.dimensions) > 1), None)
        equal = {"cotangent": "equal rows", "values": "equal rows"}
        for size in reversed(LARGE):
            case = replace(self.base, axes=equal, seed=seed)
            if first == ANY and 1 in self.ranks:
                case = replace(case, rest=(size,))
            elif isinstance(first, Expression) and first.text in self.free_sizes and self.limits.get(first.text, Allowed()).admits(size):
                case = replace(case, sizes={**case.sizes, first.text: size})
            else:
                continue
            if self.fits(case) and self._elements(case) <= MOST_NARROW:
                return case
        return None

    def alone(self, seed: int, draws: int) -> list[Case]:
        """The base, then each axis alone."""
        generator = np.random.default_rng(seed)
        base = replace(self.base, seed=seed)
        found: list[Case | None] = [base, replace(base, seed=seed + 1)]
        for name, choices in self.options.items():
            found += [replace(base, options={**base.options, name: value}) for value in choices[1:]]
        if any(shape.any_rank for shape in self.shapes.values()):
            found += [replace(base, rest=tuple(range(2, 2 + rank))) for rank in self.ranks]
        for kind in SIZE_SPANS:
            times = max(draws, len(self.free_sizes)) if kind == "near tiles" else draws  # each size in turn
            found += [self._resized(base, kind, generator, index) for index in range(times)]
        for name in self.free_sizes:
            limit = self.limits.get(name, Allowed())
            found += [self._with(base, name, size, generator) for size in self.own if limit.admits(size)]
            found += [replace(base, sizes={**base.sizes, name: size}) for size in limit.within(1, 3)]
        for axis, choices in self.axes.items():
            for value in choices[1:]:
                found += [replace(base, axes={axis: value}, seed=seed + 1 + draw) for draw in range(draws)]
        if self.overflows:
            found.append(replace(base, axes={"values": "huge", "cotangent": "signed"}))
        return [case for case in found if case is not None and self.fits(case)]

    def combined(self, seed: int, count: int) -> list[Case]:
        """Random combinations of all of them."""
        found = []
        for index in range(count):
            generator = np.random.default_rng([seed, index])
            case = replace(self.base, seed=seed + 100 + index)
            if self.shapes and any(shape.any_rank for shape in self.shapes.values()):
                rank = int(generator.choice(self.ranks))
                case = replace(case, rest=tuple(int(size) for size in generator.integers(1, 5, size=rank)))
            picked = {name: choices[int(generator.integers(len(choices)))] for name, choices in self.options.items()}
            case = replace(case, options={**case.options, **picked})
            kind = str(generator.choice(["base", "unequal", "small", "near tiles", "large"], p=[0.2, 0.4, 0.2, 0.15, 0.05]))
            resized = case if kind == "base" else self._resized(case, kind, generator)
            on = {
                axis: choices[int(generator.integers(1, len(choices)))]
                for axis, choices in self.axes.items()
                if len(choices) > 1 and generator.random() < (0.8 if axis == "cotangent" else COMBINED)
            }
            case = resized or case
            if max(case.sizes.values(), default=0) > MOST_ALIKE and on.get("inputs") == "rows":
                del on["inputs"]
            case = replace(case, axes=on)
            found += [case] if self.fits(case) else []
        return found

    @property
    def ranks(self) -> list[int]:
        """How many dimensions `*` may stand for; sizes={"*": (1, 3)} says."""
        return self.limits.get(ANY, Allowed(low=0)).within(0, RANKS)

    @property
    def free_sizes(self) -> list[str]:
        """Sizes that are no options, in the order in which they are met."""
        return [name for name in self.base.sizes if name not in self.base.options]

    def _resized(self, case: Case, kind: str, generator: np.random.Generator, index: int | None = None) -> Case | None:
        """Another choice of sizes: all small or unequal, or one of them near a tile's or large; `index` says which."""
        names = self.free_sizes
        if not names:
            return None

        def fits(sizes: dict[str, int]) -> bool:
            return self.fits(replace(case, sizes=sizes))

        if kind in ("small", "unequal"):
            drawn = draw_sizes(names, self.limits, generator, span=SIZE_SPANS[kind], unequal=kind == "unequal", fits=fits)
        else:
            chosen = str(generator.choice(names)) if index is None else names[index % len(names)]
            allowed = self.limits.get(chosen, Allowed())
            listed = [size for size in (NEAR if kind == "near tiles" else LARGE) if allowed.admits(size)]
            if not listed:
                return None
            return self._with(case, chosen, int(generator.choice(listed)), generator)
        return None if drawn is None else replace(case, sizes=drawn)

    def _with(self, case: Case, name: str, size: int, generator: np.random.Generator) -> Case | None:
        """The case with one size so large, and small ones beside it."""
        limits = {**self.limits, name: Allowed(listed=(size,))}
        span = (2, 6) if size < min(LARGE) else (2, 3)  # beside a size of 1 a softmax, a mean and a norm say nothing
        drawn = draw_sizes(self.free_sizes, limits, generator, span=span, fits=lambda sizes: self.fits(replace(case, sizes=sizes)))
        return None if drawn is None else replace(case, sizes=drawn)


def departures(case: Case, space: Space) -> list[str]:
    """In words, what of a case is not that of the base: options, sizes, axes."""
    base = space.base
    words = [f"{name}={value!r}" for name, value in case.options.items() if not _alike(value, base.options[name])]
    words += [WORDS[axis, value] for axis, value in case.axes.items() if value != AXES[axis][0]]
    resized = [f"{name} = {size}" for name, size in case.sizes.items() if size != base.sizes[name]]
    if case.rest != base.rest:
        resized.append(f"{len(case.rest)} dimensions in place of *" if len(case.rest) != len(base.rest) else f"* = {case.rest}")
    return words + resized


def _alike(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def simpler(case: Case, space: Space) -> list[Case]:
    """The cases that are one step nearer to the base, then those with one smaller size."""
    base = space.base
    found = [replace(case, axes={name: value for name, value in case.axes.items() if name != axis}) for axis in case.axes]
    if case.axis("cotangent") in ("one-hot", "large", "one output alone"):
        found.append(replace(case, axes={**case.axes, "cotangent": "signed"}))
    for name, value in case.options.items():
        if not _alike(value, base.options[name]):
            found.append(replace(case, options={**case.options, name: base.options[name]}))
    if case.sizes != base.sizes:
        found.append(replace(case, sizes=base.sizes))
        for name, size in case.sizes.items():
            if size != base.sizes[name]:
                found.append(replace(case, sizes={**case.sizes, name: base.sizes[name]}))
    if case.rest != base.rest:
        found.append(replace(case, rest=base.rest))
    return [one for one in found if space.fits(one)]


def smaller(case: Case, space: Space) -> list[Case]:
    """The cases with one size smaller."""
    found = []
    for name in space.free_sizes:
        size = case.sizes[name]
        less = {size // 2} if size >= min(LARGE) else {size // 2, size - 1}  # one less at a time is a long way
        for other in sorted({*space.limits.get(name, Allowed()).within(1, 3), *less}):
            if 0 < other < size and space.limits.get(name, Allowed()).admits(other):
                found.append(replace(case, sizes={**case.sizes, name: other}))
    if case.rest and len(case.rest) - 1 in space.ranks:
        found.append(replace(case, rest=case.rest[1:]))
    return [one for one in found if space.fits(one)]


def parse_rule(text: str) -> Sequence[str]:
    """ "index C, may be -100" -> ["C", "-100"]: what an integer stays below, and what else it may be."""
    parts = [part.strip() for part in text.split(",")]
    if not parts[0].startswith("index ") or not all(part.startswith("may be ") for part in parts[1:]):
        raise GrammarError(f'"{text}" says no integers: right is "index C", then any number of ", may be -100".')
    return [parts[0].removeprefix("index "), *(part.removeprefix("may be ") for part in parts[1:])]
