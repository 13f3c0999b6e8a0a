"""The contestant's side of the boundary: `python -m verifier.worker CONTROL on|off HOME`, started by the referee, never by a user.

What runs here beside untrusted code is this folder and `verifier.wire`, with NumPy, safetensors, landlock and pyseccomp, and nothing else.

Protocol. The referee starts one zygote and holds the other end of its control socket (descriptor CONTROL; see `zygote`). A
worker that the zygote forks first sends two frames (what confines it; the candidate's functions), then answers each request frame
(`wire`; what a request is: `calling`) with one frame, in order, until its channel closes. Frames carry JSON and arrays only.
"""

import random  # noqa: F401 - warm for every candidate, as are the next
import socket
import sys
import tempfile  # noqa: F401

import numpy.linalg
import numpy.random  # noqa: F401

from verifier.worker import zygote


def main() -> None:
    """Run the zygote until the referee goes."""
    _, control, isolation, home = sys.argv
    zygote.run(socket.socket(fileno=int(control)), home, isolated=isolation == "on")


if __name__ == "__main__":
    main()
