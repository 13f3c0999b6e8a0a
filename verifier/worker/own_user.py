"""As root: a user of its own for each worker, so that even where nothing else confines it, it owns no file but its scratch folder.

The interpreter, the packages and the candidate's files must be readable to everybody for that; where one is not, the worker stays root,
and only its capabilities go.
"""

import contextlib
import os
import resource
import sys
from collections.abc import Iterable

import numpy as np

FIRST_USER = 1 << 30  # plus the process id: nobody's, and no other worker's
MOST_FILES = 2000  # of a folder that are looked at


def become_own_user(readable: Iterable[str], scratch: str) -> bool:
    """Whether this process, root's so far, now is a user of its own that can read these paths and use its scratch folder."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    user = FIRST_USER + os.getpid()
    groups = os.getgroups()
    try:
        os.setgroups([])
        os.setresgid(user, user, 0)
        os.setresuid(user, user, 0)  # root is kept for the way back until everything was read
        if all(_can_read(path) for path in (os.__file__, np.__file__, *readable)):
            os.seteuid(0)
            if scratch:
                os.chown(scratch, user, user)
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            return True
    except OSError:
        pass  # a container that has few users, or none to give
    with contextlib.suppress(OSError):
        os.seteuid(0)
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)
    return False


def limit_threads(most: int) -> None:
    """Let the kernel refuse more threads than this and a few, of which the referee tells. It counts a user's: the user must be its own."""
    resource.setrlimit(resource.RLIMIT_NPROC, (most + 8, most + 8))


def _can_read(path: str) -> bool:
    """Whether the path can be read, and what lies below it; without recursion, since folders may lie a thousand deep in one another."""
    try:
        if not os.path.isdir(path):
            open(path, "rb").close()
            return True
        seen, waiting = 0, [path]
        while waiting and seen < MOST_FILES:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False) and not os.access(entry.path, os.R_OK, effective_ids=True):
                        return False
        return True
    except FileNotFoundError:
        return True  # it will be reported as a candidate that is not there
    except OSError:
        return False
