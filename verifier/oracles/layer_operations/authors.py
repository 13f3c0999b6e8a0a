"""A process of its own for the reference of whoever judges: `python -m verifier.oracles.layer_operations.authors`, over stdin and stdout.

The first frame says which file has the function; the answer has the names of its parameters. Each further frame is one point: the answer
has the function's outputs and gradients there, with what rounding can do to them. The candidate's code is never here, nor is this code in
the referee. Modules that lie beside the file are not found: among them may be a candidate.
"""

import inspect
import os
import runpy
import sys
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from verifier.oracles.references.candidate import Array
from verifier.oracles.references.process import receive, send


def main() -> None:
    """Serve one function until nobody asks any more."""
    channel = os.fdopen(os.dup(1), "wb")
    sys.stdout = sys.stderr  # what the function prints must not stand between frames
    request, _ = receive(sys.stdin.buffer)
    with redirect_stdout(sys.stderr), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            function = _function(request["file"], request["function"])
            parameters = inspect.signature(function).parameters.values()
        except Exception as error:
            send(channel, {"raised": f"{type(error).__name__}: {error}"}, {})
            return
        named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        needed = [one.name for one in parameters if one.name in named and one.default is one.empty]
        send(channel, {"named": named, "needed": needed}, {})
        while True:
            try:
                message, arrays = receive(sys.stdin.buffer)
            except EOFError:
                return
            try:
                send(channel, *_answered(function, message, arrays))
            except Exception as error:
                send(channel, {"raised": f"{type(error).__name__}: {error}"}, {})


def _function(file: str, name: str) -> Any:
    import torch

    torch.set_num_threads(1)  # sums in another order have other last bits: the same seed must give the same report
    found = runpy.run_path(file).get(name)
    if not callable(found):
        raise NameError(f"it defines no function {name}")
    return found


def _answered(function: Any, message: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    import torch

    from verifier.oracles.dispatched.measuring import measure

    tensors = {name.removeprefix("array "): torch.tensor(array) for name, array in arrays.items() if name.startswith("array ")}
    cotangents = [arrays[f"cotangent {place}"] for place in range(message["cotangents"])]
    values = dict(message["values"])

    def call(given: Mapping[str, Any]) -> Any:
        return function(**given, **values)

    plain = call(tensors)
    plain = plain if isinstance(plain, tuple | list) else (plain,)
    shapes = [list(one.shape) for one in plain if isinstance(one, torch.Tensor)]
    if shapes != message["shapes"]:
        return {"shapes": shapes}, {}
    narrow = torch.float32 if message["dtype"] == "float32" else torch.float64
    found = measure(call, tensors, cotangents, differentiate=message["gradients"], dtype=narrow)
    back: dict[str, Array] = {}
    for place, (name, output) in enumerate(found.outputs.items()):
        back |= {f"output {place}": output, f"tolerance {place}": found.output_tolerance(name)}
    for name in message["gradients"]:
        back |= {f"gradient {name}": found.gradients[name]}
    return {"shapes": shapes}, {name: np.array(array, dtype=np.float64, order="C") for name, array in back.items()}


if __name__ == "__main__":
    main()
