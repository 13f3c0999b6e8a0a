"""A problem as one safetensors blob, bit for bit: what a counterexample file holds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier import wire
from verifier.errors import RequestError
from verifier.problems.operations import OPERATIONS, exact
from verifier.problems.program import Node, Problem, Program, Role

FORMAT = 1


def problem_to_message(problem: Problem) -> dict[str, Any]:
    """All of a problem but its arrays, as plain JSON data."""
    program = problem.program
    return {
        "format": FORMAT,
        "contract": problem.contract,
        "dtype": problem.dtype,
        "description": problem.description,
        "choices": dict(problem.choices),
        "nodes": [[node.operation, list(node.inputs), node.output, dict(node.attributes)] for node in program.nodes],
        "differentiate": list(program.differentiate),
        "loss": program.loss,
        "outputs": program.outputs,
        "stages": list(program.stages),
        "roles": {name: [role.kind, role.layer, role.position] for name, role in problem.roles.items()},
        "sizes": dict(problem.sizes),
    }


def problem_from_message(message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Problem:
    """The problem that `problem_to_message` described, over these arrays.

    Raises:
        RequestError: it is not such a description; says what is wrong.
    """
    if message.get("format") != FORMAT:
        raise RequestError(f"this is not a stored problem of format {FORMAT} (it says {message.get('format')!r})")
    try:
        nodes = tuple(_node(*entry) for entry in message["nodes"])
        program = Program(nodes, tuple(message["differentiate"]), message["loss"], message["outputs"], tuple(message["stages"]))
        problem = Problem(
            program,
            dict(arrays),
            message["dtype"],
            message["contract"],
            dict(message["choices"]),
            message["description"],
            {name: _role(*role) for name, role in message.get("roles", {}).items()},  # 0.1.0 stored none; the builder gives them again
            dict(message.get("sizes", {})),
        )
        _require_names(program, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"a stored problem is damaged: {type(error).__name__}: {error}") from None
    if not isinstance(problem.contract, str) or not isinstance(problem.description, str):
        raise RequestError("a stored problem is damaged: its contract or description is no text")
    if problem.dtype not in ("float64", "float32") or any(array.dtype != np.dtype(problem.dtype) for array in arrays.values()):
        raise RequestError("a stored problem is damaged: its arrays are not all of the type that it names")
    return problem


def _node(operation: str, inputs: list[str], output: str, attributes: Mapping[str, float]) -> Node:
    if operation not in OPERATIONS:
        raise RequestError(f"a stored problem uses an operation that this version does not know: {operation}")
    if not isinstance(inputs, list) or any(type(value) not in (int, float) for value in attributes.values()):
        raise ValueError(f"the inputs are no list, or an attribute no number, in {operation}")
    return Node(operation, tuple(inputs), output, dict(attributes))


def _role(kind: str, layer: int, position: str) -> Role:
    if type(kind) is not str or type(layer) is not int or type(position) is not str:
        raise ValueError("a role is no word, layer and position")
    return Role(kind, layer, position)


def _require_names(program: Program, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Every value is an array or the output of an earlier node, and written once; raises ValueError."""
    known = set(arrays)
    for node in program.nodes:
        if not known.issuperset(node.inputs) or node.output in known:
            raise ValueError(f"the inputs of {node.output!r} are not there before it, or it is there already")
        known.add(node.output)
    if program.loss in arrays or not known.issuperset((program.loss, *program.stages)) or not set(arrays).issuperset(program.differentiate):
        raise ValueError("the loss, a stage or an array to differentiate is not there")
    if program.outputs is not None and program.outputs not in known:
        raise ValueError("the outputs are not there")


def _require_computable(problem: Problem) -> None:
    """One forward pass: arities, attributes and shapes fit together, and the loss is one number; else RequestError."""
    values = dict(problem.arrays)
    try:
        with np.errstate(all="ignore"):
            for node in problem.program.nodes:
                inputs = tuple(values[name] for name in node.inputs)
                values[node.output] = OPERATIONS[node.operation].forward(inputs, node.attributes, exact)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise RequestError(f"a stored problem is damaged: it cannot be computed: {error}") from None
    if values[problem.program.loss].ndim != 0:
        raise RequestError("a stored problem is damaged: its loss is not one number")


def problem_to_bytes(problem: Problem) -> bytes:
    """The problem as a safetensors blob whose metadata holds the program."""
    return wire.encode_blob(problem_to_message(problem), problem.arrays)


def problem_from_bytes(data: bytes) -> Problem:
    """The problem that `problem_to_bytes` wrote, bit for bit.

    Raises:
        RequestError: the bytes are not such a file.
    """
    try:
        message, arrays = wire.decode_blob(data)
    except wire.WireError as error:
        raise RequestError(f"this is not a stored problem: {error}") from None
    problem = problem_from_message(message, arrays)
    _require_computable(problem)
    return problem
