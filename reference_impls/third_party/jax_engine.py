"""JAX, which differentiates functions, in float64 (pip install jax): it needs 8 GiB and minutes, since it compiles and keeps it."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import operator

import jax
from jax import numpy as jnp

jax.config.update("jax_enable_x64", True)


def differentiate(function, leaves, cotangent):
    return list(jax.vjp(function, *map(jnp.asarray, leaves))[1](jnp.asarray(cotangent)))


def second(function, leaves, directions):
    slopes = jax.grad(function, range(len(leaves)))
    along = lambda *arrays: sum(jnp.sum(s * d) for s, d in zip(slopes(*arrays), directions, strict=True))  # noqa: E731
    return list(jax.grad(along, range(len(leaves)))(*map(jnp.asarray, leaves)))


chain, dtypes = 20, ["float64", "complex128"]  # it compiles each operation for each shape
elementwise = "exp log sqrt abs sin cos tanh sinh cosh arctan square maximum matmul outer where"
operations = {name: getattr(jnp, name) for name in elementwise.split()} | {
    **{name: getattr(operator, name) for name in ["add", "sub", "mul", "pow", "neg"]},
    "div": operator.truediv,
    **{name: getattr(jax.nn, name) for name in ["relu", "sigmoid", "silu", "softplus"]},
    **{name: getattr(jnp, name) for name in ["sum", "mean", "prod"]},
    "amax": lambda a, axis=None, keepdims=False: jnp.max(a, axis, keepdims=keepdims),
    "softmax": lambda a, axis=-1: jax.nn.softmax(a, axis),
    "cumsum": lambda a, axis=-1: jnp.cumsum(a, axis),
    "transpose": lambda a, axes=None: jnp.transpose(a, axes),
    "reshape": lambda a, shape: jnp.reshape(a, shape),
    "getitem": lambda a, index: a[index],
    "setitem": lambda a, b, index: a.at[index].set(b),
    "cat": lambda several, axis=0: jnp.concatenate(several, axis),
}
