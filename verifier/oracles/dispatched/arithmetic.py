"""One run of a function in an arithmetic of ours: float64, each result of each ATen operation disturbed as the copy's noise says.

A dispatch mode sees every operation of the forward and of the backward pass below autograd, whoever asks for it: a module, a custom
`torch.autograd.Function`, `torch.func`. Operations whose insides would be hidden are replaced by their primitives, here, inside the mode.
What is narrower than float64 (a cast, a tensor that the function brings along) is lifted: the reference is a function of real numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from verifier.errors import VerifierError
from verifier.oracles.dispatched.devices import called_as
from verifier.oracles.dispatched.noise import Disturbance, Stored
from verifier.oracles.dispatched.operations import Kind, Treatment, as_called, treatment_of
from verifier.oracles.dispatched.origins import Origin, Origins

_WIDER = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
NEARLY = 8.0  # a whole number is met so many times what noise moves it by: a few operations lie behind an index


Generators = dict[torch.Generator, Tensor]
"""Random generators that a function brings along, each with its state before the first run."""


class UndispatchableError(VerifierError):
    """The function cannot be measured by disturbing its operations; the text says why, in a sentence."""


class Decisions:
    """What a run decided: every integer and boolean result, and every step, in order; of a later run, where it decided otherwise."""

    def __init__(self, exact: "Decisions | None" = None) -> None:
        self.made: list[tuple[str, Tensor]] = []
        self.differing: dict[str, None] = {}  # in the order in which they were met
        self._exact, self._count = exact, 0

    def meet(self, operation: str, result: Tensor) -> None:
        """In the exact run, keep the operation's result; in a later one, note the operation where its result is another one."""
        if self._exact is None:
            self.made.append((operation, result.detach().clone()))
            return
        if self._count < len(self._exact.made):
            name, right = self._exact.made[self._count]
            if name != operation or not torch.equal(right, result):
                self.differing[operation] = None
        self._count += 1

    def end(self) -> None:
        """The run is over: one that made fewer or more decisions took another way."""
        if self._exact is not None and self._count != len(self._exact.made):
            self.differing["control flow"] = None


class Arithmetic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The mode of one run.

    Args:
        noise: none for the exact run.
        decisions: where they are noted.
        generators: where random generators that the function brings along are noted, before they are used.
        decompose: whether operations are replaced by their primitives, or the names of those that are.
    """

    def __init__(
        self, noise: Disturbance | None, decisions: Decisions, generators: Generators, *, decompose: bool | frozenset[str] = True
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._noise, self._decisions, self._generators, self._decompose = noise, decisions, generators, decompose
        self._origins = Origins()
        self.longest = 1
        self.decomposed = False
        self.drawn = torch.float64  # the type whose numbers are drawn; a mode of its own below would meet each number of noise

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else PyTorch imports its compiler, two seconds, to keep it away from the method below

    def __torch_dispatch__(
        self, func: OpOverload, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        treatment = as_called(treatment_of(func), (*args, *kwargs.values()))
        if treatment.decomposition is not None and self._is_taken_apart(func):
            self.decomposed = True
            with self:
                result = treatment.decomposition(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if treatment.views:
            return func(*args, **kwargs)
        written = [args[i] if i < len(args) else kwargs.get(name) for i, name in treatment.written]
        origin = self._origins.of_results(
            func, treatment.kind, tuple(tensors((args, kwargs))), (*args, *kwargs.values()), kwargs.get("dtype")
        )
        args, kwargs = self._operands(args, kwargs, func, treatment, tuple(tensors(written)), origin)
        result = func(*args, **kwargs) if self.drawn is torch.float64 else called_as(self.drawn, func, args, kwargs)
        return self._results(result, func, treatment, written, args, origin)

    def _is_taken_apart(self, func: OpOverload) -> bool:
        if isinstance(self._decompose, bool):
            return self._decompose
        return str(func._schema.name).split("::")[1] in self._decompose

    def _operands(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        func: OpOverload,
        treatment: Treatment,
        written: tuple[Tensor, ...],
        origin: Origin,
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The operands in float64, those of sums with noise of their own."""
        noise = self._noise if treatment.kind is Kind.SUMS else None
        name = str(func._schema.name).split("::")[1]

        def operand(value: Any) -> Any:
            if isinstance(value, Tensor):
                if any(value is one for one in written):
                    return value
                wide = lifted(value)
                if self._noise is not None and not origin.own and value.is_floating_point() and self._origins.is_own(value):
                    wide = self._noise.met(wide)
                if noise is None or not is_real(wide):
                    return wide
                wide = wide.resolve_conj().resolve_neg()  # down here a product takes no notice of a conjugate that is only marked
                moved = noise.operand(wide, name)
                # A place between pixels is as exact as its distance from the edge allows, and so are the weights that follow from it.
                return wide + max(wide.shape, default=1) * (moved - wide) if name.startswith("upsample_") else moved
            if isinstance(value, list | tuple):
                return type(value)(operand(one) for one in value) if any(isinstance(one, Tensor) for one in value) else value
            return value

        given = args
        if name == "_to_copy" and self._noise is not None and is_whole(kwargs.get("dtype")):
            args = tuple([near_whole(value, self._noise.reach) if isinstance(value, Tensor) else value for value in args])
        args = tuple([operand(value) for value in args])
        if kwargs:
            kwargs = {name: operand(value) for name, value in kwargs.items()}
            if isinstance(generator := kwargs.get("generator"), torch.Generator) and generator not in self._generators:
                self._generators[generator] = generator.get_state()
            if kwargs.get("dtype") in _WIDER and tensors((given, kwargs)):
                kwargs["dtype"] = _WIDER[kwargs["dtype"]]
        return args, kwargs

    def _results(
        self, result: Any, func: OpOverload, treatment: Treatment, written: list[Any], operands: tuple[Any, ...], origin: Origin
    ) -> Any:
        name = str(func._schema.name).split("::")[1]
        origin = origin.as_typed(tensors(result))
        result = _each(result, lifted) if treatment.fresh and not treatment.written else result
        terms = _length(name, operands, tuple(tensors(result))) if treatment.kind is Kind.SUMS else 1
        self.longest = max(self.longest, terms)
        for position, value in enumerate(tensors((result if treatment.fresh else None, written))):
            if value.layout is not torch.strided:
                raise UndispatchableError(f"{name} gives a tensor of layout {value.layout}; only dense tensors can be measured.")
            self._origins.note(value, origin)
            if not is_real(value):
                if not value.is_quantized:
                    self._decisions.meet(name, value)
            elif treatment.kind is Kind.DECIDES and not value.is_complex():
                self._decisions.meet(name, value)
            elif treatment.kind in (Kind.ROUNDS, Kind.SUMS, Kind.DECOMPOSES) and self._noise is not None and value.dtype not in _WIDER:
                if origin.whole and is_exact(value, self._noise.reach):
                    continue
                self._noise.result(value, Stored(name, position, terms, treatment.absolute, origin.own))
        return result


_PRODUCTS = frozenset(["mm", "bmm", "mv", "dot", "vdot", "_euclidean_dist"])
_ADDED_PRODUCTS = frozenset(["addmm", "baddbmm", "addmv", "addbmm"])


def _length(name: str, operands: tuple[Any, ...], results: tuple[Tensor, ...]) -> int:
    """How many terms the longest sum behind a result has, as far as the shapes say."""
    shapes = [value.shape for value in operands if isinstance(value, Tensor)]
    if name in _PRODUCTS:
        return max(1, shapes[0][-1])
    if name in _ADDED_PRODUCTS:
        return max(1, shapes[1][-1])
    if name == "convolution":
        return shapes[1].numel() // max(1, shapes[1][0])
    if name == "convolution_backward":
        return max(shapes[0].numel() // max(1, shapes[0][1]), shapes[2].numel() // max(1, shapes[2][1]))
    if name.startswith("cum"):
        return max((size for shape in shapes for size in shape), default=1)
    if name.startswith(("linalg", "_linalg")):  # sums of so many terms, each of which is the result of as many
        return max((size for shape in shapes for size in shape), default=1) ** 2
    results = tuple(value for value in results if value.numel())
    return max((shape.numel() for shape in shapes), default=1) // max(1, min((value.numel() for value in results), default=1))


def is_real(value: Tensor) -> bool:
    """Whether a tensor holds numbers that round: real or complex."""
    return value.is_floating_point() or value.is_complex()


def is_whole(dtype: torch.dtype | None) -> bool:
    """Whether a type holds whole numbers alone."""
    return dtype is not None and dtype is not torch.bool and not dtype.is_floating_point and not dtype.is_complex


def near_whole(value: Tensor, reach: float) -> Tensor:
    """Numbers that are whole but for noise, made whole again: floor(x) + 1 is exact, and would be cut to the index before."""
    if not value.is_floating_point():
        return value
    whole = torch.round(value)
    return torch.where((value - whole).abs() <= NEARLY * reach * whole.abs(), whole, value)


def is_exact(whole: Tensor, reach: float) -> bool:
    """Whether a type that moves numbers by so much has these whole ones."""
    return whole.numel() == 0 or bool(whole.abs().max() * reach <= 1)


def lifted(value: Tensor) -> Tensor:
    """The same numbers in float64 or complex128; integers and booleans as they are."""
    wide = _WIDER.get(value.dtype)
    return value if wide is None else value.to(wide)


def tensors(nest: Any) -> list[Tensor]:
    """Every tensor of a nest of tuples, lists and dictionaries."""
    found: list[Tensor] = []
    _gather(nest, found)
    return found


def _gather(nest: Any, found: list[Tensor]) -> None:
    if isinstance(nest, Tensor):
        found.append(nest)
    elif isinstance(nest, tuple | list):
        for one in nest:
            _gather(one, found)
    elif isinstance(nest, dict):
        for one in nest.values():
            _gather(one, found)


def _each(nest: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(nest, Tensor):
        return change(nest)
    if isinstance(nest, tuple | list):
        return type(nest)(_each(one, change) for one in nest)
    return nest
