"""A small right engine over NumPy arrays: a tape of closures, swept once in topological order."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
from contextlib import contextmanager

import numpy as np


def unbroadcast(cotangent, shape):
    """The cotangent summed over the axes along which an operand of this shape was stretched."""
    cotangent = cotangent.sum(axis=tuple(range(cotangent.ndim - len(shape))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1 and cotangent.shape[axis] != 1)
    return cotangent.sum(axis=stretched, keepdims=True).reshape(shape)


class Tensor:
    """An array, its gradient, its parents, and how to send a cotangent back to them."""

    tracking = True

    def __init__(self, data, parents=(), back=None):
        self.data, self.grad = np.asarray(data, dtype=np.float64), None
        self.parents, self.back = (parents, back) if Tensor.tracking else ((), None)

    def backward(self, cotangent):
        order, seen, waiting = [], set(), [(self, False)]
        while waiting:
            node, done = waiting.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                waiting.append((node, True))
                waiting += [(parent, False) for parent in node.parents]
        cotangents = {id(self): np.broadcast_to(cotangent, self.data.shape)}
        for node in reversed(order):
            own = cotangents.pop(id(node), None)
            if own is None:
                continue
            if node.back is None:
                node.grad = own if node.grad is None else node.grad + own
                continue
            for parent, sent in zip(node.parents, node.back(own), strict=True):
                sent = unbroadcast(np.asarray(sent), parent.data.shape)
                cotangents[id(parent)] = sent if id(parent) not in cotangents else cotangents[id(parent)] + sent


def tensor(value):
    return value if isinstance(value, Tensor) else Tensor(value)


def unary(value, slope):
    """An operation of one operand by its value and the slope there."""

    def apply(a):
        y = value(a.data)
        return Tensor(y, (a,), lambda c: (c * slope(a.data, y),))

    return apply


def binary(value, backs):
    def apply(a, b):
        a, b = tensor(a), tensor(b)
        y = value(a.data, b.data)
        return Tensor(y, (a, b), lambda c: backs(c, a.data, b.data, y))

    return apply


def expanded(c, a, axis, keepdims):
    return c if keepdims or axis is None else np.expand_dims(c, axis)


def total(a, axis=None, keepdims=False):
    return Tensor(
        a.data.sum(axis=axis, keepdims=keepdims), (a,), lambda c: (np.broadcast_to(expanded(c, a, axis, keepdims), a.data.shape),)
    )


def mean(a, axis=None, keepdims=False):
    y = total(a, axis, keepdims)
    return multiply(y, y.data.size / a.data.size)


def amax(a, axis=None, keepdims=False):
    y = a.data.max(axis=axis, keepdims=True)
    mask = a.data == y
    share = mask / mask.sum(axis=axis, keepdims=True)
    value = a.data.max(axis=axis, keepdims=keepdims)
    return Tensor(value, (a,), lambda c: (share * expanded(c, a, axis, keepdims),))


def softmax(a, axis=-1):
    y = np.exp(a.data - a.data.max(axis=axis, keepdims=True))
    y /= y.sum(axis=axis, keepdims=True)
    return Tensor(y, (a,), lambda c: (y * (c - (c * y).sum(axis=axis, keepdims=True)),))


def matmul(a, b):
    def back(c):
        x = a.data[None, :] if a.data.ndim == 1 else a.data
        y = b.data[:, None] if b.data.ndim == 1 else b.data
        c = c[..., None] if b.data.ndim == 1 else c
        c = c[..., None, :] if a.data.ndim == 1 else c
        back_a, back_b = c @ y.swapaxes(-1, -2), x.swapaxes(-1, -2) @ c
        return (back_a[..., 0, :] if a.data.ndim == 1 else back_a), (back_b[..., 0] if b.data.ndim == 1 else back_b)

    return Tensor(a.data @ b.data, (a, b), back)


def transpose(a, axes=None):
    inverse = None if axes is None else np.argsort(axes)
    return Tensor(a.data.transpose(axes), (a,), lambda c: (c.transpose(inverse),))


def reshape(a, shape):
    return Tensor(a.data.reshape(shape), (a,), lambda c: (c.reshape(a.data.shape),))


def getitem(a, index):
    def back(c):
        found = np.zeros_like(a.data)
        np.add.at(found, index, c)
        return (found,)

    return Tensor(a.data[index], (a,), back)


def setitem(a, b, index):
    y = a.data.copy()
    y[index] = b.data

    def back(c):
        kept = c.copy()
        kept[index] = 0.0
        return kept, c[index]

    return Tensor(y, (a, b), back)


def cat(tensors, axis=0):
    ends = np.cumsum([one.data.shape[axis] for one in tensors])[:-1]
    return Tensor(np.concatenate([one.data for one in tensors], axis), tuple(tensors), lambda c: np.split(c, ends, axis))


def where(mask, a, b):
    return Tensor(np.where(mask, a.data, b.data), (a, b), lambda c: (np.where(mask, c, 0.0), np.where(mask, 0.0, c)))


def power(a, b):
    if isinstance(b, int | float):
        return unary(lambda x: x**b, lambda x, y: b * x ** (b - 1.0))(a)
    return binary(lambda x, y: x**y, lambda c, x, e, y: (c * e * x ** (e - 1), c * y * np.log(x)))(a, b)


multiply = binary(lambda x, y: x * y, lambda c, x, y, _: (c * y, c * x))

leaf = Tensor
constant = Tensor
value = lambda tensor: tensor.data  # noqa: E731
gradient = lambda leaf: leaf.grad  # noqa: E731
backward = lambda output, cotangent: output.backward(cotangent)  # noqa: E731


def zero_grad(leaf):
    leaf.grad = None


@contextmanager
def no_grad():
    """What is computed inside has no parents."""
    Tensor.tracking = False
    try:
        yield
    finally:
        Tensor.tracking = True


operations = {
    "add": binary(lambda x, y: x + y, lambda c, x, y, _: (c, c)),
    "sub": binary(lambda x, y: x - y, lambda c, x, y, _: (c, -c)),
    "mul": multiply,
    "div": binary(lambda x, y: x / y, lambda c, x, y, _: (c / y, -c * x / y**2)),
    "maximum": binary(np.maximum, lambda c, x, y, _: (c * ((x > y) + 0.5 * (x == y)), c * ((x < y) + 0.5 * (x == y)))),
    "pow": power,
    "neg": unary(lambda x: -x, lambda x, y: -1.0),
    "exp": unary(np.exp, lambda x, y: y),
    "log": unary(np.log, lambda x, y: 1 / x),
    "sqrt": unary(np.sqrt, lambda x, y: 0.5 / y),
    "abs": unary(np.abs, lambda x, y: np.sign(x)),
    "sin": unary(np.sin, lambda x, y: np.cos(x)),
    "tanh": unary(np.tanh, lambda x, y: 1 - y**2),
    "sigmoid": unary(lambda x: 1 / (1 + np.exp(-x)), lambda x, y: y * (1 - y)),
    "relu": unary(lambda x: np.maximum(x, 0), lambda x, y: x > 0),
    "softplus": unary(lambda x: np.log(1 + np.exp(x)), lambda x, y: 1 / (1 + np.exp(-x))),
    "sum": total,
    "mean": mean,
    "amax": amax,
    "softmax": softmax,
    "matmul": matmul,
    "transpose": transpose,
    "reshape": reshape,
    "getitem": getitem,
    "setitem": setitem,
    "cat": cat,
    "where": where,
}
