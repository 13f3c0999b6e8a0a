"""The parameters of a function as its code has them, and which of them it never reads: for the sentence beside a call that raised."""

import dis
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from numpy import ndarray

MOST = 12  # names of each kind


def signature(function: Callable[..., Any] | None) -> dict[str, list[str]]:
    """The names of its `parameters`, of those that are `unread`, and of the `globals` that it reads and that hold data; {} if unknown."""
    try:
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        if not isinstance(code, CodeType):
            return {}
        bound = hasattr(function, "__self__")
        parameters = list(code.co_varnames[: code.co_argcount])[bound:]
        read = set(code.co_cellvars)
        for one in dis.get_instructions(code):
            if one.opname.startswith("LOAD_"):
                read.update(one.argval if isinstance(one.argval, tuple) else (str(one.argval),))
        known = vars(sys.modules[getattr(function, "__module__", "")])
        data = [name for name in code.co_names if isinstance(known.get(name), list | dict | ndarray)]
    except Exception:  # a function may be anything
        return {}
    return {"parameters": parameters[:MOST], "unread": [name for name in parameters if name not in read][:MOST], "globals": data[:MOST]}
