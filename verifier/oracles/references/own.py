"""What a candidate's own form does with rounding, where that is more than the reference's form does: nobody is accused of that.

1 - cos x at 1e-8 has no digit left in float32, and the reference's 2 sin²(x/2) has all. A candidate that is right in float64 at that very
point and is off in its own type by no more than its own operations scatter is not wrong; nor is it known to be right there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from verifier.oracles.dispatched.measuring import DispatchedReference, measure
from verifier.oracles.dispatched.narrow.judging import judge_narrow
from verifier.oracles.references.candidate import Array, poisoned
from verifier.oracles.references.truth import Truth, lifted
from verifier.tolerance import element_tolerance

FAR = 1e3  # times what one copy allows: its scatter is the whole one to within a small factor
NO_DIGITS = "the candidate is right in float64 there, and what its own type leaves of it is rounding"


def has_no_digits(
    truth: Truth, name: str, claimed: Array, right: Mapping[str, Array], cotangents: Sequence[Array], dtype: torch.dtype
) -> bool:
    """Whether a tensor that is far off is the candidate's own rounding in this type, as it would be in no wider one.

    Both are asked: a wrong formula is wrong in float64 too, and a wrong answer in this type alone is more than rounding.
    """
    if truth.candidate.backward is not None or torch.finfo(dtype).eps <= torch.finfo(torch.float64).eps:
        return False
    if not np.isfinite(claimed).all():
        return False
    try:
        with poisoned():
            if _is_wrong_in_float64(truth, name, right, cotangents):
                return False
            own, wide = (_measured(truth, cotangents, one) for one in (dtype, torch.float64))
    except Exception:  # it does not take float64, or cannot be disturbed
        return False
    other = _elsewhere(truth, name, right, cotangents)
    value, scatter = _named(own, name)
    again, scatter_wide = _named(wide, name)
    if own.kinks or value.shape != claimed.shape or not np.array_equal(value, again):
        return False
    with np.errstate(all="ignore"):
        is_right = np.abs(value + other - right[name]) <= element_tolerance(scatter_wide, wide.longest)
        is_rounding = np.abs(claimed - right[name]) <= element_tolerance(scatter, own.longest)
    return bool(is_right.all() and is_rounding.all() and np.isfinite(scatter).all())


def _is_wrong_in_float64(truth: Truth, name: str, right: Mapping[str, Array], cotangents: Sequence[Array]) -> bool:
    """What a copy alone shows, which takes a tenth of the time: nearly all that is asked about is wrong, by far more than any rounding."""
    copy = _measured(truth, cotangents, torch.float64, least=True)
    value, scatter = _named(copy, name)
    error = np.abs(value + _elsewhere(truth, name, right, cotangents) - right[name])
    return bool(error.max(initial=0.0) > FAR * element_tolerance(scatter, copy.longest).max(initial=0.0))


def _elsewhere(truth: Truth, name: str, right: Mapping[str, Array], cotangents: Sequence[Array]) -> Array | float:
    """What another user of an input adds to its gradient."""
    return 0.0 if name.startswith("output ") else right[name] - truth.plain(cotangents)[1][name]


def is_own_rounding(
    truth: Truth,
    name: str,
    claimed: Array,
    right: Mapping[str, Array],
    cotangents: Sequence[Array],
    dtype: torch.dtype,
    precision: str | None,
) -> bool:
    """The same in a narrow type: whether a claim is what the candidate's own operations come to where they round, and right where not.

    Noise in float64 has to explain it too: copies in the narrow type overflow where the candidate does. And not of equal rows, which round
    alike: a sum that stands still in the narrow type does so in the copies of its own code too.
    """
    if truth.zero_at or truth.case.axis("values") == "equal rows":
        return False
    if not has_no_digits(truth, name, claimed, right, cotangents, dtype):
        return False
    own, wide = replace(truth, reference=truth.candidate.forward), {name: lifted(tensor) for name, tensor in truth.tensors.items()}
    try:
        with poisoned():
            outputs, gradients = own.plain(cotangents)
            given = {f"output {index}": one for index, one in enumerate(outputs)} | gradients
            allowed, _ = replace(truth, tensors=wide).tolerances(cotangents, torch.float64, right)
            if not all((np.abs(given[one] - right[one]) <= allowed[one]).all() for one in right):
                return False
            keys = {f"output {index}": key for index, key in enumerate(own.output_names())}
            key, run = keys.get(name, name), (own.call, own.tensors, list(cotangents))
            found = judge_narrow(*run, {key: claimed}, differentiate=own.wanted, dtype=dtype, precision=precision)[key]
    except Exception:  # it does not take float64, or cannot be disturbed
        return False
    return found.status == "right" and found.right is not None and np.array_equal(found.right, given[name])


def _measured(truth: Truth, cotangents: Sequence[Array], dtype: torch.dtype, *, least: bool = False) -> DispatchedReference:
    own = replace(truth, reference=truth.candidate.forward)
    return measure(own.call, own.tensors, list(cotangents), differentiate=own.wanted, dtype=dtype, least=least)


def _named(measured: DispatchedReference, name: str) -> tuple[Array, Array]:
    if not name.startswith("output "):
        return measured.gradients[name], measured.gradient_scatter[name]
    key = list(measured.outputs)[int(name.removeprefix("output "))]
    return measured.outputs[key], measured.output_scatter[key]
