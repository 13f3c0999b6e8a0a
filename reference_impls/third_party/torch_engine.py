"""PyTorch itself."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import torch
from torch.nn import functional as F

leaf = lambda array: torch.tensor(array, requires_grad=True)  # noqa: E731
constant, no_grad, retain_graph, dtypes = torch.tensor, torch.no_grad, True, ["float64", "complex128"]
value = lambda tensor: tensor.detach().numpy()  # noqa: E731
gradient = lambda leaf: None if leaf.grad is None else leaf.grad.numpy()  # noqa: E731
backward = lambda output, cotangent: output.backward(torch.as_tensor(cotangent), retain_graph=True)  # noqa: E731
zero_grad = lambda leaf: setattr(leaf, "grad", None)  # noqa: E731


def second(output, leaves, directions):
    slopes = torch.autograd.grad(output, leaves, create_graph=True)
    total = sum((slope * torch.as_tensor(along)).sum() for slope, along in zip(slopes, directions, strict=True))
    return torch.autograd.grad(total, leaves, materialize_grads=True) if total.requires_grad else [0] * len(leaves)


along = lambda f: lambda a, axis=None, keepdims=False: f(a, tuple(range(a.ndim)) if axis is None else axis, keepdim=keepdims)  # noqa: E731
elementwise = "add sub mul div pow neg exp log sqrt abs sin cos tanh erf sigmoid relu square maximum matmul outer"
operations = {name: getattr(torch, name) for name in elementwise.split()} | {
    **{name: getattr(F, name) for name in ["gelu", "silu", "softplus", "softsign", "elu"]},
    **{name: along(getattr(torch, name)) for name in ["sum", "mean", "amax", "logsumexp", "var"]},
    "softmax": lambda a, axis: torch.softmax(a, axis),
    "cumsum": lambda a, axis: torch.cumsum(a, axis),
    "transpose": lambda a, axes=None: a.permute(axes or tuple(reversed(range(a.ndim)))),
    "reshape": lambda a, shape: a.reshape(shape),
    "getitem": lambda a, index: a[index],
    "setitem": lambda a, b, index: (c := a.clone(), c.__setitem__(index, b))[0],
    "cat": lambda several, axis=0: torch.cat(several, axis),
    "where": lambda mask, a, b: torch.where(torch.as_tensor(mask), a, b),
    "cross_entropy": lambda a, labels: F.cross_entropy(a, torch.as_tensor(labels)),
}
in_place = {name: getattr(torch.Tensor, f"{name}_") for name in ["add", "sub", "exp", "tanh", "relu"]}
in_place["setitem"] = lambda a, b, index: a.__setitem__(index, b)
