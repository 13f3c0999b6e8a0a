"""Sizes that were only guessed: does the reference spread an argument of size 1 there, where the examples' sizes belong together?

A rotation takes q of 8 columns and cosines of 4. At one column each it would return two, and that is no rotation any more.
"""

import numpy as np

from verifier.oracles.references.judging import Judge
from verifier.oracles.references.points import point
from verifier.oracles.references.space import Case, Space


def spreads(judge: Judge, case: Case, space: Space) -> bool:
    """Whether an output is larger in a dimension than the size that this dimension has at the examples, of which one was made 1."""
    ones = {name for name, size in case.sizes.items() if size == 1 < space.base.sizes[name]}
    if space.said or not ones:
        return False
    base = Case(space.base.sizes, case.rest, case.options, {}, case.seed)
    try:
        outputs, usual = (judge.truth_at(point(judge.sources, one), one).plain(None)[0] for one in (case, base))
    except Exception:  # a reference that takes no such size says nothing of it
        return False
    return any(
        _named(size, space) in ones and there > 1
        for output, plain in zip(outputs, usual, strict=False)
        for there, size in zip(np.shape(output), np.shape(plain), strict=False)
    )


def _named(size: int, space: Space) -> str:
    """The one size of the examples that is so large; "" where there is none, or several."""
    names = [name for name, value in space.base.sizes.items() if value == size]
    return names[0] if len(names) == 1 else ""
