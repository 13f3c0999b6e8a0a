"""micrograd's engine of numbers, operation by operation (pip install micrograd)."""

# /// script
# [tool.verifier]
# contract = "engine"
# ///
from micrograd.engine import Value

scalar = True
leaf = Value
value = lambda tensor: tensor.data  # noqa: E731
backward = lambda output: output.backward()  # noqa: E731
gradient = lambda leaf: leaf.grad  # noqa: E731
operations = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "relu": Value.relu,
}
