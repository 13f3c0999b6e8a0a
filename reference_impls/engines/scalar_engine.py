"""A small right engine of numbers, as courses begin with: each value knows its parents and its slopes towards them."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import math


class Value:
    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad, self.parents, self.slopes = data, 0.0, parents, slopes

    def backward(self):
        order, seen, waiting = [], set(), [(self, False)]
        while waiting:
            node, done = waiting.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                waiting.append((node, True))
                waiting += [(parent, False) for parent in node.parents]
        cotangents = {id(node): 0.0 for node in order}
        cotangents[id(self)] = 1.0
        for node in reversed(order):
            if not node.parents:
                node.grad += cotangents[id(node)]
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                cotangents[id(parent)] += slope * cotangents[id(node)]


def unary(value, slope):
    return lambda a: Value(value(a.data), (a,), (slope(a.data),))


def binary(value, slopes):
    def apply(a, b):
        a, b = (one if isinstance(one, Value) else Value(one) for one in (a, b))
        return Value(value(a.data, b.data), (a, b), slopes(a.data, b.data))

    return apply


def power(a, b):
    if isinstance(b, Value):
        a = a if isinstance(a, Value) else Value(a)
        return binary(lambda x, y: x**y, lambda x, y: (y * x ** (y - 1), x**y * math.log(x)))(a, b)
    return Value(a.data**b, (a,), (b * a.data ** (b - 1),))


scalar = True
leaf = Value
value = lambda tensor: tensor.data  # noqa: E731
gradient = lambda leaf: leaf.grad  # noqa: E731
backward = lambda output: output.backward()  # noqa: E731
operations = {
    "add": binary(lambda x, y: x + y, lambda x, y: (1.0, 1.0)),
    "sub": binary(lambda x, y: x - y, lambda x, y: (1.0, -1.0)),
    "mul": binary(lambda x, y: x * y, lambda x, y: (y, x)),
    "div": binary(lambda x, y: x / y, lambda x, y: (1 / y, -x / y**2)),
    "pow": lambda a, b: power(a, b),
    "neg": unary(lambda x: -x, lambda x: -1.0),
    "exp": unary(math.exp, math.exp),
    "log": unary(math.log, lambda x: 1 / x),
    "tanh": unary(math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "sigmoid": unary(lambda x: 1 / (1 + math.exp(-x)), lambda x: math.exp(-x) / (1 + math.exp(-x)) ** 2),
    "relu": unary(lambda x: max(x, 0.0), lambda x: float(x > 0)),
}
