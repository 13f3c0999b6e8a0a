"""`python -m verifier` is the command `verifier`."""

import contextlib
import os
import sys

from verifier.cli import main


def run() -> None:
    """Run the command and end the process with its status, at once: to take PyTorch down in order costs 0.4 s of a run."""
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
