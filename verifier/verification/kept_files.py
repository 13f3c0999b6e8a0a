"""Blobs in the user's cache that only this user's referee can have written: signed, renamed into place, the oldest removed beyond a cap."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verifier import wire
from verifier.arrays import Array
from verifier.verification.cache import hold_below, mark_used
from verifier.verification.signing import SIGNATURE_LENGTH, sign, verifies


def write_kept(path: Path, message: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Keep a message with its arrays; a cache that cannot be written costs time, nothing else."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                blob = wire.encode_blob(dict(message), dict(arrays))
                file.writelines((sign(_summed(path, blob)).encode(), blob))
            os.replace(temporary, path)
            hold_below()
        except BaseException:
            os.unlink(temporary)
            raise


def read_kept(path: Path) -> tuple[dict[str, Any], dict[str, Array]] | None:
    """The message and arrays of `write_kept`; None where there are none, or somebody else may have written them."""
    try:
        with path.open("rb") as file:
            signed, blob = file.read(SIGNATURE_LENGTH), file.read()
        if not verifies(_summed(path, blob), signed.decode("ascii")):
            return None  # a flipped bit in an answer would be a false verdict, and somebody may have meant it
        mark_used(path)
        return wire.decode_blob(blob)
    except (OSError, wire.WireError, ValueError):
        return None


def _summed(path: Path, blob: bytes) -> bytes:
    """What is signed: the file's name, since that says what it is for, and the digest of its content."""
    return path.name.encode() + b"\0" + hashlib.sha256(blob).digest()
