"""The parameters of functions: as they are called, and which of them are never read."""

import dis
import inspect
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from numpy import ndarray

MOST = 12  # names of each kind
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def parameters(function: Callable[..., Any]) -> list[str] | None:
    """What a call may pass by position: names, with a "=" at the end where there is a default, and "*" for any more; None if unknown."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except Exception:  # a function may be anything
        return None
    named = [f"{one.name}{'' if one.default is one.empty else '='}" for one in found if one.kind in POSITIONAL]
    return [*named[:MOST], *("*" for one in found if one.kind is one.VAR_POSITIONAL)]


def signature(function: Callable[..., Any] | None) -> dict[str, list[str]]:
    """For the sentence beside a call that raised; {} if unknown.

    The names of its `parameters`, of those that are `unread`, and of the `globals` that it reads and that hold data.
    """
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
