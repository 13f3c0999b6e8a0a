"""What the audit must know of each framework's arrays: their numbers, their layout, and how an edit is made of their own operations.

An edit stays differentiable, so that second derivatives see a mutant as they would see the mistake. Nothing is imported here: a framework
is used only where the audited project has loaded it.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from verifier.arrays import Array
from verifier.audit.calls import Layout
from verifier.audit.edits import Edit, edited


class Kit(Protocol):
    """One framework's arrays."""

    def view(self, value: Any) -> Array | None:
        """The numbers of a real array; None of anything else, or where there are none yet (a tracer)."""

    def layout(self, value: Any) -> Layout | None:
        """Strides in elements."""

    def edit(self, edit: Edit, values: Sequence[Any], position: int) -> Any:
        """The array at this position, edited."""


class NumPyKit:
    """Arrays of NumPy, and numbers."""

    def view(self, value: Any) -> Array | None:
        if not isinstance(value, np.ndarray | float | np.floating):
            return None
        array = np.asarray(value)
        return array if array.dtype.kind == "f" else None

    def layout(self, value: Any) -> Layout | None:
        array = np.asarray(value)
        return tuple(stride // array.itemsize for stride in array.strides)

    def edit(self, edit: Edit, values: Sequence[Any], position: int) -> Any:
        array = edited(edit, [self.view(value) for value in values], position)
        if edit.narrow == "float32":
            array = array.astype(np.float32)
        value = values[position]
        return array if isinstance(value, np.ndarray) else array[()] if isinstance(value, np.floating) else float(array)


class HostKit(NumPyKit):
    """Arrays of JAX that were brought to the host: their layout there says nothing."""

    def layout(self, value: Any) -> Layout | None:
        return None


class TorchKit:
    """Tensors of PyTorch."""

    def view(self, value: Any) -> Array | None:
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.layout is not torch.strided:
            return None
        tensor = value.detach()
        try:
            narrow = tensor.dtype in (torch.bfloat16, torch.float16)
            array: Array = (tensor.float() if narrow else tensor).cpu().numpy()
        except (RuntimeError, TypeError):  # a fake, functional or batched tensor holds no numbers
            return None
        return array

    def layout(self, value: Any) -> Layout | None:
        return tuple(value.stride())

    def edit(self, edit: Edit, values: Sequence[Any], position: int) -> Any:
        torch: Any = sys.modules["torch"]
        origin = values[position]

        def beside(numbers: Any) -> Any:
            return torch.as_tensor(numbers, device=origin.device).to(origin.dtype)

        tensor = values[edit.source] if edit.source is not None else origin
        if edit.index is not None:
            tensor = tensor.reshape(-1)[torch.as_tensor(edit.index, device=origin.device)].reshape(origin.shape)
        if edit.factor is not None:
            tensor = tensor * (edit.factor if isinstance(edit.factor, float) else beside(edit.factor))
        if edit.plus is not None:
            tensor = tensor + beside(edit.plus)
        if edit.constant is not None:
            tensor = beside(edit.constant)
        if edit.fill is not None:
            tensor = tensor.masked_fill(torch.as_tensor(edit.fill[0], device=origin.device), edit.fill[1])
        return tensor if edit.narrow is None else tensor.to(getattr(torch, edit.narrow))


class BoxKit(NumPyKit):
    """Arrays of NumPy, in the boxes of HIPS autograd where they are differentiated."""

    def view(self, value: Any) -> Array | None:
        while hasattr(value, "_value") and hasattr(value, "_node"):
            value = value._value
        return super().view(value)

    def layout(self, value: Any) -> Layout | None:
        array = self.view(value)
        return None if array is None else super().layout(array)

    def edit(self, edit: Edit, values: Sequence[Any], position: int) -> Any:
        origin = values[position]
        if not hasattr(origin, "_node"):
            return super().edit(edit, [self.view(value) for value in values], position)
        anp: Any = sys.modules["autograd.numpy"]
        box = values[edit.source] if edit.source is not None else origin
        if edit.index is not None:
            box = anp.reshape(anp.reshape(box, (-1,))[edit.index], anp.shape(origin))
        if edit.factor is not None:
            box = box * edit.factor
        if edit.plus is not None:
            box = box + edit.plus
        if edit.constant is not None:
            box = box * 0.0 + edit.constant
        if edit.fill is not None:
            box = anp.where(edit.fill[0], edit.fill[1], box)
        return box if edit.narrow is None else box.astype(edit.narrow)


class TracedKit:
    """Arrays of JAX while they are traced: there are shapes and types, but no numbers (1, 2, 3 … stand for them); edits are traced too."""

    def view(self, value: Any) -> Array | None:
        dtype = getattr(value, "dtype", None)
        if dtype is None or np.dtype(dtype).kind != "f":
            return None
        size = int(np.prod(value.shape, dtype=int))
        return np.arange(1, size + 1).astype(dtype).reshape(value.shape)

    def layout(self, value: Any) -> Layout | None:
        return None

    def edit(self, edit: Edit, values: Sequence[Any], position: int) -> Any:
        jnp: Any = sys.modules["jax.numpy"]
        origin = values[position]
        array = values[edit.source] if edit.source is not None else origin
        if edit.index is not None:
            array = jnp.reshape(jnp.reshape(array, (-1,))[edit.index], origin.shape)
        if edit.factor is not None:
            array = array * jnp.asarray(edit.factor, origin.dtype)
        return array


NUMPY, HOST, TORCH, BOX, TRACED = NumPyKit(), HostKit(), TorchKit(), BoxKit(), TracedKit()


def kit_of(value: Any) -> Kit:
    """The kit for a value of a project that uses NumPy or PyTorch."""
    torch = sys.modules.get("torch")
    return TORCH if torch is not None and isinstance(value, torch.Tensor) else NUMPY


Compute = Callable[[Sequence[Any]], Sequence[Any]]
