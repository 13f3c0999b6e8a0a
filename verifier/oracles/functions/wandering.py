"""What rounding does to a function's outputs and to a claimed gradient, seen from outside: asked in this process and across the boundary.

Where no reference says how far the numbers of a pass may be off, the function says it itself: its outputs and its claim at inputs moved by
a few of their last bits, and how many bits the outputs show.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.oracles.finite_difference.line import DirectionResult
from verifier.oracles.finite_difference.noise import NARROWER_TYPES, machine_epsilon

HIDDEN = 1.0  # outputs may be what is left of numbers of size 1 that cancelled (1 - cos x); nothing shows it where they are smooth
COPIES = 4  # of outputs, of the claim, at inputs moved by their last bits
MORE_BITS = 64.0  # of the inputs where the claim is asked again: only errors far above are ever reported
JUMP = 4.0  # times the noise: less is rounding of the loss where the search for a jump ends
FLOAT64_EPSILON = machine_epsilon(np.float64)
FLOAT32_EPSILON = machine_epsilon(np.float32)


def moved_inputs(arrays: Mapping[str, NDArray[Any]], names: Iterable[str], amount: float, *, seed: int = 0) -> Iterator[dict[str, Any]]:
    """`COPIES` times the arrays, each element of those named moved by at most `amount` of itself; the same ones each time."""
    generator, names = np.random.default_rng(seed), tuple(names)
    for _ in range(COPIES):
        yield {**arrays, **{name: arrays[name] * (1 + amount * generator.uniform(-1, 1, size=arrays[name].shape)) for name in names}}


def epsilon_shown_by(outputs: FloatArray) -> float:
    """Epsilon of float32 where that holds all these outputs, at a point that is nothing special: then a part is computed in it."""
    shown = outputs[np.isfinite(outputs) & (outputs != 0)]
    if not shown.size:
        return FLOAT64_EPSILON
    mantissas, _ = np.frexp(shown)
    bits = max(NARROWER_TYPES)
    held = bool(np.array_equal(np.round(mantissas * 2.0**bits), mantissas * 2.0**bits))
    return 2.0 ** (1 - bits) if held else FLOAT64_EPSILON


def size_seen(level: Callable[[FloatArray], float], far: FloatArray, center: FloatArray, rounding: FloatArray, otherwise: float) -> float:
    """Beside what an effect on the outputs is small: what they move by where all inputs move, not the offset that they stand on.

    Of 1e15 + Σ w² no derivative is seen at all, and zeros for it are small beside 1e15. It is `otherwise` where no output moves by more
    than its own rounding, or some are not finite there.
    """
    with np.errstate(all="ignore"):
        moves = np.abs(far - center)
        moved = level(moves)
    return otherwise if not np.isfinite(moved) or np.all(moves <= JUMP * rounding) else moved


def unseen_share(line: DirectionResult, name: str, largest: float) -> float:
    """What a change of an input by its own size might still do to the outputs unseen by a line, relative to `largest`, see `size_seen`."""
    if line.tolerance == 0:
        return 0.0
    reach = float(np.abs(line.direction[name]).max(initial=0.0)) * largest
    return line.tolerance / reach if reach > 0 else float("inf")
