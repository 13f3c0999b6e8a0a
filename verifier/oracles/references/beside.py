"""At a kink or a tie: is a gradient within the envelope of those that the reference has beside the point?

Sums over elements that are tied must be within it too: max-pool's [1, 0, 0] and amax's [1/2, 1/2, 0] are both right, [1, 1, 0] is not.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from verifier.oracles.dispatched.narrow.judging import judge_narrow
from verifier.oracles.dispatched.running import to_array
from verifier.oracles.references.candidate import Array
from verifier.oracles.references.truth import Truth, lifted
from verifier.tolerance import SAFETY

# How far beside a kink the reference is asked, of a tensor's size: √(|x| + 10⁻⁶) is steep so near to 0 that 10⁻⁹ is not beside it.
BESIDE, NEARER = 1e-9, (1e-18, 1e-27)
SAMPLES = 14  # so far beside it; the first moves all numbers up, the second all down, the others each by itself


def within_envelope(
    truth: Truth, name: str, claims: Mapping[str, Array], tolerances: Mapping[str, Array], cotangents: Sequence[Array]
) -> bool:
    """Whether a claim lies within what the reference's gradient is beside the point, sums over tied elements included.

    Elements are tied within a row, or with the same element of another tensor.
    """
    ways = [(BESIDE, index) for index in range(SAMPLES)] + [(distance, index) for distance in NEARER for index in (0, 1)]
    drawn = [_sample(truth, distance, index, cotangents) for distance, index in ways]
    samples = [one for one in drawn if one is not None]
    if not samples:
        return True
    stacked = np.stack([one[name] for one in samples])
    claimed = claims[name]
    allowed = np.maximum(tolerances[name], _rounding(claimed, stacked))
    if not _between(claimed, stacked, allowed).all():
        return False
    values = to_array(truth.tensors[name])
    for members in _tied(values):
        sums = stacked.reshape(len(stacked), -1)[:, members].sum(axis=1)
        if not _between(claimed.ravel()[members].sum(), sums, allowed.ravel()[members].sum()).all():
            return False
    for other in truth.wanted:
        if other == name or truth.tensors[other].shape != truth.tensors[name].shape or other not in claims:
            continue
        tied = values == to_array(truth.tensors[other])
        both = np.stack([one[name] + one[other] for one in samples])
        if (tied & ~_between(claimed + claims[other], both, allowed + tolerances[other])).any():
            return False
    return True


def is_right_but_at_kinks(
    truth: Truth,
    names: tuple[str, str],
    claims: Mapping[str, Array],
    room: Mapping[str, tuple[Array | None, Array | None]],
    cotangents: Sequence[Array],
    dtype: torch.dtype,
    precision: str | None,
) -> bool:
    """Whether a gradient in a narrow type, where ties are many, is right but for elements at kinks, and there within the envelope.

    Args:
        names: the claim's, here and as the dispatched oracle has it.
        room: of each claim the right value and what each element may be off by, where they are known.
    """
    name, key = names
    known = {one: allowed for one, (_, allowed) in room.items() if allowed is not None}
    right = room[name][0]
    if name.startswith("output ") or right is None or len(known) < len(room):
        return False
    beyond = ~(np.abs(claims[name] - right) <= known[name])
    kinks = truth.tolerances(cotangents, torch.float32, {name: right}, wander=False)[1]
    if not beyond.any() or not kinks or not within_envelope(truth, name, claims, known, cotangents):
        return False
    elsewhere = {key: torch.from_numpy(np.where(beyond, right, claims[name])).to(dtype)}
    given = list(cotangents)
    again = judge_narrow(truth.call, truth.tensors, given, elsewhere, differentiate=truth.wanted, dtype=dtype, precision=precision)
    return again[key].status == "right"


def _rounding(claimed: Array, samples: Array) -> Array:
    """What a claim may be off by where the gradient beside the point is larger than at it."""
    with np.errstate(all="ignore"):
        return np.asarray(SAFETY * np.finfo(claimed.dtype).eps * np.nan_to_num(np.abs(samples).max(axis=0)))


def _between(claimed: Array, samples: Array, room: Array) -> Array:
    """By element, whether a claim is between the smallest and the largest sample, in both parts where it is complex."""
    if np.iscomplexobj(claimed) or np.iscomplexobj(samples):
        return np.asarray(_between(np.real(claimed), samples.real, room) & _between(np.imag(claimed), samples.imag, room))
    with np.errstate(all="ignore"):
        return np.asarray((claimed >= samples.min(axis=0) - room) & (claimed <= samples.max(axis=0) + room))


def _sample(truth: Truth, distance: float, index: int, cotangents: Sequence[Array]) -> Mapping[str, Array] | None:
    generator = np.random.default_rng([truth.case.seed, index])
    moved = dict(truth.tensors)
    for one in truth.wanted:
        wide = lifted(truth.tensors[one])
        size = float(wide.abs().max()) if wide.numel() and bool(wide.any()) else 1.0
        sign = 1.0 if index == 0 else -1.0 if index == 1 else None
        noise = generator.uniform(0.5, 1, size=tuple(wide.shape)) * (sign or generator.choice([-1.0, 1.0], size=tuple(wide.shape)))
        moved[one] = wide + distance * size * torch.as_tensor(noise).to(wide.device)
    try:
        return truth.plain(cotangents, moved)[1]
    except Exception:  # outside of the reference's domain
        return None


def _tied(values: Array) -> list[Array]:
    """Places of elements with equal values within a row, two or more."""
    found = []
    rows = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, -1)
    for number, row in enumerate(rows):
        for value in np.unique(row):
            members = np.flatnonzero(row == value)
            if len(members) > 1:
                found.append(members + number * rows.shape[1])
    return found
