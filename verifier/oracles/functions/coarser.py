"""The operations of PyTorch in the coarser arithmetic of `verifier.coarser`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from verifier.coarser import Seen


@contextmanager
def coarser_tensors(seen: Seen) -> Iterator[None]:
    """Within it the operations of PyTorch are coarser too, if anybody loaded it."""
    if "torch" not in sys.modules:
        yield
        return
    from verifier.oracles.dispatched.coarser import Coarser

    with Coarser(seen.epsilon, seen.meet):
        yield
