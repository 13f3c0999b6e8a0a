"""Operations in terms of smaller ones, where PyTorch's own way there would import its compiler (two seconds) or hides a sum.

Textbook formulas; what an operation keeps for its backward pass comes back as it does from PyTorch. They run inside the mode.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Number = float | int | complex


def native_layer_norm(
    value: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    axes = list(range(value.dim() - len(shape), value.dim()))
    mean, deviation, scale = _standardised(value, axes, eps)
    result = deviation * scale
    result = result if weight is None else result * weight
    return result if bias is None else result + bias, mean, scale


def native_group_norm(
    value: Tensor, weight: Tensor | None, bias: Tensor | None, batch: int, channels: int, inner: int, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    mean, deviation, scale = _standardised(value.reshape(batch, groups, channels // groups * inner), [2], eps)
    result = (deviation * scale).view(batch, channels, inner)
    result = result if weight is None else result * weight.reshape(1, channels, 1)
    result = result if bias is None else result + bias.reshape(1, channels, 1)
    return result.reshape(value.shape), mean[:, :, 0], scale[:, :, 0]


def _standardised(value: Tensor, axes: list[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    mean = value.mean(axes, keepdim=True)
    deviation = value - mean
    return mean, deviation, torch.rsqrt((deviation * deviation).mean(axes, keepdim=True) + eps)


def gelu(value: Tensor, *, approximate: str = "none") -> Tensor:
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (value + 0.044715 * (value * value * value))
        return 0.5 * value * (1 + torch.tanh(inner))
    return 0.5 * value * (1 + torch.erf(value * math.sqrt(0.5)))


def glu(value: Tensor, dim: int = -1) -> Tensor:
    first, second = value.chunk(2, dim)
    return first * torch.sigmoid(second)


def mish(value: Tensor) -> Tensor:
    return value * torch.tanh(torch.nn.functional.softplus(value))


def logsumexp(value: Tensor, dim: Sequence[int], keepdim: bool = False) -> Tensor:
    largest = value.amax(tuple(dim), keepdim=True)
    largest = torch.where(largest.isinf(), 0.0, largest)
    result = torch.log(torch.exp(value - largest).sum(tuple(dim), keepdim=True)) + largest
    return result if keepdim else _squeezed(result, dim)


def logaddexp(one: Tensor, other: Tensor) -> Tensor:
    equal = (one == other) & one.isinf()
    return torch.where(equal, one, torch.maximum(one, other) + torch.log1p(torch.exp(-(one - other).abs())))


def var(value: Tensor, dim: Sequence[int] | None = None, *, correction: Number | None = None, keepdim: bool = False) -> Tensor:
    return var_mean(value, dim, correction=correction, keepdim=keepdim)[0]


def std(value: Tensor, dim: Sequence[int] | None = None, *, correction: Number | None = None, keepdim: bool = False) -> Tensor:
    return torch.sqrt(var(value, dim, correction=correction, keepdim=keepdim))


def std_mean(
    value: Tensor, dim: Sequence[int] | None = None, *, correction: Number | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    variance, mean = var_mean(value, dim, correction=correction, keepdim=keepdim)
    return torch.sqrt(variance), mean


def var_mean(
    value: Tensor, dim: Sequence[int] | None = None, *, correction: Number | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    axes = list(dim) if dim else list(range(value.dim()))
    count = math.prod(value.shape[axis] for axis in axes)
    mean = value.mean(axes, keepdim=True)
    deviation = value - mean
    squares = deviation * deviation if not value.is_complex() else torch.real(deviation * deviation.conj())
    free = max(0.0, count - (1.0 if correction is None else float(correction.real)))
    variance = squares.sum(axes, keepdim=True) / free
    return (variance, mean) if keepdim else (_squeezed(variance, axes), _squeezed(mean, axes))


def addcmul(base: Tensor, one: Tensor, other: Tensor, *, value: Number = 1) -> Tensor:
    return base + value * (one * other)


def addcdiv(base: Tensor, one: Tensor, other: Tensor, *, value: Number = 1) -> Tensor:
    return base + value * (one / other)


def lerp(start: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    return start + weight * (end - start)


def xlogy(one: Any, other: Any) -> Tensor:
    one, other = torch.as_tensor(one), torch.as_tensor(other)
    return torch.where((one == 0) & ~other.isnan(), 0.0, one * torch.log(other))


def _squeezed(value: Tensor, axes: Sequence[int]) -> Tensor:
    return value.squeeze(tuple(axes))


PRIMITIVES: dict[str, Callable[..., Any]] = {
    "aten::native_layer_norm": native_layer_norm,
    "aten::native_group_norm": native_group_norm,
    "aten::gelu": gelu,
    "aten::glu": glu,
    "aten::mish": mish,
    "aten::logsumexp": logsumexp,
    "aten::logaddexp": logaddexp,
    "aten::var.correction": var,
    "aten::std.correction": std,
    "aten::var_mean.correction": var_mean,
    "aten::std_mean.correction": std_mean,
    "aten::addcmul": addcmul,
    "aten::addcdiv": addcdiv,
    "aten::lerp.Scalar": lerp,
    "aten::lerp.Tensor": lerp,
    "aten::xlogy.Tensor": xlogy,
    "aten::xlogy.Scalar_Self": xlogy,
    "aten::xlogy.Scalar_Other": xlogy,
}
