"""One worker, from the fork to its end: descriptors, confinement, the candidate's module, then requests until the channel closes.

The first frame tells what confines it, the second the candidate's functions, or why its module did not load.
"""

import contextlib
import fcntl
import importlib.util
import os
import random
import resource
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, TextIO

from verifier import wire
from verifier.worker.calling import Caller, flush_prints
from verifier.worker.confinement import Preparation, confine, die_with_parent
from verifier.worker.loading import Origin, describe_raised, load
from verifier.worker.own_user import become_own_user, limit_threads
from verifier.worker.signature import signature

CHANNEL = 800  # the private descriptor is at least this: out of the way of what closes or guesses small ones
NOWHERE = "/nonexistent"  # the home of who has none, as the system's own users have it
CHANNEL_LOST, SETUP_BROKEN, BROKEN_BY_CANDIDATE = 70, 71, 72  # exit statuses


def serve(start: Mapping[str, Any], channel: int, output: int, scratch: str, parent: int, preparation: Preparation) -> None:
    """Run one worker in a fresh child of the zygote; does not return.

    Args:
        start: the message that asked for it: target, limits, isolation.
        channel: descriptor for frames, both ways.
        output: descriptor that takes stdout and stderr.
        scratch: folder of its own, or empty where it may write nowhere.
        parent: process id of the zygote.
        preparation: what the zygote prepared for confinement.
    """
    try:
        channel = _arrange_descriptors(channel, output)
        isolation = _prepare(start, scratch, parent, preparation)
    except BaseException as error:  # ours, not the candidate's: none of its code has run
        with contextlib.suppress(OSError):
            _send(channel, wire.encode({"broken": f"{type(error).__name__}: {error}"}, {}))
        os._exit(SETUP_BROKEN)
    status = CHANNEL_LOST
    try:
        _send(channel, wire.encode(isolation, {}))  # before any of the candidate's code runs: it could tell something else
        if start["isolation"] != "require" or (isolation["files"] and isolation["system_calls"]):
            _contest(start["target"], channel, int(start["limits"]["answer_bytes"]))
        status = 0
    except OSError:
        pass  # the referee closed the channel, or the candidate did
    except BaseException:  # the candidate replaced something that we stand on
        status = BROKEN_BY_CANDIDATE
    finally:
        flush_prints()
        os._exit(status)


def _prepare(start: Mapping[str, Any], scratch: str, parent: int, preparation: Preparation) -> dict[str, Any]:
    os.setsid()
    own_user = start["isolation"] != "off" and become_own_user(start["target"]["readable"], scratch)
    die_with_parent(parent)  # after the change of user, which clears it
    if own_user:
        limit_threads(start["limits"]["threads"])
    _settle(scratch, start["target"])
    return {**confine(preparation, start["target"]["readable"], scratch, start["limits"]), "own_user": own_user}


def _contest(target: Mapping[str, Any], channel: int, room: int) -> None:
    caller, loaded = _load(target, room)
    _send(channel, wire.encode(loaded, {}))
    if caller is not None:
        _answer_requests(channel, caller)


def _answer_requests(channel: int, caller: Caller) -> None:
    while (blob := _receive(channel)) is not None:
        request, arrays = wire.decode_blob(blob)
        number = request.get("number")
        try:
            message, answered = caller.answer(request, arrays)
            frame = wire.encode({**message, "number": number}, answered)
        except MemoryError as error:
            raised = {"raised": describe_raised(error, caller.candidate.origin)}
            message = {key: [raised] * len(request.get(key, [])) for key in ("calls", "lines")}
            frame = wire.encode({"results": message["calls"], "lines": message["lines"], "number": number}, {})
        _send(channel, frame)


def _load(target: Mapping[str, Any], room: int) -> tuple[Caller | None, dict[str, Any]]:
    own = tuple(os.path.realpath(path) for path in target["readable"]) + tuple(target["readable"]) + _package_paths(target["module"])
    more = (tuple(target.get("path", ())), tuple(target.get("stand_ins", ())), bool(target.get("numpy_aliases")))
    origin = Origin(target["file"], target["module"], target["entry"], target["import_root"], own, *more)
    try:
        candidate = load(origin)
        functions = {"functions": candidate.functions(), "parameters": candidate.parameters()}
        offered = {**functions, "left_out": list(candidate.left_out)}
        return Caller(candidate, room), {**offered, "signature": signature(candidate.function(origin.entry))}
    except BaseException as error:  # a candidate may raise SystemExit while it loads
        return None, {"functions": {}, "load_error": describe_raised(error, origin)}
    finally:
        flush_prints()


def _package_paths(module: str | None) -> tuple[str, ...]:
    """Where an installed module's code lies: of its topmost package, which is found without running anything."""
    with contextlib.suppress(Exception):
        spec = importlib.util.find_spec(module.partition(".")[0]) if module else None
        if spec is not None:
            return tuple(spec.submodule_search_locations or ([spec.origin] if spec.origin else []))
    return ()


def _arrange_descriptors(channel: int, output: int) -> int:
    """Keep four: /dev/null to read, the output pipe twice, and the channel under a high number."""
    ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    ceiling = 1 << 16 if ceiling == resource.RLIM_INFINITY else ceiling
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    high = fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, max(3, min(CHANNEL, ceiling - 8)))
    os.closerange(3, high)
    os.closerange(high + 1, ceiling)
    return high


def _settle(scratch: str, target: Mapping[str, Any]) -> None:
    """A folder and an environment of its own; and random numbers that begin alike in every worker."""
    os.umask(0o077)
    os.chdir(scratch or os.sep)
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        os.environ[name] = scratch or NOWHERE
    os.environ["USER"] = os.environ["LOGNAME"] = "user"  # a name that says nothing of where it runs
    sys.argv = [target["file"] or target["module"]]
    tempfile.tempdir = None
    random.seed(0)  # Python seeds it again after a fork
    sys.stdout = sys.__stdout__ = _line_writer(1)  # type: ignore[assignment,misc]
    sys.stderr = sys.__stderr__ = _line_writer(2)  # type: ignore[assignment,misc]


def _line_writer(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _receive(channel: int) -> bytes | None:
    """The next blob, or None where the referee closed the channel between two frames."""
    prefix = _read_exactly(channel, wire.PREFIX.size)
    return _read_exactly(channel, wire.read_prefix(prefix)) if prefix else None


def _read_exactly(channel: int, length: int) -> bytes:
    chunks: list[bytes] = []
    while length:
        chunk = os.read(channel, min(length, 1 << 20))
        if not chunk:
            if chunks:
                raise OSError("the channel closed within a frame")
            return b""
        chunks.append(chunk)
        length -= len(chunk)
    return b"".join(chunks)


def _send(channel: int, frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(channel, view) :]
