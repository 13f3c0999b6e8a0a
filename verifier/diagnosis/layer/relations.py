"""How a wrong gradient of a layer is related to the right one: the first relation that holds on every problem names the mistake.

Each relation is a function of one array's name and the cases in which its gradient is wrong; it gives a sentence's end, or nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import permutations, product

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.case import LOOSE, SHOWN, Case
from verifier.diagnosis.layer.contributions import (
    SHARES,
    one_window,
    picked_row,
    rows_counted_once,
    share_of_a_term,
    share_of_an_output,
    stepped_weights,
    straight_through,
)
from verifier.diagnosis.layer.dependence import activation_of_an_affine_layer, slope_by_outputs, without_the_cotangent
from verifier.diagnosis.layer.elsewhere import of_another_mask, other_places, reshaped, scale_of_a_mask
from verifier.diagnosis.layer.matching import by_formula, terms_of
from verifier.diagnosis.layer.sequences import own_step
from verifier.diagnosis.layer.sizes import constant, exchanged_sizes, sizes_of
from verifier.diagnosis.layer.spread import factor_of_each_group, mean_term, variance_term

NEARLY = 1e-3  # of an error: what a factor may leave of it, for an ε beside it; it names, and decides nothing

Relation = Callable[[str, Sequence[Case]], str | None]


def related(name: str, cases: Sequence[Case]) -> tuple[str, str] | None:
    """(the mistake's id, the end of a sentence that begins with the gradient's name); None where no relation holds on all cases."""
    cases = [case for case in cases if case.shows(name)] or cases
    cases = [case for case in cases if case.clearly_wrong(name)]
    if not cases:
        return None
    for mistake, relation in _RELATIONS:
        says = relation(name, cases)
        if says is not None:
            return mistake, says
    return None


def _zero(name: str, cases: Sequence[Case]) -> str | None:
    return "is zero everywhere" if all(not case.claimed[name].any() for case in cases) else None


def _exchanged(name: str, cases: Sequence[Case]) -> str | None:
    for other in cases[0].right:
        if other == name or not all(other in case.claimed and other in case.right for case in cases):
            continue
        if all(_same(case, name, case.claimed[name], case.right[other]) for case in cases):
            both = all(_same(case, other, case.claimed[other], case.right[name]) for case in cases)
            return f"and d{other} are exchanged" if both else f"is the gradient of {other}"
    return None


def _same(case: Case, name: str, claimed: FloatArray, right: FloatArray) -> bool:
    return claimed.size == right.size and case.close(name, claimed.reshape(right.shape), right) if claimed.shape == right.shape else False


def _factor(name: str, cases: Sequence[Case]) -> str | None:
    factors = [_ratio(case, name) for case in cases]
    known = [factor for factor in factors if factor is not None]
    if len(known) < len(factors):
        return None
    if np.ptp(known) <= cases[0].closeness * max(abs(known[0]), 1e-9):
        masked = scale_of_a_mask(name, cases, known[0])
        says = masked or _share_of_one_size(known[0], cases) or constant(known[0], cases[0].closeness)
        return says if _numbers(name, cases) > 1 or not says.removeprefix("is ")[0].isdigit() else None
    turned = "has the wrong sign, and " if all(factor < 0 for factor in known) else ""
    known = [-factor for factor in known] if turned else known
    for words, size in sizes_of(cases):
        if all(abs(factor * value - 1) < LOOSE * cases[0].closeness for factor, value in zip(known, size, strict=True)):
            return f"{turned}is divided by {words}: it should not be"
        if all(abs(factor / value - 1) < LOOSE * cases[0].closeness for factor, value in zip(known, size, strict=True)):
            return f"{turned}is {words} times what it should be: a division by {words} is missing"
    instead = exchanged_sizes(known, cases, LOOSE * cases[0].closeness)
    return None if instead is None else f"{turned}is {instead}"


def _share_of_one_size(factor: float, cases: Sequence[Case]) -> str | None:
    """Where all problems have one size alike and the factor is its inverse, and no usual number: rather that than 0.333333."""
    if factor <= 0 or min(abs(factor - usual) for usual in (0.5, 0.25)) < LOOSE * cases[0].closeness:
        return None
    alike = (
        words for words, values in sizes_of(cases) if words in cases[0].values and abs(factor * values[0] - 1) < LOOSE * cases[0].closeness
    )
    words = next((words for words in alike if isinstance(cases[0].values[words], int) and cases[0].values[words] > 1), None)
    return None if words is None else f"is divided by {words}: it should not be"


def _nearly_a_factor(name: str, cases: Sequence[Case]) -> str | None:
    """A factor of sizes, beside a departure that is small to it, such as that of an ε in a logarithm."""
    factors = [("is twice what it should be", [2.0] * len(cases)), ("is half of what it should be", [0.5] * len(cases))]
    for words, values in sizes_of(cases):
        factors.append((f"is divided by {words}, which it should not be", [1 / value for value in values]))
        factors.append((f"is {words} times what it should be", values))
    for says, values in factors:
        if all(abs(value - 1) > NEARLY for value in values) and all(
            _leaves_little(case, name, value) for case, value in zip(cases, values, strict=True)
        ):
            return f"{says}, and beside that off by less than a thousandth"
    return None


def _leaves_little(case: Case, name: str, factor: float) -> bool:
    claimed, right = case.claimed[name], case.right[name]
    return bool(np.abs(claimed - factor * right).max(initial=0.0) <= NEARLY * np.abs(claimed - right).max(initial=0.0))


def _clipped(name: str, cases: Sequence[Case]) -> str | None:
    """Each element by itself: some lie on one bound, the same on every problem, and the others are right."""
    bound = max(float(np.abs(case.claimed[name]).max(initial=0.0)) for case in cases)
    at_it = sum(int((np.abs(case.claimed[name]) == bound).sum()) for case in cases)
    if bound and at_it > 1 and all(case.close(name, case.claimed[name], np.clip(case.right[name], -bound, bound)) for case in cases):
        return f"is clipped: no element is beyond ±{bound:g}, and the others are right"
    return None


def _some_factor(name: str, cases: Sequence[Case]) -> str | None:
    if any(_ratio(case, name) is None for case in cases) or _numbers(name, cases) <= len(cases):
        return None  # one number is some multiple of any other
    norms = [float(np.sqrt(sum((gradient**2).sum() for gradient in case.claimed.values()))) for case in cases]
    if len(norms) > 1 and np.ptp(norms) <= cases[0].closeness * norms[0]:
        return f"is clipped: all gradients together have the norm {norms[0]:.4g} on every problem"
    return "is right but for a factor that changes from problem to problem"


def _numbers(name: str, cases: Sequence[Case]) -> int:
    """How many numbers of all problems a factor is held against."""
    return sum(int(np.count_nonzero(np.abs(case.right[name]) > case.closeness * case.scale(name))) for case in cases)


def _ratio(case: Case, name: str) -> float | None:
    """The one factor between claimed and right, or None where there is none."""
    claimed, right = case.claimed[name].ravel(), case.right[name].ravel()
    square = float(right @ right)
    if square == 0:
        return None
    factor = float(claimed @ right) / square
    return factor if case.close(name, claimed.reshape(case.right[name].shape), factor * case.right[name]) else None


def _cotangent_of_ones(name: str, cases: Sequence[Case]) -> str | None:
    ones = [case.under(name, np.ones_like(case.cotangent)) for case in cases]
    if all(case.close(name, case.claimed[name], one) for case, one in zip(cases, ones, strict=True)):
        return "does not depend on the cotangent: it is the gradient for a cotangent of ones"
    return None


def _rearranged(name: str, cases: Sequence[Case]) -> str | None:
    """The right numbers in other places: transposed, turned over, or those of a cotangent whose axes were mixed up."""
    rank = cases[0].claimed[name].ndim
    if any(case.claimed[name].ndim != rank for case in cases):
        return None
    for order in list(permutations(range(rank)))[1:]:
        turned = [case.claimed[name].transpose(order) for case in cases]
        if all(case.close(name, one, case.right[name]) for case, one in zip(cases, turned, strict=True)):
            return "is transposed" if rank == 2 else f"has its axes in another order: transpose it by {order}"
    for axes, words in (((-2, -1), "rows and columns"), ((-1,), "its last axis"), ((-2,), "its rows")):
        if rank >= -min(axes) and all(case.close(name, np.flip(case.claimed[name], axes), case.right[name]) for case in cases):
            return f"is turned over: {words} run backwards"
    return None


def _of_mixed_cotangent(name: str, cases: Sequence[Case]) -> str | None:
    """dout was reshaped without the transpose that belongs before it."""
    rank = len(cases[0].shape)
    if rank < 2 or any(len(case.shape) != rank for case in cases):
        return None
    for order in list(permutations(range(rank)))[1:]:
        if all(case.close(name, case.claimed[name], case.under(name, _mixed(case, order))) for case in cases):
            return "reads dout with its axes mixed up: a transpose is missing before the reshape"
    return None


def _mixed(case: Case, order: tuple[int, ...]) -> FloatArray:
    shape = [case.shape[axis] for axis in order]
    return np.asarray(case.cotangent.reshape(shape).transpose(np.argsort(order)).ravel())


def _one_cotangent_missing(name: str, cases: Sequence[Case]) -> str | None:
    """Of two outputs, one's cotangent counts for nothing."""
    for output in cases[0].cotangent_of if len(cases[0].cotangent_of) > 1 else ():
        fits = []
        for case in cases:
            kept = case.cotangent.copy()
            kept[case.cotangent_of[output]] = 0.0
            fits.append(case.close(name, case.claimed[name], case.under(name, kept)))
        if all(fits):
            return f"does not depend on {output}: what comes back through it is missing"
    return None


def _additive(name: str, cases: Sequence[Case]) -> str | None:
    """The error is a multiple of an array: the term of a regularisation."""
    for other in (name, *(other for other in cases[0].arrays if other != name)):
        if not all(other in case.arrays and case.arrays[other].shape == case.claimed[name].shape for case in cases):
            continue
        factors = [_multiple(case, name, case.arrays[other]) for case in cases]
        known = [factor for factor in factors if factor is not None]
        if len(known) < len(factors) or not any(known):
            continue
        loose = LOOSE * cases[0].closeness
        constant_one = np.ptp(known) <= loose * max(abs(known[0]), 1e-9)
        for option, values in sizes_of(cases):
            if constant_one and not isinstance(cases[0].values.get(option), float):
                continue  # a size that is the same everywhere may be that number by chance, a share such as reg = 0.3 is not
            for words, times in (("", 1.0), ("2·", 2.0), ("½·", 0.5)):
                if all(abs(abs(factor) - times * value) < loose * value for factor, value in zip(known, values, strict=True)):
                    return f"is off by {words}{option}·{other}: {_beside_the_whole(name, other, cases, (option, values), known)}"
        if constant_one and sum(case.claimed[name].size for case in cases) > 1:  # one number is a multiple of any other
            return f"is off by {known[0]:.4g}·{other} on every problem"
    return None


def _beside_the_whole(name: str, other: str, cases: Sequence[Case], option: tuple[str, Sequence[float]], known: Sequence[float]) -> str:
    """Whether a term is missing or too much, or there with another factor, as without the 2 of a square; `known`: the error's factors."""
    wholes = [_share_of(terms_of(name, case).values(), case.arrays[other]) for case in cases]
    whole = [share / value for share, value in zip(wholes, option[1], strict=True)]
    claimed = [one + factor / value for one, factor, value in zip(whole, known, option[1], strict=True)]
    loose = LOOSE * cases[0].closeness
    named = [[words for words, times in SHARES if np.all(np.abs(np.array(one) - times) < loose)] for one in (whole, claimed)]
    for belongs, has in product(*named):
        return f"it has {has}{option[0]}·{other} where {belongs}{option[0]}·{other} belongs"
    return "that term is missing" if known[0] < 0 else "that term is too much"


def _share_of(terms: Iterable[FloatArray], array: FloatArray) -> float:
    """How many times an array is one of these terms; 0 where none is a multiple of it."""
    square = float((array * array).sum())
    for term in terms:
        factor = float((term * array).sum()) / square if square and term.shape == array.shape else 0.0
        if factor and np.allclose(term, factor * array, rtol=1e-9, atol=0.0):  # a name alone rests on it
            return factor
    return 0.0


def _scores_for_probabilities(name: str, cases: Sequence[Case]) -> str | None:
    """p - y, which softmax and cross-entropy, or a sigmoid and its own, have together, of a loss that is given the probabilities p."""
    p = [case.arrays[name] for case in cases]
    if not all(one.size and np.all((one > 0) & (one < 1)) for one in p) or sum(one.size for one in p) < 2:
        return None
    of_rows = [case.claimed[name] - case.right[name] * one for case, one in zip(cases, p, strict=True)]
    alone = [case.right[name] * one * (1 - one) for case, one in zip(cases, p, strict=True)]
    if all(_is_multiple(case, name, rest, one) for case, rest, one in zip(cases, of_rows, p, strict=True)):
        return f"is {name} - y, the gradient of the scores before a softmax: the gradient of {name} is -y/{name}"
    if all(case.close(name, case.claimed[name], one) for case, one in zip(cases, alone, strict=True)):
        return f"is {name} - y, the gradient of the scores before a sigmoid: a division by {name}(1 - {name}) is missing"
    return None


def _is_multiple(case: Case, name: str, array: FloatArray, other: FloatArray) -> bool:
    factor = float((array * other).sum()) / float((other * other).sum())
    return abs(factor) > SHOWN and case.close(name, array, factor * other)


def _multiple(case: Case, name: str, array: FloatArray) -> float | None:
    error = case.claimed[name] - case.right[name]
    square = float((array * array).sum())
    if square == 0:
        return None
    factor = float((error * array).sum()) / square
    return factor if case.close(name, error, factor * array) else None


def _of_some_outputs(name: str, cases: Sequence[Case]) -> str | None:
    """Only the first or the last sample, row, column or pixel of the output counts."""
    for axes, what in (((0,), "sample"), ((1,), "column"), ((2, 3), "pixel"), ((1, 2), "pixel")):
        if len(axes) > 1 and len(cases[0].shape) != 4:
            continue
        for position, words in ((0, f"first {what}"), (-1, f"last {what}")):
            masks = [_only(case, axes, position) for case in cases]
            if all(mask is not None for mask in masks) and all(
                case.close(name, case.claimed[name], case.under(name, case.cotangent * mask))
                for case, mask in zip(cases, masks, strict=True)
                if mask is not None
            ):
                return f"counts the {words} alone"
    return None


def _only(case: Case, axes: Sequence[int], position: int) -> FloatArray | None:
    if len(case.shape) <= max(axes) or max(case.shape[axis] for axis in axes) < 2 or int(np.prod(case.shape)) != case.cotangent.size:
        return None
    mask = np.ones(case.shape)
    for axis in axes:
        kept = np.zeros(case.shape[axis])
        kept[position] = 1.0
        mask *= kept.reshape([-1 if other == axis else 1 for other in range(mask.ndim)])
    return mask.ravel()


def _one_contribution(name: str, cases: Sequence[Case]) -> str | None:
    """Of several outputs that an element contributes to, only the last (or first) is counted: `=` for `+=`."""
    for words, order in (("last", -1), ("first", 0)):
        if all(case.close(name, case.claimed[name], _kept(case, name, order)) for case in cases):
            return f"counts, of several outputs that an element contributes to, only the {words}: add them up (+=)"
    return None


def _kept(case: Case, name: str, order: int) -> FloatArray:
    shares = case.jacobians[name] * case.cotangent[:, None]
    largest = np.abs(case.jacobians[name]).max(initial=0.0)
    live = np.abs(case.jacobians[name]) > case.closeness * largest
    kept = np.zeros(shares.shape[1])
    for element in range(shares.shape[1]):
        (places,) = np.nonzero(live[:, element])
        if places.size:
            kept[element] = shares[places[order], element]
    return kept.reshape(case.arrays[name].shape)


def _diagonal(name: str, cases: Sequence[Case]) -> str | None:
    """Only an element's own output counts, as if outputs did not depend on other inputs."""
    if not all(case.jacobians[name].shape[0] == case.jacobians[name].shape[1] for case in cases):
        return None
    if all(
        case.close(name, case.claimed[name], (np.diag(case.jacobians[name]) * case.cotangent).reshape(case.arrays[name].shape))
        for case in cases
    ):
        return "counts each element's own output alone: that one input changes other outputs too is missing (the Jacobian's diagonal)"
    return None


_RELATIONS: tuple[tuple[str, Relation], ...] = (
    ("zero", _zero),
    ("exchanged", _exchanged),
    ("factor", _factor),
    ("additive", _additive),
    ("formula", by_formula),
    ("additive", share_of_a_term),
    ("additive", straight_through),
    ("additive", picked_row),
    ("scores-for-probabilities", _scores_for_probabilities),
    ("independent-of-the-cotangent", _cotangent_of_ones),
    ("term-without-the-cotangent", without_the_cotangent),
    ("activation", activation_of_an_affine_layer),
    ("slope-by-outputs", slope_by_outputs),
    ("stepped-weights", stepped_weights),
    ("rearranged", _rearranged),
    ("rearranged", reshaped),
    ("one-cotangent-missing", _one_cotangent_missing),
    ("share-of-an-output", share_of_an_output),
    ("another-mask", of_another_mask),
    ("own-step", own_step),
    ("one-sample", _of_some_outputs),
    ("one-contribution", _one_contribution),
    ("one-contribution", one_window),
    ("one-contribution", rows_counted_once),
    ("diagonal", _diagonal),
    ("mean-term", mean_term),
    ("variance-term", variance_term),
    ("mixed-cotangent", _of_mixed_cotangent),
    ("rearranged", other_places),
    ("clipped", _clipped),
    ("factor", _nearly_a_factor),
    ("some-factor", _some_factor),
    ("some-factor", factor_of_each_group),
)
