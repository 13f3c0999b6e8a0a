"""A layer's problem as one safetensors blob, bit for bit: what a counterexample file holds."""

from dataclasses import dataclass
from typing import ClassVar

from verifier import wire
from verifier.contracts.layer.drawing import LayerProblem
from verifier.errors import RequestError

FORMAT = 1


@dataclass(frozen=True)
class Stored:
    """A problem of one layer of a file; `seed` is that of its cotangents."""

    contract: ClassVar[str] = "layer"

    layer: str
    seed: int
    problem: LayerProblem


def to_bytes(stored: Stored) -> bytes:
    """The blob."""
    problem = stored.problem
    message = {
        "format": FORMAT,
        "contract": stored.contract,
        "layer": stored.layer,
        "seed": stored.seed,
        "problem": {
            "index": problem.index,
            "values": dict(problem.values),
            "rest": list(problem.rest),
            "stress": problem.stress,
            "special": list(problem.special),
            "seed": problem.seed,
            "sizes": list(problem.sizes),
            "dtype": problem.dtype,
        },
    }
    return wire.encode_blob(message, problem.arrays)


def from_bytes(data: bytes) -> Stored:
    """The problem that `to_bytes` wrote. Raises RequestError where the bytes are not such a file."""
    try:
        message, arrays = wire.decode_blob(data)
    except wire.WireError as error:
        raise RequestError(f"this is no stored problem: {error}") from None
    if message.get("contract") != Stored.contract or message.get("format") != FORMAT:
        raise RequestError("this is no stored problem of a layer")
    try:
        said = message["problem"]
        problem = LayerProblem(
            int(said["index"]),
            dict(said["values"]),
            dict(arrays),
            tuple(int(size) for size in said["rest"]),
            str(said["stress"]),
            tuple(map(str, said["special"])),
            int(said["seed"]),
            tuple(map(str, said["sizes"])),
            str(said["dtype"]),
        )
        problem.describe()
        return Stored(str(message["layer"]), int(message["seed"]), problem)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"a stored problem is damaged: {type(error).__name__}: {error}") from None
