"""tinygrad by its Python backend, an interpreter of its own code, in float64 (pip install tinygrad)."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import os

os.environ.update(DEV="PYTHON", CACHELEVEL="0", PARALLEL="0")
from tinygrad import Tensor, dtypes

leaf = lambda array: Tensor(array, dtype=dtypes.float64)  # noqa: E731
value = lambda tensor: tensor.numpy()  # noqa: E731
gradient = lambda leaf: None if leaf.grad is None else leaf.grad.numpy()  # noqa: E731
backward = lambda output, cotangent: output.backward(Tensor(cotangent, dtype=dtypes.float64))  # noqa: E731
chain = 20  # it compiles every graph
elementwise = "add sub mul div pow neg exp log sqrt abs sin tanh sigmoid relu square maximum matmul gelu silu softplus"
operations = {name: getattr(Tensor, name) for name in elementwise.split()} | {
    "sum": lambda a, axis=None, keepdims=False: a.sum(axis, keepdim=keepdims),
    "mean": lambda a, axis=None, keepdims=False: a.mean(axis, keepdim=keepdims),
    "amax": lambda a, axis=None, keepdims=False: a.max(axis, keepdim=keepdims),
    "var": lambda a, axis=None, keepdims=False: a.var(axis, keepdim=keepdims),
    "softmax": lambda a, axis=-1: a.softmax(axis),
    "transpose": lambda a, axes=None: a.permute(axes or tuple(reversed(range(a.ndim)))),
    "reshape": lambda a, shape: a.reshape(shape),
    "getitem": lambda a, index: a[index],
    "cat": lambda several, axis=0: several[0].cat(*several[1:], dim=axis),
}
