"""These tests need a GPU; where there is none they are skipped, and say so: `python -m pytest tests/device -rs`.

`DEVICE=cpu` runs them on the processor, to see whether the tests themselves are in order.
"""

import os

import pytest
import torch


@pytest.fixture
def device() -> torch.device:
    if os.environ.get("DEVICE"):
        return torch.device(os.environ["DEVICE"])
    if not torch.cuda.is_available():
        pytest.skip("no GPU here: PyTorch sees no CUDA device")
    return torch.device("cuda")


@pytest.fixture
def draw(device):
    """Normal numbers on the device: draw(3, 4), draw(5, dtype=torch.bfloat16)."""
    generator = torch.Generator().manual_seed(14)

    def normal(*shape, dtype=torch.float32):
        return torch.randn(shape, generator=generator).to(dtype).to(device)

    return normal
