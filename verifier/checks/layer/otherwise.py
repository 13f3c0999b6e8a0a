"""A layer's forward pass with one of its operations changed (see `worker.probing`): what its gradient would be by a certain mistake.

What comes back is a hint, whatever a candidate makes of it. In a worker that was asked so, something of the candidate's may have kept
arrays that are watched: whoever has done with it restarts it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verifier.arrays import Array, FloatArray
from verifier.checks.layer.asking import Arrays, LayerAsking

Change = Sequence[Any]


def changes(asking: LayerAsking) -> tuple[list[Change], int]:
    """How operations of the last pass may be changed, and how many there are. Raises Raised where it goes another way so."""
    assert asking.problem is not None
    replies, _ = asking.ask([{"do": "changes"}], {}, asking.problem)
    return list(replies[0]["changes"]), int(replies[0]["events"])


def slopes(
    asking: LayerAsking,
    changed: Sequence[Change],
    directions: Sequence[Mapping[str, FloatArray]],
    steps: Sequence[float],
    cotangents: Arrays,
) -> FloatArray:
    """Slopes of the last pass's projected outputs, shape (changes, directions); NaN where a change cannot be made.

    Args:
        steps: h, for central differences, or h and h/2, for those of fourth order.
    """
    assert asking.problem is not None
    carried: dict[str, Array] = {f"cotangent {name}": array for name, array in cotangents.items()}
    carried |= {f"{index} {name}": along for index, one in enumerate(directions) for name, along in asking.held(one).items()}
    action = {
        "do": "changed",
        "outputs": list(asking.outputs),
        "changes": list(changed),
        "directions": [{name: f"{index} {name}" for name in one} for index, one in enumerate(directions)],
        "steps": "steps",
        "cotangents": {name: f"cotangent {name}" for name in cotangents},
    }
    asking.evaluations += 2 * len(steps) * len(changed) * len(directions)
    every = np.array([sign * step for step in steps for sign in (1, -1)])
    replies, answered = asking.ask([action], {**carried, "steps": every}, asking.problem)
    points = answered[replies[0]["values"]["points"]]
    if points.shape != (len(changed), len(directions), every.size):
        return np.full((len(changed), len(directions)), np.nan)
    each = [(points[..., 2 * place] - points[..., 2 * place + 1]) / (2 * step) for place, step in enumerate(steps)]
    return np.asarray((4 * each[1] - each[0]) / 3 if len(each) > 1 else each[0])
