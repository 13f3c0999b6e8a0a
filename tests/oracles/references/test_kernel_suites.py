"""Five tests that kernel libraries publish with a table of tolerances each, written anew: no number is typed.

The candidates are in the manner of those libraries: they compute wide, store narrow, keep little for the backward pass.
"""

import pytest
import torch

from verifier import assert_gradients

F = torch.nn.functional
TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])


def wide(tensor):
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return (F.silu(wide(a)) * wide(b)).to(a.dtype)

    @staticmethod
    def backward(ctx, dc):
        a, b = (wide(one) for one in ctx.saved_tensors)
        s, dc = torch.sigmoid(a), wide(dc)
        return (dc * b * s * (1 + a * (1 - s))).to(ctx.saved_tensors[0].dtype), (dc * a * s).to(ctx.saved_tensors[1].dtype)


class RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        inverse = torch.rsqrt(wide(x).square().mean(-1, keepdim=True) + 1e-6)
        ctx.save_for_backward(x, weight, inverse)
        return (wide(x) * inverse * wide(weight)).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        x, weight, inverse = ctx.saved_tensors
        normed, slope = wide(x) * inverse, wide(dy) * wide(weight)
        dx = inverse * (slope - normed * (slope * normed).mean(-1, keepdim=True))
        dweight = (wide(dy) * normed).reshape(-1, weight.numel()).sum(0)
        return dx.to(x.dtype), dweight.to(weight.dtype)


class CrossEntropy(torch.autograd.Function):
    """The gradient is computed in the forward pass."""

    @staticmethod
    def forward(ctx, x, target, smoothing, reduction):
        logits, seen = wide(x), (target != -100)
        log_p = logits - torch.logsumexp(logits, -1, keepdim=True)
        hot = F.one_hot(target.clamp_min(0), x.shape[-1]).to(logits)
        aim = ((1 - smoothing) * hot + smoothing / x.shape[-1]) * seen[:, None]
        losses = -(aim * log_p).sum(-1)
        count = {"mean": seen.sum(), "sum": 1, "none": 1}[reduction]
        ctx.save_for_backward((log_p.exp() * seen[:, None] - aim) / count)
        ctx.dtype = x.dtype
        return (losses if reduction == "none" else losses.sum() / count).to(x.dtype)

    @staticmethod
    def backward(ctx, dl):
        (slope,) = ctx.saved_tensors
        dl = wide(dl)
        return (slope * (dl[:, None] if dl.ndim else dl)).to(ctx.dtype), None, None, None


class LinearCrossEntropy(torch.autograd.Function):
    """Logits are never held together: rows go through in chunks."""

    @staticmethod
    def forward(ctx, x, weight, target):
        total = wide(x).new_zeros(())
        dx, dweight = torch.zeros_like(wide(x)), torch.zeros_like(wide(weight))
        for rows in torch.arange(len(x)).split(16):
            logits = wide(x[rows]) @ wide(weight).T
            total += F.cross_entropy(logits, target[rows], reduction="sum")
            slope = (torch.softmax(logits, -1) - F.one_hot(target[rows], len(weight)).to(logits)) / len(x)
            dx[rows] = slope @ wide(weight)
            dweight += slope.T @ wide(x[rows])
        ctx.save_for_backward(dx, dweight)
        ctx.dtype = x.dtype
        return (total / len(x)).to(x.dtype)

    @staticmethod
    def backward(ctx, dl):
        dx, dweight = ctx.saved_tensors
        return (wide(dl) * dx).to(ctx.dtype), (wide(dl) * dweight).to(ctx.dtype), None


class Attention(torch.autograd.Function):
    """Probabilities are computed again in the backward pass, from the log-sum-exp that is kept."""

    @staticmethod
    def scores(q, k, causal):
        found = wide(q) @ wide(k).transpose(-1, -2) / q.shape[-1] ** 0.5
        hidden = torch.ones(found.shape[-2:], dtype=torch.bool).triu(1 + k.shape[-2] - q.shape[-2])
        return found.masked_fill(hidden, -torch.inf) if causal else found

    @staticmethod
    def forward(ctx, q, k, v, causal):
        scores = Attention.scores(q, k, causal)
        total = torch.logsumexp(scores, -1, keepdim=True)
        out = (scores - total).exp() @ wide(v)
        ctx.save_for_backward(q, k, v, out, total)
        ctx.causal = causal
        return out.to(q.dtype)

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, total = ctx.saved_tensors
        p, dout = (Attention.scores(q, k, ctx.causal) - total).exp(), wide(dout)
        ds = p * (dout @ wide(v).transpose(-1, -2) - (dout * out).sum(-1, keepdim=True)) / q.shape[-1] ** 0.5
        found = ds @ wide(k), ds.transpose(-1, -2) @ wide(q), p.transpose(-1, -2) @ dout
        return (*(one.to(q.dtype) for one in found), None)


def attention(q, k, v, *, causal):
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1 + k.shape[-2] - q.shape[-2]), -torch.inf)
    return torch.softmax(scores, -1) @ v


@TYPES
def test_swiglu(dtype):
    a, b = torch.randn(2, 4, 8).to(dtype)
    assert_gradients(SwiGlu.apply, a, b, reference=lambda a, b: F.silu(a) * b, shapes=("* D", "* D"), seed=0, draws=10)


@TYPES
def test_rms_norm(dtype):
    def plain(x, weight):
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight

    x, weight = torch.randn(4, 8).to(dtype), torch.randn(8).to(dtype)
    assert_gradients(RmsNorm.apply, x, weight, reference=plain, shapes=("* H", "H"), seed=0, draws=10)


@TYPES
def test_cross_entropy(dtype):
    assert_gradients(
        lambda x, target, *, smoothing, reduction: CrossEntropy.apply(x, target, smoothing, reduction),
        torch.randn(4, 8).to(dtype),
        torch.tensor([0, 3, 7, 1]),
        reference=lambda x, target, *, smoothing, reduction: F.cross_entropy(x, target, label_smoothing=smoothing, reduction=reduction),
        shapes=("N V", "N"),
        integers={"target": "index V, may be -100"},
        options={"smoothing": [0.0, 0.1], "reduction": ["mean", "sum", "none"]},
        seed=0,
        draws=10,
    )


@TYPES
def test_fused_linear_cross_entropy(dtype):
    assert_gradients(
        LinearCrossEntropy.apply,
        torch.randn(4, 8).to(dtype),
        torch.randn(5, 8).to(dtype),
        torch.tensor([0, 3, 4, 1]),
        reference=lambda x, weight, target: F.cross_entropy(x @ weight.T, target),
        shapes=("N H", "V H", "N"),
        integers={"target": "index V"},
        seed=0,
        draws=10,
    )


@TYPES
def test_attention(dtype):
    assert_gradients(
        lambda q, k, v, *, causal: Attention.apply(q, k, v, causal),
        torch.randn(2, 4, 8).to(dtype),
        torch.randn(2, 6, 8).to(dtype),
        torch.randn(2, 6, 8).to(dtype),
        reference=attention,
        shapes=("B Q D", "B K D", "B K D"),
        require=("Q <= K",),
        options={"causal": [False, True]},
        seed=0,
        draws=10,
    )
