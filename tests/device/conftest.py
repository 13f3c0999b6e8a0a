"""These tests need a GPU; where there is none they are skipped, and say so: `python -m pytest tests/device -rs`."""

import pytest
import torch


@pytest.fixture
def device() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("no GPU here: PyTorch sees no CUDA device")
    return torch.device("cuda")
