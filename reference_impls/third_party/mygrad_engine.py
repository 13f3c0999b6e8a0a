"""mygrad (pip install mygrad): a new graph clears the gradients of its leaves."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import mygrad as mg

leaf = mg.tensor
accumulates = False
value = lambda tensor: tensor.data  # noqa: E731
backward = lambda output, cotangent: output.backward(cotangent)  # noqa: E731
gradient = lambda leaf: leaf.grad  # noqa: E731
operations = {
    **{name: getattr(mg, name) for name in ("exp", "log", "sqrt", "abs", "sin", "cos", "tanh", "matmul", "maximum", "square")},
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "sum": lambda a, axis=None, keepdims=False: mg.sum(a, axis=axis, keepdims=keepdims),
    "mean": lambda a, axis=None, keepdims=False: mg.mean(a, axis=axis, keepdims=keepdims),
    "prod": lambda a, axis=None, keepdims=False: mg.prod(a, axis=axis, keepdims=keepdims),
    "amax": lambda a, axis=None, keepdims=False: mg.max(a, axis=axis, keepdims=keepdims),
    "transpose": lambda a, axes=None: mg.transpose(a, *([] if axes is None else [axes])),
    "reshape": lambda a, shape: mg.reshape(a, shape),
    "getitem": lambda a, index: a[index],
    "cat": lambda several, axis=0: mg.concatenate(several, axis),
    "where": mg.where,
}
