"""The resolution of a test: the smallest ε for which it notices gradients that are 1 + ε times too large."""

from collections.abc import Callable

LARGEST = 1.0  # a factor of two
SMALLEST = 2.0**-52  # the last bit of float64
STEP = 2.0**0.25  # the resolution is found to within a fifth


def bisect(notices: Callable[[float], bool]) -> float | None:
    """The smallest error that is noticed, to within a fifth; None where even a factor of two is not.

    What is noticed is taken to be noticed when it is larger too.
    """
    if not notices(LARGEST):
        return None
    seen, unseen = LARGEST, SMALLEST
    while seen / unseen > STEP:
        middle = (seen * unseen) ** 0.5
        if notices(middle):
            seen = middle
        else:
            unseen = middle
    return seen
