"""What `benchmarks.device` asks a GPU's own kernels: the functions of `narrow_functions` at sizes beside tiles, and some more.

Those are operations that a GPU has kernels of its own for; some of them add by atomics.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.narrow_functions import FUNCTIONS, Function

Shapes = Sequence[tuple[int, ...]]

_LARGER: Mapping[str, Shapes] = {
    "softmax": [(33, 257)],
    "log softmax": [(17, 1031)],
    "layer norm": [(33, 257), (257,), (257,)],
    "RMS norm": [(96, 384), (384,)],
    "group norm": [(6, 12, 129), (12,), (12,)],
    "batch norm": [(65, 33), (33,), (33,)],
    "GELU": [(33, 257)],
    "GELU (tanh)": [(33, 257)],
    "SiLU": [(33, 257)],
    "SwiGLU": [(33, 257)] * 2,
    "GEGLU": [(33, 257)] * 2,
    "SwiGLU layer": [(33, 130), (130, 65), (130, 65)],
    "sigmoid": [(33, 257)],
    "tanh": [(33, 257)],
    "dynamic tanh": [(64, 257), (1,), (257,)],
    "softplus": [(33, 257)],
    "linear": [(65, 257), (257, 33), (33,)],
    "tanh MLP": [(65, 130), (130, 65), (65, 17)],
    "attention": [(2, 33, 32), (2, 65, 32), (2, 65, 32)],
    "causal attention": [(2, 65, 32)] * 3,
    "cross-entropy": [(17, 1031)],
    "KL divergence": [(33, 257)] * 2,
    "cosine": [(33, 257)] * 2,
    "log-sum-exp": [(33, 257)],
    "convolution": [(3, 8, 130), (16, 8, 3)],
    "average pool": [(3, 8, 130)],
    "ReLU layer": [(65, 257), (257, 33)],
    "smooth L1": [(33, 257)] * 2,
    "rotary embedding": [(33, 258), (33, 129)],
    "LSTM cell": [(33, 65), (33, 17), (65, 68)],
}


def _places(count: int, below: int, like: Tensor) -> Tensor:
    """Repeated places, most of them few."""
    return torch.arange(count, device=like.device) ** 2 % below


def index_add(table: Tensor, x: Tensor) -> Tensor:
    return table.index_add(0, _places(len(x), len(table), x), x)


def gathered(table: Tensor) -> Tensor:
    """Its backward pass adds rows up, many of them to few places."""
    return table[_places(300, len(table), table)]


def embedding(table: Tensor) -> Tensor:
    return functional.embedding(_places(300, len(table), table), table)


def scatter_add(x: Tensor) -> Tensor:
    places = _places(x.shape[-1], 17, x).expand(x.shape)
    return torch.zeros(len(x), 17, dtype=x.dtype, device=x.device).scatter_add(1, places, x)


MORE: Mapping[str, tuple[Function, Shapes]] = {
    "convolution, two dimensions": (lambda x, w: functional.conv2d(x, w, padding=1), [(3, 8, 17, 19), (16, 8, 3, 3)]),
    "transposed convolution": (lambda x, w: functional.conv_transpose2d(x, w, stride=2), [(2, 8, 9, 7), (8, 5, 3, 3)]),
    "fused attention": (functional.scaled_dot_product_attention, [(2, 3, 65, 32)] * 3),
    "fused causal attention": (lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True), [(2, 3, 65, 64)] * 3),
    "fused RMS norm": (lambda x, w: functional.rms_norm(x, x.shape[-1:], w, 1e-6), [(33, 257), (257,)]),
    "index add": (index_add, [(17, 33), (300, 33)]),
    "gathered rows": (gathered, [(17, 33)]),
    "embedding": (embedding, [(17, 33)]),
    "scatter add": (scatter_add, [(33, 257)]),
    "cumulative sum": (lambda x: torch.cumsum(x, -1), [(33, 257)]),
    "bilinear upsampling": (lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"), [(2, 3, 17, 19)]),
    "binary cross-entropy": (functional.binary_cross_entropy_with_logits, [(33, 257)] * 2),
    "max pool": (lambda x: functional.max_pool2d(x, 2), [(2, 3, 34, 38)]),
}

OPERATIONS: Mapping[str, tuple[Function, Shapes]] = {name: (FUNCTIONS[name][0], shapes) for name, shapes in _LARGER.items()} | dict(MORE)

COMPILED: Sequence[str] = ("layer norm", "SwiGLU layer", "GEGLU", "attention", "cross-entropy", "RMS norm", "softmax", "rotary embedding")
"""Those that are asked as `torch.compile` makes them too."""
