"""What a wrong gradient of a sequence lacks: what comes back from later steps. Told by the derivatives alone, of any recurrent layer.

A layer is a sequence along an axis if no output of a step depends on the input of a later one, and some output on that of an earlier one.
"""

from collections.abc import Sequence

import numpy as np

from verifier.arrays import FloatArray
from verifier.diagnosis.layer.case import Case

AXES = 3  # of the output: samples, steps and features in any order


def own_step(name: str, cases: Sequence[Case]) -> str | None:
    """Each step's own output alone counts; of what stands before the sequence, such as h0, that of the first step."""
    for axis in range(AXES):
        steps = [_steps_of(case, axis) for case in cases]
        if any(not known for known in steps) or not any(_goes_on(case, axis, known[0]) for case, known in zip(cases, steps, strict=True)):
            continue
        if all(case.close(name, case.claimed[name], _of_own_steps(case, name, axis)) for case in cases):
            own = "each step's own output" if _has_steps(cases[0], name, axis) else "the first step"
            return f"counts {own} alone: what comes back from later steps is missing"
    return None


def _steps_of(case: Case, axis: int) -> list[str]:
    """The arrays that lie along this axis of the output, step by step, if no earlier output depends on a later element of theirs."""
    if len(case.shape) != AXES or int(np.prod(case.shape)) != case.cotangent.size:
        return []
    alike = [name for name in case.jacobians if _has_steps(case, name, axis)]
    causal = [name for name in alike if not _is_there(np.tril(_coupling(case, name, axis).T, -1), case, name)]
    return causal if causal == alike else []


def _has_steps(case: Case, name: str, axis: int) -> bool:
    shape = case.arrays[name].shape
    return len(shape) == AXES and shape[axis] == case.shape[axis]


def _coupling(case: Case, name: str, axis: int) -> FloatArray:
    """By step of the output and of the array, the largest derivative."""
    blocks = np.abs(case.jacobians[name].reshape(*case.shape, *case.arrays[name].shape))
    others = tuple(place for place in range(2 * AXES) if place not in (axis, AXES + axis))
    return np.asarray(blocks.max(axis=others, initial=0.0))


def _is_there(coupling: FloatArray, case: Case, name: str) -> bool:
    return bool((coupling > case.closeness * np.abs(case.jacobians[name]).max(initial=0.0)).any())


def _goes_on(case: Case, axis: int, name: str) -> bool:
    """Whether a later output depends on an earlier element."""
    return _is_there(np.tril(_coupling(case, name, axis), -1), case, name)


def _of_own_steps(case: Case, name: str, axis: int) -> FloatArray:
    shares = case.jacobians[name].reshape(*case.shape, -1) * case.cotangent.reshape(*case.shape, 1)
    by_step = np.moveaxis(shares, axis, 0).reshape(case.shape[axis], -1, shares.shape[-1]).sum(axis=1)
    if not _has_steps(case, name, axis):
        return np.asarray(by_step[0].reshape(case.arrays[name].shape))
    spread = np.moveaxis(by_step.reshape(-1, *case.arrays[name].shape), axis + 1, 1)
    return np.moveaxis(spread[np.arange(len(spread)), np.arange(len(spread))], 0, axis)
