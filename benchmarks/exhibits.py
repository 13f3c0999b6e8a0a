"""What `benchmarks.museum` judges: a function in a right and a wrong version, its reference, and what its user would say."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from verifier.problems.sizes import Shape, parse_shape

USUAL = 4  # every size of a typical test's input: equal ones hide the most
OWN_KINDS = ("mask", "unit")


@dataclass(frozen=True)
class Exhibit:
    """One case: how it is called, and its two versions. Where `said` has `instead_of`, there is no reference."""

    name: str
    arguments: Callable[[], tuple[Any, ...]]
    said: Mapping[str, Any]
    reference: Callable[..., Any] | None
    wrong: tuple[Callable[..., Any], ...]
    right: tuple[Callable[..., Any], ...]


@dataclass
class Gallery:
    """Exhibits in PyTorch, each declared by a decorator on `f(wrong)` that returns a forward and a backward pass, or one function."""

    exhibits: list[Exhibit] = field(default_factory=list)

    def planted(
        self,
        *shapes: str,
        reference: Callable[..., Any] | None = None,
        constant: tuple[int, ...] = (),
        typical: Mapping[str, int] | None = None,
        dtype: torch.dtype = torch.float64,
        **said: Any,
    ) -> Callable[[Callable[[bool], Any]], Callable[[bool], Any]]:
        """Add a plant.

        Args:
            shapes: of each argument, as users say them; "mask N" and "unit N" (between 0 and 1) too.
            constant: places of arguments that are not differentiated.
            typical: sizes of the example that are not `USUAL`.
            said: what else the user says.
        """
        kinds = [next((kind for kind in OWN_KINDS if text.startswith(kind + " ")), "") for text in shapes]
        read = [parse_shape(text.removeprefix(kind).strip()) for kind, text in zip(kinds, shapes, strict=True)]
        options = {name: values[0] for name, values in said.get("options", {}).items()}
        sizes = {**options, **{name: USUAL for shape in read for name in shape.names if name not in options}, **(typical or {})}

        def add(make: Callable[[bool], Any]) -> Callable[[bool], Any]:
            truth = reference or said["instead_of"]
            names = tuple(inspect.signature(truth).parameters)[: len(shapes)]

            def arguments() -> tuple[Any, ...]:
                drawn = []
                for place, (name, kind, shape) in enumerate(zip(names, kinds, read, strict=True)):
                    generator = torch.Generator().manual_seed(place + len(make.__name__))
                    one = _example(shape, kind, sizes, generator, dtype, said.get("draw", {}).get(name))
                    if constant and place not in constant and kind != "mask" and one.is_floating_point():
                        one.requires_grad_()
                    drawn.append(one)
                return tuple(drawn)

            more = {
                "shapes": {name: shape.text for name, shape in zip(names, read, strict=True)},
                "masks": tuple(name for name, kind in zip(names, kinds, strict=True) if kind == "mask"),
            }
            wrong, right = ((_function(make(version), names),) for version in (True, False))
            self.exhibits.append(Exhibit(make.__name__.replace("_", "-"), arguments, more | said, reference, wrong, right))
            return make

        return add


def _example(
    shape: Shape, kind: str, sizes: Mapping[str, Any], generator: torch.Generator, dtype: torch.dtype, draw: Callable[..., Any] | None
) -> Tensor:
    dimensions = shape.of(sizes, (3,))
    if draw is not None:
        found: Tensor = draw(dimensions, sizes, generator)
        return found
    if shape.below is not None:
        return torch.randint(0, int(shape.below.value(sizes)), dimensions, generator=generator)
    numbers = torch.randn(dimensions, generator=generator, dtype=torch.float64)
    match kind or shape.kind:
        case "mask":
            numbers = (numbers > -0.5).double()
        case "unit":
            numbers = numbers.sigmoid()
        case "positive":
            numbers = numbers.abs() + 0.1
        case "prob":
            numbers = numbers.softmax(-1)
    return numbers.to(dtype)


def _function(passes: Any, names: tuple[str, ...]) -> Callable[..., Any]:
    """A function of PyTorch whose backward pass is the given one, with the parameter names of its author."""
    if callable(passes):
        whole: Callable[..., Any] = passes
        return whole
    forward, backward = passes

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, options: Mapping[str, Any], *arguments: Any) -> Any:
            return forward(ctx, *arguments, **options)

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            found = backward(ctx, *cotangents)
            return (None, *(found if isinstance(found, tuple) else (found,)))

    def candidate(*arguments: Any, **options: Any) -> Any:
        return Planted.apply(options, *arguments)  # type: ignore[no-untyped-call]

    positional = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    candidate.__signature__ = inspect.Signature([*positional, inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)])  # type: ignore[attr-defined]
    return candidate
