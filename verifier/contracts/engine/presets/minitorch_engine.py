"""minitorch, the course at Cornell Tech: the tensors of modules 2 to 4, judged in the folder that holds the package `minitorch`."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
import minitorch

value = lambda tensor: tensor.to_numpy()  # noqa: E731
gradient = lambda leaf: None if leaf.grad is None else leaf.grad.to_numpy()  # noqa: E731
chain = 50  # its operations are loops in Python, unless Numba is there


def leaf(array):
    tensor = minitorch.tensor(array.tolist())
    tensor.requires_grad_(True)
    return tensor


def backward(output, cotangent):
    output.backward(minitorch.tensor(cotangent.reshape(output.shape).tolist()))


def zero_grad(leaf):
    leaf.grad = None


def along(name):
    return lambda a, axis=None: getattr(a, name)(axis)


operations = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "matmul": lambda a, b: a @ b,
    **{name: (lambda a, name=name: getattr(a, name)()) for name in ("sigmoid", "relu", "log", "exp")},
    "sum": along("sum"),
    "mean": along("mean"),
    "transpose": lambda a, axes: a.permute(*axes),
    "reshape": lambda a, shape: a.contiguous().view(*shape),
}
if hasattr(minitorch, "max") and hasattr(minitorch, "softmax"):  # module 4
    operations |= {
        "softmax": lambda a, axis: minitorch.softmax(a, axis),
        "log_softmax": lambda a, axis: minitorch.logsoftmax(a, axis),
    }
