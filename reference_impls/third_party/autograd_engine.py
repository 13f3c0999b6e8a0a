"""HIPS autograd, which differentiates functions (pip install autograd)."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import autograd.numpy as np
from autograd import grad, make_vjp


def differentiate(function, leaves, cotangent):
    return list(make_vjp(lambda arrays: function(*arrays))(tuple(leaves))[0](cotangent))


def second(function, leaves, directions):
    slopes = grad(lambda arrays: function(*arrays))
    along = lambda arrays: sum(np.sum(s * d) for s, d in zip(slopes(arrays), directions, strict=True))  # noqa: E731
    return list(grad(along)(tuple(leaves)))


dtypes = ["float64", "complex128"]
elementwise = "exp log sqrt abs sin cos tanh sinh cosh matmul maximum outer"
operations = {
    **{name: getattr(np, name) for name in elementwise.split()},
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "sum": lambda a, axis=None, keepdims=False: np.sum(a, axis=axis, keepdims=keepdims),
    "mean": lambda a, axis=None, keepdims=False: np.mean(a, axis=axis, keepdims=keepdims),
    "prod": lambda a, axis=None, keepdims=False: np.prod(a, axis=axis, keepdims=keepdims),
    "amax": lambda a, axis=None, keepdims=False: np.max(a, axis=axis, keepdims=keepdims),
    "transpose": lambda a, axes=None: np.transpose(a, axes),
    "reshape": lambda a, shape: np.reshape(a, shape),
    "getitem": lambda a, index: a[index],
    "cat": lambda several, axis=0: np.concatenate(several, axis),
    "where": np.where,
}
