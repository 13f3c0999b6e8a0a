"""Errors of a normalisation that nobody claimed: a number, or a multiple of x - mean, that is its own in each row, column or channel.

The gradient of a norm is dout's part less the terms through the mean and through the variance. Where one of these is missing or wrong, the
error in each of the normalised groups is the same everywhere, or a multiple of the centred input; without a mean, of the input itself.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.case import Case

Grouping = Callable[[FloatArray], FloatArray]
"""An array -> its groups as rows."""


def mean_term(name: str, cases: Sequence[Case]) -> str | None:
    """A mean that is not taken off, over the batch or along each row."""
    if all(case.shapes == ((),) for case in cases):  # a loss takes no mean off
        return _one_number(name, cases)
    for words, rows in (("over the batch", _over_the_batch), ("along each row", _of_rows)):
        if _fits(name, cases, rows, lambda x: [np.ones_like(x)]):
            return f"is off by a number that is the same {words}: the term through the mean is missing or wrong"
    return None


def _one_number(name: str, cases: Sequence[Case]) -> str | None:
    errors = [case.claimed[name] - case.right[name] for case in cases]
    if max(error.size for error in errors) > 2 and all(
        case.close(name, error, np.full_like(error, error.mean())) for case, error in zip(cases, errors, strict=True)
    ):
        return "is off by a number that is the same everywhere: a term that all elements share is missing or wrong"
    return None


def factor_of_each_group(name: str, cases: Sequence[Case]) -> str | None:
    """Right but for a factor that each row, or column over the batch, has of its own: a deviation or a length is at fault."""
    for words, rows in _groupings(cases[0].claimed[name].ndim):
        told = False
        for case in cases:
            claimed, right = case.claimed[name], case.right[name]
            if claimed.ndim < 2 or claimed.shape != right.shape:
                return None
            groups = list(zip(rows(claimed), rows(right), strict=True))
            least = case.closeness * case.scale(name)
            telling = [(ours, true) for ours, true in groups if int(np.count_nonzero(np.abs(true) > least)) > 2]
            if len(telling) < 2:
                continue  # one number is some multiple of any other
            if all(not ours.any() or bool(np.all(np.abs(ours - true) <= least)) for ours, true in telling):
                continue  # some are zero, the others right: where they are says more
            if not case.close(name, rows(claimed), np.stack([_projected(ours, true) for ours, true in groups])):
                break
            told = True
        else:
            if told:
                return f"is right but for a factor {words} that is its own: gamma, a deviation or a length is missing or too much"
    return None


def variance_term(name: str, cases: Sequence[Case]) -> str | None:
    """The term through the variance, both terms, or that through the mean square."""
    rank = cases[0].claimed[name].ndim
    for words, rows in _groupings(rank):
        if _fits(name, cases, rows, lambda x: [_centred(x)]):
            return f"is off by a multiple of x - mean: the term through the variance {words} is missing or wrong"
    for words, rows in _groupings(rank):
        if _fits(name, cases, rows, lambda x: [x]):
            return f"is off by a multiple of {name}: the term through the mean square, or the length, {words} is missing or wrong"
    for words, rows in _groupings(rank):
        if _fits(name, cases, rows, lambda x: [np.ones_like(x), _centred(x)]):
            return f"is off by a number and a multiple of x - mean: the terms through mean and variance {words} are missing or wrong"
    return None


def _fits(name: str, cases: Sequence[Case], rows: Grouping, columns_of: Callable[[FloatArray], list[FloatArray]]) -> bool:
    """Whether the error in each group is made of these columns, wherever a group is long enough to tell."""
    told = False
    for case in cases:
        error, array = case.claimed[name] - case.right[name], case.arrays[name]
        if error.ndim < 2 or error.shape != array.shape:
            return False
        errors, arrays = rows(error), rows(array)
        columns = columns_of(arrays)
        if errors.shape[1] < len(columns) + (1 if np.ptp(columns[0]) == 0 and len(columns) == 1 else 2):
            continue  # of two, every error is a multiple of x - mean
        fitted = np.stack([_projected(*each) for each in zip(errors, *columns, strict=True)])
        if not case.close(name, errors, fitted):
            return False
        told = True
    return told


def _projected(error: FloatArray, *columns: FloatArray) -> FloatArray:
    matrix = np.stack(columns, axis=1)
    return np.asarray(matrix @ np.linalg.lstsq(matrix, error, rcond=None)[0])


def _centred(rows: FloatArray) -> FloatArray:
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def _groupings(rank: int) -> Iterator[tuple[str, Grouping]]:
    """The widest first: what is one number over all pixels is one over the batch too."""
    if rank == 4:
        yield "over the samples and pixels", lambda array: array.transpose(1, 0, 2, 3).reshape(array.shape[1], -1)
    if rank > 2:
        yield "of each sample", lambda array: array.reshape(len(array), -1)
    if rank == 4:
        yield "of each half of the channels", lambda array: array.reshape(len(array) * (2 - array.shape[1] % 2), -1)
        yield "of each channel's pixels", lambda array: array.reshape(len(array) * array.shape[1], -1)
    yield "over the batch", _over_the_batch
    yield "of each row", _of_rows


def _over_the_batch(array: FloatArray) -> FloatArray:
    return array.reshape(len(array), -1).T


def _of_rows(array: FloatArray) -> FloatArray:
    return array.reshape(-1, array.shape[-1])
