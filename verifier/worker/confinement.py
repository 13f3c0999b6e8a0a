"""What a worker gives up before the candidate's code is loaded: resources, privileges, files, system calls.

It must run while the process has one thread: Landlock and seccomp bind the calling thread and those it starts later. The zygote
prepares what all workers share (`Preparation`); each worker finishes it with its own process id, readable paths and scratch folder.
Where the platform lacks a piece, the rest is kept and the reason is given.
"""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from verifier.worker.granting import SYSTEM, Grant, kept_from_candidates, own_process, shared_grants

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CAPABILITY_VERSION = 0x20080522
READ, LIST = 1 << 2, 1 << 3  # READ_FILE, READ_DIR
WRITE = 1 << 1 | 1 << 14  # WRITE_FILE, TRUNCATE
NEVER = 1 << 0 | 1 << 6 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 15  # not even in scratch: EXECUTE, MAKE_CHAR, _SOCK, _BLOCK, _SYM, IOCTL_DEV
LIBC = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None

RESERVED = 6 << 30  # bytes of addresses beyond the memory, for pools of threads and for compilers

OURS = ("verifier",)

Rule = tuple[str, int]  # a path, and what Landlock allows there: plain integers, since arithmetic with the package's enumeration takes long


@dataclass(frozen=True)
class Preparation:
    """What the zygote prepares once: paths that every worker may read, Landlock rights that this kernel takes, how to load the filter."""

    excluded: frozenset[str]
    rules: tuple[Rule, ...]
    rights: int | None
    landlock_abi: int | None
    load_filter: Callable[[], None] | None
    reasons: tuple[str, ...]


def prepare(excluded: Collection[str], wanted: bool) -> Preparation:
    """Find out what this platform can confine.

    Args:
        excluded: real paths that no candidate may read, even where they lie in a granted folder (the verifier itself).
        wanted: False where isolation is switched off.
    """
    if not wanted:
        return Preparation(frozenset(), (), None, None, None, ("isolation is switched off",))
    excluded = frozenset(excluded) | kept_from_candidates(OURS)  # a clone may be running while a copy is installed too
    rights, abi, no_landlock = _landlock_rights()
    load_filter, no_seccomp = _filter_loader()
    rules = tuple(_rules(shared_grants(excluded))) if rights is not None else ()
    reasons = tuple(reason for reason in (no_landlock, no_seccomp) if reason)
    return Preparation(excluded, rules, rights, abi, load_filter, reasons)


def forbidding(preparation: Preparation, packages: Collection[str]) -> Preparation:
    """The same for a worker that may not read these packages, wherever they are installed: importing one is a PermissionError."""
    if not packages:
        return preparation
    if preparation.rights is None:
        reason = f"nothing keeps forbidden packages ({', '.join(packages)}) from being imported"
        return replace(preparation, reasons=(*preparation.reasons, reason))
    excluded = preparation.excluded | kept_from_candidates(packages)
    return replace(preparation, excluded=excluded, rules=tuple(_rules(shared_grants(excluded))))


def confine(preparation: Preparation, readable: Iterable[str], scratch: str, limits: Mapping[str, float]) -> dict[str, Any]:
    """Give up everything, for good, in the calling process.

    Returns which promises are kept: files, system_calls, limits (bool each), the landlock_abi, and the reason where one is not.
    """
    reasons = list(preparation.reasons)
    limited = _attempt(lambda: limit_resources(limits), reasons, "limits are not set")
    files = system_calls = False
    if sys.platform == "linux":
        if os.geteuid() == 0:
            _attempt(drop_capabilities, reasons, "capabilities are kept")
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        _prctl(PR_SET_DUMPABLE, 0)
        if preparation.rights is not None:
            files = _attempt(lambda: _confine_files(preparation, readable, scratch), reasons, "files are not confined")
        if preparation.load_filter is not None:
            system_calls = _attempt(preparation.load_filter, reasons, "system calls are not confined")
    abi = preparation.landlock_abi if files else None
    return {"files": files, "system_calls": system_calls, "limits": limited, "landlock_abi": abi, "reason": "; ".join(reasons) or None}


def limit_resources(limits: Mapping[str, float]) -> None:
    """Set the kernel's limits; never above those that are there already."""
    cpu = max(1, math.ceil(limits["all_cpu_seconds"]))
    _limit(resource.RLIMIT_CPU, cpu, cpu + 1)
    _limit(resource.RLIMIT_NOFILE, int(limits["open_files"]))
    _limit(resource.RLIMIT_FSIZE, int(limits["scratch_bytes"]))
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":  # macOS refuses a limit on addresses
        # What it can write to by itself. Addresses that are only reserved (JAX, the heaps of many threads) cost nothing but page tables.
        _limit(resource.RLIMIT_DATA, int(limits["memory"]))
        _limit(resource.RLIMIT_AS, int(limits["memory"]) + RESERVED)
        _limit(resource.RLIMIT_MEMLOCK, 0)


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, however it ends."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def drop_capabilities() -> None:
    """Give up root's capabilities; the user id stays, as the interpreter may be readable to root alone."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if LIBC is None or LIBC.capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")


def _landlock_rights() -> tuple[int | None, int | None, str | None]:
    """Rights that this kernel handles, its ABI, and why there are none. A backport may report an ABI that it does not take: step down."""
    try:
        from landlock import FSAccess, Ruleset, landlock_abi_version  # type: ignore[import-untyped]

        abi = int(landlock_abi_version())
    except Exception as error:
        return None, None, f"Landlock is not available ({_reason(error)})"
    for rights in (FSAccess.all(), FSAccess((1 << 15) - 1), FSAccess((1 << 14) - 1), FSAccess((1 << 13) - 1)):
        try:
            ctypes.set_errno(0)
            os.close(Ruleset(rights)._fd)
            return int(rights), abi, None
        except Exception as error:
            reason = _reason(error)
    return None, None, f"Landlock takes no rules here ({reason})"


def _filter_loader() -> tuple[Callable[[], None] | None, str | None]:
    if sys.platform != "linux":
        return None, f"seccomp is not available on {sys.platform}"
    try:
        from verifier.worker.system_calls import compile_filter, load_filter

        program = compile_filter()
        return lambda: load_filter(program), None
    except Exception as error:
        return None, f"seccomp is not available ({_reason(error)})"


def _rules(grants: Iterable[Grant]) -> Iterator[Rule]:
    """What is there, as Landlock's rules: a folder's files may be read and listed, or listed alone."""
    for path, reads in grants:
        if os.path.isdir(path):
            yield path, READ | LIST if reads else LIST
        elif os.path.exists(path):
            yield path, READ


def _confine_files(preparation: Preparation, readable: Iterable[str], scratch: str) -> None:
    from landlock import Ruleset

    handled = preparation.rights or 0
    own = ((os.path.realpath(path), True) for path in (*SYSTEM, *readable))
    ctypes.set_errno(0)  # the package takes an errno that an earlier call left behind for its own
    rules = Ruleset(handled)
    try:
        for path, rights in (*preparation.rules, *_rules(own), *_rules(own_process())):
            with contextlib.suppress(OSError):  # it went away meanwhile: what is not allowed cannot be read
                rules.allow(path, rules=rights)
        rules.allow("/dev/null", rules=handled & (READ | WRITE))
        if scratch:
            rules.allow(scratch, rules=handled & ~NEVER)
        rules.apply()
    finally:
        os.close(rules._fd)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    _, ceiling = resource.getrlimit(kind)
    ceiling = sys.maxsize if ceiling == resource.RLIM_INFINITY else ceiling
    resource.setrlimit(kind, (min(soft, ceiling), min(soft if hard is None else hard, ceiling)))


def _prctl(option: int, value: int) -> None:
    if LIBC is None or LIBC.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def _attempt(act: Callable[[], None], reasons: list[str], consequence: str) -> bool:
    try:
        act()
        return True
    except Exception as error:
        reasons.append(f"{consequence} ({_reason(error)})")
        return False


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no text'}"
