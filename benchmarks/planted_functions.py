"""Layers written by hand in PyTorch, each right and with one mistake: norms, attention, scans, gates, quantisers.

Every one is a forward and a backward pass as authors of kernels write them; `wrong` chooses the version. `benchmarks.museum` judges them.
"""

from typing import Any

import torch
from torch import Tensor

from benchmarks.exhibits import Gallery

F = torch.nn.functional
GALLERY = Gallery()
planted = GALLERY.planted


def _group_norm(x: Tensor, weight: Tensor, bias: Tensor, *, groups: int) -> Any:
    return F.group_norm(x, groups, weight, bias)


@planted("N 4*G L", "4*G", "4*G", reference=_group_norm, options={"groups": [1, 2, 4]})
def group_norm(wrong: bool) -> Any:
    """The mean that is taken out of the gradient is that of all channels, not of the group."""

    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *, groups: int) -> Any:
        rows = x.reshape(len(x), groups, -1)
        inverse = (rows.var(-1, correction=0, keepdim=True) + 1e-5).rsqrt()
        normed = ((rows - rows.mean(-1, keepdim=True)) * inverse).reshape(x.shape)
        ctx.groups = groups
        ctx.save_for_backward(normed, inverse, weight)
        return normed * weight[:, None] + bias[:, None]

    def backward(ctx: Any, dy: Tensor) -> Any:
        normed, inverse, weight = ctx.saved_tensors
        parts = 1 if wrong else ctx.groups
        slope = (dy * weight[:, None]).reshape(len(dy), parts, -1)
        flat = normed.reshape(slope.shape)
        inner = slope - slope.mean(-1, keepdim=True) - flat * (slope * flat).mean(-1, keepdim=True)
        dx = inner.reshape(len(dy), ctx.groups, -1) * inverse
        return dx.reshape(dy.shape), (dy * normed).sum((0, 2)), dy.sum((0, 2))

    return forward, backward


def _batch_norm(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, *, training: bool) -> Any:
    if training:
        mean, variance = x.mean(0), x.var(0, correction=0)
    return (x - mean) / (variance + 1e-5).sqrt() * weight


@planted("N C", "C", "positive C", "C", reference=_batch_norm, options={"training": [True, False]}, constant=(1, 2), sizes={"N": (2, 80)})
def batch_norm_in_evaluation(wrong: bool) -> Any:
    """With running statistics the backward pass still takes out the batch's mean."""

    def forward(ctx: Any, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, *, training: bool) -> Any:
        if training:
            mean, variance = x.mean(0), x.var(0, correction=0)
        inverse = (variance + 1e-5).rsqrt()
        normed = (x - mean) * inverse
        ctx.training = training
        ctx.save_for_backward(normed, inverse, weight)
        return normed * weight

    def backward(ctx: Any, dy: Tensor) -> Any:
        normed, inverse, weight = ctx.saved_tensors
        slope = dy * weight
        if ctx.training or wrong:
            slope = slope - slope.mean(0) - normed * (slope * normed).mean(0)
        return slope * inverse, None, None, (dy * normed).sum(0)

    return forward, backward


def _offset_rms_norm(x: Tensor, weight: Tensor, *, offset: float) -> Any:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * (offset + weight)


@planted("* C", "C", reference=_offset_rms_norm, options={"offset": [0.0, 1.0]})
def rms_norm_with_offset(wrong: bool) -> Any:
    """The backward pass scales by the weight, the forward pass by offset + weight."""

    def forward(ctx: Any, x: Tensor, weight: Tensor, *, offset: float) -> Any:
        inverse = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x * inverse, inverse, weight if wrong else offset + weight)
        return x * inverse * (offset + weight)

    def backward(ctx: Any, dy: Tensor) -> Any:
        normed, inverse, scale = ctx.saved_tensors
        slope = dy * scale
        dx = inverse * (slope - normed * (slope * normed).mean(-1, keepdim=True))
        return dx, (dy * normed).reshape(-1, dy.shape[-1]).sum(0)

    return forward, backward


def _standardised(x: Tensor) -> Any:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()


@planted("N C", reference=_standardised)
def epsilon_outside_of_the_root(wrong: bool) -> Any:
    """The backward pass divides by the standard deviation plus epsilon; the forward pass has epsilon inside of the root."""

    def forward(ctx: Any, x: Tensor) -> Any:
        variance = x.var(-1, correction=0, keepdim=True)
        normed = (x - x.mean(-1, keepdim=True)) * (variance + 1e-5).rsqrt()
        ctx.save_for_backward(normed, 1 / (variance.sqrt() + 1e-5) if wrong else (variance + 1e-5).rsqrt())
        return normed

    def backward(ctx: Any, dy: Tensor) -> Any:
        normed, inverse = ctx.saved_tensors
        return inverse * (dy - dy.mean(-1, keepdim=True) - normed * (dy * normed).mean(-1, keepdim=True))

    return forward, backward


def _weight_norm(v: Tensor, g: Tensor) -> Any:
    return g[:, None] * v / v.norm(dim=1, keepdim=True)


@planted("D C", "D", reference=_weight_norm)
def weight_norm(wrong: bool) -> Any:
    """The gradient of v keeps the part along v."""

    def forward(ctx: Any, v: Tensor, g: Tensor) -> Any:
        unit = v / v.norm(dim=1, keepdim=True)
        ctx.save_for_backward(unit, v.norm(dim=1, keepdim=True), g)
        return g[:, None] * unit

    def backward(ctx: Any, dw: Tensor) -> Any:
        unit, length, g = ctx.saved_tensors
        along = (dw * unit).sum(1, keepdim=True)
        return g[:, None] / length * (dw if wrong else dw - unit * along), along[:, 0]

    return forward, backward


def _geglu(x: Tensor, gate: Tensor, *, approximate: str) -> Any:
    return F.gelu(gate, approximate=approximate) * x


@planted("N D", "N D", reference=_geglu, options={"approximate": ["none", "tanh"]})
def geglu_by_tanh(wrong: bool) -> Any:
    """The slope is that of the exact GELU, also where the forward pass approximates it."""

    def forward(ctx: Any, x: Tensor, gate: Tensor, *, approximate: str) -> Any:
        ctx.approximate = "none" if wrong else approximate
        ctx.save_for_backward(x, gate, F.gelu(gate, approximate=approximate))
        return F.gelu(gate, approximate=approximate) * x

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, gate, gated = ctx.saved_tensors
        return dy * gated, torch.ops.aten.gelu_backward(dy * x, gate, approximate=ctx.approximate)

    return forward, backward


def _attention(q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> Any:
    scores = q @ k.T / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(~torch.ones(scores.shape, dtype=torch.bool).tril(len(k) - len(q)), -torch.inf)
    return torch.softmax(scores, -1) @ v


@planted("Q D", "K D", "K D", reference=_attention, options={"causal": [False, True]}, require=("Q <= K",))
def causal_attention(wrong: bool) -> Any:
    """With fewer queries than keys the backward pass aligns its mask to the first key, the forward pass to the last."""

    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> Any:
        ctx.causal = causal
        ctx.save_for_backward(q, k, v)
        return _attention(q, k, v, causal=causal)

    def backward(ctx: Any, dout: Tensor) -> Any:
        q, k, v = ctx.saved_tensors
        scores = q @ k.T / q.shape[-1] ** 0.5
        if ctx.causal:
            seen = torch.ones(scores.shape, dtype=torch.bool).tril(0 if wrong else len(k) - len(q))
            scores = scores.masked_fill(~seen, -torch.inf)
        p = torch.softmax(scores, -1)
        dp = dout @ v.T
        ds = p * (dp - (dp * p).sum(-1, keepdim=True)) / q.shape[-1] ** 0.5
        return ds @ k, ds.T @ q, p.T @ dout

    return forward, backward


def _grouped_query(q: Tensor, k: Tensor, v: Tensor) -> Any:
    group = len(q) // len(k)
    k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
    return torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, -1) @ v


@planted("G*H T D", "H T D", "H T D", reference=_grouped_query, sizes={"G": (1, 4)}, typical={"G": 1})
def grouped_query_attention(wrong: bool) -> Any:
    """The gradients of keys and values are those of the group's last head, not of all."""

    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Any:
        ctx.save_for_backward(q, k, v)
        return _grouped_query(q, k, v)

    def backward(ctx: Any, dout: Tensor) -> Any:
        q, k, v = ctx.saved_tensors
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for head in range(len(q)):
            shared = head // (len(q) // len(k))
            p = torch.softmax(q[head] @ k[shared].T / q.shape[-1] ** 0.5, -1)
            dp = dout[head] @ v[shared].T
            ds = p * (dp - (dp * p).sum(-1, keepdim=True)) / q.shape[-1] ** 0.5
            dq[head] = ds @ k[shared]
            if wrong:
                dk[shared], dv[shared] = ds.T @ q[head], p.T @ dout[head]
            else:
                dk[shared] += ds.T @ q[head]
                dv[shared] += p.T @ dout[head]
        return dq, dk, dv

    return forward, backward


def _capped(scores: Tensor, v: Tensor, *, cap: float) -> Any:
    return torch.softmax(cap * torch.tanh(scores / cap) if cap else scores, -1) @ v


@planted("Q K", "K D", reference=_capped, options={"cap": [0.0, 5.0]})
def softcap(wrong: bool) -> Any:
    """The slope of the cap is left out."""

    def forward(ctx: Any, scores: Tensor, v: Tensor, *, cap: float) -> Any:
        bent = cap * torch.tanh(scores / cap) if cap else scores
        ctx.cap = cap
        ctx.save_for_backward(bent, v)
        return torch.softmax(bent, -1) @ v

    def backward(ctx: Any, dout: Tensor) -> Any:
        bent, v = ctx.saved_tensors
        p = torch.softmax(bent, -1)
        dp = dout @ v.T
        ds = p * (dp - (dp * p).sum(-1, keepdim=True))
        return ds * (1 - (bent / ctx.cap) ** 2) if ctx.cap and not wrong else ds, p.T @ dout

    return forward, backward


def _rotated(x: Tensor, angle: Tensor, *, interleaved: bool) -> Any:
    one, two = (x[..., ::2], x[..., 1::2]) if interleaved else x.chunk(2, -1)
    turned = one * angle.cos() - two * angle.sin(), one * angle.sin() + two * angle.cos()
    return torch.stack(turned, -1).flatten(-2) if interleaved else torch.cat(turned, -1)


@planted("B T 2*D", "T D", reference=_rotated, options={"interleaved": [False, True]}, constant=(1,))
def rotary(wrong: bool) -> Any:
    """Interleaved pairs are turned forward in the backward pass too."""

    def forward(ctx: Any, x: Tensor, angle: Tensor, *, interleaved: bool) -> Any:
        ctx.interleaved = interleaved
        ctx.save_for_backward(angle)
        return _rotated(x, angle, interleaved=interleaved)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (angle,) = ctx.saved_tensors
        return _rotated(dy, angle if wrong and ctx.interleaved else -angle, interleaved=ctx.interleaved), None

    return forward, backward


def _recurrence(x: Tensor, decay: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    states = [start]
    for t in range(len(x)):
        states.append(decay[t] * states[-1] + x[t])
    return torch.stack(states[1:]), states[-1]


def _recurrence_back(x: Tensor, states: Tensor, decay: Tensor, dy: Tensor, last: Tensor, chunk: int = 10**9) -> Any:
    dx, ddecay, carried = torch.zeros_like(x), torch.zeros_like(decay), last
    for t in reversed(range(len(x))):
        carried = carried + dy[t]
        dx[t], ddecay[t] = carried, carried * states[t]
        carried = carried * decay[t] * (t % chunk != 0 or t == 0)
    return dx, ddecay, carried


def _scan_forward(ctx: Any, x: Tensor, decay: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    found, last = _recurrence(x, decay, start)
    ctx.save_for_backward(x, torch.cat([start[None], found]), decay)
    return found, last.clone()


@planted("T D", "unit T D", "D", reference=_recurrence)
def scan_in_chunks(wrong: bool) -> Any:
    """What is carried back is lost where a chunk of 24 steps begins."""

    def backward(ctx: Any, dy: Tensor, last: Tensor) -> Any:
        x, states, decay = ctx.saved_tensors
        return _recurrence_back(x, states, decay, dy, last, 24 if wrong else 10**9)

    return _scan_forward, backward


@planted("T D", "unit T D", "D", reference=_recurrence)
def final_state_ignored(wrong: bool) -> Any:
    """The cotangent of the second output, the final state, is not used."""

    def backward(ctx: Any, dy: Tensor, last: Tensor) -> Any:
        x, states, decay = ctx.saved_tensors
        return _recurrence_back(x, states, decay, dy, torch.zeros_like(last) if wrong else last)

    return _scan_forward, backward


@planted("N L", reference=lambda x: torch.cumprod(x, -1))
def cumulative_product(wrong: bool) -> Any:
    """The product without one factor is had by dividing, which fails at zeros."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x)
        return torch.cumprod(x, -1)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        if wrong:
            return (dy * torch.cumprod(x, -1)).flip(-1).cumsum(-1).flip(-1) / x
        found = torch.zeros_like(x)
        for place in range(x.shape[-1]):
            without = x.clone()
            without[:, place] = 1
            found[:, place] = (dy * torch.cumprod(without, -1))[:, place:].sum(-1)
        return found

    return forward, backward


def _dropped(x: Tensor, kept: Tensor, *, p: float) -> Any:
    return x * kept / (1 - p)


@planted("N D", "mask N D", reference=_dropped, options={"p": [0.0, 0.5]})
def dropout_scale(wrong: bool) -> Any:
    """The backward pass does not divide by the share that is kept."""

    def forward(ctx: Any, x: Tensor, kept: Tensor, *, p: float) -> Any:
        ctx.p = p
        ctx.save_for_backward(kept)
        return x * kept / (1 - p)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (kept,) = ctx.saved_tensors
        return dy * kept / (1 if wrong else 1 - ctx.p), None

    return forward, backward


def _identity_within(x: Tensor, step: Tensor) -> Any:
    return x.clamp(-1, 1) + 0 * step


@planted("N D", "", instead_of=_identity_within)
def straight_through(wrong: bool) -> Any:
    """Rounding whose gradient is meant to be that of the clip; it is let through beyond it too."""

    def forward(ctx: Any, x: Tensor, step: Tensor) -> Any:
        ctx.save_for_backward(x)
        return (x.clamp(-1, 1) * 4).round() / 4

    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return dy if wrong else dy * (x.abs() <= 1), dy.new_zeros(())

    return forward, backward


def _softmax(x: Tensor, *, dim: int) -> Any:
    return torch.softmax(x, dim)


@planted("N C T", reference=_softmax, options={"dim": [-1, 1, 0]})
def softmax_along_a_dimension(wrong: bool) -> Any:
    """The backward pass sums along the last dimension, whichever it was."""

    def forward(ctx: Any, x: Tensor, *, dim: int) -> Any:
        y = torch.softmax(x, dim)
        ctx.dim = -1 if wrong else dim
        ctx.save_for_backward(y)
        return y

    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return y * (dy - (dy * y).sum(ctx.dim, keepdim=True))

    return forward, backward


@planted("N D", reference=lambda x: x.norm(dim=-1))
def norm_at_zero(wrong: bool) -> Any:
    """0/0 where a row is zero; PyTorch has a gradient of 0 there."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x, x.norm(dim=-1))
        return x.norm(dim=-1)

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, length = ctx.saved_tensors
        unit = x / length[:, None]
        return dy[:, None] * (unit if wrong else torch.where(length[:, None] > 0, unit, 0.0))

    return forward, backward


@planted("N D", "M D", reference=lambda a, b: torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist"))
def distance_of_equal_points(wrong: bool) -> Any:
    """0/0 where two points are one."""

    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        apart = a[:, None] - b
        ctx.save_for_backward(apart, apart.square().sum(-1).sqrt())
        return apart.square().sum(-1).sqrt()

    def backward(ctx: Any, dy: Tensor) -> Any:
        apart, length = ctx.saved_tensors
        unit = apart / length[..., None]
        pulled = dy[..., None] * (unit if wrong else torch.where(length[..., None] > 0, unit, 0.0))
        return pulled.sum(1), -pulled.sum(0)

    return forward, backward


def _cholesky_factor(a: Tensor) -> Any:
    return torch.linalg.cholesky(a)


def _positive_definite(shape: tuple[int, ...], sizes: Any, generator: torch.Generator) -> Any:
    root = torch.randn(shape, generator=generator, dtype=torch.float64)
    return root @ root.T + torch.eye(len(root), dtype=torch.float64)


@planted("N N", reference=_cholesky_factor, draw={"a": _positive_definite})
def cholesky(wrong: bool) -> Any:
    """The diagonal of the projected triangle is not halved."""

    def forward(ctx: Any, a: Tensor) -> Any:
        factor = torch.linalg.cholesky(a)
        ctx.save_for_backward(factor)
        return factor

    def backward(ctx: Any, dl: Tensor) -> Any:
        (factor,) = ctx.saved_tensors
        inner = (factor.T @ dl).tril()
        if not wrong:
            inner = inner - torch.diag(torch.diagonal(inner)) / 2
        s = torch.linalg.solve_triangular(factor.T, torch.linalg.solve_triangular(factor.T, inner, upper=True).T, upper=True).T
        return (s + s.T) / 2

    return forward, backward
