"""Whether forward gives along a line what it gives anywhere else.

Code can notice that it is differenced: by its caller's frames, or since a call is so near to the one before. Then it may answer there as a
wrong gradient says. So some points of lines are asked again, as passes like any other, in a worker that knows nothing of the problem.
"""

import numpy as np

from verifier.checks.layer.asking import LayerAsking, answer_patiently
from verifier.checks.layer.raised import Raised

SUMMED = 2.0**12  # last bits of the largest output, as another order of the same sums makes them


def answers_otherwise(asking: LayerAsking, inside: str) -> str:
    """A sentence on the first point at which the outputs are others, or ""; the worker must have been started for this."""
    for heard in asking.heard:
        try:
            answered = answer_patiently(asking, heard.problem, arrays=heard.arrays)
        except Raised as raised:
            return f"Where the forward pass was asked along a line, it answered; alone, with the same arrays, it does not: {raised}"
        alone = np.concatenate([answered.outputs[name].ravel() for name in asking.outputs])
        computed = "float32" if heard.problem.dtype == "float32" else inside
        allowed = SUMMED * float(np.finfo(computed).eps) * max(float(np.abs(one).max(initial=0.0)) for one in (alone, heard.outputs))
        if alone.shape != heard.outputs.shape or np.abs(alone - heard.outputs).max(initial=0.0) > allowed:
            return (
                "Where the forward pass is asked along a line, it gives other outputs than alone, for the same arrays "
                f"(at {heard.problem.describe()}): finite differences of it decide nothing."
            )
    return ""
