"""Single precision inside: wrong at float64's tolerance and right at float32's, on every network."""

from collections.abc import Sequence

import numpy as np

from verifier.diagnosis.factors import Answered
from verifier.oracles.reference import precision_ratio
from verifier.results.report import Diagnosis

# A smaller error than this part of float32's tolerance, on the typical network, is something else (differences in place of backprop: 1e-4).
_TYPICAL = 1e-2


def explain_by_precision(answered: Sequence[Answered]) -> Diagnosis | None:
    """The fault `single-precision`, or None."""
    worst = []
    for one in answered:
        if one.problem.dtype != "float64":
            continue
        ratios = [0.0]
        for name, gradient in one.claimed.gradients.items():
            if gradient.size:
                allowed = one.reference.gradient_tolerance(name) + one.claimed.rounding.get(name, 0.0)
                with np.errstate(all="ignore"):
                    error = np.abs(gradient - one.reference.evaluation.gradients[name])
                    ratios.append(float(np.max(np.where(error == 0, 0.0, error / allowed))))
        worst.append(max(ratios))
    # A comparison with NaN is false: an answer that is not finite is no question of precision.
    if not worst or not all(ratio <= precision_ratio() for ratio in worst) or np.median(worst) < _TYPICAL * precision_ratio() / 32:
        return None
    return Diagnosis(
        "single-precision",
        "forward",
        "Every gradient is right to float32's last bits, and not to float64's: something inside is computed or stored in float32. "
        'Look for dtype=np.float32 or astype(np.float32), or claim dtypes = ["float32"].',
    )
