"""Tensors drawn for a case: of the examples' types and domains, with zeros, ties, repeated indices and what else the case asks for."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.functions.layouts import numbers_in
from verifier.oracles.references.domains import integers_like, numbers_of, with_special
from verifier.oracles.references.space import Case
from verifier.problems.sizes import Expression, Shape

Draw = Callable[[tuple[int, ...], Mapping[str, int], torch.Generator], Any]


@dataclass(frozen=True)
class Source:
    """How one tensor is drawn.

    Attributes:
        shape: in named sizes.
        example: the user's; its type, its device and its domain are kept.
        domain: what its numbers are, see `domains`.
        rule: of integers: what they stay below, then what else they may be; empty where nothing was said.
        draw: the user's own way.
    """

    shape: Shape
    example: Tensor
    domain: str
    rule: tuple[Expression, ...] = ()
    draw: Draw | None = None


def point(sources: Mapping[str, Source], case: Case, other: int = 0) -> dict[str, Tensor]:
    """The tensors of a case; with another `other` other numbers of the same shapes and kind."""
    found: dict[str, Tensor] = {}
    earlier: dict[tuple[Any, ...], Tensor] = {}
    for name, source in sources.items():
        generator = np.random.default_rng([case.seed, other, zlib.crc32(name.encode())])
        shape = source.shape.of(case.values, case.rest)
        tensor = _drawn(source, shape, case, generator)
        tensor = tensor.to(source.example.device)
        if case.axis("values") == "equal contents":
            tensor = earlier.setdefault((shape, tensor.dtype, source.domain), tensor).clone()
        alike = case.axis("inputs") == "rows" or case.axis("values") == "equal rows"
        found[name] = tensor[:1].expand(tensor.shape).clone() if alike and tensor.numel() and tensor.dim() > 1 else tensor
    return found


def _drawn(source: Source, shape: tuple[int, ...], case: Case, generator: np.random.Generator) -> Tensor:
    dtype = source.example.dtype
    if source.draw is not None:
        seeded = torch.Generator().manual_seed(int(generator.integers(2**31)))
        given = source.draw(shape, case.sizes, seeded)
        return torch.as_tensor(given).detach().clone().to(dtype)
    if source.domain in ("booleans", "mask"):
        return torch.as_tensor(_mask(shape, case.axis("masks"), generator)).to(dtype)
    if source.domain == "integers":
        return torch.as_tensor(_integers(source, shape, case, generator)).to(dtype)
    if dtype.is_complex:
        return torch.as_tensor(generator.normal(size=shape) + 1j * generator.normal(size=shape)).to(dtype)
    numbers = numbers_of(source.domain, source.example, shape, generator)
    return torch.as_tensor(with_special(numbers, source.domain, case.axis("values"), generator)).to(dtype)


def _integers(source: Source, shape: tuple[int, ...], case: Case, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    if not source.rule:
        return integers_like(source.example.cpu().numpy(), shape, generator)
    below = int(source.rule[0].value(case.values))
    drawn = np.asarray(generator.integers(0, max(below, 1), size=shape))
    kind = case.axis("integers")
    if kind == "repeated" and drawn.size:
        return np.where(generator.random(shape) < 0.7, drawn.flat[0], drawn)
    if kind == "edges":
        extreme = [0, below - 1, *(int(one.value(case.values)) for one in source.rule[1:])]
        weights = np.array([1.0, 1.0, *[3.0] * (len(extreme) - 2)])
        return np.where(generator.random(shape) < 0.6, generator.choice(extreme, size=shape, p=weights / weights.sum()), drawn)
    return drawn


def _mask(shape: tuple[int, ...], kind: str, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    kept = generator.random(shape) < 0.7
    if kind == "all":
        return np.ones(shape, dtype=bool)
    if kept.ndim and kept.size:
        rows = kept.reshape(-1, kept.shape[-1])
        rows[np.arange(len(rows)), generator.integers(kept.shape[-1], size=len(rows))] = True  # a row without any is an axis of its own
        if kind == "a row without any":
            rows[int(generator.integers(len(rows)))] = False
    return kept


def same_twice(sources: Mapping[str, Source], tensors: Mapping[str, Tensor], names: Sequence[str]) -> tuple[str, str] | None:
    """Two differentiated tensors of one shape, type and domain, for a call with one tensor in both places."""
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            alike = tensors[one].shape == tensors[other].shape and tensors[one].dtype == tensors[other].dtype
            drawn_alike = sources[one].domain == sources[other].domain and sources[one].draw is sources[other].draw is None
            if alike and drawn_alike and tensors[one].numel():
                return one, other
    return None


def cotangents_for(outputs: Sequence[np.ndarray[Any, Any]], case: Case) -> list[np.ndarray[Any, Any]]:
    """A cotangent for each output as the case has it, exact in every narrow type."""
    generator = np.random.default_rng([case.seed, 77])
    kind = case.axis("cotangent")
    found = []
    for place, output in enumerate(outputs):
        signed = generator.choice([-1.0, 1.0], size=output.shape) * generator.integers(64, 129, size=output.shape) / 128
        hot = np.zeros(output.shape)
        if output.size:
            hot.flat[int(generator.integers(output.size))] = 1.0
        numbers = {"ones": np.ones(output.shape), "one-hot": hot, "zero": np.zeros(output.shape), "large": 64 * signed}.get(kind, signed)
        if kind == "one output alone" and place != used_output(case, len(outputs)):
            numbers = np.zeros(output.shape)
        numbers = numbers_in(numbers, "rows" if kind == "equal rows" else case.axis("layout"))  # type: ignore[arg-type]
        found.append(numbers * (1 - 0.5j) if output.dtype.kind == "c" and kind != "ones" else numbers)
    return found


def used_output(case: Case, count: int) -> int:
    """The number of the output that alone is used, where one is."""
    return case.seed % count
