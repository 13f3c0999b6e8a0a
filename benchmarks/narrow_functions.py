"""Functions that people write kernels for, with the three ways in which their code rounds. Sizes are small and unequal."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

Function = Callable[..., Any]


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.softmax(q @ k.mT * q.shape[-1] ** -0.5, -1) @ v


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
    return torch.softmax((q @ k.mT * q.shape[-1] ** -0.5).masked_fill(~mask, float("-inf")), -1) @ v


def rope(x: Tensor, angle: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def lstm(x: Tensor, c: Tensor, w: Tensor) -> Tensor:
    i, f, g, o = (x @ w).chunk(4, -1)
    return torch.sigmoid(o) * torch.tanh(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g))


def labels(x: Tensor) -> Tensor:
    return torch.arange(len(x), device=x.device) % x.shape[-1]


FUNCTIONS: dict[str, tuple[Function, Sequence[tuple[int, ...]]]] = {
    "softmax": (lambda x: torch.softmax(x, -1), [(24, 40)]),
    "log softmax": (lambda x: torch.log_softmax(x, -1), [(24, 40)]),
    "layer norm": (lambda x, w, b: functional.layer_norm(x, x.shape[-1:], w, b), [(24, 40), (40,), (40,)]),
    "RMS norm": (lambda x, w: x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * w, [(24, 40), (40,)]),
    "group norm": (lambda x, w, b: functional.group_norm(x, 3, w, b), [(6, 12, 17), (12,), (12,)]),
    "batch norm": (lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True), [(24, 20), (20,), (20,)]),
    "GELU": (functional.gelu, [(24, 40)]),
    "GELU (tanh)": (lambda x: functional.gelu(x, approximate="tanh"), [(24, 40)]),
    "SiLU": (functional.silu, [(24, 40)]),
    "SwiGLU": (lambda a, b: functional.silu(a) * b, [(24, 40)] * 2),
    "GEGLU": (lambda a, b: functional.gelu(a, approximate="tanh") * b, [(24, 40)] * 2),
    "SwiGLU layer": (lambda x, a, b: functional.silu(x @ a) * (x @ b), [(24, 40), (40, 18), (40, 18)]),
    "sigmoid": (torch.sigmoid, [(24, 40)]),
    "tanh": (torch.tanh, [(24, 40)]),
    "dynamic tanh": (lambda x, a, w: torch.tanh(a * x) * w, [(24, 40), (1,), (40,)]),
    "softplus": (functional.softplus, [(24, 40)]),
    "linear": (lambda x, w, b: x @ w + b, [(24, 40), (40, 18), (18,)]),
    "tanh MLP": (lambda x, a, b: torch.tanh(x @ a) @ b, [(24, 40), (40, 18), (18, 9)]),
    "attention": (attention, [(2, 12, 8), (2, 15, 8), (2, 15, 8)]),
    "causal attention": (causal_attention, [(2, 12, 8)] * 3),
    "cross-entropy": (lambda x: functional.cross_entropy(x, labels(x)), [(24, 40)]),
    "KL divergence": (
        lambda x, y: functional.kl_div(torch.log_softmax(x, -1), torch.softmax(y, -1), reduction="batchmean"),
        [(24, 40)] * 2,
    ),
    "cosine": (lambda x, y: (x * y).sum(-1) * torch.rsqrt((x * x).sum(-1) * (y * y).sum(-1)), [(24, 40)] * 2),
    "log-sum-exp": (lambda x: torch.logsumexp(x, -1), [(24, 40)]),
    "convolution": (lambda x, w: functional.conv1d(x, w), [(3, 4, 30), (5, 4, 3)]),
    "average pool": (lambda x: functional.avg_pool1d(x, 3), [(3, 4, 30)]),
    "ReLU layer": (lambda x, w: functional.relu(x @ w), [(24, 40), (40, 18)]),
    "smooth L1": (functional.smooth_l1_loss, [(24, 40)] * 2),
    "rotary embedding": (rope, [(24, 40), (24, 20)]),
    "LSTM cell": (lstm, [(24, 16), (24, 6), (16, 24)]),
}

_CONTRACTIONS = ("mm", "bmm", "addmm", "baddbmm", "convolution", "convolution_backward")


class NarrowOperands(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """float32 arithmetic whose products of matrices take operands in a narrow type, as tensor cores do."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dtype = dtype

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name.removeprefix("aten::") in _CONTRACTIONS:
            args = [a.to(self._dtype).float() if isinstance(a, Tensor) and a.is_floating_point() else a for a in args]
        return func(*args, **(kwargs or {}))


def computed(function: Function, inputs: Sequence[Tensor], cotangent: Tensor | None, way: str) -> list[Tensor]:
    """Output and gradients in the inputs' type, computed as kernels do ("kernel", "operands") or line by line ("eager").

    Without a cotangent the output alone. Inputs in float64 are computed in it.
    """
    dtype = inputs[0].dtype
    inside = dtype if way == "eager" else torch.promote_types(dtype, torch.float32)
    leaves = [x.to(inside).detach().clone().requires_grad_() for x in inputs]

    def answer() -> list[Tensor]:
        y = function(*leaves)
        if cotangent is None:
            return [y]
        return [y, *torch.autograd.grad(y, leaves, cotangent.to(y.dtype))]

    if way == "operands":
        with NarrowOperands(dtype):
            found = answer()
    else:
        found = answer()
    return [one.detach().to(dtype) for one in found]
