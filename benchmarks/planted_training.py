"""Quantisers, routers, attention and contrastive losses as training code writes them by hand: each right and with one mistake."""

from typing import Any

import torch
from torch import Tensor

from benchmarks.exhibits import Gallery

F = torch.nn.functional
GALLERY = Gallery()
planted = GALLERY.planted


def _learned_step(x: Tensor, step: Tensor) -> Any:
    inside = (x / step).clamp(-4, 3)
    return (inside + (inside.round() - inside).detach()) * step


@planted("N C", "positive 1", reference=_learned_step)
def learned_step_of_a_quantiser(wrong: bool) -> Any:
    """The step's gradient lacks the term of what is not clipped."""

    def forward(ctx: Any, x: Tensor, step: Tensor) -> Any:
        scaled = x / step
        whole = scaled.clamp(-4, 3).round()
        passed = (scaled >= -4) & (scaled <= 3)
        ctx.save_for_backward(passed, whole if wrong else whole - scaled * passed)
        return whole * step

    def backward(ctx: Any, dy: Tensor) -> Any:
        passed, slope = ctx.saved_tensors
        return dy * passed, (dy * slope).sum().reshape(1)

    return forward, backward


def _clipped_activation(x: Tensor, alpha: Tensor) -> Any:
    return torch.minimum(x.clamp(min=0), alpha)


@planted("N C", "positive 1", reference=_clipped_activation)
def learned_clipping(wrong: bool) -> Any:
    """What is below 0 passes its cotangent on."""

    def forward(ctx: Any, x: Tensor, alpha: Tensor) -> Any:
        ctx.save_for_backward(x, alpha)
        return torch.minimum(x.clamp(min=0), alpha)

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, alpha = ctx.saved_tensors
        passed = x < alpha if wrong else (x > 0) & (x < alpha)
        return dy * passed, (dy * (x >= alpha)).sum().reshape(1)

    return forward, backward


def _routed(x: Tensor, *, k: int, renormalise: bool) -> Any:
    share = torch.softmax(x, -1).topk(k, -1).values
    return share / share.sum(-1, keepdim=True) if renormalise else share


@planted("N E", reference=_routed, options={"k": [2, 1], "renormalise": [True, False]}, sizes={"E": (2, 9)})
def router(wrong: bool) -> Any:
    """The sum that the chosen experts' shares are divided by is taken for a constant."""

    def forward(ctx: Any, x: Tensor, *, k: int, renormalise: bool) -> Any:
        share = torch.softmax(x, -1)
        chosen = share.topk(k, -1)
        ctx.renormalise = renormalise
        ctx.save_for_backward(share, *chosen)
        return chosen.values / chosen.values.sum(-1, keepdim=True) if renormalise else chosen.values

    def backward(ctx: Any, dy: Tensor) -> Any:
        share, values, place = ctx.saved_tensors
        if ctx.renormalise:
            total = values.sum(-1, keepdim=True)
            dy = (dy - (0 if wrong else (dy * values / total).sum(-1, keepdim=True))) / total
        pulled = torch.zeros_like(share).scatter(-1, place, dy)
        return share * (pulled - (pulled * share).sum(-1, keepdim=True))

    return forward, backward


def _combined(rows: Tensor, share: Tensor, place: Tensor) -> Any:
    return (rows[place] * share[..., None]).sum(1)


@planted("R D", "N K", "int<R> N K", reference=_combined)
def experts_combined(wrong: bool) -> Any:
    """The gradient of a share takes the token's output, not that of its expert."""

    def forward(ctx: Any, rows: Tensor, share: Tensor, place: Tensor) -> Any:
        y = _combined(rows, share, place)
        ctx.save_for_backward(rows, share, place, y)
        return y

    def backward(ctx: Any, dy: Tensor) -> Any:
        rows, share, place, y = ctx.saved_tensors
        pulled = share[..., None] * dy[:, None]
        drows = torch.zeros_like(rows).index_add(0, place.flatten(), pulled.flatten(0, 1))
        return drows, (dy[:, None] * (y[:, None] if wrong else rows[place])).sum(-1).expand_as(share), None

    return forward, backward


def _balance(x: Tensor) -> Any:
    share = torch.softmax(x, -1)
    used = F.one_hot(x.argmax(-1), x.shape[-1]).to(x.dtype).mean(0)
    return x.shape[-1] * (used * share.mean(0)).sum()


@planted("N E", reference=_balance)
def balance_of_experts(wrong: bool) -> Any:
    """The mean over tokens is taken twice."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x)
        return _balance(x)

    def backward(ctx: Any, dl: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        share = torch.softmax(x, -1)
        used = F.one_hot(x.argmax(-1), x.shape[-1]).to(x.dtype).mean(0)
        slope = share * (used - (share * used).sum(-1, keepdim=True))
        return dl * slope * x.shape[-1] / len(x) ** (2 if wrong else 1)

    return forward, backward


def _with_slopes(q: Tensor, k: Tensor, v: Tensor, *, alibi: bool) -> Any:
    scores = q @ k.mT
    if alibi:
        slopes = 2.0 ** -(torch.arange(q.shape[1]) + 1.0)
        apart = (torch.arange(q.shape[-2])[:, None] - torch.arange(k.shape[-2])).abs()
        scores = scores - (slopes[:, None, None] * apart).to(scores.dtype)
    return torch.softmax(scores, -1) @ v


@planted("B H Q D", "B H K D", "B H K D", reference=_with_slopes, options={"alibi": [False, True]}, sizes={"H": (1, 4)})
def attention_with_slopes(wrong: bool) -> Any:
    """The probabilities are computed again without their bias."""

    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, *, alibi: bool) -> Any:
        ctx.alibi = alibi
        ctx.save_for_backward(q, k, v)
        return _with_slopes(q, k, v, alibi=alibi)

    def backward(ctx: Any, dy: Tensor) -> Any:
        q, k, v = ctx.saved_tensors
        one = torch.eye(k.shape[-2], dtype=v.dtype).expand(*v.shape[:2], -1, -1)
        p = _with_slopes(q, k, one, alibi=ctx.alibi and not wrong)
        dp = dy @ v.mT
        ds = p * (dp - (p * dp).sum(-1, keepdim=True))
        return ds @ k, ds.mT @ q, p.mT @ dy

    return forward, backward


def _near(q: Tensor, k: Tensor, v: Tensor, *, window: int) -> Any:
    apart = torch.arange(q.shape[-2])[:, None] - torch.arange(k.shape[-2])
    hidden = (apart < 0) | (apart >= window)
    return torch.softmax((q @ k.mT).masked_fill(hidden, -torch.inf), -1) @ v


@planted("B T D", "B T D", "B T D", reference=_near, options={"window": [64, 3, 1]})
def attention_in_a_window(wrong: bool) -> Any:
    """The window of the backward pass is one token longer."""

    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, *, window: int) -> Any:
        apart = torch.arange(q.shape[-2])[:, None] - torch.arange(k.shape[-2])
        ctx.hidden = (apart < 0) | (apart >= window + wrong)
        scores = (q @ k.mT).masked_fill((apart < 0) | (apart >= window), -torch.inf)
        ctx.save_for_backward(q, k, v, scores.logsumexp(-1, keepdim=True))
        return torch.softmax(scores, -1) @ v

    def backward(ctx: Any, dy: Tensor) -> Any:
        q, k, v, total = ctx.saved_tensors
        p = torch.exp((q @ k.mT - total).masked_fill(ctx.hidden, -torch.inf))
        dp = dy @ v.mT
        ds = p * (dp - (p * dp).sum(-1, keepdim=True))
        return ds @ k, ds.mT @ q, p.mT @ dy

    return forward, backward


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Any:
    one, two = x.chunk(2, -1)
    return x * cos + torch.cat([-two, one], -1) * sin


@planted("B T 2*D", "T 2*D", "T 2*D", reference=_turned, constant=(1, 2))
def rotary_with_two_halves(wrong: bool) -> Any:
    """The half turn back comes before the product with the sines, right where both halves have the same."""

    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Any:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin)

    def backward(ctx: Any, dy: Tensor) -> Any:
        cos, sin = ctx.saved_tensors
        one, two = (dy if wrong else dy * sin).chunk(2, -1)
        back = torch.cat([two, -one], -1)
        return dy * cos + (back * sin if wrong else back), None, None

    return forward, backward


def _contrast(a: Tensor, b: Tensor, scale: Tensor) -> Any:
    logits = scale * a @ b.T
    return (-logits.log_softmax(0).diagonal() - logits.log_softmax(1).diagonal()).mean() / 2


@planted("N D", "N D", "positive 1", reference=_contrast)
def contrast_of_pairs(wrong: bool) -> Any:
    """The half of the columns is normalised along the rows."""

    def forward(ctx: Any, a: Tensor, b: Tensor, scale: Tensor) -> Any:
        ctx.save_for_backward(a, b, scale)
        return _contrast(a, b, scale)

    def backward(ctx: Any, dl: Tensor) -> Any:
        a, b, scale = ctx.saved_tensors
        logits = scale * a @ b.T
        ds = dl * (logits.softmax(1 if wrong else 0) + logits.softmax(1) - 2 * torch.eye(len(a), dtype=a.dtype)) / (2 * len(a))
        return scale * ds @ b, scale * ds.T @ a, (ds * (a @ b.T)).sum().reshape(1)

    return forward, backward


def _pairs(a: Tensor, b: Tensor, bias: Tensor) -> Any:
    signs = 2 * torch.eye(len(a), dtype=a.dtype) - 1
    return -F.logsigmoid(signs * (a @ b.T + bias)).sum() / len(a)


@planted("N D", "N D", "1", reference=_pairs)
def sigmoid_of_pairs(wrong: bool) -> Any:
    """The bias is taken for one of the right pairs alone."""

    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor) -> Any:
        ctx.save_for_backward(a, b, bias)
        return _pairs(a, b, bias)

    def backward(ctx: Any, dl: Tensor) -> Any:
        a, b, bias = ctx.saved_tensors
        signs = 2 * torch.eye(len(a), dtype=a.dtype) - 1
        ds = -dl * signs * torch.sigmoid(-signs * (a @ b.T + bias)) / len(a)
        return ds @ b, ds.T @ a, (ds.diagonal().sum() if wrong else ds.sum()).reshape(1)

    return forward, backward


def _distilled(student: Tensor, teacher: Tensor, *, temperature: float) -> Any:
    p, q = (one / temperature for one in (teacher, student))
    return temperature**2 * F.kl_div(q.log_softmax(-1), p.log_softmax(-1), reduction="batchmean", log_target=True)


@planted("N C", "N C", reference=_distilled, options={"temperature": [1.0, 4.0]}, constant=(1,))
def distillation(wrong: bool) -> Any:
    """The inner derivative of the temperature is missing."""

    def forward(ctx: Any, student: Tensor, teacher: Tensor, *, temperature: float) -> Any:
        ctx.temperature = temperature
        ctx.save_for_backward(student, teacher)
        return _distilled(student, teacher, temperature=temperature)

    def backward(ctx: Any, dl: Tensor) -> Any:
        student, teacher = ctx.saved_tensors
        t = ctx.temperature
        return dl * t ** (2 if wrong else 1) * ((student / t).softmax(-1) - (teacher / t).softmax(-1)) / len(student), None

    return forward, backward


def _dice(p: Tensor, y: Tensor) -> Any:
    return (1 - (2 * (p * y).sum(-1) + 1) / (p.sum(-1) + y.sum(-1) + 1)).mean()


@planted("unit N L", "mask N L", reference=_dice)
def dice_loss(wrong: bool) -> Any:
    """The slope of the denominator is left out."""

    def forward(ctx: Any, p: Tensor, y: Tensor) -> Any:
        ctx.save_for_backward(p, y)
        return _dice(p, y)

    def backward(ctx: Any, dl: Tensor) -> Any:
        p, y = ctx.saved_tensors
        above, below = 2 * (p * y).sum(-1, keepdim=True) + 1, (p.sum(-1) + y.sum(-1) + 1)[:, None]
        return -dl / len(p) * (2 * y / below - (0 if wrong else above / below**2)), None

    return forward, backward


def _posterior(mean: Tensor, log_variance: Tensor) -> Any:
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1).mean()


@planted("N D", "N D", reference=_posterior)
def divergence_of_a_posterior(wrong: bool) -> Any:
    """The mean runs over all numbers in the backward pass, in the forward pass over rows."""

    def forward(ctx: Any, mean: Tensor, log_variance: Tensor) -> Any:
        ctx.save_for_backward(mean, log_variance)
        return _posterior(mean, log_variance)

    def backward(ctx: Any, dl: Tensor) -> Any:
        mean, log_variance = ctx.saved_tensors
        each = dl / (mean.numel() if wrong else len(mean))
        return each * mean, each * (log_variance.exp() - 1) / 2

    return forward, backward


def _snake(x: Tensor, alpha: Tensor) -> Any:
    return x + torch.sin(alpha * x).square() / alpha


@planted("N C", "positive C", reference=_snake)
def snake(wrong: bool) -> Any:
    """The frequency's gradient lacks that of the amplitude."""

    def forward(ctx: Any, x: Tensor, alpha: Tensor) -> Any:
        ctx.save_for_backward(x, alpha)
        return _snake(x, alpha)

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, alpha = ctx.saved_tensors
        slope = torch.sin(2 * alpha * x)
        amplitude = torch.sin(alpha * x).square() / alpha**2
        return dy * (1 + slope), (dy * (x * slope / alpha - (0 if wrong else amplitude))).sum(0)

    return forward, backward


def _sparse_maximum(x: Tensor) -> Any:
    ordered = x.sort(-1, descending=True).values
    rank = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    total = ordered.cumsum(-1) - 1
    size = (rank * ordered > total).sum(-1, keepdim=True)
    return (x - total.gather(-1, size - 1) / size).clamp(min=0)


@planted("N C", reference=_sparse_maximum)
def sparsemax(wrong: bool) -> Any:
    """The mean of the backward pass is over all classes, not over those that are left."""

    def forward(ctx: Any, x: Tensor) -> Any:
        y = _sparse_maximum(x)
        ctx.save_for_backward(y)
        return y

    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        left = (y > 0).to(dy.dtype)
        return left * (dy - (dy * left).sum(-1, keepdim=True) / (y.shape[-1] if wrong else left.sum(-1, keepdim=True)))

    return forward, backward


def _low_rank(x: Tensor, a: Tensor, b: Tensor, *, scale: float) -> Any:
    return scale * (x @ a) @ b


@planted("* C", "C R", "R D", reference=_low_rank, options={"scale": [1.0, 0.25]})
def low_rank_adapter(wrong: bool) -> Any:
    """The scale is missing in the gradient of the first factor."""

    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor, *, scale: float) -> Any:
        ctx.scale = scale
        ctx.save_for_backward(x, a, b)
        return _low_rank(x, a, b, scale=scale)

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, a, b = ctx.saved_tensors
        inner, rows, back = dy @ b.T, x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        da = rows.T @ inner.reshape(-1, b.shape[0])
        return ctx.scale * inner @ a.T, da if wrong else ctx.scale * da, ctx.scale * (rows @ a).T @ back

    return forward, backward


def _normed(x: Tensor, *, p: float) -> Any:
    return x.norm(p=p, dim=-1)


@planted("N C", reference=_normed, options={"p": [2.0, 3.0]})
def norm_of_any_power(wrong: bool) -> Any:
    """The gradient is that of the Euclidean norm."""

    def forward(ctx: Any, x: Tensor, *, p: float) -> Any:
        y = x.norm(p=p, dim=-1)
        ctx.p = 2.0 if wrong else p
        ctx.save_for_backward(x, y)
        return y

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, y = ctx.saved_tensors
        ratio = torch.where(y[:, None] > 0, x.abs() / y[:, None], 0.0)
        return dy[:, None] * x.sign() * ratio ** (ctx.p - 1)

    return forward, backward
