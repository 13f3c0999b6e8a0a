"""A gradient that is wrong in float64 and passes in a narrow type: is its formula wrong, or does its code round to the narrow type inside?

Code that keeps what it saved for its backward pass in bfloat16 is right in bfloat16, and in float64 off by bfloat16's rounding. That takes
another value, or sign, wherever the inputs are others; what a formula is off by stays as it is. A constant in a narrow type stays too, so a
formula whose error stays is not called wrong where the narrow type does not tell.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from verifier.arrays import norm
from verifier.oracles.references.candidate import Array
from verifier.oracles.references.judging import Judge, Wrong
from verifier.oracles.references.points import point
from verifier.oracles.references.space import Case

FAR = 2.0**-4  # of each number that comes in: sixteen of bfloat16's last bits, so that nothing is rounded as it was
POINTS = 16  # one rounded number behind a whole gradient has the same sign at all of them once in 2^16
ALIKE = 0.9  # cosine of the errors at two points: of truncation, whose sign stays too, it is 3/4

SAYS = (
    "undecided about {name}: in {wide} the gradient that the same code gives is off by {share:.2g} of its size, and by the same at points "
    "beside, while its outputs are right. The formula is wrong, or a number in it has no more digits than {narrow}, which does not show it"
)


def stays_off(judge: Judge, case: Case, wrong: Wrong) -> bool:
    """Whether a wrong gradient of this case is off by the same where the inputs are others; `judge` asks in a wide type."""
    assert wrong.claimed is not None and wrong.right is not None
    tensors = point(judge.sources, case)
    truth, error = judge.truth_at(tensors, case), wrong.claimed - wrong.right
    generator = np.random.default_rng(0)
    for _ in range(POINTS):
        moved = {name: one * torch.as_tensor(_near_one(one, generator)).to(one) for name, one in tensors.items() if name in truth.wanted}
        cotangents = [one * _near_one(one, generator) for one in wrong.cotangents]
        try:
            claimed = judge.candidate.answer({**tensors, **moved}, case.options, partial(_in_types_of, cotangents)).gradients[wrong.tensor]
            right = truth.plain(cotangents, {**tensors, **moved})[1][wrong.tensor]
        except Exception:  # a point that one of them does not take says nothing
            return False
        if claimed is None or not _cosine(error, claimed - right) >= ALIKE:
            return False
    return True


def in_words(judge: Judge, narrow: torch.dtype, wrong: Wrong) -> str:
    """Why nothing is said of the narrow type."""
    assert wrong.claimed is not None and wrong.right is not None
    size = norm(np.abs(wrong.right)) or 1.0
    wide, own = (str(one).removeprefix("torch.") for one in (judge.dtype, narrow))
    return SAYS.format(wide=wide, narrow=own, name=wrong.tensor, share=norm(np.abs(wrong.claimed - wrong.right)) / size)


def _near_one(like: Tensor | Array, generator: np.random.Generator) -> Array:
    return np.asarray(1 + FAR * generator.uniform(-1, 1, size=tuple(like.shape)))


def _in_types_of(cotangents: Sequence[Array], outputs: Sequence[Array]) -> Sequence[Array]:
    return [cotangent.astype(output.dtype) for cotangent, output in zip(cotangents, outputs, strict=True)]


def _cosine(one: Array, other: Array) -> float:
    sizes = norm(np.abs(one)) * norm(np.abs(other))
    return float((one * other.conj()).real.sum()) / sizes if sizes > 0 else 0.0
