"""Losses written by hand in PyTorch, each right and with one mistake: weights, smoothing, ignored targets, reductions, chunks."""

from typing import Any

import torch
from torch import Tensor

from benchmarks.exhibits import Gallery

F = torch.nn.functional
GALLERY = Gallery()
planted = GALLERY.planted
REDUCTIONS = {"reduction": ["mean", "sum", "none"]}
IGNORED = {"target": "index C, may be -100"}


def _reduced(losses: Tensor, count: float, reduction: str) -> Any:
    return losses if reduction == "none" else losses.sum() / (count if reduction == "mean" else 1)


def _smooth_cross_entropy(x: Tensor, target: Tensor, *, smoothing: float, reduction: str) -> Any:
    return F.cross_entropy(x, target, label_smoothing=smoothing, reduction=reduction)


@planted("N C", "int<C> N", reference=_smooth_cross_entropy, options={"smoothing": [0.0, 0.1], **REDUCTIONS}, integers=IGNORED)
def smoothing_of_ignored_rows(wrong: bool) -> Any:
    """Rows that are ignored still get the smoothed part of the gradient."""

    def forward(ctx: Any, x: Tensor, target: Tensor, *, smoothing: float, reduction: str) -> Any:
        ctx.smoothing, ctx.reduction = smoothing, reduction
        ctx.save_for_backward(x, target)
        return F.cross_entropy(x, target, label_smoothing=smoothing, reduction=reduction)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, target = ctx.saved_tensors
        p, seen = torch.softmax(x, -1), (target != -100)[:, None]
        hot = F.one_hot(target.clamp_min(0), x.shape[1]).to(x)
        one, smooth = (1 - ctx.smoothing) * (p - hot) * seen, ctx.smoothing * (p - 1 / x.shape[1])
        dx = one + (smooth if wrong else smooth * seen)
        return _spread(dl, float(seen.sum()), ctx.reduction) * dx, None

    return forward, backward


def _spread(dl: Tensor, count: float, reduction: str) -> Any:
    return dl[:, None] if reduction == "none" else dl / (count if reduction == "mean" else 1)


def _weighted_cross_entropy(x: Tensor, target: Tensor, weight: Tensor, *, reduction: str) -> Any:
    return F.cross_entropy(x, target, weight, reduction=reduction)


@planted("N C", "int<C> N", "positive C", reference=_weighted_cross_entropy, options=REDUCTIONS, integers=IGNORED, constant=(1, 2))
def class_weights_in_the_mean(wrong: bool) -> Any:
    """The mean of the backward pass divides by the number of rows, not by the sum of their weights."""

    def forward(ctx: Any, x: Tensor, target: Tensor, weight: Tensor, *, reduction: str) -> Any:
        ctx.reduction = reduction
        ctx.save_for_backward(x, target, weight)
        return F.cross_entropy(x, target, weight, reduction=reduction)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, target, weight = ctx.saved_tensors
        of_row = weight[target.clamp_min(0)] * (target != -100)
        hot = F.one_hot(target.clamp_min(0), x.shape[1]).to(x)
        count = float((target != -100).sum()) if wrong else float(of_row.sum())
        return _spread(dl, count, ctx.reduction) * of_row[:, None] * (torch.softmax(x, -1) - hot), None, None

    return forward, backward


def _binary(x: Tensor, y: Tensor, *, pos_weight: float) -> Any:
    return F.binary_cross_entropy_with_logits(x, y, pos_weight=torch.tensor(pos_weight).to(x))


@planted("N C", "unit N C", reference=_binary, options={"pos_weight": [1.0, 3.0]}, constant=(1,))
def weight_of_the_positive(wrong: bool) -> Any:
    """The weight of the positive class is left out of the gradient."""

    def forward(ctx: Any, x: Tensor, y: Tensor, *, pos_weight: float) -> Any:
        ctx.pos_weight = pos_weight
        ctx.save_for_backward(x, y)
        return _binary(x, y, pos_weight=pos_weight)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, y = ctx.saved_tensors
        weight = 1.0 if wrong else ctx.pos_weight
        p = torch.sigmoid(x)
        return dl * (p * (1 - y) - weight * y * (1 - p)) / x.numel(), None

    return forward, backward


def _divergence(x: Tensor, y: Tensor, *, reduction: str) -> Any:
    return F.kl_div(torch.log_softmax(x, -1), y, reduction=reduction)


@planted("N T C", "prob N T C", reference=_divergence, options={"reduction": ["mean", "batchmean", "sum"]}, constant=(1,))
def divergence_per_batch(wrong: bool) -> Any:
    """ "batchmean" divides by all rows in the backward pass, by the first dimension in the forward pass."""

    def forward(ctx: Any, x: Tensor, y: Tensor, *, reduction: str) -> Any:
        ctx.reduction = reduction
        ctx.save_for_backward(x, y)
        return _divergence(x, y, reduction=reduction)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, y = ctx.saved_tensors
        rows = x.shape[0] * x.shape[1] if wrong else x.shape[0]
        count = {"mean": x.numel(), "batchmean": rows, "sum": 1}[ctx.reduction]
        return dl / count * (torch.softmax(x, -1) * y.sum(-1, keepdim=True) - y), None

    return forward, backward


def _huberish(x: Tensor, y: Tensor, *, beta: float) -> Any:
    return F.smooth_l1_loss(x, y, beta=beta)


@planted("N D", "N D", reference=_huberish, options={"beta": [1.0, 0.25]})
def smooth_l1_with_beta(wrong: bool) -> Any:
    """The slope is not divided by beta within it."""

    def forward(ctx: Any, x: Tensor, y: Tensor, *, beta: float) -> Any:
        ctx.beta = beta
        ctx.save_for_backward(x, y)
        return F.smooth_l1_loss(x, y, beta=beta)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, y = ctx.saved_tensors
        apart = x - y
        inner = apart if wrong else apart / ctx.beta
        slope = torch.where(apart.abs() < ctx.beta, inner, apart.sign()) * dl / x.numel()
        return slope, -slope

    return forward, backward


def _focal(x: Tensor, target: Tensor, *, gamma: float) -> Any:
    log_p = torch.log_softmax(x, -1).gather(1, target[:, None])[:, 0]
    return (-((1 - log_p.exp()) ** gamma) * log_p).sum()


@planted("N C", "int<C> N", reference=_focal, options={"gamma": [0.0, 2.0]})
def focal_loss(wrong: bool) -> Any:
    """The slope of the modulating factor is left out."""

    def forward(ctx: Any, x: Tensor, target: Tensor, *, gamma: float) -> Any:
        ctx.gamma = gamma
        ctx.save_for_backward(x, target)
        return _focal(x, target, gamma=gamma)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, target = ctx.saved_tensors
        every, hot = torch.softmax(x, -1), F.one_hot(target, x.shape[1]).to(x)
        log_p = torch.log_softmax(x, -1).gather(1, target[:, None])
        p = log_p.exp()
        slope = -((1 - p) ** ctx.gamma)
        if not wrong and ctx.gamma:
            slope = slope + ctx.gamma * (1 - p) ** (ctx.gamma - 1) * log_p * p
        return dl * slope * (hot - every), None

    return forward, backward


def _with_z(x: Tensor, target: Tensor, *, z: float) -> Any:
    return F.cross_entropy(x, target, reduction="sum") + z * torch.logsumexp(x, -1).square().sum()


@planted("N V", "int<V> N", reference=_with_z, options={"z": [0.0, 0.1]})
def z_loss(wrong: bool) -> Any:
    """The squared log-sum-exp is added to the loss and not to its gradient."""

    def forward(ctx: Any, x: Tensor, target: Tensor, *, z: float) -> Any:
        ctx.z = 0.0 if wrong else z
        ctx.save_for_backward(x, target)
        return _with_z(x, target, z=z)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, target = ctx.saved_tensors
        p, total = torch.softmax(x, -1), torch.logsumexp(x, -1, keepdim=True)
        return dl * (p - F.one_hot(target, x.shape[1]).to(x) + 2 * ctx.z * total * p), None

    return forward, backward


def _segmentation(x: Tensor, target: Tensor) -> Any:
    return F.cross_entropy(x, target)


@planted("N C *", "int<C> N *", reference=_segmentation, integers=IGNORED)
def mean_over_pixels(wrong: bool) -> Any:
    """The gradient is averaged over the batch, the loss over all pixels that count."""

    def forward(ctx: Any, x: Tensor, target: Tensor) -> Any:
        ctx.save_for_backward(x, target)
        return F.cross_entropy(x, target)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, target = ctx.saved_tensors
        seen = (target != -100).unsqueeze(1)
        hot = F.one_hot(target.clamp_min(0), x.shape[1]).movedim(-1, 1).to(x)
        count = float(len(x)) if wrong else float(seen.sum())
        return dl / count * seen * (torch.softmax(x, 1) - hot), None

    return forward, backward


def _linear_cross_entropy(x: Tensor, weight: Tensor, bias: Tensor, target: Tensor) -> Any:
    return F.cross_entropy(x @ weight.T + bias, target)


@planted("N H", "V H", "V", "int<V> N", reference=_linear_cross_entropy)
def bias_of_the_last_chunk(wrong: bool) -> Any:
    """Rows go through in chunks of 40; the bias keeps the gradient of the last chunk."""

    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, target: Tensor) -> Any:
        dx, dw, db, total = torch.zeros_like(x), torch.zeros_like(weight), torch.zeros_like(bias), x.new_zeros(())
        for begin in range(0, len(x), 40):
            rows = slice(begin, begin + 40)
            scores = x[rows] @ weight.T + bias
            total = total + F.cross_entropy(scores, target[rows], reduction="sum")
            slope = (torch.softmax(scores, -1) - F.one_hot(target[rows], len(weight)).to(x)) / len(x)
            dx[rows] = slope @ weight
            dw += slope.T @ x[rows]
            db = slope.sum(0) if wrong else db + slope.sum(0)
        ctx.save_for_backward(dx, dw, db)
        return total / len(x)

    def backward(ctx: Any, dl: Tensor) -> Any:
        return *(dl * one for one in ctx.saved_tensors), None

    return forward, backward


def _squared(x: Tensor, y: Tensor) -> Any:
    return (x - y).square().mean()


@planted("N D", "D", reference=_squared)
def mean_of_a_broadcast_target(wrong: bool) -> Any:
    """The target's gradient divides by its own size, not by that of the broadcast difference."""

    def forward(ctx: Any, x: Tensor, y: Tensor) -> Any:
        ctx.save_for_backward(x, y)
        return _squared(x, y)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, y = ctx.saved_tensors
        apart = 2 * (x - y) * dl
        return apart / x.numel(), -apart.sum(0) / (y.numel() if wrong else x.numel())

    return forward, backward


def _triplet(anchor: Tensor, near: Tensor, far: Tensor) -> Any:
    return F.relu((anchor - near).square().sum(-1) - (anchor - far).square().sum(-1) + 1).sum()


@planted("N D", "N D", "N D", reference=_triplet)
def triplet_without_its_hinge(wrong: bool) -> Any:
    """Triplets beyond the margin still pull."""

    def forward(ctx: Any, anchor: Tensor, near: Tensor, far: Tensor) -> Any:
        ctx.save_for_backward(anchor, near, far)
        return _triplet(anchor, near, far)

    def backward(ctx: Any, dl: Tensor) -> Any:
        anchor, near, far = ctx.saved_tensors
        apart = (anchor - near).square().sum(-1) - (anchor - far).square().sum(-1) + 1
        on = 2 * dl * (torch.ones_like(apart) if wrong else (apart > 0).to(anchor))[:, None]
        return on * (far - near), on * (near - anchor), on * (anchor - far)

    return forward, backward


def _divided(x: Tensor, y: Tensor) -> Any:
    return F.cosine_similarity(x, y, dim=-1, eps=1e-8)


@planted("N D", "N D", reference=_divided)
def cosine_without_its_norms(wrong: bool) -> Any:
    """Each input's gradient is divided by its own norm and not by the other's."""

    def forward(ctx: Any, x: Tensor, y: Tensor) -> Any:
        ctx.save_for_backward(x, y)
        return _divided(x, y)

    def backward(ctx: Any, dl: Tensor) -> Any:
        x, y = (one for one in ctx.saved_tensors)
        a, b = x.norm(dim=-1, keepdim=True).clamp_min(1e-8), y.norm(dim=-1, keepdim=True).clamp_min(1e-8)
        cosine = (x * y).sum(-1, keepdim=True) / (a * b)
        right = [(y / b - cosine * x / a) / a, (x / a - cosine * y / b) / b]
        off = [(y / b - cosine * x / a) / b, (x / a - cosine * y / b) / a]
        return tuple(dl[:, None] * one for one in (off if wrong else right))

    return forward, backward
