"""A candidate asked at drawn points, in one of the ways that people call such code: once, again, twice before one backward pass, …"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from verifier.oracles.cotangents import Projection
from verifier.oracles.dispatched.devices import gpus_of, same_randomness
from verifier.oracles.functions.layouts import Layout, laid_out
from verifier.oracles.functions.nests import leaves, matched, rebuilt
from verifier.oracles.functions.plain import accepts
from verifier.oracles.torch_functions import bits_in, tensor_laid_out

Array = np.ndarray[Any, Any]
POISONS = (float("nan"), -7.0e4)  # what fresh memory holds; one is not enough, as code that masks NaN hides it
ELSEWHERE = 0.5  # the cotangent of the inputs' other user
ALLOCATING = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided")


class RefusedError(Exception):
    """The candidate's forward pass raised; the cause is what."""


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


@dataclass(frozen=True)
class Manner:
    """How a candidate is called.

    Attributes:
        inputs, layout: the memory of the inputs, and of the cotangents.
        between: a point for another forward pass, before the backward pass.
        shared: two names that get one tensor.
        needed: the names whose gradient alone is asked for; None for all.
        used: the number of the output that alone is used; None for all.
        joined: whether what follows uses the inputs themselves too.
    """

    inputs: Layout = "contiguous"
    layout: Layout = "contiguous"
    between: Mapping[str, Tensor] | None = None
    shared: tuple[str, str] | None = None
    needed: tuple[str, ...] | None = None
    used: int | None = None
    joined: bool = False


USUAL = Manner()


@dataclass(frozen=True)
class Candidate:
    """A function of tensors, or a pair of functions of arrays.

    Attributes:
        forward, backward: `backward` is None where autograd goes through `forward`.
        names: of the positional arguments.
        fixed: the examples of the positional arguments, by name; what is no tensor in them, or in nests of them, stays as it is there.
        differentiated: names; empty where only outputs are compared.
        held: names of a module's parameters, which are the same in two forward passes.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    names: tuple[str, ...]
    fixed: Mapping[str, Any]
    differentiated: tuple[str, ...]
    held: tuple[str, ...] = field(default=(), kw_only=True)

    def arguments(self, arrays: Mapping[str, Any]) -> list[Any]:
        """The positional arguments with these arrays in the places of the examples'."""
        return [rebuilt(name, self.fixed[name], lambda leaf, value: arrays.get(leaf, value)) for name in self.names]

    def answer(
        self,
        tensors: Mapping[str, Tensor],
        options: Mapping[str, Any],
        cotangents: Callable[[Sequence[Array]], Sequence[Array]],
        manner: Manner = USUAL,
    ) -> Answered:
        """Outputs and gradients at this point; `cotangents` gives one for each of the outputs.

        Raises:
            RefusedError: the forward pass raises.
        """
        with same_randomness(gpus_of(tensors.values())):
            return (self._autograd if self.backward is None else self._plain)(tensors, options, cotangents, manner)

    def _autograd(
        self,
        tensors: Mapping[str, Tensor],
        options: Mapping[str, Any],
        cotangents: Callable[[Sequence[Array]], Sequence[Array]],
        manner: Manner,
    ) -> Answered:
        fresh = {name: _fresh(tensor, manner.inputs) for name, tensor in tensors.items()}
        if manner.shared is not None:
            fresh[manner.shared[1]] = fresh[manner.shared[0]]
        before = {name: bits_in(tensor).copy() for name, tensor in fresh.items()}
        needed = self.differentiated if manner.needed is None else manner.needed
        for name in needed:
            fresh[name].requires_grad_()
        outputs = self._called(fresh, options)
        arrays = tuple(to_array(output) for output in outputs)
        if manner.between is not None:
            others = {name: tensor.detach().clone().requires_grad_(name in needed) for name, tensor in manner.between.items()}
            self._called({**others, **{name: fresh[name] for name in self.held}}, options)
        gradients: dict[str, Array | None] = {}
        changed: list[str] = []
        chosen = [output for place, output in enumerate(outputs) if output.requires_grad and manner.used in (None, place)]
        if needed and chosen:
            each = zip(outputs, cotangents(arrays), strict=True)
            given = [_given(cotangent, output, manner.layout) for output, cotangent in each if any(output is one for one in chosen)]
            kept = [bits_in(cotangent).copy() for cotangent in given]
            wanted = [name for name in needed if manner.shared is None or name != manner.shared[1]]
            joined = [fresh[name] * 1 for name in wanted] if manner.joined else []
            elsewhere = [torch.full_like(one, ELSEWHERE) for one in joined]
            found = _pulled([*chosen, *joined], [*given, *elsewhere], [fresh[name] for name in wanted])
            gradients = {name: None if one is None else to_array(one) for name, one in zip(wanted, found, strict=True)}
            same = (np.array_equal(bits_in(one), copy) for one, copy in zip(given, kept, strict=True))
            changed += [] if all(same) else ["the cotangent"]
            after = [to_array(output) for output in outputs]
            if any(one.tobytes() != other.tobytes() for one, other in zip(after, arrays, strict=True)):
                changed.append("its output, in the backward pass,")
        changed += [name for name, tensor in fresh.items() if not np.array_equal(bits_in(tensor), before[name])]
        return Answered(arrays, gradients, tuple(dict.fromkeys(changed)))

    def _called(self, tensors: Mapping[str, Tensor], options: Mapping[str, Any]) -> list[Tensor]:
        arguments = self.arguments(tensors)
        try:
            answer = self.forward(*arguments, **options)
        except Exception as error:
            raise RefusedError from error
        found = [leaf for _, leaf in leaves("", answer) if isinstance(leaf, Tensor)]
        return [leaf for leaf in found if leaf.is_floating_point() or leaf.is_complex()]

    def _plain(
        self,
        tensors: Mapping[str, Tensor],
        options: Mapping[str, Any],
        cotangents: Callable[[Sequence[Array]], Sequence[Array]],
        manner: Manner,
    ) -> Answered:
        assert self.backward is not None
        arrays = {name: np.array(to_array(tensor), order="K") for name, tensor in tensors.items()}
        vectors = {name for name, array in arrays.items() if manner.inputs == "rows" and array.ndim < 2}
        arrays = {name: array if name in vectors else laid_out(array, manner.inputs) for name, array in arrays.items()}
        before = {name: array.tobytes() for name, array in arrays.items()}
        given = self.arguments(arrays)
        try:
            answer = self.forward(*given, **options)
        except Exception as error:
            raise RefusedError from error
        outputs = tuple(np.array(one) for one in (answer if isinstance(answer, tuple | list) else [answer]))
        if manner.between is not None:
            self.forward(*self.arguments({name: to_array(tensor) for name, tensor in manner.between.items()}), **options)
        seeds = [laid_out(cotangent, manner.layout) for cotangent in cotangents(outputs)]
        kept = [one.tobytes() for one in seeds]
        passed = [tuple(seeds)] if isinstance(answer, tuple | list) else seeds
        if len(outputs) == 1 and outputs[0].size == 1 and not accepts(self.backward, len(given) + 1, options):
            return self._of_a_number(given, options, arrays, before, outputs, seeds)
        found = self.backward(*given, *passed, **options)
        changed = [name for name, array in arrays.items() if array.tobytes() != before[name]]
        changed += ["the cotangent"] if [one.tobytes() for one in seeds] != kept else []
        return Answered(outputs, self._named(found), tuple(changed))

    def _of_a_number(
        self,
        given: Sequence[Any],
        options: Mapping[str, Any],
        arrays: Mapping[str, Array],
        before: Mapping[str, bytes],
        outputs: tuple[Array, ...],
        seeds: Sequence[Array],
    ) -> Answered:
        """A gradient that takes no cotangent is that of the number itself, and is multiplied here."""
        assert self.backward is not None
        named = self._named(self.backward(*given, **options))
        changed = tuple(name for name, array in arrays.items() if array.tobytes() != before[name])
        factor = seeds[0].reshape(())
        return Answered(outputs, {name: None if one is None else one * factor for name, one in named.items()}, changed)

    def _named(self, found: Any) -> dict[str, Array | None]:
        inside = {name: dict(leaves(name, self.fixed[name])) for name in self.names}
        wanted = [name for name, held in inside.items() if any(leaf in self.differentiated for leaf in held)]
        arrays = [name for name, held in inside.items() if any(isinstance(one, np.ndarray | np.generic | Tensor) for one in held.values())]
        several = list(found) if isinstance(found, tuple | list) else [found]
        if len(wanted) == 1 and isinstance(self.fixed[wanted[0]], list | tuple) and len(several) == len(inside[wanted[0]]) > 1:
            several = [found]
        for names in (wanted, arrays, list(self.names)):
            if len(names) == len(several):
                parts = zip(names, several, strict=True)
                pairs = {leaf: given for name, one in parts for leaf, given in matched(name, self.fixed[name], one)}
                return {name: None if pairs.get(name) is None else np.asarray(pairs[name]) for name in self.differentiated}
        raise ValueError(f"the gradient function returns {len(several)} arrays; right is one for each of {', '.join(self.differentiated)}.")


class _Poisoned(TorchDispatchMode):
    """Fresh memory holds something of ours: what is never written shows."""

    def __init__(self, poison: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._poison = poison

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # as in `Arithmetic`: else PyTorch imports its compiler

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        found = function(*arguments, **(keywords or {}))
        unwritten = function.overloadpacket.__name__ in ALLOCATING
        if unwritten and isinstance(found, Tensor) and (found.is_floating_point() or found.is_complex()):
            found.fill_(self._poison)
        return found


@contextmanager
def poisoned(poison: float = POISONS[0]) -> Iterator[None]:
    """Within, what PyTorch and NumPy allocate without writing holds this number."""

    def filled(make: Callable[..., Any]) -> Callable[..., Any]:
        def allocate(*arguments: Any, **keywords: Any) -> Any:
            found = make(*arguments, **keywords)
            if found.dtype.kind in "fc":
                found.fill(poison)
            return found

        return allocate

    kept: dict[str, Callable[..., Any]] = {"empty": np.empty, "empty_like": np.empty_like}
    for name, make in kept.items():
        setattr(np, name, filled(make))
    try:
        with _Poisoned(poison):
            yield
    finally:
        for name, make in kept.items():
            setattr(np, name, make)


def _pulled(outputs: Sequence[Tensor], cotangents: list[Tensor], inputs: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    whole: Tensor = Projection.apply(cotangents, *outputs)  # type: ignore[no-untyped-call]
    return torch.autograd.grad(whole, inputs, allow_unused=True)


def _given(cotangent: Array, output: Tensor, layout: Layout) -> Tensor:
    return tensor_laid_out(torch.as_tensor(np.array(cotangent)).to(output), layout)


def _fresh(tensor: Tensor, layout: Layout) -> Tensor:
    """Memory of its own, laid out afresh, or as the tensor itself lies where nothing is asked."""
    own = tensor.detach().clone(memory_format=torch.preserve_format)
    return own if layout == "contiguous" or (layout == "rows" and own.dim() < 2) else tensor_laid_out(own, layout)


def to_array(tensor: Tensor) -> Array:
    """In NumPy; what NumPy has no type for in float32."""
    real = tensor.detach().resolve_conj().resolve_neg().cpu()
    found: Array = (real.float() if real.dtype == torch.bfloat16 else real).numpy()
    return found.copy(order="K")
