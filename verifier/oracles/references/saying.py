"""A failure in words: which tensor, where in it, only with what, by which mistake; one line first, the numbers below."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verifier.arrays import Array
from verifier.counting import counted, wrong_elements
from verifier.oracles.functions.relations import agreement, of_draws, relation
from verifier.oracles.references.candidate import POISONS, poisoned
from verifier.oracles.references.contributions import ADDED, ANOTHER, one_contribution
from verifier.oracles.references.judging import OTHER_BETWEEN, Judge, Wrong
from verifier.oracles.references.points import cotangents_for, point, same_twice
from verifier.oracles.references.regions import REPEATED, region
from verifier.oracles.references.search import Searched
from verifier.oracles.references.space import Case
from verifier.tolerance import SOURCE

OTHER_DRAWS = 3
DRAWS_TO_CONFIRM = 2
SOURCE_NARROW = "5 x the largest error of copies that round as right code does"


def in_words(found: Searched, judge: Judge, seed: int) -> str:
    """The message of a failure."""
    wrong, case = found.wrong, found.case
    assert wrong is not None and case is not None
    only = f", only with {' and '.join(found.needed)}" if found.needed else ""
    lines = [f"{wrong.text}{only}."]
    if wrong.claimed is not None and wrong.right is not None and wrong.tolerance is not None:
        lines += _numbers(wrong, judge, case)
    lines += [found.formula] if found.formula and wrong.narrow else []
    sizes = ", ".join(f"{name} = {size}" for name, size in case.sizes.items())
    options = ", ".join(f"{name} = {value!r}" for name, value in case.options.items())
    lines.append(f"Smallest case: {'; '.join(part for part in (sizes, options) if part) or 'the examples'}; found with seed={seed}.")
    return "\n".join(lines)


def _numbers(wrong: Wrong, judge: Judge, case: Case) -> list[str]:
    assert wrong.claimed is not None and wrong.right is not None and wrong.tolerance is not None
    with np.errstate(all="ignore"):
        error = np.abs(wrong.claimed - wrong.right)
        beyond = ~(error <= wrong.tolerance)
        ratio = np.where(beyond, np.where(np.isfinite(error), error / np.maximum(wrong.tolerance, 1e-300), np.inf), 0.0)
    place = tuple(int(axis) for axis in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
    claimed, right = wrong.claimed[place], wrong.right[place]
    name = wrong.tensor if wrong.what == "output" else f"the gradient of {wrong.tensor}"
    if wrong.narrow and not beyond.any():
        return []  # what is wrong shows in many elements together
    mistake = _of_a_sum(wrong, beyond, case) if wrong.narrow else _mistake(wrong, judge, case)
    where = region(beyond, wrong, judge, case)
    if (mistake or where) and not wrong.narrow:
        mistake, where = _in_other_draws(mistake, where, wrong, judge, case)
    lines = [mistake] if mistake and not (ADDED in mistake and REPEATED in where) else []
    lines += [where] if where else []
    count = wrong_elements(int(beyond.sum()), beyond.size)
    lines.append(
        f"{name}{list(place) if place else ''} = {claimed:.9g}, should be {right:.9g}{f'; {count}' if count else ''}. "
        f"Error {error[place]:.2g}, tolerance {wrong.tolerance[place]:.2g} = {SOURCE_NARROW if wrong.narrow else SOURCE}."
    )
    return lines


def _in_other_draws(mistake: str, where: str, wrong: Wrong, judge: Judge, case: Case) -> tuple[str, str]:
    """The two sentences where they hold in other draws of the same case too, but for counts; "" for one that was true by chance."""
    for draw in range(DRAWS_TO_CONFIRM):
        other = replace(case, seed=case.seed + ANOTHER + draw)
        found = judge.try_case(other).wrong
        if found is None or (found.what, found.tensor) != (wrong.what, wrong.tensor) or found.claimed is None or found.right is None:
            continue  # nothing to see there
        with np.errstate(all="ignore"):
            beyond = ~(np.abs(found.claimed - found.right) <= found.tolerance)
        if mistake and _uncounted(_mistake(found, judge, other)) != _uncounted(mistake):
            mistake = ""
        if where and region(beyond, found, judge, other) != where:
            where = ""
    return mistake, where


def _uncounted(sentence: str) -> str:
    """Without the numbers that another draw has others of."""
    return re.sub(r"\b(?:one|\d+) elements?\b( is| are)?|\d+ digits", "some", sentence)


def _of_a_sum(wrong: Wrong, beyond: Array, case: Case) -> str:
    """Of many equal rows: whether less comes out than goes in."""
    assert wrong.claimed is not None and wrong.right is not None
    less = np.abs(wrong.claimed[beyond]) < np.abs(wrong.right[beyond])
    stands = case.axis("values") == "equal rows" and less.all()
    return (
        "It is summed in the narrow type, where a sum stands still once its terms are too small to change it: sum in float32."
        if stands
        else ""
    )


def _mistake(wrong: Wrong, judge: Judge, case: Case) -> str:
    """Held against what known mistakes would give at this case."""
    assert wrong.claimed is not None and wrong.right is not None
    claimed = np.asarray(wrong.claimed)
    if wrong.what == "output":
        if np.isnan(claimed).any():
            return "It is not finite."
        nearly = "" if claimed.dtype.kind == "c" else agreement(claimed.astype(np.float64), np.asarray(wrong.right, dtype=np.float64))
        return nearly or "The output is wrong, so the gradient may be right for another function."
    if case.axis("usage") == "poisoned memory" or _is_never_written(wrong, judge, case):
        return "It holds numbers that were never written."
    if np.isnan(claimed).any():
        return f"{counted(int(np.isnan(claimed).sum()), 'element')} {'is' if np.isnan(claimed).sum() == 1 else 'are'} NaN."
    tensors = point(judge.sources, case)
    truth = judge.truth_at(tensors, case)
    try:
        outputs = truth.plain(None)[0]
        _, ones = truth.plain([np.ones(one.shape) for one in outputs])
        first = [np.broadcast_to(c[:1], c.shape) if c.ndim else c for c in wrong.cotangents]
        _, of_row = truth.plain(first)
        _, all_right = truth.plain(wrong.cotangents)
    except Exception:  # a reference that takes no such cotangent has nothing to compare with
        return ""
    if wrong.tensor in ones:
        if _same(claimed, ones[wrong.tensor]) and not _same(wrong.right, ones[wrong.tensor]):
            return "It is the gradient for a cotangent of ones: the cotangent is not used."
        if _same(claimed, of_row[wrong.tensor]) and not _same(wrong.right, of_row[wrong.tensor]):
            return "Every row is scaled by the first row's cotangent."
    other = _of_another_use(wrong, judge, case) or _of_the_cotangent(wrong, judge, case)
    if other:
        return other
    # Exchanged are two where each has the other's: one that happens to look like another's is not.
    others = {
        name: one
        for name, one in all_right.items()
        if name != wrong.tensor and name in wrong.claims and _same(np.asarray(wrong.claims[name]), np.asarray(wrong.right))
    }
    dtype = np.float64 if claimed.dtype.kind != "c" else np.complex128
    if dtype is np.complex128:
        conjugate = _same(claimed, np.conj(wrong.right)) and not _same(claimed, np.asarray(wrong.right))
        return "It is the complex conjugate of the right one." if conjugate else ""
    cotangents = [np.asarray(one, dtype=np.float64) for one in wrong.cotangents if one.dtype.kind != "c"]
    if case.axis("usage") == "one call":
        if claimed.size == 1:
            return _of_other_draws(wrong, judge, case)
        one = one_contribution(wrong.tensor, claimed, judge, case, lambda at, given: _claimed_at(wrong.tensor, judge, at, given))
        if one:
            return one
    numbers = claimed.astype(np.float64), np.asarray(wrong.right, dtype=np.float64)
    return relation(*numbers, _sizes(case), others=others, cotangents=cotangents, within=wrong.tolerance)


def _sizes(case: Case) -> dict[str, float]:
    """What a factor may be: sizes and numeric options, those of one value together, as one case cannot tell them apart."""
    named: dict[float, list[str]] = {}
    for name, value in case.values.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            named.setdefault(float(f"{max(value, 1 / value):.12g}"), []).append(name if value >= 1 else f"1/{name}")
    return {" or ".join(filter(None, [", ".join(names[:-1]), names[-1]])): value for value, names in named.items() if value > 1}


def _same(one: Array, other: Array) -> bool:
    if one.shape != other.shape or not other.any():
        return False
    return bool(np.abs(one - other).max() <= 1e-4 * np.abs(other).max())


def _of_another_use(wrong: Wrong, judge: Judge, case: Case) -> str:
    """What another forward pass had, or one of two uses of a tensor."""
    usage, claimed = case.axis("usage"), np.asarray(wrong.claimed)
    tensors = point(judge.sources, case)
    try:
        if usage == OTHER_BETWEEN:
            other = point(judge.sources, case, other=1) | {name: tensors[name] for name in judge.candidate.held}
            _, stale = judge.truth_at(other, case).plain(wrong.cotangents)
            return "It is stale: the gradient of the other call's inputs." if _same(claimed, stale[wrong.tensor]) else ""
        shared = same_twice(judge.sources, tensors, judge.candidate.differentiated) if usage == "the same tensor twice" else None
        if shared is not None and wrong.tensor == shared[0]:
            _, each = judge.truth_at({**tensors, shared[1]: tensors[shared[0]]}, case).plain(wrong.cotangents)
            if any(_same(claimed, each[name]) for name in shared):
                return "It is that of one of the two uses alone: one contribution overwrites the other."
    except Exception:  # a reference that takes no such cotangent has nothing to compare with
        return ""
    return ""


def _is_never_written(wrong: Wrong, judge: Judge, case: Case) -> bool:
    """Whether the claim follows what fresh memory holds."""
    found = []
    for poison in POISONS:
        with poisoned(poison):
            found.append(_claimed(wrong, judge, case))
    one, other = found
    return one is not None and other is not None and not np.array_equal(one, other, equal_nan=True)


def _of_other_draws(wrong: Wrong, judge: Judge, case: Case) -> str:
    """One number is some multiple of any other: what relates it to the right one has to hold in other draws too."""
    assert wrong.claimed is not None and wrong.right is not None
    pairs = [(np.asarray(wrong.claimed).reshape(1), np.asarray(wrong.right).reshape(1))]
    for draw in range(OTHER_DRAWS):
        other = replace(case, seed=case.seed + ANOTHER + draw)
        truth = judge.truth_at(point(judge.sources, other), other)
        try:
            given = cotangents_for(truth.plain(None)[0], other)
            right = truth.plain(given)[1][wrong.tensor]
        except Exception:  # outside of the reference's domain
            continue
        claimed = _claimed_at(wrong.tensor, judge, other, given)
        if claimed is not None and claimed.size == right.size == 1 and np.isfinite(claimed).all():
            pairs.append((claimed.reshape(1), right.reshape(1)))
    if len(pairs) < 2:
        return ""
    claims, rights = (np.concatenate([pair[side] for pair in pairs]).astype(np.float64) for side in (0, 1))
    return of_draws(claims, rights, _sizes(case))


def _claimed(wrong: Wrong, judge: Judge, case: Case, factor: float = 1.0) -> Array | None:
    """The claim again, for so many times the cotangents."""
    return _claimed_at(wrong.tensor, judge, case, [factor * one for one in wrong.cotangents])


def _claimed_at(name: str, judge: Judge, case: Case, given: Sequence[Array]) -> Array | None:
    """What is claimed of a tensor at a case, for these cotangents."""
    tensors = point(judge.sources, case)
    try:
        answered = judge.candidate.answer(
            tensors, case.options, lambda outputs: [c.astype(o.dtype) for c, o in zip(given, outputs, strict=True)]
        )
    except Exception:  # what it raises is said elsewhere
        return None
    return answered.gradients.get(name)


def _of_the_cotangent(wrong: Wrong, judge: Judge, case: Case) -> str:
    """Whether the claim depends on its cotangent as a gradient does: on half of it half, at the same point."""
    if not any(one.any() for one in wrong.cotangents) or case.axis("usage") != "one call":
        return ""
    whole, half = _claimed(wrong, judge, case), _claimed(wrong, judge, case, 0.5)
    if whole is None or half is None or not whole.any():
        return ""
    if np.array_equal(whole, half):
        return "It does not depend on the cotangent."
    return "" if _same(2 * half, whole) else "It is not linear in the cotangent."
