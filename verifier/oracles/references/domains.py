"""What an example shows of the numbers that are allowed, and numbers of the same kind."""

from collections.abc import Set

import numpy as np
import torch
from torch import Tensor

from verifier.arrays import Array

SMALLER = 256.0
LARGER = 6.0  # times as large: functions saturate there, and PyTorch's softplus is not yet its argument, which it is above 20

HUGE = (100.0, 350.0)  # e^100 overflows in float32; e^350 and its square do not in float64

LABELS = "either of two numbers"
WITHIN = "within its range"
SURELY_NEGATIVE = 8  # numbers below 0: decays and their logarithms; fewer may all be negative by chance
ROWS = ("rows sum to 1", "rows of length 1", "rows of log-probabilities")
SYMMETRIC = ("symmetric", "symmetric and positive definite")
TRIANGLES = {"lower triangular": np.tril, "upper triangular": np.triu}
# Domains as wholes: a single element cannot be changed in them, and rows cannot be made equal.
WHOLE = (*ROWS, *SYMMETRIC, *TRIANGLES)
ORDINARY = ("real", "integers", "booleans", "mask")


def domain_of(example: Tensor, kind: str | None, mask: bool) -> str:
    """One of `ORDINARY`, `WHOLE`, "positive", "negative" and "unit interval"; whoever knows the other arguments may say `LABELS`, and who
    knows the reference `WITHIN`."""
    if example.dtype == torch.bool:
        return "booleans"
    if mask:
        return "mask"
    if not (example.is_floating_point() or example.is_complex()):
        return "integers"
    if kind in ("positive", "prob"):
        return {"positive": "positive", "prob": "rows sum to 1"}[kind]
    if kind == "real" or example.is_complex() or example.numel() == 0:
        return "real"
    values = example.detach().double().cpu().numpy()
    if not np.isfinite(values).all():
        return "real"
    whole = "" if values.size < 2 else _rows(values, example.dtype) or _matrices(values, example.dtype)
    if whole:
        return whole
    if ((values > 0) & (values < 1)).all():
        return "unit interval"
    if values.size >= SURELY_NEGATIVE and (values < 0).all():
        return "negative"
    return "positive" if (values > 0).all() else "real"


def _rows(values: Array, dtype: torch.dtype) -> str:
    """What each row is, "" where it is anything."""
    if not values.ndim or values.shape[-1] < 2:
        return ""
    narrow = torch.finfo(dtype).bits < 32
    loose = (4 if narrow else 64) * torch.finfo(dtype).eps  # of a row rounded to this type, with something to spare
    if narrow and values.ndim < 2:
        loose = 0.0  # one row may come so near by chance
    if (values >= 0).all() and (np.abs(values.sum(-1) - 1) <= loose).all():
        return "rows sum to 1"
    if values.size > 3 and (np.abs(np.linalg.norm(values, axis=-1) - 1) <= loose).all():
        return "rows of length 1"
    if (values <= 0).all() and (np.abs(np.exp(values).sum(-1) - 1) <= loose * np.abs(values).max()).all():
        return "rows of log-probabilities"
    return ""


def _matrices(values: Array, dtype: torch.dtype) -> str:
    """What each matrix is, "" where it is anything; a diagonal says nothing."""
    if values.ndim < 2 or values.shape[-1] != values.shape[-2] or values.shape[-1] < 2:
        return ""
    lower, upper = np.tril(values, -1), np.triu(values, 1)
    if lower.any() != upper.any():
        return "lower triangular" if lower.any() else "upper triangular"
    apart = np.abs(values - np.swapaxes(values, -1, -2)).max()
    if not lower.any() or apart > 4 * torch.finfo(dtype).eps * np.abs(values).max():
        return ""
    return SYMMETRIC[bool((np.linalg.eigvalsh(values) > 0).all())]


def is_label(example: Tensor) -> bool:
    """Whether a real tensor holds two numbers of -1, 0 and 1: targets of a logistic or a hinge loss, masks, choices."""
    if not example.is_floating_point():
        return False
    met = set(np.unique(example.detach().double().cpu().numpy()).tolist())
    return len(met) == 2 and met <= {-1.0, 0.0, 1.0}


def numbers_of(domain: str, example: Tensor, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Ordinary numbers of a domain, of the example's size."""
    normal = np.asarray(generator.normal(size=shape))
    values = example.detach().double().cpu().numpy().ravel()
    values = values[np.isfinite(values)]
    match domain:
        case "negative":
            return -numbers_of("positive", -example, shape, generator)
        case "positive":
            middle = np.log(values[values > 0]) if (values > 0).any() else np.zeros(1)
            return np.asarray(np.exp(float(middle.mean()) + max(float(middle.std()), 0.3) * normal))
        case "unit interval":
            return np.asarray(generator.uniform(0.02, 0.98, size=shape))
        case "rows sum to 1" | "rows of log-probabilities":
            raised = np.exp(normal)
            rows = np.asarray(raised / raised.sum(-1, keepdims=True) if raised.ndim else raised)
            return rows if domain == "rows sum to 1" else np.log(rows)
        case "rows of length 1":
            return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-3))
    if domain == LABELS:
        return np.asarray(generator.choice(np.unique(values), size=shape))
    if domain == WITHIN:
        return np.asarray(generator.uniform(values.min(), values.max(), size=shape)) if values.size else normal
    size = float(np.sqrt(np.mean(values**2))) if values.any() else 1.0
    numbers = normal * (size if len(values) > 3 else max(size, 1.0) if size < 100 else size)
    return _as_matrices(domain, numbers, size) if domain in WHOLE and len(shape) > 1 and shape[-1] == shape[-2] else numbers


def _as_matrices(domain: str, numbers: Array, size: float) -> Array:
    count = numbers.shape[-1]
    if domain in TRIANGLES:  # diagonals away from 0, as what is solved with them needs
        strict = TRIANGLES[domain](numbers) * (1 - np.eye(count)) / np.sqrt(count)
        return np.asarray(strict + np.eye(count) * (size + np.abs(numbers)))
    turned = np.swapaxes(numbers, -1, -2)
    if domain == "symmetric":
        return np.asarray((numbers + turned) / np.sqrt(2))
    return np.asarray(numbers @ turned / (size * np.sqrt(count) or 1.0) + size / 2 * np.eye(count))


def with_special(numbers: Array, domain: str, values: str, generator: np.random.Generator) -> Array:
    """Zeros, ties and other sizes, where the domain has them."""
    if numbers.size == 0 or domain in ROWS or domain == LABELS:
        return numbers
    some = generator.random(numbers.shape) < 0.4
    some.flat[int(generator.integers(numbers.size))] = True
    if values == "ties" and domain not in WHOLE:
        return np.where(some, numbers.flat[int(generator.integers(numbers.size))], numbers)
    if domain == WITHIN:
        return numbers
    if domain == "unit interval":
        return {"small": numbers / SMALLER, "large": 1 - (1 - numbers) / SMALLER}.get(values, numbers)
    if values == "huge":
        return np.sign(numbers) * generator.uniform(*HUGE, size=numbers.shape) if domain == "real" else numbers
    if values == "zeros" and domain == "real":
        if numbers.ndim > 1 and generator.random() < 0.5:
            some.reshape(-1, numbers.shape[-1])[int(generator.integers(numbers.size // numbers.shape[-1]))] = True  # a whole row
        return np.where(some, 0.0, numbers)
    return np.asarray(numbers * {"large": LARGER, "small": 1 / SMALLER}.get(values, 1.0))


def is_offsets(example: Tensor) -> bool:
    """Whether integers look like the bounds of segments, which belong to the sizes of other arguments: 0, 3, 4, 9."""
    if example.dtype == torch.bool or example.is_floating_point() or example.is_complex() or example.dim() != 1 or len(example) < 2:
        return False
    values = example.cpu().numpy()
    return bool(values[0] == 0 and (np.diff(values) > 0).all() and values[-1] > len(values) - 1)


def is_lengths(example: Tensor, rows: Set[int]) -> bool:
    """Whether integers look like the lengths of segments that are the rows of another argument: 2, 0, 3, 1 of six."""
    if example.dtype == torch.bool or example.is_floating_point() or example.is_complex() or example.dim() != 1 or len(example) < 2:
        return False
    return bool((example >= 0).all()) and int(example.sum()) in rows - {len(example)}


def integers_like(example: Array, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Integers of which nothing was said: those of the example; sorted, or each once, where they are so there."""
    if example.size == 0:
        return np.zeros(shape, dtype=np.int64)
    flat = example.ravel()
    if example.ndim == 1 and example.size > 2 and len(shape) == 1:
        if (flat == np.arange(flat.size)).all():
            return np.arange(shape[0])
        if (np.sort(flat) == np.arange(flat.size)).all():
            return generator.permutation(shape[0])
        if (np.diff(flat) > 0).all() and shape == example.shape:
            return example.copy()
        if (np.diff(flat) >= 0).all():
            return np.sort(generator.choice(np.unique(flat), size=shape))
    return np.asarray(generator.choice(np.unique(flat), size=shape))


def along(domain: str, gradient: Array) -> Array:
    """The part of a gradient that a change within the domain sees: all of it, or of symmetric and triangular matrices less."""
    if gradient.ndim < 2 or gradient.shape[-1] != gradient.shape[-2]:
        return gradient
    if domain in SYMMETRIC:
        return np.asarray((gradient + np.swapaxes(gradient, -1, -2)) / 2)
    return np.asarray(TRIANGLES[domain](gradient)) if domain in TRIANGLES else gradient
