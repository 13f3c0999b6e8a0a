"""A layer's operation by PyTorch, for every operation that has a reference: outputs with their tolerances, and gradients."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.arrays import FloatArray
from verifier.oracles.dispatched.arithmetic import UndispatchableError
from verifier.oracles.dispatched.measuring import measure
from verifier.oracles.layer_operations import elementwise, losses, normalisation, products, recurrent, windows
from verifier.oracles.layer_operations.reference import Reference

REFERENCES: Mapping[str, Reference] = {
    **products.REFERENCES,
    **elementwise.REFERENCES,
    **windows.REFERENCES,
    **normalisation.REFERENCES,
    **losses.REFERENCES,
    **recurrent.REFERENCES,
}
"""By the operation's name."""

Arrays = Mapping[str, Any]
UNFIT = (RuntimeError, ValueError, IndexError, KeyError, TypeError)  # what PyTorch raises where arrays or values do not go together


def outputs_of(operation: str, arrays: Arrays, values: Mapping[str, Any]) -> list[FloatArray] | None:
    """Its outputs in float64, in the operation's order; None where these arrays do not go together."""
    try:
        found = REFERENCES[operation].call(_tensors(arrays), values)
    except UNFIT:
        return None
    return [one.detach().numpy() for one in _several(found)]


def gradients_of(
    operation: str, arrays: Arrays, values: Mapping[str, Any], cotangents: Sequence[FloatArray], names: Sequence[str]
) -> Mapping[str, FloatArray] | None:
    """The gradients of Σ cotangent · output by these names; None where arrays and cotangents do not go together."""
    tensors = {name: tensor.requires_grad_(name in names) for name, tensor in _tensors(arrays).items()}
    try:
        outputs = _several(REFERENCES[operation].call(tensors, values))
        loss = torch.stack([(one * torch.tensor(c)).sum() for one, c in zip(outputs, cotangents, strict=False)]).sum()
        found = torch.autograd.grad(loss, [tensors[name] for name in names], allow_unused=True)
    except UNFIT:
        return None
    return {name: np.zeros(arrays[name].shape) if one is None else one.numpy() for name, one in zip(names, found, strict=True)}


def tolerances_of(operation: str, arrays: Arrays, values: Mapping[str, Any], *, dtype: str) -> list[FloatArray]:
    """The tolerance of each output for a candidate that computes in `dtype`."""
    narrow = torch.float32 if dtype == "float32" else torch.float64
    found = measure(lambda given: REFERENCES[operation].call(given, values), _tensors(arrays), None, differentiate=(), dtype=narrow)
    return [found.output_tolerance(name) for name in found.outputs]


def gradients_with_tolerances(
    operation: str, arrays: Arrays, values: Mapping[str, Any], cotangents: Sequence[FloatArray], names: Sequence[str], *, dtype: str
) -> Mapping[str, tuple[FloatArray, FloatArray]] | None:
    """By name, the gradient of Σ cotangent · output and its tolerance for a candidate that computes in `dtype`; None as `gradients_of`."""
    narrow = torch.float32 if dtype == "float32" else torch.float64
    try:
        found = measure(
            lambda given: REFERENCES[operation].call(given, values), _tensors(arrays), list(cotangents), differentiate=names, dtype=narrow
        )
    except (*UNFIT, UndispatchableError):
        return None
    return {name: (found.gradients[name], found.gradient_tolerance(name)) for name in names}


def _several(found: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else found


def _tensors(arrays: Arrays) -> dict[str, Tensor]:
    return {name: torch.tensor(array) for name, array in arrays.items()}
