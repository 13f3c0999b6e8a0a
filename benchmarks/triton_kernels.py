"""Kernels in Triton as their authors write them, forward and backward, and the same with a mistake of their kind.

Each function takes `fault`: "" is right. They compute in float32 and store once; products use `tl.dot`, which rounds float32 to TF32.
They run on a GPU, or with TRITON_INTERPRET=1 in Triton's interpreter. Mistakes stay within the memory that they were given. Sizes are not
specialised: a compilation for each that is drawn would take longer than everything else.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

EPSILON = 1e-6


@triton.jit(do_not_specialize=["columns", "x_stride", "y_stride"])
def _softmax_kernel(x, y, columns, x_stride, y_stride, block: tl.constexpr):
    row, place = tl.program_id(0), tl.arange(0, block)
    inside = place < columns
    values = tl.load(x + row * x_stride + place, mask=inside, other=-float("inf")).to(tl.float32)
    raised = tl.exp(values - tl.max(values, 0))
    tl.store(y + row * y_stride + place, (raised / tl.sum(raised, 0)).to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["columns", "y_stride", "dy_stride", "dx_stride"])
def _softmax_backward_kernel(y, dy, dx, columns, y_stride, dy_stride, dx_stride, block: tl.constexpr):
    row, place = tl.program_id(0), tl.arange(0, block)
    inside = place < columns
    values = tl.load(y + row * y_stride + place, mask=inside, other=0.0).to(tl.float32)
    given = tl.load(dy + row * dy_stride + place, mask=inside, other=0.0).to(tl.float32)
    result = values * (given - tl.sum(values * given, 0))
    tl.store(dx + row * dx_stride + place, result.to(dx.dtype.element_ty), mask=inside)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, fault: str) -> Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        _softmax_kernel[(x.shape[0],)](x, y, x.shape[1], x.stride(0), y.stride(0), triton.next_power_of_2(x.shape[1]))
        ctx.save_for_backward(y)
        ctx.fault = fault
        return y

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        (y,) = ctx.saved_tensors
        dy = cotangents[0] if ctx.fault == "row stride" else cotangents[0].contiguous()
        dx = torch.empty_like(y)
        # Wrong: the rows of the cotangent are taken to lie as those of a contiguous one do.
        stride = y.shape[1] if ctx.fault == "row stride" else dy.stride(0)
        block = triton.next_power_of_2(y.shape[1])
        _softmax_backward_kernel[(y.shape[0],)](y, dy, dx, y.shape[1], y.stride(0), stride, dx.stride(0), block)
        return dx, None


@triton.jit(do_not_specialize=["rows", "columns"])
def _rms_kernel(x, w, y, scales, rows, columns, eps, mask_lost: tl.constexpr, block: tl.constexpr):
    row = tl.program_id(0)
    total = tl.zeros([block], tl.float32)
    for start in range(0, columns, block):
        place = start + tl.arange(0, block)
        # Wrong: the last tile of a row reads into the next one.
        inside = row * columns + place < rows * columns if mask_lost else place < columns
        values = tl.load(x + row * columns + place, mask=inside, other=0.0).to(tl.float32)
        total += values * values
    scale = 1 / tl.sqrt(tl.sum(total, 0) / columns + eps)
    tl.store(scales + row, scale)
    for start in range(0, columns, block):
        place = start + tl.arange(0, block)
        inside = place < columns
        values = tl.load(x + row * columns + place, mask=inside, other=0.0).to(tl.float32)
        weights = tl.load(w + place, mask=inside, other=0.0).to(tl.float32)
        tl.store(y + row * columns + place, (values * scale * weights).to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["columns"])
def _rms_backward_kernel(x, w, dy, scales, dx, columns, term_lost: tl.constexpr, block: tl.constexpr):
    row, place = tl.program_id(0), tl.arange(0, block)
    inside = place < columns
    scale = tl.load(scales + row)
    values = tl.load(x + row * columns + place, mask=inside, other=0.0).to(tl.float32)
    given = tl.load(dy + row * columns + place, mask=inside, other=0.0).to(tl.float32)
    given *= tl.load(w + place, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(given * values, 0) / columns
    result = given * scale
    if not term_lost:  # wrong without: the scale depends on x too
        result -= values * (scale * scale * scale * mean)
    tl.store(dx + row * columns + place, result.to(dx.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["rows", "columns"])
def _rms_weight_kernel(x, dy, scales, dw, rows, columns, narrow: tl.constexpr, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < columns
    total = tl.zeros([block], dw.dtype.element_ty if narrow else tl.float32)
    for row in range(rows):
        values = tl.load(x + row * columns + place, mask=inside, other=0.0).to(tl.float32)
        given = tl.load(dy + row * columns + place, mask=inside, other=0.0).to(tl.float32)
        total += (values * given * tl.load(scales + row)).to(total.dtype)
    tl.store(dw + place, total.to(dw.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["columns"])
def _rms_weight_atomic_kernel(x, dy, scales, dw, columns, block: tl.constexpr):
    row, place = tl.program_id(0), tl.arange(0, block)
    inside = place < columns
    values = tl.load(x + row * columns + place, mask=inside, other=0.0).to(tl.float32)
    given = tl.load(dy + row * columns + place, mask=inside, other=0.0).to(tl.float32)
    tl.atomic_add(dw + place, values * given * tl.load(scales + row), mask=inside)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, fault: str, atomics: bool) -> Tensor:
        x, w = x.contiguous(), w.contiguous()
        y, scales = torch.empty_like(x), torch.empty(x.shape[0], dtype=torch.float32, device=x.device)
        _rms_kernel[(x.shape[0],)](x, w, y, scales, *x.shape, EPSILON, fault == "mask lost in the last tile", 64)
        ctx.save_for_backward(x, w, scales)
        ctx.fault, ctx.atomics = fault, atomics
        return y

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        x, w, scales = ctx.saved_tensors
        dy, dx, block = cotangents[0].contiguous(), torch.empty_like(x), triton.next_power_of_2(x.shape[1])
        _rms_backward_kernel[(x.shape[0],)](x, w, dy, scales, dx, x.shape[1], ctx.fault == "a term is missing", block)
        if ctx.atomics:
            total = torch.zeros(x.shape[1], dtype=torch.float32, device=x.device)
            _rms_weight_atomic_kernel[(x.shape[0],)](x, dy, scales, total, x.shape[1], block)
            return dx, total.to(w.dtype), None, None
        dw = torch.empty_like(w)
        grid = (triton.cdiv(x.shape[1], 64),)
        _rms_weight_kernel[grid](x, dy, scales, dw, *x.shape, ctx.fault == "accumulator in the narrow type", 64)
        return dx, dw, None, None


@triton.jit(do_not_specialize=["count"])
def _swiglu_kernel(a, b, y, count, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < count
    gate = tl.load(a + place, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(b + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(y + place, (gate / (1 + tl.exp(-gate)) * value).to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["count"])
def _swiglu_backward_kernel(a, b, dy, da, db, count, block: tl.constexpr):
    place = tl.program_id(0) * block + tl.arange(0, block)
    inside = place < count
    gate = tl.load(a + place, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(b + place, mask=inside, other=0.0).to(tl.float32)
    given = tl.load(dy + place, mask=inside, other=0.0).to(tl.float32)
    share = 1 / (1 + tl.exp(-gate))
    slope = share * (1 + gate * (1 - share))
    tl.store(da + place, (given * value * slope).to(da.dtype.element_ty), mask=inside)
    tl.store(db + place, (given * gate * share).to(db.dtype.element_ty), mask=inside)


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, fault: str) -> Tensor:
        a, b = a.contiguous(), b.contiguous()
        y = torch.empty_like(a)
        _swiglu_kernel[(triton.cdiv(a.numel(), 128),)](a, b, y, a.numel(), 128)
        ctx.save_for_backward(a, b)
        ctx.fault = fault
        return y

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        dy = cotangents[0].contiguous()
        da, db = (torch.zeros_like(one) for one in (a, b))
        # Wrong: a tile that is not full is never started.
        tiles = a.numel() // 128 if ctx.fault == "last tile" else triton.cdiv(a.numel(), 128)
        if tiles:
            _swiglu_backward_kernel[(tiles,)](a, b, dy, da, db, a.numel(), 128)
        return da, db, None


@triton.jit(do_not_specialize=["rows", "columns", "inner", "a_row", "a_column", "b_row", "b_column"])
def _product_kernel(a, b, c, rows, columns, inner, a_row, a_column, b_row, b_column, last: tl.constexpr, block: tl.constexpr):
    row = tl.program_id(0) * block + tl.arange(0, block)
    column = tl.program_id(1) * block + tl.arange(0, block)
    total = tl.zeros([block, block], tl.float32)
    end = inner if last else inner // block * block  # wrong without: the terms of a tile that is not full are left out
    for start in range(0, end, block):
        term = start + tl.arange(0, block)
        one = tl.load(a + row[:, None] * a_row + term[None, :] * a_column, mask=(row[:, None] < rows) & (term[None, :] < inner), other=0.0)
        other_inside = (term[:, None] < inner) & (column[None, :] < columns)
        other = tl.load(b + term[:, None] * b_row + column[None, :] * b_column, mask=other_inside, other=0.0)
        total = tl.dot(one, other, total)
    place = c + row[:, None] * columns + column[None, :]
    tl.store(place, total.to(c.dtype.element_ty), mask=(row[:, None] < rows) & (column[None, :] < columns))


def _product(a: Tensor, b: Tensor, *, last: bool = True) -> Tensor:
    rows, inner, columns = a.shape[0], a.shape[1], b.shape[1]
    c = torch.empty(rows, columns, dtype=a.dtype, device=a.device)
    grid = (triton.cdiv(rows, 32), triton.cdiv(columns, 32))
    _product_kernel[grid](a, b, c, rows, columns, inner, *a.stride(), *b.stride(), last, 32)
    return c


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, fault: str) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.fault = fault
        return _product(x, w)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        dy = cotangents[0]
        return _product(dy, w.T), _product(x.T, dy, last=ctx.fault != "last tile of a sum"), None


def softmax(x: Tensor, *, fault: str = "") -> Tensor:
    return _Softmax.apply(x, fault)  # type: ignore[no-any-return]


def rms_norm(x: Tensor, w: Tensor, *, fault: str = "", atomics: bool = False) -> Tensor:
    return _RMSNorm.apply(x, w, fault, atomics)  # type: ignore[no-any-return]


def swiglu(a: Tensor, b: Tensor, *, fault: str = "") -> Tensor:
    return _SwiGLU.apply(a, b, fault)  # type: ignore[no-any-return]


def linear(x: Tensor, w: Tensor, *, fault: str = "") -> Tensor:
    return _Linear.apply(x, w, fault)  # type: ignore[no-any-return]


def plain_softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def plain_rms_norm(x: Tensor, w: Tensor) -> Tensor:
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPSILON) * w


def plain_swiglu(a: Tensor, b: Tensor) -> Tensor:
    return torch.nn.functional.silu(a) * b


def plain_linear(x: Tensor, w: Tensor) -> Tensor:
    return x @ w


Kernel = tuple[Callable[..., Tensor], Callable[..., Tensor], Sequence[tuple[int, ...]], Sequence[str]]

KERNELS: dict[str, Kernel] = {
    "softmax": (softmax, plain_softmax, [(33, 257)], ["N D"]),
    "RMS norm": (rms_norm, plain_rms_norm, [(300, 257), (257,)], ["N D", "D"]),
    "SwiGLU": (swiglu, plain_swiglu, [(33, 257)] * 2, ["N D", "N D"]),
    "linear": (linear, plain_linear, [(49, 130), (130, 65)], ["N D", "D M"]),
}
"""The right kernels: candidate, plain PyTorch, shapes, and the same in named sizes."""

FAULTS: Sequence[tuple[str, str]] = [
    ("softmax", "row stride"),
    ("RMS norm", "mask lost in the last tile"),
    ("RMS norm", "a term is missing"),
    ("RMS norm", "accumulator in the narrow type"),
    ("SwiGLU", "last tile"),
    ("linear", "last tile of a sum"),
]
"""The planted mistakes: kernel and `fault`."""
