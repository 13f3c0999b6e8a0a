"""Verify a backpropagation implementation: finite differences of its own loss, PyTorch autograd, and properties of random networks.

`check`, `assert_gradients` and `Report` are loaded on first use, so that nobody pays for what they do not use.
"""

import sys

# `python -m verifier` puts the working folder first on the import path, and a student's click.py there would become a part of the
# referee. While Python looks for the package, "-m" is all that stands in the place of the script's name.
if sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)].endswith("verifier") and not sys.flags.safe_path:
    sys.path[:] = [path for path in sys.path if path and path != sys.path[0]]

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verifier.assertions import assert_gradients
    from verifier.checking import check
    from verifier.results.report import Report

__all__ = ["Report", "assert_gradients", "check"]


def __getattr__(name: str) -> Any:
    if name == "check":
        from verifier.checking import check

        return check
    if name == "assert_gradients":
        from verifier.assertions import assert_gradients

        return assert_gradients
    if name == "Report":
        from verifier.results.report import Report

        return Report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
