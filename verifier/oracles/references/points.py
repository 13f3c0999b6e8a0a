"""Tensors drawn for a case: of the examples' types and domains, with zeros, ties, repeated indices and what else the case asks for."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.functions.layouts import numbers_in
from verifier.oracles.references.space import Case
from verifier.problems.sizes import Expression, Shape

SMALLER = 256.0
LARGER = 6.0  # times as large: functions saturate there, and PyTorch's softplus is not yet its argument, which it is above 20

LABELS = "either of two numbers"

Draw = Callable[[tuple[int, ...], Mapping[str, int], torch.Generator], Any]


@dataclass(frozen=True)
class Source:
    """How one tensor is drawn.

    Attributes:
        shape: in named sizes.
        example: the user's; its type, its device and its domain are kept.
        domain: "real", "positive", "unit interval", "rows sum to 1", "rows of length 1", "integers", "booleans", "mask", or `LABELS`,
            which is drawn from the two numbers that the example has.
        rule: of integers: what they stay below, then what else they may be; empty where nothing was said.
        draw: the user's own way.
    """

    shape: Shape
    example: Tensor
    domain: str
    rule: tuple[Expression, ...] = ()
    draw: Draw | None = None


def domain_of(example: Tensor, kind: str | None, mask: bool) -> str:
    """What the example shows of the numbers that are allowed; said in the answer's notes."""
    if example.dtype == torch.bool:
        return "booleans"
    if mask:
        return "mask"
    if not (example.is_floating_point() or example.is_complex()):
        return "integers"
    if kind in ("positive", "prob"):
        return {"positive": "positive", "prob": "rows sum to 1"}[kind]
    if kind == "real" or example.is_complex() or example.numel() < 2:
        return "real"
    values = example.detach().double()
    if not bool(torch.isfinite(values).all()):
        return "real"
    if example.dim() and example.shape[-1] > 1:
        narrow = torch.finfo(example.dtype).bits < 32
        loose = (4 if narrow else 64) * torch.finfo(example.dtype).eps  # of a row rounded to this type, with something to spare
        if narrow and example.dim() < 2:
            loose = 0.0  # one row may come so near by chance
        if bool((values >= 0).all()) and bool(((values.sum(-1) - 1).abs() <= loose).all()):
            return "rows sum to 1"
        if values.numel() > 3 and bool(((values.norm(dim=-1) - 1).abs() <= loose).all()):
            return "rows of length 1"
    if bool(((values > 0) & (values < 1)).all()):
        return "unit interval"
    return "positive" if bool((values > 0).all()) else "real"


def is_label(example: Tensor) -> bool:
    """Whether a real tensor holds two numbers of -1, 0 and 1: targets of a logistic or a hinge loss, masks, choices."""
    if not example.is_floating_point():
        return False
    met = set(np.unique(example.detach().double().cpu().numpy()).tolist())
    return len(met) == 2 and met <= {-1.0, 0.0, 1.0}


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
        found[name] = (
            tensor[:1].expand(tensor.shape).clone() if case.axis("inputs") == "rows" and tensor.numel() and tensor.dim() > 1 else tensor
        )
    return found


def _drawn(source: Source, shape: tuple[int, ...], case: Case, generator: np.random.Generator) -> Tensor:
    dtype = source.example.dtype
    if source.draw is not None:
        seeded = torch.Generator().manual_seed(int(generator.integers(2**31)))
        given = source.draw(shape, case.sizes, seeded)
        return torch.as_tensor(given).detach().clone().to(dtype)
    if source.domain in ("booleans", "mask"):
        return torch.as_tensor(_mask(shape, case.axis("masks"), generator)).to(dtype)
    if source.domain == LABELS:
        return torch.as_tensor(generator.choice(np.unique(source.example.double().cpu().numpy()), size=shape)).to(dtype)
    if source.domain == "integers":
        return torch.as_tensor(_integers(source, shape, case, generator)).to(dtype)
    if dtype.is_complex:
        return torch.as_tensor(generator.normal(size=shape) + 1j * generator.normal(size=shape)).to(dtype)
    return torch.as_tensor(_special(_numbers(source, shape, generator), source.domain, case.axis("values"), generator)).to(dtype)


def _numbers(source: Source, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray[Any, Any]:
    normal = np.asarray(generator.normal(size=shape))
    values = source.example.detach().double().cpu().numpy().ravel()
    values = values[np.isfinite(values)]
    match source.domain:
        case "positive":
            middle = np.log(values[values > 0]) if (values > 0).any() else np.zeros(1)
            return np.asarray(np.exp(float(middle.mean()) + max(float(middle.std()), 0.3) * normal))
        case "unit interval":
            return np.asarray(generator.uniform(0.02, 0.98, size=shape))
        case "rows sum to 1":
            raised = np.exp(normal)
            return np.asarray(raised / raised.sum(-1, keepdims=True) if raised.ndim else raised)
        case "rows of length 1":
            return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-3))
    size = float(np.sqrt(np.mean(values**2))) if values.any() else 1.0
    return normal * (size if len(values) > 3 else max(size, 1.0) if size < 100 else size)


def _special(numbers: np.ndarray[Any, Any], domain: str, values: str, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """Zeros, ties and other sizes, where the domain has them."""
    if numbers.size == 0 or domain in ("rows of length 1", "rows sum to 1"):
        return numbers
    some = generator.random(numbers.shape) < 0.4
    some.flat[int(generator.integers(numbers.size))] = True
    if values == "ties":
        return np.where(some, numbers.flat[int(generator.integers(numbers.size))], numbers)
    if domain == "unit interval":
        return {"small": numbers / SMALLER, "large": 1 - (1 - numbers) / SMALLER}.get(values, numbers)
    if values == "zeros" and domain == "real":
        if numbers.ndim > 1 and generator.random() < 0.5:
            some.reshape(-1, numbers.shape[-1])[int(generator.integers(numbers.size // numbers.shape[-1]))] = True  # a whole row
        return np.where(some, 0.0, numbers)
    return numbers * {"large": LARGER, "small": 1 / SMALLER}.get(values, 1.0)


def _integers(source: Source, shape: tuple[int, ...], case: Case, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    if not source.rule:
        choices = np.unique(source.example.cpu().numpy())
        return np.asarray(generator.choice(choices, size=shape)) if len(choices) else np.zeros(shape, dtype=np.int64)
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
        numbers = numbers_in(numbers, case.axis("layout"))  # type: ignore[arg-type]
        found.append(numbers * (1 - 0.5j) if output.dtype.kind == "c" and kind != "ones" else numbers)
    return found


def used_output(case: Case, count: int) -> int:
    """The number of the output that alone is used, where one is."""
    return case.seed % count
