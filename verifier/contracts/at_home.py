"""Hypothesis as a source of drawn problems, without what it takes from the code and the folder around it."""

import contextlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def hypothesis_at_home() -> Iterator[None]:
    """Hypothesis with a home of its own, and blind to the code around it.

    It must not write into the user's folder. And it would draw numbers that it reads in whatever modules happen to be loaded, ours in a
    source tree or a user's tests: the same seed would draw other networks there.
    """
    from hypothesis.configuration import set_hypothesis_home_dir
    from hypothesis.internal.conjecture.providers import HypothesisProvider

    constants = HypothesisProvider._maybe_draw_constant
    with tempfile.TemporaryDirectory() as home:
        set_hypothesis_home_dir(home)
        HypothesisProvider._maybe_draw_constant = lambda *_, **__: None  # type: ignore[method-assign]
        try:
            yield
        finally:
            HypothesisProvider._maybe_draw_constant = constants  # type: ignore[method-assign]
