"""What of a candidate is its own: one that only calls the reference was held against itself."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.oracles.functions.nests import leaves
from verifier.oracles.references.candidate import Candidate

ONLY_CALLS = "the candidate only calls the reference: its gradient is autograd's through that, and nothing of its own was compared"
CALLS_BACKWARD = "the candidate's gradient function calls the reference: it was held against itself"


def not_its_own(candidate: Candidate, reference: Callable[..., Any], tensors: dict[str, Tensor], options: dict[str, Any]) -> str:
    """A sentence where the candidate calls the reference and no backward pass of its own takes part; else ""."""
    if candidate.forward is reference:
        return ONLY_CALLS
    kept: Any = sys.getprofile()
    if kept is not None and not callable(kept):  # a profiler in C, which could not be set again
        return ""
    called, own = [False], [candidate.backward is not None]
    mine, code = (getattr(getattr(one, "stands_for", one), "__code__", None) for one in (candidate.forward, reference))
    code = None if code is mine else code  # two modules of one class, of which the parts differ

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        called[0] = called[0] or (event == "c_call" and argument is reference) or (code is not None and frame.f_code is code)

    def forward(*arguments: Any, **keywords: Any) -> Any:
        answer = candidate.forward(*arguments, **keywords)
        own[0] = own[0] or any(_has_own_node(leaf) for _, leaf in leaves("", answer))
        return answer

    watched = Candidate(forward, candidate.backward, candidate.names, candidate.fixed, candidate.differentiated)
    try:
        sys.setprofile(watch)
        watched.answer(tensors, options, lambda outputs: [np.ones_like(one) for one in outputs])
    except Exception:  # what it raises is judged elsewhere
        return ""
    finally:
        sys.setprofile(kept)
    if not called[0]:
        return ""
    return CALLS_BACKWARD if candidate.backward is not None else "" if own[0] else ONLY_CALLS


def _has_own_node(leaf: Any) -> bool:
    """Whether a backward pass written in Python takes part in this tensor's."""
    waiting: list[Any] = [leaf.grad_fn] if isinstance(leaf, Tensor) else []
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if issubclass(type(node), torch.autograd.function.BackwardCFunction):
            return True
        seen.add(node)
        waiting += [following for following, _ in node.next_functions]
    return False
