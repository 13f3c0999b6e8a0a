"""The text of a file to start from: the functions of one operation, as the course calls them, to be filled in."""

from collections.abc import Mapping
from typing import Any

from verifier.contracts.keys import TableError, shown
from verifier.contracts.layer.manifest import claims_from
from verifier.contracts.layer.operations.catalogue import find, near
from verifier.contracts.layer.operations.operation import Operation

USUAL = "affine"
TEXT = '''# /// script
# [tool.verifier]
# contract = "layer"
# operation = "{name}"
# ///
"""{name}: forward and backward, to be filled in.

{arrays}
"""

import numpy as np


{functions}
'''


def starting_layer(said: Mapping[str, Any]) -> str:
    """The file for the operation that `said` names.

    Raises:
        TableError: it is not known, or has no usual call that could be written down.
    """
    name = str(said.get("operation", USUAL))
    entry = find(name)
    if entry is None:
        hint = f' Did you mean "{near(name)}"?' if near(name) else ""
        raise TableError("operation", f"{shown(name)} is not known.{hint}")
    if not entry.forward:
        raise TableError("operation", f"{shown(name)} has no usual call; write its lines in a manifest (docs/layers.md).")
    claims_from({"operation": name})
    functions = [_function(call, entry) for call in (entry.forward, entry.backward) if call]
    arrays = "\n".join(f"{array}: {letters or 'one number'}" for array, letters in (*entry.arrays.items(), *entry.outputs.items()))
    return TEXT.format(name=entry.name, arrays=arrays, functions="\n\n\n".join(functions))


def _function(call: str, entry: Operation) -> str:
    """``def affine_forward(x, w, b): …`` of ``out, cache = affine_forward(x, w, b)``."""
    given, _, head = call.partition(" = ")
    options = [f"    # {name} is {value}" for name, value in entry.given.items() if name in head]
    return "\n".join([f"def {head}:", f'    """Return {given}."""', *options, "    pass"])
