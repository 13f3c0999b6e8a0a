"""PyTorch itself."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import torch
from torch.nn import functional as F

leaf = lambda array: torch.tensor(array, requires_grad=True)  # noqa: E731
constant = torch.tensor
value = lambda tensor: tensor.detach().numpy()  # noqa: E731
gradient = lambda leaf: None if leaf.grad is None else leaf.grad.numpy()  # noqa: E731
backward = lambda output, cotangent: output.backward(torch.as_tensor(cotangent), retain_graph=True)  # noqa: E731
retain_graph = True


def zero_grad(leaf):
    leaf.grad = None


def along(function):
    return lambda a, axis=None, keepdims=False: function(a, tuple(range(a.ndim)) if axis is None else axis, keepdim=keepdims)


elementwise = "add sub mul div pow neg exp log sqrt abs sin cos tanh erf sigmoid relu square maximum matmul outer"
operations = {name: getattr(torch, name) for name in elementwise.split()} | {
    **{name: getattr(F, name) for name in ["gelu", "silu", "softplus", "softsign", "elu"]},
    **{name: along(getattr(torch, name)) for name in ["sum", "mean", "amax", "logsumexp", "var"]},
    "softmax": lambda a, axis: torch.softmax(a, axis),
    "cumsum": lambda a, axis: torch.cumsum(a, axis),
    "transpose": lambda a, axes=None: a.permute(axes or tuple(reversed(range(a.ndim)))),
    "reshape": lambda a, shape: a.reshape(shape),
    "getitem": lambda a, index: a[index],
    "cat": lambda several, axis=0: torch.cat(several, axis),
    "where": lambda mask, a, b: torch.where(torch.as_tensor(mask), a, b),
    "cross_entropy": lambda a, labels: F.cross_entropy(a, torch.as_tensor(labels)),
}
