"""Of a mapping of gradients: what it may leave out. A network's says nothing of its data; it says something of each parameter."""

from collections.abc import Collection
from typing import Literal

from verifier.contracts.layer.claims import LayerClaims

DATA = ("x", "input", "inputs", "data", "images")

Left = Literal["data", "open", "missing"]


def left_out(claims: LayerClaims, missing: Collection[str]) -> dict[str, Left]:
    """What it means that a mapping has no gradient of these arrays.

    Returns:
        By array: "data" is what forward is given a batch of, and nobody need differentiate; "missing" is what must be there, since the
        operation, `differentiate` or `setup` (which sets parameters) says it; "open" may be either, until the manifest says it.
    """
    entry = claims.entry
    needed = set() if entry is None else {name for name in entry.arrays if name not in entry.constant}
    needed |= {*claims.named, *({*claims.setup.reads} - {*claims.forward.reads})}
    free = [name for name in missing if name not in needed]
    has = {name for other in claims.differentiate if other not in missing for name in claims.shapes[other].names}
    shared = set.intersection(*(set(claims.shapes[name].names) for name in free)) if free else set()
    batch = shared - has
    return {name: "missing" if name in needed else "data" if batch or name.lower() in DATA else "open" for name in missing}
