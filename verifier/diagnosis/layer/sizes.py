"""A factor in words: a constant, or a size of the problem."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, permutations

import numpy as np

from verifier.diagnosis.layer.case import Case


def constant(factor: float, within: float) -> str:
    """The end of a sentence: is twice what it should be."""
    if abs(factor + 1) < within:
        return "has the wrong sign"
    half = {2.0: "is twice what it should be", 0.5: "is half of what it should be", 3.0: "is three times what it should be"}
    near = next((words for value, words in half.items() if abs(factor - value) < within), None)
    return near or f"is {factor:.6g} times what it should be"


def sizes_of(cases: Sequence[Case]) -> Iterator[tuple[str, list[float]]]:
    """Roots of sizes, sizes, products of two or three of them, and numeric options, as words with their values in each case."""
    usable = _numbers(cases)
    for name in usable:
        if all(case.values[name] > 0 for case in cases):
            yield f"√{name}", [float(np.sqrt(case.values[name])) for case in cases]
    for count in (1, 2, 3):
        for chosen in combinations_with_replacement(usable, count):
            yield "·".join(chosen), [float(np.prod([case.values[name] for name in chosen])) for case in cases]


def exchanged_sizes(factors: Sequence[float], cases: Sequence[Case], within: float) -> str | None:
    """``divided by N where D belongs``, where that explains every factor and they are not all the same."""
    if np.ptp(factors) <= within * max(1.0, abs(factors[0])):
        return None
    for one, other in permutations(_numbers(cases), 2):
        ratios = [float(case.values[other]) / float(case.values[one]) for case in cases]
        if all(abs(factor / ratio - 1) < within for factor, ratio in zip(factors, ratios, strict=True)):
            return f"divided by {one} where {other} belongs"
    return None


def _numbers(cases: Sequence[Case]) -> list[str]:
    """Sizes and numeric options that are nowhere zero."""
    names = [name for name, value in cases[0].values.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    return [name for name in names if all(case.values.get(name) for case in cases)]
