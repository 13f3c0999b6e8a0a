"""A candidate asked at drawn points, in one of the ways that people call such code: once, again, twice before one backward pass, …"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from verifier.oracles.functions.layouts import Layout, laid_out
from verifier.oracles.functions.nests import leaves

Array = np.ndarray[Any, Any]
POISON = float("nan")
ALLOCATING = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided")


@dataclass(frozen=True)
class Answered:
    """Of one call.

    Attributes:
        outputs: the real ones, in order, as the candidate gave them.
        gradients: by name; None where there is none.
        changed: what no longer had its bytes afterwards: names, "the cotangent", "the output".
    """

    outputs: tuple[Array, ...]
    gradients: Mapping[str, Array | None]
    changed: tuple[str, ...] = ()


Answer = Callable[[Mapping[str, Tensor], Mapping[str, Any], Sequence[Array] | None], Answered]


@dataclass(frozen=True)
class Candidate:
    """A function of tensors, or a pair of functions of arrays.

    Attributes:
        forward, backward: `backward` is None where autograd goes through `forward`.
        names: of the positional arguments.
        fixed: positional arguments that are no tensors, by name.
        differentiated: names; empty where only outputs are compared.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    names: tuple[str, ...]
    fixed: Mapping[str, Any]
    differentiated: tuple[str, ...]

    def answer(
        self,
        tensors: Mapping[str, Tensor],
        options: Mapping[str, Any],
        cotangents: Callable[[Sequence[Array]], Sequence[Array]],
        *,
        layout: Layout = "contiguous",
        between: Mapping[str, Tensor] | None = None,
        shared: tuple[str, str] | None = None,
    ) -> Answered:
        """Outputs and gradients at this point.

        Args:
            cotangents: from the outputs to one for each.
            between: a point for another forward pass, before the backward pass.
            shared: two names that get one tensor.
        """
        if self.backward is not None:
            return self._plain(tensors, options, cotangents, layout, between)
        return self._autograd(tensors, options, cotangents, layout, between, shared)

    def _autograd(
        self,
        tensors: Mapping[str, Tensor],
        options: Mapping[str, Any],
        cotangents: Callable[[Sequence[Array]], Sequence[Array]],
        layout: Layout,
        between: Mapping[str, Tensor] | None,
        shared: tuple[str, str] | None,
    ) -> Answered:
        fresh = {name: tensor.detach().clone(memory_format=torch.preserve_format) for name, tensor in tensors.items()}
        if shared is not None:
            fresh[shared[1]] = fresh[shared[0]]
        before = {name: tensor_bytes(tensor) for name, tensor in fresh.items()}
        for name in self.differentiated:
            fresh[name].requires_grad_()
        outputs = self._called(fresh, options)
        arrays = tuple(to_array(output) for output in outputs)
        if between is not None:
            self._called({name: tensor.detach().clone() for name, tensor in between.items()}, options)
        gradients: dict[str, Array | None] = {}
        changed: list[str] = []
        live = [output for output in outputs if output.requires_grad]
        if self.differentiated and live:
            given = [
                _laid_out(cotangent, output, layout)
                for output, cotangent in zip(outputs, cotangents(arrays), strict=True)
                if output.requires_grad
            ]
            kept = [tensor_bytes(cotangent) for cotangent in given]
            wanted = [name for name in self.differentiated if shared is None or name != shared[1]]
            found = _pulled(live, given, [fresh[name] for name in wanted])
            gradients = {name: None if one is None else to_array(one) for name, one in zip(wanted, found, strict=True)}
            changed += ["the cotangent"] if [tensor_bytes(one) for one in given] != kept else []
            after = [to_array(output) for output in outputs]
            if any(one.tobytes() != other.tobytes() for one, other in zip(after, arrays, strict=True)):
                changed.append("its output, in the backward pass,")
        changed += [name for name, tensor in fresh.items() if tensor_bytes(tensor) != before[name]]
        return Answered(arrays, gradients, tuple(dict.fromkeys(changed)))

    def _called(self, tensors: Mapping[str, Tensor], options: Mapping[str, Any]) -> list[Tensor]:
        arguments = [tensors[name] if name in tensors else self.fixed[name] for name in self.names]
        answer = self.forward(*arguments, **options)
        found = [leaf for _, leaf in leaves("", answer) if isinstance(leaf, Tensor)]
        return [leaf for leaf in found if leaf.is_floating_point() or leaf.is_complex()]

    def _plain(
        self,
        tensors: Mapping[str, Tensor],
        options: Mapping[str, Any],
        cotangents: Callable[[Sequence[Array]], Sequence[Array]],
        layout: Layout,
        between: Mapping[str, Tensor] | None,
    ) -> Answered:
        assert self.backward is not None
        arrays = {name: np.array(to_array(tensor), order="K", copy=True) for name, tensor in tensors.items()}
        before = {name: array.tobytes() for name, array in arrays.items()}
        given = [arrays[name] if name in arrays else self.fixed[name] for name in self.names]
        answer = self.forward(*given, **options)
        outputs = tuple(np.array(one) for one in (answer if isinstance(answer, tuple | list) else [answer]))
        if between is not None:
            self.forward(*[to_array(between[name]) if name in between else self.fixed[name] for name in self.names], **options)
        seeds = [laid_out(cotangent, layout) for cotangent in cotangents(outputs)]
        kept = [one.tobytes() for one in seeds]
        passed = [tuple(seeds)] if isinstance(answer, tuple | list) else seeds
        found = self.backward(*given, *passed, **options)
        changed = [name for name, array in arrays.items() if array.tobytes() != before[name]]
        changed += ["the cotangent"] if [one.tobytes() for one in seeds] != kept else []
        return Answered(outputs, self._named(found), tuple(changed))

    def _named(self, found: Any) -> dict[str, Array | None]:
        several = list(found) if isinstance(found, tuple | list) else [found]
        tensor_names = [name for name in self.names if name not in self.fixed]
        for names in (list(self.differentiated), tensor_names, list(self.names)):
            if len(names) == len(several):
                pairs = dict(zip(names, several, strict=True))
                return {name: None if pairs[name] is None else np.asarray(pairs[name]) for name in self.differentiated}
        raise ValueError(f"the gradient function returns {len(several)} arrays; right is one for each of {', '.join(self.differentiated)}.")


class _Poisoned(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fresh memory holds NaN: what is never written shows."""

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        found = function(*arguments, **(keywords or {}))
        unwritten = function.overloadpacket.__name__ in ALLOCATING
        if unwritten and isinstance(found, Tensor) and (found.is_floating_point() or found.is_complex()):
            found.fill_(POISON)
        return found


@contextmanager
def poisoned() -> Iterator[None]:
    """Within, what PyTorch and NumPy allocate without writing holds NaN."""

    def filled(make: Callable[..., Any]) -> Callable[..., Any]:
        def allocate(*arguments: Any, **keywords: Any) -> Any:
            found = make(*arguments, **keywords)
            if found.dtype.kind in "fc":
                found.fill(POISON)
            return found

        return allocate

    kept: dict[str, Callable[..., Any]] = {"empty": np.empty, "empty_like": np.empty_like}
    for name, make in kept.items():
        setattr(np, name, filled(make))
    try:
        with _Poisoned():  # type: ignore[no-untyped-call]
            yield
    finally:
        for name, make in kept.items():
            setattr(np, name, make)


class _Sum(torch.autograd.Function):
    """Its gradients are the cotangents, as they lie in memory; `grad_outputs` would import sympy to look at their shapes."""

    @staticmethod
    def forward(ctx: Any, cotangents: list[Tensor], *outputs: Tensor) -> Tensor:
        ctx.cotangents = cotangents
        return outputs[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, *unit: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *ctx.cotangents)


def _pulled(outputs: Sequence[Tensor], cotangents: list[Tensor], inputs: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    whole: Tensor = _Sum.apply(cotangents, *outputs)  # type: ignore[no-untyped-call]
    return torch.autograd.grad(whole, inputs, allow_unused=True)


def _laid_out(cotangent: Array, output: Tensor, layout: Layout) -> Tensor:
    given = torch.as_tensor(np.array(cotangent)).to(output)
    if layout == "expanded" and given.numel():
        return given.reshape(-1)[:1].reshape(()).expand(output.shape)
    if layout == "stepped" and given.dim():
        wide = given.new_full((*given.shape[:-1], 2 * given.shape[-1]), 12345.0)
        wide[..., ::2] = given
        return wide[..., ::2]
    if layout == "transposed" and given.dim() >= 2:
        order = tuple(reversed(range(given.dim())))
        return given.permute(order).contiguous().permute(order)
    return given.contiguous()


def tensor_bytes(tensor: Tensor) -> bytes:
    found: bytes = _packed(tensor).view(torch.uint8).numpy().tobytes()
    return found


def _packed(tensor: Tensor) -> Tensor:
    """One row of memory without holes; `contiguous` leaves a single element its stride."""
    return tensor.detach().resolve_conj().cpu().reshape(-1).clone(memory_format=torch.contiguous_format)


def to_array(tensor: Tensor) -> Array:
    """In NumPy; what NumPy has no type for in float32."""
    real = tensor.detach().resolve_conj().resolve_neg().cpu()
    found: Array = (real.float() if real.dtype == torch.bfloat16 else real).numpy()
    return found.copy(order="K")
