"""Any PyTorch function or module with its arguments, as a function of named tensors.

Tensors may stand anywhere in the arguments: in tuples, lists, dictionaries, dataclasses that PyTorch knows. A module's parameters and
buffers are tensors too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from verifier.oracles.dispatched.arithmetic import is_real
from verifier.oracles.dispatched.running import Call


@dataclass(frozen=True)
class NamedCall:
    """A function as `measuring.measure` takes it.

    Attributes:
        call: from tensors by name to what the function returns.
        tensors: those of the arguments, and of a module.
        differentiate: names of those that require a gradient, or of all real arguments where none does; of a module its parameters too.
    """

    call: Call
    tensors: Mapping[str, Tensor]
    differentiate: tuple[str, ...]


def named_call(
    function: Callable[..., Any], arguments: Sequence[Any], keywords: Mapping[str, Any] | None = None, names: Sequence[str] | None = None
) -> NamedCall:
    """The function at these arguments.

    Args:
        names: of the positional arguments; a tensor inside one is named by its place, `w[0]`. Without them "arguments[0]" and so on.
    """
    names = [f"arguments[{i}]" for i in range(len(arguments))] if names is None else list(names)
    given = dict(zip(names, arguments, strict=True)) | dict(keywords or {})
    leaves, structure = pytree.tree_flatten_with_path(given)
    places = {i: _name(path) for i, (path, value) in enumerate(leaves) if isinstance(value, Tensor)}
    tensors = {name: leaves[i][1] for i, name in places.items()}
    wanted = [name for name, tensor in tensors.items() if is_real(tensor)]
    required = [name for name in wanted if tensors[name].requires_grad]
    module = function if isinstance(function, torch.nn.Module) else None
    held = {} if module is None else dict(module.named_parameters()) | dict(module.named_buffers())
    aliases = {} if module is None else _tied(module)
    tensors |= held

    def call(at: Mapping[str, Tensor]) -> Any:
        values = [at[places[i]] if i in places else value for i, (_, value) in enumerate(leaves)]
        filled = pytree.tree_unflatten(values, structure)
        positional, named = [filled[name] for name in names], {name: filled[name] for name in keywords or {}}
        if module is None:
            return function(*positional, **named)
        state = {name: at[name] for name in held} | {other: at[name] for other, name in aliases.items()}
        return torch.func.functional_call(module, state, tuple(positional), named)

    parameters = [name for name, tensor in held.items() if isinstance(tensor, torch.nn.Parameter) and tensor.requires_grad]
    return NamedCall(call, tensors, (*(required or wanted), *parameters))


def _name(path: tuple[Any, ...]) -> str:
    first, *others = path
    return f"{first.key}{pytree.keystr(tuple(others))}"


def _tied(module: torch.nn.Module) -> dict[str, str]:
    """Other names of parameters that a module holds twice."""
    first: dict[int, str] = {}
    return {
        name: first[id(tensor)]
        for name, tensor in module.named_parameters(remove_duplicate=False)
        if first.setdefault(id(tensor), name) != name
    }
