"""A process of its own for a reference: `python -m verifier.oracles.references.process`, which speaks frames over stdin and stdout.

The first frame says which file has the reference and what may be drawn. Then this process asks, a frame at a time, what the candidate
answers; who started it passes the question on to the candidate's worker, and the answer back. The last frame has what was found. The
candidate's code is never here, the reference's never in the referee.
"""

import os
import runpy
import sys
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from verifier import wire
from verifier.oracles.references.candidate import Array, to_array
from verifier.oracles.references.points import point


class CaseError(Exception):
    """The case's file is not what it should be; the text says what is missing."""


def main() -> None:
    """Serve one case."""
    # What the reference prints must not stand between frames.
    channel = os.fdopen(os.dup(1), "wb")
    sys.stdout = sys.stderr
    request, _ = receive(sys.stdin.buffer)
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            message, arrays = _found(request, channel)
    except CaseError as error:
        message, arrays = {"unusable": str(error)}, {}
    except Exception as error:
        message, arrays = {"unusable": f"{type(error).__name__}: {error}"}, {}
    send(channel, message, arrays)


def send(channel: BinaryIO, message: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write one frame."""
    channel.write(wire.encode(message, arrays))
    channel.flush()


def receive(channel: BinaryIO) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read one frame. Raises EOFError where the other side is gone."""
    prefix = channel.read(wire.PREFIX.size)
    if len(prefix) < wire.PREFIX.size:
        raise EOFError
    length = wire.read_prefix(prefix)
    blob = channel.read(length)
    if len(blob) < length:
        raise EOFError
    return wire.decode_blob(blob)


def _found(request: Mapping[str, Any], channel: BinaryIO) -> tuple[dict[str, Any], dict[str, Array]]:
    import torch

    from verifier.oracles.dispatched.running import real_outputs
    from verifier.oracles.references.asking import Said, ask, prepare
    from verifier.oracles.references.remote import Remote, elsewhere, subscripts

    # Sums in another order have other last bits: the same seed must give the same report.
    torch.set_num_threads(1)
    reference, arguments = _case(Path(request["case"]))
    words: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in request["said"].items()}
    said = Said(**words)
    examples = arguments()
    examples = tuple(examples) if isinstance(examples, tuple | list) else (examples,)

    def exchange(message: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        send(channel, {"ask": dict(message)}, arrays)
        return receive(sys.stdin.buffer)

    prepared = prepare(reference, examples, reference, said)
    candidate = prepared.judge.candidate
    options = {name: values[0] for name, values in prepared.space.options.items()}
    if any(name not in candidate.names for name in prepared.examples):
        raise CaseError("its arguments hold tensors in lists or dictionaries: take them out, as arguments of their own.")
    given = candidate.arguments(prepared.examples)
    remote = Remote(
        elsewhere,
        elsewhere if request["backward"] else None,
        candidate.names,
        candidate.fixed,
        candidate.differentiated,
        exchange,
        request["function"],
        request["backward"],
        subscripts(tuple(real_outputs(reference(*given, **options)))),
    )
    judge = replace(prepared.judge, candidate=remote)
    answer = ask(replace(prepared, judge=judge), said)
    message = {
        "done": {
            "message": answer.message,
            "undecided": answer.undecided,
            "seed": answer.seed,
            "asked": answer.asked,
            "axes": list(answer.axes),
            "not_drawn": list(answer.not_drawn),
            "precision": answer.precision,
            "notes": list(answer.notes),
            "resolves": {name: float(power) for name, power in answer.resolves.items()},
        }
    }
    failure = answer.failure
    if failure is None or failure.wrong is None or failure.case is None:
        return message, {}
    wrong, case = failure.wrong, failure.case
    message["done"] |= {"what": wrong.what, "tensor": wrong.tensor, "needed": list(failure.needed), "sizes": dict(case.sizes)}
    arrays = {f"array {name}": to_array(tensor) for name, tensor in point(judge.sources, case).items()}
    for name, array in (("claimed", wrong.claimed), ("right", wrong.right), ("tolerance", wrong.tolerance)):
        if array is not None and array.dtype.kind == "f":
            arrays[name] = np.asarray(array, dtype=np.float64)
    return message, {name: array for name, array in arrays.items() if array.dtype.kind in "fib"}


def _case(file: Path) -> tuple[Any, Any]:
    """`reference` and `arguments` of the case's file, which runs here."""
    sys.path.insert(0, str(file.parent))
    space = runpy.run_path(str(file))
    for name, what in (("reference", "the function in plain PyTorch"), ("arguments", "a function that returns the examples")):
        if not callable(space.get(name)):
            raise CaseError(f"it defines no {name}: {what}.")
    return space["reference"], space["arguments"]


if __name__ == "__main__":
    main()
