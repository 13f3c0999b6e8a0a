"""The outcome of one check, as plain records that go into the report as they are."""

from typing import Literal

import msgspec

Status = Literal["pass", "fail", "inconclusive", "error", "skipped"]
Verdict = Literal["pass", "fail", "inconclusive", "error"]
GRAVEST_FIRST: tuple[Status, ...] = ("fail", "error", "inconclusive", "pass", "skipped")


class Measurement(msgspec.Struct, frozen=True, omit_defaults=True):
    """One comparison: how far a claimed tensor is from its reference, beside the tolerance that it was held to.

    Attributes:
        check: id of the check that asked.
        problem: index of the network in the corpus.
        network: its description, e.g. ``"3-4-1 sigmoid, squared_error, batch 2"``.
        tensor: name as the candidate's author sees it, e.g. ``"weights[0]"``, ``"loss"``.
        error: the error (claimed − reference) of the worst element, in magnitude, and `tolerance`: what that element was held to.
        source: where the tolerance comes from, e.g. ``"32 x rounding scatter"``.
        status: of this comparison alone.
        claimed, reference: the two numbers at the worst element, and its `index`.
        resolves: smallest error, relative to the tensor's largest element, that this comparison would have seen.
        steps, differences: h_k and D_k (None where not finite) of a finite difference that failed, for the picture; `step` the chosen one.
        layer: which of a file's layers it is about.
    """

    check: str
    problem: int
    network: str
    tensor: str
    error: float | None
    tolerance: float | None
    source: str
    status: Status
    claimed: float | None = None
    reference: float | None = None
    index: tuple[int, ...] | None = None
    resolves: float | None = None
    steps: tuple[float, ...] = ()
    differences: tuple[float | None, ...] = ()
    step: float | None = None
    layer: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """Of one check over all its problems.

    Attributes:
        id: the check's id.
        status: `pass`, `fail`, `inconclusive`, `error` or `skipped`.
        message: one or two sentences: what was found, where, and what it means; for a pass what it excludes; for `skipped` why.
        problems: how many networks were asked.
        failed: how many of them failed.
        error, tolerance, tensor, problem: of the worst measurement (largest error ÷ tolerance).
        resolves: largest relative error that could have stayed unseen (the resolving power), where it applies.
        notes: worth knowing, not a wrong gradient.
        layer: which of a file's layers it is about; unset where a candidate is one whole.
    """

    id: str
    status: Status
    message: str
    problems: int = 0
    failed: int = 0
    error: float | None = None
    tolerance: float | None = None
    tensor: str | None = None
    problem: int | None = None
    resolves: float | None = None
    notes: tuple[str, ...] = ()
    layer: str | msgspec.UnsetType = msgspec.UNSET
