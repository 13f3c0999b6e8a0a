"""Problems for a layer: sizes, options and numbers, and the stress that the mistakes of its operation need.

Problem 0 has unequal sizes and the first value of each option; then each size alone is 1, each option has each of its values, each stress
of the operation comes; the rest is drawn at random, axes combined. The same claims, seed and index give the same problem.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import Array
from verifier.contracts.layer.claims import LayerClaims
from verifier.problems.sizes import Allowed, Expression, GrammarError, Shape, draw_sizes, meets

LARGEST = 1_000_000  # elements of all arrays of a problem
RANKS: Sequence[tuple[int, ...]] = ((), (2,), (3, 2), (1,), (2, 1, 3))  # what "*" stands for, in turn
LONG = (7, 9)  # steps of a sequence under the stress "long"
ALIKE = (3, 4)  # all sizes at once: what is wrong where two differ is right there
TINY, LARGE = 1e-4, 8.0
ZEROS = 0.35  # share of elements that are zero under the stress "zeros"
LEVELS = 3  # different values under the stress "ties"
MOST_TRIED = 1000  # sizes, to tell whether any of them leave a remainder
USUAL_LENGTH = 4096  # of a cotangent before the output's size is known
UNKNOWN_STRESSES = ("tiny", "ties")  # of a layer whose operation is not said


@dataclass(frozen=True)
class LayerProblem:
    """One point at which a layer is asked.

    Attributes:
        index: in its run.
        values: sizes and options by name.
        rest: the dimensions that `*` stands for.
        arrays: by name; real ones in float64.
        stress: "" or what is special: "ties", "zeros", "undivided", "tiny", "long".
        special: the axes that are not ordinary, in words: "N = 1", "stride = 2".
        seed: for NumPy's global generator before each pass.
        sizes: which of the values are sizes.
        dtype: in which real arrays go in; their numbers are exact in it.
    """

    index: int
    values: Mapping[str, Any]
    arrays: Mapping[str, Array]
    rest: tuple[int, ...]
    stress: str
    special: tuple[str, ...]
    seed: int
    sizes: tuple[str, ...]
    dtype: str = "float64"

    def describe(self) -> str:
        """Its sizes and options on one line: ``N = 3, D = 4, M = 2, stride = 2``."""
        words = [f"{name} = {value!r}" if not isinstance(value, str) else f"{name} = {value}" for name, value in self.values.items()]
        if self.rest:
            words.append(f"* = {' x '.join(map(str, self.rest))}")
        if self.stress:
            words.append(WORDS[self.stress])
        if self.dtype != "float64":
            words.append(self.dtype)
        return ", ".join(words) or "one number"


WORDS = {"ties": "equal elements", "zeros": "zeros", "undivided": "a stride that does not divide", "tiny": "small numbers", "long": "long"}


def draw_problems(claims: LayerClaims, count: int, seed: int, dtypes: Sequence[str] = ("float64",)) -> list[LayerProblem]:
    """So many problems, in these types by turns; fewer where the sizes and options allow no more that meet the conditions.

    Raises:
        GrammarError: no sizes meet what is required, or a shape cannot be worked out.
    """
    drawer = _Drawer.of(claims, seed)
    found: list[LayerProblem] = []
    for index, plan in enumerate(drawer.plans(count)):
        problem = drawer.draw(index, plan)
        if problem is not None:
            found.append(_in_type(problem, dtypes[index % len(dtypes)]))
    if not found:
        conditions = ", ".join(condition.text for condition in claims.require) or "the shapes"
        raise GrammarError(f"no sizes from 1 to 6 meet {conditions} with at most {LARGEST:,} elements: say sizes or cases.")
    return found


def redraw(claims: LayerClaims, seed: int, problem: LayerProblem, sizes: Mapping[str, int]) -> LayerProblem | None:
    """The problem with other numbers and these sizes in place of its own; None where they do not meet what is required."""
    drawer = _Drawer.of(claims, seed)
    own = {name: int(problem.values[name]) for name in problem.sizes}
    fixed = {name: value for name, value in problem.values.items() if name not in own}
    plan = _Plan(problem.stress, (), fixed, rank=RANKS.index(problem.rest), unequal=False, sizes={**own, **sizes})
    drawn = drawer.draw(problem.index, plan)
    return None if drawn is None else _in_type(drawn, problem.dtype)


def _in_type(problem: LayerProblem, dtype: str) -> LayerProblem:
    """The problem with numbers that are exact in this type."""
    if dtype == "float64":
        return problem
    rounded = {
        name: array.astype(dtype).astype(array.dtype) if array.dtype.kind == "f" else array for name, array in problem.arrays.items()
    }
    return replace(problem, arrays=rounded, dtype=dtype)


@dataclass(frozen=True)
class _Plan:
    """What is special about a problem.

    `fixed` are values of names, `ones` are sizes of 1, `alike` is the size of all that may have it, `sizes` are those of letters.
    """

    stress: str = ""
    ones: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    rank: int = 0
    unequal: bool = True
    scale: float = 1.0
    alike: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Drawer:
    claims: LayerClaims
    seed: int
    letters: tuple[str, ...]

    @staticmethod
    def of(claims: LayerClaims, seed: int) -> "_Drawer":
        cased = {name for case in claims.cases for name in case}
        named = [name for shape in claims.shapes.values() for name in shape.names]
        reads = [name for script in (claims.setup, claims.forward, claims.backward) for name in script.reads if name in claims.sizes]
        loose = [name for condition in claims.require for name in condition.names]
        letters = dict.fromkeys(name for name in (*named, *reads, *loose) if name not in claims.options and name not in cased)
        return _Drawer(claims, seed, tuple(letters))

    def plans(self, count: int) -> Iterator[_Plan]:
        """What each problem is, in order: the plain one, each axis alone, then all at random."""
        entry = self.claims.entry
        stresses = entry.stresses if entry is not None else UNKNOWN_STRESSES
        cases: Sequence[Mapping[str, Any]] = self.claims.cases or ({},)
        single = [_Plan(fixed=case, rank=index) for index, case in enumerate(cases[: max(1, count // 2)])]
        single += [_Plan(ones=(letter,), fixed=cases[0], rank=1) for letter in self.letters if self._may_be_one(letter)]
        for name, values in self.claims.options.items():
            single += [_Plan(fixed={**cases[0], name: value}, rank=index) for index, value in enumerate(values[1:])]
        single += [_Plan(stress=stress, fixed=cases[0]) for stress in stresses for _ in range(2)]
        single += [_Plan(fixed=cases[0], alike=size, unequal=False) for size in ALIKE]
        if any(shape.any_rank for shape in self.claims.shapes.values()):
            single += [_Plan(fixed=cases[0], rank=rank) for rank in range(1, len(RANKS))]
        yield from single[:count]
        generator = self._generator("plans", 0)
        for _ in range(count - len(single)):
            case = cases[int(generator.integers(len(cases)))]
            options = {name: values[int(generator.integers(len(values)))] for name, values in self.claims.options.items()}
            stress = str(generator.choice(stresses)) if len(stresses) and generator.random() < 0.25 else ""
            ones = tuple(letter for letter in self.letters if self._may_be_one(letter) and generator.random() < 0.12)
            scale = float(generator.choice([1.0, 1.0, 1.0, 0.3, 3.0]))
            yield _Plan(stress, ones, {**options, **case}, int(generator.integers(len(RANKS))), bool(generator.random() < 0.8), scale)

    def draw(self, index: int, plan: _Plan) -> LayerProblem | None:
        generator = self._generator("problem", index)
        options = {name: values[0] for name, values in self.claims.options.items()}
        known = _flattened({**options, **plan.fixed})
        limits = dict(self.claims.sizes)
        if plan.stress == "long":
            limits["T"] = Allowed(*LONG)
        for letter in plan.ones:
            limits[letter] = Allowed(listed=(1,))
        for letter, size in plan.sizes.items():
            if not limits.get(letter, Allowed()).admits(size):
                return None
            limits[letter] = Allowed(listed=(size,))
        if plan.alike:
            limits |= {one: Allowed(listed=(plan.alike,)) for one in self.letters if limits.get(one, Allowed()).admits(plan.alike)}
        usually = () if plan.stress == "undivided" else self.claims.usually
        if plan.stress == "undivided" and not self._may_be_undivided(known, limits, _span(plan)):
            return None

        def fits(sizes: dict[str, int]) -> bool:
            values = {**known, **sizes}
            if not meets((*self.claims.require, *usually), values) or not self._has_shapes(values):
                return False
            return plan.stress != "undivided" or not meets(self.claims.usually, values)

        letters = [letter for letter in self.letters if letter not in known]
        drawn = draw_sizes(letters, limits, generator, span=_span(plan), unequal=plan.unequal, fits=fits)
        if drawn is None:
            return None
        values = {**drawn, **known}
        rest = RANKS[plan.rank % len(RANKS)] if any(shape.any_rank for shape in self.claims.shapes.values()) else ()
        if sum(math.prod(shape.of(values, rest)) for shape in self.claims.shapes.values()) > LARGEST:
            return None  # before anything of that size is there: the sizes are a candidate's to write
        arrays = {name: self._array(name, shape, values, rest, plan, generator) for name, shape in self.claims.shapes.items()}
        shown = {**drawn, **{name: value for name, value in {**options, **plan.fixed}.items()}}
        special = tuple(f"{letter} = 1" for letter in drawn if drawn[letter] == 1)
        return LayerProblem(index, shown, arrays, rest, plan.stress, special, index + 1, tuple(drawn))

    def _may_be_undivided(self, known: Mapping[str, Any], limits: Mapping[str, Allowed], span: tuple[int, int]) -> bool:
        """Whether some sizes leave a remainder, so that they need not be looked for in vain: with a stride of 1 none do."""
        for condition in self.claims.usually:
            free = [name for name in condition.names if name not in known]
            choices = [limits.get(name, Allowed()).within(*span) for name in free]
            if math.prod(map(len, choices)) > MOST_TRIED:
                return True
            if not all(meets((condition,), {**known, **dict(zip(free, sizes, strict=True))}) for sizes in product(*choices)):
                return True
        return False

    def _has_shapes(self, values: Mapping[str, Any]) -> bool:
        """Whether every shape can be worked out, and what must be below a size has something below it."""
        try:
            for shape in self.claims.shapes.values():
                shape.of(values)
                if shape.below is not None and int(shape.below.value(values)) < 1:
                    return False
        except GrammarError:
            return False
        return True

    def _may_be_one(self, letter: str) -> bool:
        limit = self.claims.sizes.get(letter)
        return limit is None or limit.admits(1)

    def _array(
        self, name: str, shape: Shape, values: Mapping[str, Any], rest: Sequence[int], plan: _Plan, generator: np.random.Generator
    ) -> Array:
        entry = self.claims.entry
        dimensions = shape.of(values, rest)
        if shape.kind == "int":
            assert shape.below is not None
            return generator.integers(0, int(shape.below.value(values)), size=dimensions)
        if shape.kind == "bool":
            return _mask(dimensions, generator)
        if shape.kind == "prob":
            drawn = np.exp(generator.normal(size=dimensions))
            return np.asarray(
                drawn / (drawn + 1 if _is_alone(shape) or (entry is not None and entry.of_numbers) else drawn.sum(axis=-1, keepdims=True))
            )
        if shape.kind == "positive":
            return np.exp(0.5 * generator.normal(size=dimensions))
        tied = entry is None or not entry.tied or self._role(name) in entry.tied
        if plan.stress == "ties" and tied:
            return generator.integers(-1, LEVELS - 1, size=dimensions).astype(np.float64)
        spaced = entry is None or entry.kinks != "none"
        drawn = _spaced(dimensions, generator) if spaced and tied else generator.normal(size=dimensions)
        drawn = drawn * plan.scale if len(dimensions) > 1 else drawn
        if plan.stress == "zeros" and tied:
            drawn = np.where(generator.random(size=dimensions) < ZEROS, 0.0, drawn)
        if plan.stress == "tiny" and tied and len(dimensions) > 1:
            drawn = drawn * TINY
        return np.asarray(drawn)

    def _role(self, name: str) -> str:
        """The catalogue's name of an array."""
        entry = self.claims.entry
        if entry is None or name in entry.arrays:
            return name
        return next((role for role, others in entry.names.items() if name in others), name)

    def _generator(self, what: str, index: int) -> np.random.Generator:
        key = hashlib.blake2b(f"{self.claims.name} {what}".encode(), digest_size=8).digest()
        return np.random.default_rng(np.random.SeedSequence([self.seed, index, int.from_bytes(key, "little")]))


def cotangent_values(name: str, seed: int, index: int, length: int, *, one_sign: bool) -> NDArray[np.float64]:
    """Numbers for a cotangent, of which the first are taken: ±[1/2, 1], or all positive, exact in float32. Not to be written into."""
    drawn = _usual_cotangent if length <= USUAL_LENGTH else _cotangent
    return drawn(name, seed, index, length, one_sign)


def _cotangent(name: str, seed: int, index: int, length: int, one_sign: bool) -> NDArray[np.float64]:
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    generator = np.random.default_rng(np.random.SeedSequence([seed, index, key]))
    magnitudes = generator.uniform(0.5, 1.0, size=length).astype(np.float32).astype(np.float64)
    signs = np.where(generator.random(size=length) < 0.5, -1.0, 1.0)
    found = magnitudes if one_sign else magnitudes * signs
    found.setflags(write=False)
    return found


_usual_cotangent = lru_cache(maxsize=512)(_cotangent)  # every layer of a file is asked with those of the names `out` and `loss`


def _span(plan: _Plan) -> tuple[int, int]:
    """2 to 6 where one axis alone is 1 or none is."""
    return (2, 6) if plan.unequal else (1, 6)


def _flattened(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options that are dictionaries, with what they hold beside them: {'stride': 2} says what stride is."""
    inner = {key: one for value in values.values() if isinstance(value, Mapping) for key, one in value.items()}
    return {**inner, **values}


def flattened(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a problem for a reference: what options hold stands beside them."""
    return _flattened(values)


def _spaced(dimensions: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """Different numbers, none of them zero, evenly spaced but for a third of the spacing: a step then meets no kink."""
    size = int(np.prod(dimensions))
    spacing = 4.0 / max(size, 4)
    places = generator.permutation(size) - size // 2 + 0.5
    jitter = generator.uniform(-1 / 6, 1 / 6, size=size)
    return ((places + jitter) * spacing).reshape(dimensions)


def _is_alone(shape: Shape) -> bool:
    """Whether rows are written as one probability: then it is not 1, where 1 - p has no logarithm. Of C classes that are one it is 1."""
    last = shape.dimensions[-1] if shape.dimensions else None
    return last is None or (isinstance(last, Expression) and not last.names and last.value({}) == 1)


def _mask(dimensions: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.bool_]:
    """Random, with a true and a false in each row where there is room."""
    mask = generator.random(size=dimensions) < 0.5
    if dimensions and dimensions[-1] > 1:
        mask[..., 0], mask[..., 1] = True, generator.random(size=dimensions[:-1]) < 0.3
    return mask
