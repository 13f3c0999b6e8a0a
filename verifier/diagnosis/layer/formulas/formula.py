"""The formulas of operations for a gradient, as terms that add up to it and as what people write instead.

A mistake that leaves a term out, doubles it or divides it by a size is found by fitting the claimed gradient to the terms: where it is a
sum of them on every problem, and the right gradient is their plain sum, the coefficient that is not 1 names it. `instead` are whole
replacements, each with the sentence that it deserves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from verifier.arrays import FloatArray

Terms = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Given:
    """What a formula is worked out from, by the parts that the operation's arrays play.

    Attributes:
        arrays: by part, in the candidate's layout; those that belong to channels with an axis of 1 for each of the others.
        cotangent: of the output, in its shape; of the first where there are several.
        cotangents: of each output.
        values: sizes and options by name, and the variant of the formula that is tried.
        axes: over which a normalisation goes, or a softmax.
    """

    arrays: Mapping[str, Any]
    cotangent: FloatArray
    values: Mapping[str, Any]
    axes: tuple[int, ...] = (-1,)
    cotangents: tuple[FloatArray, ...] = ()


Formula = Callable[[Given], Terms]


@dataclass(frozen=True)
class Formulas:
    """Of one part's gradient: its terms by name, and what is written instead of it, by the end of a sentence."""

    terms: Formula
    instead: Formula = field(default=lambda given: {})
