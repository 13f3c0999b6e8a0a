"""On how many threads PyTorch computes while a function is asked again and again."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Elements: one pass over so many takes about a millisecond, of which a second thread saves half. Where another process has the second core,
# each operation on two threads waits for it for as long as its time slice is, some milliseconds.
FEW = 2**20


@contextmanager
def threads(count: int) -> Iterator[int]:
    """Within, PyTorch has so many threads; gives how many it had, and has again afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def threads_for(elements: int) -> int:
    """How many pay for operations on so many elements: one for few, else as many as there are."""
    return 1 if elements < FEW else torch.get_num_threads()
