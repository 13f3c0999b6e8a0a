"""A PyTorch function or module with the gradient that autograd gives through it, as a `Differentiable`: NumPy arrays in and out.

Every call gets tensors of its own, laid out as the user's are; a random generator starts anew each time, so that dropout is one function.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.functions.differentiable import Arrays, Claim, Differentiable, Outputs, UnusableGradientError
from verifier.results.evaluation import FloatArray

COTANGENT = "the cotangent"


def to_tensors(arguments: Sequence[Any]) -> tuple[Any, ...]:
    """Arrays as tensors, for a reference in PyTorch of a function in NumPy; all else stays."""
    return tuple(torch.from_numpy(np.array(one)) if isinstance(one, np.ndarray | np.floating) else one for one in arguments)


def torch_function(function: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str]) -> Differentiable:
    """The function at these arguments.

    Differentiated are the tensors that require a gradient; where none does, all real ones; of a module its parameters too.
    `names` are those of the arguments.

    Raises:
        TypeError: there is nothing to differentiate, or something complex or sparse.
    """
    call = _Call(function, arguments, names)
    if not call.tensors:
        raise TypeError("there is nothing to differentiate: pass at least one floating-point tensor.")
    for name, tensor in call.tensors.items():
        if tensor.is_complex() or tensor.layout is not torch.strided:
            raise TypeError(f"{name} is complex or sparse; only dense real tensors can be differentiated.")
    return Differentiable(
        inputs={name: _to_numpy(tensor) for name, tensor in call.tensors.items()},
        epsilon=max(torch.finfo(tensor.dtype).eps for tensor in call.tensors.values()),
        values=call.values,
        claim=call.claim,
        rounded=call.rounded,
    )


class _Call:
    """How to call the function with other numbers."""

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str]) -> None:
        self._function, self._arguments, self._names = function, tuple(arguments), tuple(names)
        real = {n: a for n, a in zip(names, arguments, strict=True) if isinstance(a, Tensor) and (a.is_floating_point() or a.is_complex())}
        wanted = {name: tensor for name, tensor in real.items() if tensor.requires_grad}
        self.tensors: dict[str, Tensor] = {name: tensor.detach() for name, tensor in (wanted or real).items()}
        self._module = function if isinstance(function, torch.nn.Module) else None
        if self._module is not None:
            parameters = self._module.named_parameters()
            self.tensors |= {name: parameter.detach() for name, parameter in parameters if parameter.requires_grad}

    def values(self, inputs: Arrays, lifted: bool) -> Outputs:
        with torch.no_grad(), _same_randomness():
            return tuple(_to_numpy(output, own=True) for output in self._outputs(self._fresh(inputs, lifted), lifted))

    def claim(self, inputs: Arrays, cotangents: Sequence[FloatArray], lifted: bool) -> Claim:
        fresh = self._fresh(inputs, lifted)
        before = {name: tensor.clone() for name, tensor in fresh.items()}
        leaves = {name: tensor.requires_grad_() for name, tensor in fresh.items()}
        with torch.enable_grad(), _same_randomness():
            outputs = self._outputs(leaves, lifted)
            pairs = [
                (output, torch.as_tensor(cotangent).to(output))
                for output, cotangent in zip(outputs, cotangents, strict=True)
                if output.requires_grad
            ]
            if not pairs:
                raise UnusableGradientError("no output depends on an input as autograd sees it: is something detached?")
            kept = [cotangent.clone() for _, cotangent in pairs]
            given = torch.autograd.grad([output for output, _ in pairs], list(leaves.values()), [c for _, c in pairs], allow_unused=True)
        changed = [name for name, tensor in leaves.items() if not torch.equal(tensor.detach(), before[name])]
        if not all(torch.equal(cotangent, copy) for (_, cotangent), copy in zip(pairs, kept, strict=True)):
            changed.append(COTANGENT)
        gradients = dict(zip(leaves, given, strict=True))
        return Claim(
            {name: np.zeros(inputs[name].shape) if g is None else _to_numpy(g.detach()) for name, g in gradients.items()},
            tuple(name for name, gradient in gradients.items() if gradient is None),
            tuple(changed),
        )

    def rounded(self, inputs: Arrays) -> Arrays:
        return {name: _to_numpy(torch.as_tensor(array).to(self.tensors[name].dtype)) for name, array in inputs.items()}

    def _fresh(self, inputs: Arrays, lifted: bool) -> dict[str, Tensor]:
        """Tensors of these numbers, each laid out and placed as the user's."""
        fresh = {}
        for name, array in inputs.items():
            like = self.tensors[name]
            tensor = torch.empty_like(like, dtype=torch.float64 if lifted else like.dtype)
            fresh[name] = tensor.copy_(torch.as_tensor(np.asarray(array)))
        return fresh

    def _outputs(self, tensors: Mapping[str, Tensor], lifted: bool) -> list[Tensor]:
        arguments = [tensors[n] if n in tensors else _copied(a, lifted) for n, a in zip(self._names, self._arguments, strict=True)]
        if self._module is None:
            answer = self._function(*arguments)
        else:
            held = {name: _copied(tensor, lifted) for name, tensor in (*self._module.named_parameters(), *self._module.named_buffers())}
            answer = torch.func.functional_call(self._module, {**held, **tensors}, tuple(arguments))
        outputs = list(answer) if isinstance(answer, tuple | list) else [answer]
        real = [output for output in outputs if isinstance(output, Tensor) and output.is_floating_point()]
        if not real:
            raise UnusableGradientError(f"the function returns {_described(answer)}; it must return a real tensor, or a tuple with one.")
        return real


def signature_of(function: Callable[..., Any]) -> tuple[Callable[..., Any], int]:
    """What to read the arguments' names from, and how many of its parameters come before them: the context of a custom Function."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        has_context = owner.setup_context is torch.autograd.Function.setup_context
        return owner.forward, int(has_context)
    return getattr(function, "forward", function), 0


@contextmanager
def _same_randomness() -> Iterator[None]:
    """The processor's generator from its beginning, and afterwards as it was."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(0)  # not torch.manual_seed, which walks the stack for other devices at each call
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _copied(value: Any, lifted: bool) -> Any:
    if not isinstance(value, Tensor):
        return value
    copy = value.detach().clone()
    return copy.double() if lifted and copy.is_floating_point() else copy


def _to_numpy(tensor: Tensor, *, own: bool = False) -> FloatArray:
    """In float64; with `own` float64 only where it is: a lifted computation must show that it was one."""
    narrow = own and tensor.dtype != torch.float64
    array: FloatArray = tensor.detach().cpu().to(torch.float32 if narrow else torch.float64).numpy()
    return array.copy()


def _described(answer: object) -> str:
    return f"a {type(answer).__name__}" if not isinstance(answer, Tensor) else f"a tensor of {answer.dtype}"
