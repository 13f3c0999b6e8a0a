"""A PyTorch function or module with the gradient that autograd gives through it, as a `Differentiable`: NumPy arrays in and out.

Every call gets tensors of its own, laid out and placed as the user's are; random generators start alike each time, so that dropout is one
function.
Complex tensors are pairs of real numbers, as PyTorch's convention has it: the gradient is ∂/∂real + i ∂/∂imaginary.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from verifier.arrays import FloatArray
from verifier.coarser import Seen
from verifier.oracles.cotangents import Projection
from verifier.oracles.dispatched.devices import gpus_of, same_randomness, without_cudnn
from verifier.oracles.functions.coarser import coarser_tensors
from verifier.oracles.functions.differentiable import Arrays, Claim, Differentiable, Outputs, UnusableGradientError
from verifier.oracles.functions.layouts import GARBAGE, Layout
from verifier.oracles.functions.nests import leaves, rebuilt
from verifier.oracles.threads import threads, threads_for

COTANGENT = "the cotangent"
WHOLE = {1: torch.uint8, 2: torch.int16, 4: torch.int32}  # by the bytes of an element
ROOTS = ("Sqrt", "Rsqrt", "Pow", "Norm", "Div", "Log", "Acos", "Asin", "Reciprocal")
VALUE_AND_GRADIENT = (
    "there is nothing to differentiate: pass at least one floating-point tensor. For NumPy arrays the gradient comes second, "
    "assert_gradients(function, gradient, *arrays); for one function that returns (value, gradient): "
    "assert_gradients(lambda *a: f(*a)[0], lambda *a: f(*a)[1], *arrays)."
)


def torch_function(function: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str]) -> Differentiable:
    """The function at these arguments.

    Differentiated are the tensors that require a gradient; where none does, all real and complex ones, those in dictionaries, lists and
    tuples too; of a module its parameters as well. `names` are those of the arguments.

    Raises:
        TypeError: there is nothing to differentiate, or something sparse.
    """
    call = _Call(function, arguments, names)
    if not call.tensors:
        raise TypeError(VALUE_AND_GRADIENT)
    for name, tensor in call.tensors.items():
        if tensor.layout is not torch.strided:
            raise TypeError(f"{name} is sparse; only dense tensors can be differentiated.")
    return Differentiable(
        inputs={name: _to_numpy(tensor) for name, tensor in call.tensors.items()},
        epsilon=max(torch.finfo(tensor.dtype).eps for tensor in call.tensors.values()),
        values=call.values,
        coarsely=call.coarsely,
        claim=call.claim,
        rounded=call.rounded,
        complex_inputs=frozenset(name for name, tensor in call.tensors.items() if tensor.is_complex()),
        cause=call.cause,
        few_threads=lambda: threads(threads_for(sum(tensor.numel() for tensor in call.tensors.values()))),
    )


class _Call:
    """How to call the function with other numbers."""

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any], names: Sequence[str]) -> None:
        self._function, self._arguments, self._names = function, tuple(arguments), tuple(names)
        held = {one: leaf for name, value in zip(names, arguments, strict=True) for one, leaf in leaves(name, value)}
        real = {n: a for n, a in held.items() if isinstance(a, Tensor) and (a.is_floating_point() or a.is_complex())}
        wanted = {name: tensor for name, tensor in real.items() if tensor.requires_grad}
        self.tensors: dict[str, Tensor] = {name: tensor.detach() for name, tensor in (wanted or real).items()}
        self._gpus = gpus_of(one for one in held.values() if isinstance(one, Tensor))
        self._module = function if isinstance(function, torch.nn.Module) else None
        if self._module is not None:
            parameters = self._module.named_parameters()
            self.tensors |= {name: parameter.detach() for name, parameter in parameters if parameter.requires_grad}

    def values(self, inputs: Arrays, lifted: bool) -> Outputs:
        with torch.no_grad(), same_randomness(self._gpus), without_cudnn(self._gpus):
            return tuple(_to_numpy(output, own=True) for output in self._outputs(self._fresh(inputs, lifted), lifted))

    def coarsely(self, inputs: Arrays, lifted: bool) -> tuple[Outputs, Seen]:
        """The outputs with half of the digits in every result on the way."""
        narrowest = max(torch.finfo(tensor.dtype).eps for tensor in self.tensors.values())
        seen = Seen(torch.finfo(torch.float64).eps if lifted else narrowest)
        with coarser_tensors(seen):
            return self.values(inputs, lifted), seen

    def claim(self, inputs: Arrays, cotangents: Sequence[FloatArray], lifted: bool, layout: Layout = "contiguous") -> Claim:
        fresh = self._fresh(inputs, lifted)
        before = {name: bits_in(tensor).copy() for name, tensor in fresh.items()}
        tensors = {name: tensor.requires_grad_() for name, tensor in fresh.items()}
        with torch.enable_grad(), same_randomness(self._gpus), without_cudnn(self._gpus):
            outputs = self._outputs(tensors, lifted)
            pairs = [
                (output, _cotangent(cotangent, output, layout))
                for output, cotangent in zip(outputs, cotangents, strict=True)
                if output.requires_grad
            ]
            if not pairs:
                raise UnusableGradientError("no output depends on an input as autograd sees it: is something detached?")
            kept = [bits_in(cotangent).copy() for _, cotangent in pairs]
            whole: Tensor = Projection.apply([c for _, c in pairs], *(output for output, _ in pairs))  # type: ignore[no-untyped-call]
            given = torch.autograd.grad(whole, list(tensors.values()), allow_unused=True)
        changed = [name for name, tensor in tensors.items() if not np.array_equal(bits_in(tensor), before[name])]
        if not all(np.array_equal(bits_in(cotangent), copy) for (_, cotangent), copy in zip(pairs, kept, strict=True)):
            changed.append(COTANGENT)
        gradients = dict(zip(tensors, given, strict=True))
        return Claim(
            {name: np.zeros(inputs[name].shape) if g is None else _to_numpy(g.detach()) for name, g in gradients.items()},
            tuple(name for name, gradient in gradients.items() if gradient is None),
            tuple(changed),
        )

    def cause(self, inputs: Arrays, cotangents: Sequence[FloatArray]) -> str:
        """Which operation's backward pass gives the first NaN, and the cure where that is a known one."""
        tensors = {name: tensor.requires_grad_() for name, tensor in self._fresh(inputs, False).items()}
        with torch.enable_grad(), same_randomness(self._gpus), without_cudnn(self._gpus):
            outputs = self._outputs(tensors, False)
            nodes = _nodes(outputs)
        root = next((node for node in nodes if node.startswith(ROOTS)), "")
        operation = root.rstrip("0123456789").removesuffix("Backward").lower()
        if any(node.startswith(("Where", "MaskedFill", "Index", "Masked")) for node in nodes):
            return (
                "It is 0·∞: `where` gives the branch that it does not use a cotangent of 0, and "
                f"{operation or 'an operation'} there has an infinite slope. Put a harmless number into that branch's argument too: "
                "torch.where(mask, torch.sqrt(torch.where(mask, x, 1)), 0)."
            )
        if root:
            return (
                f"It is 0·∞ or 0/0 in {operation}, whose slope is infinite at 0, times a slope of 0: "
                "add a tiny number inside (torch.sqrt(x + 1e-12)), or choose its argument with torch.where before it."
            )
        return ""

    def rounded(self, inputs: Arrays) -> Arrays:
        return {name: _to_numpy(torch.as_tensor(array).to(_real_type(self.tensors[name].dtype))) for name, array in inputs.items()}

    def _fresh(self, inputs: Arrays, lifted: bool) -> dict[str, Tensor]:
        """Tensors of these numbers, each laid out and placed as the user's."""
        fresh = {}
        for name, array in inputs.items():
            like = self.tensors[name]
            wide = torch.complex128 if like.is_complex() else torch.float64
            tensor = torch.empty_like(like, dtype=wide if lifted else like.dtype)
            given = torch.as_tensor(np.ascontiguousarray(array))
            fresh[name] = tensor.copy_(torch.view_as_complex(given) if like.is_complex() else given)
        return fresh

    def _outputs(self, tensors: Mapping[str, Tensor], lifted: bool) -> list[Tensor]:
        def put(name: str, leaf: Any) -> Any:
            return tensors[name] if name in tensors else _copied(leaf, lifted)

        arguments = [rebuilt(name, one, put) for name, one in zip(self._names, self._arguments, strict=True)]
        if self._module is None:
            answer = self._function(*arguments)
        else:
            held = {name: _copied(tensor, lifted) for name, tensor in (*self._module.named_parameters(), *self._module.named_buffers())}
            answer = torch.func.functional_call(self._module, {**held, **tensors}, tuple(arguments))
        outputs = [leaf for _, leaf in leaves("", answer)]
        real = [output for output in outputs if isinstance(output, Tensor) and (output.is_floating_point() or output.is_complex())]
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


def _cotangent(cotangent: FloatArray, output: Tensor, layout: Layout) -> Tensor:
    array = cotangent[..., 0] + 1j * cotangent[..., 1] if output.is_complex() else cotangent
    return tensor_laid_out(torch.tensor(array, dtype=output.dtype, device=output.device), layout)


def tensor_laid_out(tensor: Tensor, layout: Layout) -> Tensor:
    """A tensor with these numbers (see `layouts.numbers_in`) in this layout."""
    packed = tensor.contiguous()
    if not packed.dim() or not packed.numel():
        return packed
    if layout == "transposed":
        order = tuple(reversed(range(packed.dim())))
        return packed.permute(order).contiguous().permute(order)
    if layout in ("stepped", "sliced"):
        last = packed.shape[-1]
        wide = torch.full((*packed.shape[:-1], 2 * last if layout == "stepped" else last + 1), GARBAGE, device=packed.device).to(
            packed.dtype
        )
        view = wide[..., ::2] if layout == "stepped" else wide[..., :last]
        return view.copy_(packed)
    if layout == "rows":
        return packed[:1].expand(packed.shape)
    return packed.reshape(-1)[:1].reshape(()).expand(packed.shape) if layout == "expanded" else packed


def bits_in(tensor: Tensor) -> NDArray[np.integer]:
    """The bits of the elements in order, as whole numbers, whatever the strides; a view where that can be: copy what is to be kept.

    Bits decide whether something was written to: NaN is a number like any other then.
    """
    row = tensor.detach().resolve_conj().resolve_neg().cpu().reshape(-1)
    if row.numel() < 2 or not row.is_contiguous():  # a single element keeps its stride, and is called contiguous with any
        row = row.clone(memory_format=torch.contiguous_format)
    found: NDArray[np.integer] = row.view(WHOLE.get(row.element_size(), torch.int64)).numpy()
    return found


def _nodes(outputs: Sequence[Tensor]) -> list[str]:
    """Names of the operations in the graph behind these outputs."""
    waiting = [output.grad_fn for output in outputs if output.grad_fn is not None]
    seen: dict[Any, str] = {}
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen[node] = node.name()
            waiting += [following for following, _ in node.next_functions if following is not None]
    return list(seen.values())


def _copied(value: Any, lifted: bool) -> Any:
    if not isinstance(value, Tensor):
        return value
    copy = value.detach().clone()
    if lifted and copy.is_complex():
        return copy.to(torch.complex128)
    return copy.double() if lifted and copy.is_floating_point() else copy


def _to_numpy(tensor: Tensor, *, own: bool = False) -> FloatArray:
    """In float64; with `own` float64 only where it is: a lifted computation must show that it was one. Complex numbers as pairs."""
    real = torch.view_as_real(tensor.detach().resolve_conj()) if tensor.is_complex() else tensor.detach()
    narrow = own and real.dtype != torch.float64
    array: FloatArray = real.cpu().to(torch.float32 if narrow else torch.float64, copy=True, memory_format=torch.contiguous_format).numpy()
    return array


def _real_type(dtype: torch.dtype) -> torch.dtype:
    return {torch.complex64: torch.float32, torch.complex128: torch.float64, torch.complex32: torch.float16}.get(dtype, dtype)


def _described(answer: object) -> str:
    return f"a {type(answer).__name__}" if not isinstance(answer, Tensor) else f"a tensor of {answer.dtype}"
