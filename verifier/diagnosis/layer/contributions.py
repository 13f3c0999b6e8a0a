"""What a wrong gradient counts too much, or not at all: one output's share, the straight way through, a row that an index picks.

Each is a function of one array's name and the cases in which its gradient is wrong, as in `relations`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.case import LOOSE, Case
from verifier.diagnosis.layer.matching import times
from verifier.diagnosis.layer.sizes import sizes_of

MOST = 12  # times that a row may come: a fraction with a larger number is near anything
WINDOWS = ((2,), (2, 3), (1,), (1, 2))  # of the output: places of windows, channels first or last
SHARES = (("", 1.0), ("2·", 2.0), ("½·", 0.5))


def share_of_an_output(name: str, cases: Sequence[Case]) -> str | None:
    """Of several outputs, what comes back through one has a factor of its own; the others' shares are right."""
    outputs = list(cases[0].cotangent_of)
    if len(outputs) < 2 or any(list(case.cotangent_of) != outputs for case in cases):
        return None
    fitted = [_factors(case, name) for case in cases]
    known = [factors for factors in fitted if factors is not None]
    if len(known) < len(fitted):
        return None
    loose = LOOSE * cases[0].closeness
    wrong = [output for output in outputs if any(abs(factors[output] - 1) > loose for factors in known)]
    if len(wrong) != 1:
        return None
    words = times([factors[wrong[0]] for factors in known], cases)
    return None if words is None else f"has what comes back through {wrong[0]} {words}"


def _factors(case: Case, name: str) -> Mapping[str, float] | None:
    """By output, what its share of the right gradient is multiplied by; None where shares do not tell, or do not explain the claim."""
    shares = []
    for place in case.cotangent_of.values():
        alone = np.zeros_like(case.cotangent)
        alone[place] = case.cotangent[place]
        shares.append(case.under(name, alone).ravel())
    columns = np.stack(shares, axis=1)
    found, _, rank, _ = np.linalg.lstsq(columns, case.claimed[name].ravel(), rcond=case.closeness)
    if rank < columns.shape[1] or columns.shape[0] <= columns.shape[1]:
        return None
    if not case.close(name, (columns @ found).reshape(case.claimed[name].shape), case.claimed[name]):
        return None
    return dict(zip(case.cotangent_of, found.tolist(), strict=True))


def straight_through(name: str, cases: Sequence[Case]) -> str | None:
    """The error is the cotangent itself: of y = x + f(x) the x, or that once too often."""
    if any(case.shape != case.claimed[name].shape or len(case.cotangent_of) != 1 for case in cases):
        return None
    (cotangent,) = cases[0].cotangent_of
    for sign, says in ((-1.0, "is missing"), (1.0, "does not belong there")):
        if all(case.close(name, case.claimed[name] - case.right[name], sign * case.cotangent.reshape(case.shape)) for case in cases):
            return f"is off by {cotangent} itself: what comes straight through, as of x + f(x), {says}"
    return None


def picked_row(name: str, cases: Sequence[Case]) -> str | None:
    """The error is a row of another array that an index picks, such as the vector of the word that is right."""
    for index, other in product(cases[0].indices, cases[0].arrays):
        rows = [_rows(case, index, other) for case in cases]
        if other == name or any(row is None or row.shape != case.claimed[name].shape for row, case in zip(rows, cases, strict=True)):
            continue
        for sign, says in ((1.0, "it is to be taken off"), (-1.0, "that term is missing")):
            if all(
                row is not None and case.close(name, case.claimed[name] - case.right[name], sign * row)
                for row, case in zip(rows, cases, strict=True)
            ):
                return f"is off by {other}[{index}]: {says}"
    return None


def _rows(case: Case, index: str, other: str) -> FloatArray | None:
    array = case.arrays.get(other)
    below = case.indices.get(index)
    if array is None or below is None or array.ndim < 2 or (below.size and int(below.max()) >= len(array)):
        return None
    return np.asarray(array[below])


def one_window(name: str, cases: Sequence[Case]) -> str | None:
    """Where windows overlap, only the last (or first) counts with all that it adds: a whole patch is assigned, not added."""
    for axes in WINDOWS:
        for words, order in (("last", -1), ("first", 0)):
            kept = [_of_one_window(case, name, axes, order) for case in cases]
            if all(one is not None and case.close(name, case.claimed[name], one) for case, one in zip(cases, kept, strict=True)):
                return f"counts, where windows overlap, only the {words}: add each patch to what is there (+=)"
    return None


def _of_one_window(case: Case, name: str, axes: tuple[int, ...], order: int) -> FloatArray | None:
    """What the last (or first) place along these axes of the output adds to each element."""
    if len(case.shape) < 3 or len(case.shape) <= max(axes) or int(np.prod(case.shape)) != case.cotangent.size:
        return None
    jacobian = case.jacobians[name].reshape(*case.shape, -1)
    shares = jacobian * case.cotangent.reshape(*case.shape, 1)
    summed = tuple(axis for axis in range(len(case.shape)) if axis not in axes)
    added = shares.sum(axis=summed).reshape(-1, shares.shape[-1])
    live = (np.abs(jacobian) > case.closeness * np.abs(jacobian).max(initial=0.0)).any(axis=summed).reshape(added.shape)
    if not added.size:
        return None
    last = len(live) - 1 - np.argmax(live[::-1], axis=0) if order else np.argmax(live, axis=0)
    return np.where(live.any(axis=0), added[last, np.arange(added.shape[1])], 0.0).reshape(case.arrays[name].shape)


def rows_counted_once(name: str, cases: Sequence[Case]) -> str | None:
    """Some rows are a half or a third of what they should be, the others right: a word that is drawn several times counts once."""
    times_counted: set[int] = set()
    for case in cases:
        claimed, right = case.claimed[name], case.right[name]
        if claimed.ndim < 2:
            return None
        for ours, true in zip(claimed, right, strict=True):
            square, product = float((ours * ours).sum()), float((ours * true).sum())
            count = round(product / square) if square else 1
            if not 1 <= count <= MOST or not case.close(name, np.broadcast_to(count * ours, ours.shape), true):
                return None
            times_counted.add(count)
    if len(times_counted) < 2 or 1 not in times_counted:
        return None
    return "counts a row that comes several times once: add them up (np.add.at; `+=` with indices keeps the last alone)"


def share_of_a_term(name: str, cases: Sequence[Case]) -> str | None:
    """The term of a regularisation that is divided by a size in the loss and not in the gradient, or the other way round."""
    arrays = [case.arrays[name] for case in cases]
    if any(array.shape != case.claimed[name].shape or not array.any() for array, case in zip(arrays, cases, strict=True)):
        return None
    factors = []
    for case, array in zip(cases, arrays, strict=True):
        error = case.claimed[name] - case.right[name]
        factors.append(float((error * array).sum()) / float((array * array).sum()))
        if not case.close(name, error, factors[-1] * array):
            return None
    numbers = [(words, values) for words, values in sizes_of(cases) if words in cases[0].values]
    options = [(words, values) for words, values in numbers if isinstance(cases[0].values[words], float)]
    sizes = [(words, values) for words, values in numbers if isinstance(cases[0].values[words], int)]
    for (option, of_option), (size, of_size), (share, number) in product(options, sizes, SHARES):
        whole = np.array(of_option) * number
        rest = whole * (1 - 1 / np.array(of_size))
        if not rest.any():
            continue
        term = f"{share}{option}·{name}"
        for sign, says in ((1.0, f"has {term} where {term}/{size} belongs"), (-1.0, f"has {term}/{size} where {term} belongs")):
            if np.all(np.abs(np.array(factors) - sign * rest) < LOOSE * cases[0].closeness * np.abs(whole)):
                return says
    return None


def stepped_weights(name: str, cases: Sequence[Case]) -> str | None:
    """The way back through weights that have moved already: w - η·dw where w belongs."""
    if any(len(case.shape) != 2 for case in cases):
        return None
    for other in cases[0].right:
        for turned in (False, True):
            factors = [_moved(case, name, other, turned) for case in cases]
            known = [factor for factor in factors if factor is not None]
            if len(known) == len(factors) and known[0] > 0 and np.ptp(known) <= LOOSE * cases[0].closeness * known[0]:
                return f"is taken through {other} after its step, {other} - {known[0]:.4g}·d{other}: keep the {other} of the forward pass"
    return None


def _moved(case: Case, name: str, other: str, turned: bool) -> float | None:
    """η, where the error is -η times the cotangent through d of these weights."""
    if other == name or other not in case.claimed or case.right.get(other, np.zeros(0)).ndim != 2:
        return None
    cotangent, step = case.cotangent.reshape(case.shape), case.claimed[other]
    for first, second in _products(cotangent, step.T if turned else step):
        if first.shape[1] != second.shape[0] or (first.shape[0], second.shape[1]) != case.claimed[name].shape:
            continue
        way, error = first @ second, case.claimed[name] - case.right[name]
        factor = -float((error * way).sum()) / (float((way * way).sum()) or 1.0)
        if factor and case.close(name, error, -factor * way):
            return factor
    return None


def _products(cotangent: FloatArray, step: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    yield cotangent, step
    yield step, cotangent
