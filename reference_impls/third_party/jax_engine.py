"""JAX, which differentiates functions, in float64 (pip install jax)."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def differentiate(function, leaves, cotangent):
    """The gradients of all leaves at once, for a cotangent of the output's shape."""
    return list(jax.vjp(function, *map(jnp.asarray, leaves))[1](jnp.asarray(cotangent)))


elementwise = "exp log sqrt abs sin cos tanh sinh cosh arctan square maximum matmul outer where"
operations = {name: getattr(jnp, name) for name in elementwise.split()} | {
    **{name: getattr(jax.nn, name) for name in "relu sigmoid silu softplus".split()},
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    **{name: getattr(jnp, name) for name in "sum mean prod".split()},
    "amax": lambda a, axis=None, keepdims=False: jnp.max(a, axis, keepdims=keepdims),
    "logsumexp": lambda a, axis=None, keepdims=False: jax.nn.logsumexp(a, axis, keepdims=keepdims),
    "softmax": lambda a, axis=-1: jax.nn.softmax(a, axis),
    "cumsum": lambda a, axis=-1: jnp.cumsum(a, axis),
    "transpose": lambda a, axes=None: jnp.transpose(a, axes),
    "reshape": lambda a, shape: jnp.reshape(a, shape),
    "getitem": lambda a, index: a[index],
    "cat": lambda several, axis=0: jnp.concatenate(several, axis),
}
