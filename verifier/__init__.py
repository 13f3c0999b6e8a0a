"""Verify a backpropagation implementation: finite differences of its own loss, PyTorch autograd, and properties of random networks.

`check` and `Report` are loaded on first use, so that nobody pays for what they do not use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verifier.checking import check
    from verifier.results.report import Report

__all__ = ["Report", "check"]


def __getattr__(name: str) -> Any:
    if name == "check":
        from verifier.checking import check

        return check
    if name == "Report":
        from verifier.results.report import Report

        return Report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
