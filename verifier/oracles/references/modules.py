"""Modules beside a module: parameters become arguments of both, so that they are drawn, lifted and differentiated like any other tensor.

A backward pass may run its module again (checkpoints, reversible blocks, the adjoint of a differential equation), and finds the parameters
of the forward pass in it then: they stay in a copy of the module until the next call.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.stateless import _reparametrize_module

from verifier.problems.sizes import GrammarError


def opened(
    module: torch.nn.Module, reference: Callable[..., Any], count: int
) -> tuple[Callable[..., Any], Callable[..., Any], dict[str, Tensor]]:
    """Both as functions of `count` arguments and then the parameters, with the candidate's parameters by name.

    A reference that is no module is a function of the arguments alone; then there are no parameters, and only the arguments are judged.

    Raises:
        GrammarError: the reference is a module with other parameters.
    """
    if not isinstance(reference, torch.nn.Module):
        return module, reference, {}
    shapes, others = ({name: tuple(one.shape) for name, one in each.named_parameters()} for each in (module, reference))
    if shapes != others:
        raise GrammarError(
            f"the reference has the parameters {_listed(others)}, the candidate {_listed(shapes)}: they have to be the same."
        )
    parameters = {name: one.detach().clone() for name, one in module.named_parameters()}
    return _function(module, count, tuple(parameters)), _function(reference, count, tuple(parameters)), parameters


def _function(module: torch.nn.Module, count: int, names: Sequence[str]) -> Callable[..., Any]:
    try:
        own = copy.deepcopy(module)
    except Exception:  # what cannot be copied gets its own parameters back after each call
        own = None
    lasting: list[AbstractContextManager[Any]] = []

    def call(*given: Any, **options: Any) -> Any:
        held = dict(zip(names, given[count:], strict=True))
        dtype = next((one.dtype for one in held.values() if one.is_floating_point()), None)
        buffers = {name: _like(one, dtype) for name, one in module.named_buffers()}
        if own is None:
            return torch.func.functional_call(module, {**buffers, **held}, given[:count], options)
        if lasting:
            lasting.pop().__exit__(None, None, None)
        lasting.append(_reparametrize_module(own, {**buffers, **held}, tie_weights=True))
        lasting[0].__enter__()
        return own(*given[:count], **options)

    call.stands_for = module.forward  # type: ignore[attr-defined]
    return call


def _like(buffer: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A copy, which running averages are written to, in the parameters' type."""
    fresh = buffer.detach().clone()
    return fresh.to(dtype) if dtype is not None and fresh.is_floating_point() else fresh


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "none"
