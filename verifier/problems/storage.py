"""A problem as one safetensors blob, bit for bit: what a counterexample file holds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier import wire
from verifier.errors import RequestError
from verifier.problems.operations import OPERATIONS
from verifier.problems.program import Node, Problem, Program

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
    }


def problem_from_message(message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Problem:
    """The problem that `problem_to_message` described, over these arrays.

    Raises:
        RequestError: it is not such a description; says what is wrong.
    """
    if message.get("format") != FORMAT:
        raise RequestError(f"this is not a stored problem of format {FORMAT} (it says {message.get('format')!r})")
    try:
        nodes = tuple(Node(operation, tuple(inputs), output, attributes) for operation, inputs, output, attributes in message["nodes"])
        program = Program(nodes, tuple(message["differentiate"]), message["loss"], message["outputs"], tuple(message["stages"]))
        problem = Problem(program, dict(arrays), message["dtype"], message["contract"], message["choices"], message["description"])
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"a stored problem is damaged: {type(error).__name__}: {error}") from None
    unknown = {node.operation for node in nodes} - set(OPERATIONS)
    if unknown:
        raise RequestError(f"a stored problem uses operations that this version does not know: {', '.join(sorted(unknown))}")
    if problem.dtype not in ("float64", "float32") or any(array.dtype != np.dtype(problem.dtype) for array in arrays.values()):
        raise RequestError("a stored problem is damaged: its arrays are not all of the type that it names")
    return problem


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
    return problem_from_message(message, arrays)
