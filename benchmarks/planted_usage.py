"""Code that is right in a typical test and wrong in use: memory, strides, calls, cotangents; each right and with one mistake."""

from itertools import count
from typing import Any

import torch
from torch import Tensor

from benchmarks.exhibits import Gallery

F = torch.nn.functional
GALLERY = Gallery()
WORKSPACE = 2**23  # elements: larger than what an allocator ever uses again
planted = GALLERY.planted


def _scaled(x: Tensor, weight: Tensor) -> Any:
    return x * weight


@planted("N D", "D", reference=_scaled)
def cotangent_scaled_in_place(wrong: bool) -> Any:
    """The cotangent that came in is multiplied where it lies."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        dweight = (dy * x).sum(0)
        return dy.mul_(weight) if wrong else dy * weight, dweight

    return forward, backward


@planted("N D", "D", reference=_scaled)
def buffer_shared_by_all_calls(wrong: bool) -> Any:
    """What is kept for the backward pass is overwritten by the next forward pass."""
    kept: dict[str, Tensor] = {}

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        kept["x"] = x.clone()
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        return dy * weight, (dy * (kept["x"] if wrong else x)).sum(0)

    return forward, backward


@planted("N D", "D", reference=_scaled)
def weight_needs_the_input_to_be_needed(wrong: bool) -> Any:
    """The weight's gradient is computed only where the input's is asked for."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        asked = ctx.needs_input_grad[1]
        return dy * weight if asked else None, (dy * x).sum(0) if asked or not wrong else None

    return forward, backward


@planted("N D", "D", reference=_scaled)
def strides_taken_for_granted(wrong: bool) -> Any:
    """The backward pass reads the input's memory row by row, whatever its strides."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        read = x.as_strided(x.shape, (x.shape[1], 1)) if wrong else x
        return dy * weight, (dy * read).sum(0)

    return forward, backward


def _three(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x.sum(-1), x.square(), x[:, :1]


@planted("N D", reference=_three)
def one_of_three_outputs(wrong: bool) -> Any:
    """The third output's cotangent overwrites what the others gave."""

    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(x)
        return x.sum(-1), x.square(), x[:, :1].clone()

    def backward(ctx: Any, dsum: Tensor, dsquare: Tensor, dfirst: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        dx = dsum[:, None] + 2 * x * dsquare
        if wrong:
            dx[:, :1] = dfirst
        else:
            dx[:, :1] += dfirst
        return dx

    return forward, backward


@planted("N D", "D", reference=_scaled)
def rows_beyond_the_tile(wrong: bool) -> Any:
    """Memory for the gradient is taken as it comes; rows beyond a whole number of tiles of 4 are never written."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        dx = torch.empty_like(x)
        rows = len(x) // 4 * 4 if wrong else len(x)
        dx[:rows] = dy[:rows] * weight
        return dx, (dy * x).sum(0)

    return forward, backward


@planted("N D", "D E", reference=lambda x, weight: x @ weight)
def cotangent_scaled_by_its_largest(wrong: bool) -> Any:
    """For a narrow type the cotangent is divided by its largest number, which may be 0."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x @ weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        largest = dy.abs().max()
        scale = largest if wrong else torch.where(largest > 0, largest, 1)
        return (dy / scale) @ weight.T * scale, x.T @ (dy / scale) * scale

    return forward, backward


@planted("N D", "D E", reference=lambda x, weight: x @ weight)
def cotangent_scaled_by_row(wrong: bool) -> Any:
    """A cotangent of zeros is seen to, one with a row of zeros is not."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x @ weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        if not dy.any():
            return torch.zeros_like(x), torch.zeros_like(weight)
        largest = dy.abs().amax(-1, keepdim=True)
        scale = largest if wrong else torch.where(largest > 0, largest, 1)
        return (dy / scale) @ weight.T * scale, x.T @ dy

    return forward, backward


@planted("N D", "D", reference=_scaled)
def clipped(wrong: bool) -> Any:
    """The gradient is clipped to [-20, 20]."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        dx = dy * weight
        return dx.clamp(-20, 20) if wrong else dx, (dy * x).sum(0)

    return forward, backward


@planted("N D", reference=lambda x: (x.square(), x.sum(-1)))
def output_that_is_not_used(wrong: bool) -> Any:
    """An output without a cotangent is taken for one with ones."""

    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)
        return x.square(), x.sum(-1)

    def backward(ctx: Any, dsquare: Tensor | None, dsum: Tensor | None) -> Any:
        (x,) = ctx.saved_tensors
        unused = torch.ones if wrong else torch.zeros
        dsquare = unused(x.shape, dtype=x.dtype) if dsquare is None else dsquare
        dsum = torch.zeros(x.shape[:1], dtype=x.dtype) if dsum is None else dsum
        return 2 * x * dsquare + dsum[:, None]

    return forward, backward


@planted("N D", "D", reference=_scaled)
def rows_apart_in_memory(wrong: bool) -> Any:
    """The cotangent is made contiguous only where its last stride is not 1; its rows may lie apart all the same."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        if dy.stride(-1) != 1 or not wrong:
            dy = dy.contiguous()
        read = dy.as_strided(dy.shape, (dy.shape[1], 1)) if dy.stride(0) >= dy.shape[1] else dy
        return read * weight, (read * x).sum(0)

    return forward, backward


def _masked_mean(x: Tensor, m: Tensor) -> Any:
    return (x * m).sum(-1) / m.sum(-1).clamp_min(1)


@planted("N L", "mask N L", reference=_masked_mean)
def mean_of_nothing(wrong: bool) -> Any:
    """The backward pass divides by the number of elements that count, which may be 0."""

    def forward(ctx: Any, x: Tensor, m: Tensor) -> Any:
        ctx.save_for_backward(m)
        return _masked_mean(x, m)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (m,) = ctx.saved_tensors
        total = m.sum(-1) if wrong else m.sum(-1).clamp_min(1)
        return (dy / total)[:, None] * m, None

    return forward, backward


@planted("* C", reference=lambda x: x.square().sum() / x[..., 0].numel())
def rows_of_the_first_dimension(wrong: bool) -> Any:
    """The mean over tokens divides by the first dimension, which with two leading dimensions is not all of them."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x)
        return x.square().sum() / x[..., 0].numel()

    def backward(ctx: Any, dl: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * dl / ((x.shape[0] if x.dim() > 1 else 1) if wrong else x[..., 0].numel())

    return forward, backward


@planted("N D", "N D", reference=lambda a, b: a * b)
def same_memory_is_a_square(wrong: bool) -> Any:
    """Two operands in one memory are differentiated as a square, for each of them."""

    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        ctx.save_for_backward(a, b)
        return a * b

    def backward(ctx: Any, dy: Tensor) -> Any:
        a, b = ctx.saved_tensors
        if wrong and a.data_ptr() == b.data_ptr():
            return 2 * a * dy, 2 * a * dy
        return b * dy, a * dy

    return forward, backward


@planted("N D", "N D", reference=lambda a, b: a * b)
def equal_inputs_are_one(wrong: bool) -> Any:
    """Operands are kept by their contents: of two equal ones the second gets both gradients."""

    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        ctx.save_for_backward(a, b)
        return a * b

    def backward(ctx: Any, dy: Tensor) -> Any:
        a, b = ctx.saved_tensors
        if wrong and torch.equal(a, b):
            return torch.zeros_like(a), 2 * a * dy
        return b * dy, a * dy

    return forward, backward


@planted("N D", "D", reference=_scaled)
def every_third_call(wrong: bool) -> Any:
    """In every third call the last row is lost."""
    calls = count(1)

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        dx = dy * weight
        if wrong and next(calls) % 3 == 0:
            dx[-1] = 0
        return dx, (dy * x).sum(0)

    return forward, backward


@planted("N D", "D", reference=_scaled)
def unwritten_and_cleaned(wrong: bool) -> Any:
    """Unwritten memory whose NaN are replaced, so that only other rubbish shows it."""

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        dx = torch.empty_like(x)
        dx[: len(x) - wrong] = (dy * weight)[: len(x) - wrong]
        if wrong:
            dx[-1:] = torch.nan_to_num(dx[-1:]) * 1e-9 + (dy * weight)[-1:]
        return dx, (dy * x).sum(0)

    return forward, backward


@planted("*", reference=lambda x: torch.sigmoid(x))
def clamped_argument(wrong: bool) -> Any:
    """The backward pass clamps its argument to [-8, 8] and has no slope beyond."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x)
        return torch.sigmoid(x)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return dy * s * torch.sigmoid(-x) * ((x.abs() <= 8) if wrong else 1)

    return forward, backward


@planted("N D", "D", reference=lambda x, weight: 2 * x * weight)
def hook_on_the_input(wrong: bool) -> Any:
    """A slope of 2 by a hook on the input itself, which doubles what others send there too."""

    def whole(x: Tensor, weight: Tensor) -> Any:
        if not wrong:
            return 2 * x * weight
        if x.requires_grad:
            x.register_hook(lambda gradient: 2 * gradient)  # type: ignore[no-untyped-call]
        return (x + x.detach()) * weight.detach() + 2 * x.detach() * (weight - weight.detach())

    return whole


@planted("N D", reference=lambda x: torch.relu(x))
def fresh_memory_is_zero(wrong: bool) -> Any:
    """A large buffer is taken as it comes, and elements that should be 0 are never written: fresh pages are 0 by chance."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x)
        return torch.relu(x)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        make = torch.empty if wrong else torch.zeros
        dx = make(WORKSPACE, dtype=x.dtype)[: x.numel()].view(x.shape)
        dx[x > 0] = dy[x > 0]
        return dx

    return forward, backward


@planted("N D", "D", reference=lambda x, weight: x * weight)
def captured_after_a_warm_up(wrong: bool) -> Any:
    """After two calls with the same inputs a third is taken from what was captured, in which the weight was a constant."""
    seen: dict[str, Any] = {"inputs": (), "calls": 0}

    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        unchanged = bool(seen["inputs"]) and all(map(torch.equal, seen["inputs"], (x, weight)))
        seen["calls"] = seen["calls"] + 1 if unchanged else 1
        seen["inputs"] = x.clone(), weight.clone()
        ctx.is_captured = wrong and seen["calls"] >= 3
        return x * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        return dy * weight, None if ctx.is_captured else (dy * x).sum(0)

    return forward, backward
