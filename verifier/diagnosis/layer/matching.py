"""Which term of an operation's formula a wrong gradient lacks or doubles, or which other formula it is."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.case import LOOSE, Case
from verifier.diagnosis.layer.formulas.catalogue import formulas_of
from verifier.diagnosis.layer.formulas.formula import Formulas, Given, Terms
from verifier.diagnosis.layer.sizes import exchanged_sizes, sizes_of

DEPENDENT = 1e-6  # of the largest singular value: terms that nothing tells apart on a problem


def by_formula(name: str, cases: Sequence[Case]) -> str | None:
    """The end of a sentence, where the operation's formula explains every case."""
    part = cases[0].part_of.get(name)
    formulas = None if part is None else formulas_of(cases[0].operation, part)
    if formulas is None or not all(part == case.part_of.get(name) for case in cases):
        return None
    for variant in _variants(cases[0].variants):
        given = [_given(case, variant) for case in cases]
        if all(_is(case, name, _sum(formulas.terms, one), case.right[name]) for case, one in zip(cases, given, strict=True)):
            return _instead(name, cases, given, formulas) or _by_terms(name, cases, given, formulas)
    return None


def terms_of(name: str, case: Case) -> Terms:
    """The terms of the formula that gives the right gradient on this problem; none where no formula is known."""
    part = case.part_of.get(name)
    formulas = None if part is None else formulas_of(case.operation, part)
    if formulas is None:
        return {}
    for variant in _variants(case.variants):
        given = _given(case, variant)
        if _is(case, name, _sum(formulas.terms, given), case.right[name]):
            return {says: term * _scalar(given) for says, term in _worked(formulas.terms, given).items()}
    return {}


def _variants(tried: Mapping[str, Sequence[Any]]) -> Iterator[Mapping[str, Any]]:
    for values in product(*tried.values()):
        yield dict(zip(tried, values, strict=True))


def _given(case: Case, variant: Mapping[str, Any]) -> Given:
    ends = np.cumsum([int(np.prod(shape)) for shape in case.shapes])
    cotangents = tuple(one.reshape(shape) for one, shape in zip(np.split(case.cotangent, ends[:-1]), case.shapes, strict=True))
    if "x" in case.lying:  # outputs lie as the input does
        cotangents = tuple(case.lying["x"].in_usual_layout(one) if one.ndim == len(case.lying["x"].order) else one for one in cotangents)
    axes = (int(variant["axis"]),) if "axis" in variant else case.axes
    return Given(case.parts, cotangents[0], {**variant, **case.values}, axes, cotangents)


def _worked(formula: Any, given: Given) -> Terms:
    """What the formula gives, or nothing where the arrays are not as it takes them."""
    try:
        with np.errstate(all="ignore"):
            return dict(formula(given))
    except (ValueError, IndexError, KeyError):
        return {}


def _sum(formula: Any, given: Given) -> FloatArray | None:
    terms = _worked(formula, given)
    return np.asarray(sum(terms.values())) * _scalar(given) if terms else None


def _scalar(given: Given) -> float:
    """The cotangent of a loss, which its formulas leave out."""
    return float(given.cotangent) if given.cotangent.ndim == 0 else 1.0


def _is(case: Case, name: str, one: FloatArray | None, other: FloatArray) -> bool:
    lying = case.lying.get(case.part_of.get(name, ""))
    if one is not None and lying is not None and one.size == other.size:
        one = lying.as_it_lies(one, other.shape)
    return one is not None and one.size == other.size and case.close(name, one.reshape(other.shape), other)


def _instead(name: str, cases: Sequence[Case], given: Sequence[Given], formulas: Formulas) -> str | None:
    worked = [_worked(formulas.instead, one) for one in given]
    for says in worked[0]:
        fits = [
            _is(case, name, terms[says] * _scalar(one), case.claimed[name]) if says in terms else False
            for case, one, terms in zip(cases, given, worked, strict=True)
        ]
        if all(fits):
            return says
    return None


def _by_terms(name: str, cases: Sequence[Case], given: Sequence[Given], formulas: Formulas) -> str | None:
    """The one term whose coefficient is not 1, in every case in which the terms can be told apart."""
    fitted = []
    for case, one in zip(cases, given, strict=True):
        if case.lying:
            return None  # one term alone
        terms = _worked(formulas.terms, one)
        size = case.claimed[name].size
        columns = np.stack([np.broadcast_to(term * _scalar(one), _wide(terms)).ravel() for term in terms.values()], axis=1)
        if len(columns) != size:
            return None
        found, _, _, singular = np.linalg.lstsq(columns, case.claimed[name].ravel(), rcond=None)
        if len(singular) < columns.shape[1] or singular[-1] <= DEPENDENT * singular[0]:
            continue
        if not _is(case, name, columns @ found, case.claimed[name]):
            return None
        fitted.append((case, dict(zip(terms, found.tolist(), strict=True))))
    if not fitted:
        return None
    wrong = [term for term in fitted[0][1] if any(abs(found[term] - 1) > _relative(cases) for _, found in fitted)]
    return _said(wrong, fitted)


def _wide(terms: Terms) -> tuple[int, ...]:
    return np.broadcast_shapes(*(np.shape(term) for term in terms.values()))


def _said(wrong: Sequence[str], fitted: Sequence[tuple[Case, Mapping[str, float]]]) -> str | None:
    if not wrong:
        return None
    relative = _relative([case for case, _ in fitted])
    lacking = [term for term in wrong if all(abs(found[term]) <= relative for _, found in fitted)]
    if lacking == list(wrong):
        return f"lacks {' and '.join(lacking)}"
    rest = [term for term in wrong if term not in lacking]
    factors = [[found[term] for _, found in fitted] for term in rest]
    first = factors[0]
    if any(not np.allclose(other, first, rtol=relative, atol=relative) for other in factors):  # a name alone rests on it
        return None
    words = times(first, [case for case, _ in fitted])
    lacks = f", and lacks {' and '.join(lacking)}" if lacking else ""
    return None if words is None else f"has {' and '.join(rest)} {words}{lacks}"


def _relative(cases: Sequence[Case]) -> float:
    """What differences leave of a coefficient."""
    return LOOSE * cases[0].closeness


def times(factors: Sequence[float], cases: Sequence[Case]) -> str | None:
    """What a term has, by its factor in each case: twice, half, or a size; None where nothing simple says it."""
    relative = _relative(cases)
    if np.ptp(factors) <= relative * max(1.0, abs(factors[0])):
        known = {2.0: "twice", 0.5: "half: with the factor 1/2", -1.0: "with the wrong sign"}
        near = next((words for value, words in known.items() if abs(factors[0] - value) <= relative), None)
        return near or f"{factors[0]:.4g} times"
    for words, values in sizes_of(cases):
        if all(abs(factor * value - 1) < relative for factor, value in zip(factors, values, strict=True)):
            return f"divided by {words}, which does not belong there"
        if all(abs(factor / value - 1) < relative for factor, value in zip(factors, values, strict=True)):
            return f"times {words}: a division by {words} is missing"
    return exchanged_sizes(factors, cases, relative)
