"""The forms of questions about an operation, by its kind."""

from collections.abc import Callable, Iterator, Mapping

from verifier.contracts.engine.forms import elementwise, joining, losses
from verifier.contracts.engine.forms.form import Form, pairs
from verifier.contracts.engine.operations.operation import Kind, Operation

_BY_KIND: Mapping[Kind, Callable[[Operation], Iterator[Form]]] = {
    "unary": lambda operation: elementwise.unary(operation, [(3, 4), (3, 3), (5,), (2, 3, 4), (1, 4), (4, 1), (1, 1)]),
    "binary": elementwise.binary,
    "choice": lambda operation: elementwise.choice(),
    "reduction": joining.reductions,
    "axis": joining.along_axes,
    "product": joining.products,
    "shape": joining.shapes,
    "index": lambda operation: joining.indices(),
    "write": lambda operation: joining.writes(),
    "list": joining.lists,
    "loss": lambda operation: losses.losses(),
    "labels": lambda operation: losses.of_labels(),
    "layer": losses.layers,
}


def forms(operation: Operation) -> Iterator[Form]:
    """Every form of a question about an operation over arrays."""
    return _BY_KIND[operation.kind](operation)


def scalar_forms(operation: Operation) -> Iterator[Form]:
    """The same for engines of numbers."""
    if operation.kind == "unary":
        for _ in range(4):
            yield from elementwise.unary(operation, [])
    elif operation.kind == "binary":
        yield from pairs("plain", 4 * [((), ())])
        yield from elementwise.with_numbers(operation, ())
        yield from elementwise.with_itself(operation, ())
