"""Triton's CPU interpreter, where it is loaded: it cuts the digits that bfloat16 has no room for, while every GPU rounds to nearest."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

INTERPRETER = "triton.runtime.interpreter"


@contextmanager
def rounding_to_nearest() -> Iterator[None]:
    """Within, what the interpreter stores in bfloat16 is what a GPU would; nothing where there is no interpreter."""
    interpreter: Any = sys.modules.get(INTERPRETER)
    if not hasattr(interpreter, "_convert_float"):
        yield
        return
    convert = interpreter._convert_float

    def rounded(values: Any, source: Any, target: Any, mode: Any) -> Any:
        if (str(source), str(target)) != ("fp32", "bf16"):
            return convert(values, source, target, mode)
        narrow = torch.from_numpy(np.array(values, dtype=np.float32)).to(torch.bfloat16)
        return narrow.view(torch.int16).numpy().view(np.uint16)

    interpreter._convert_float = rounded
    try:
        yield
    finally:
        interpreter._convert_float = convert
