"""The user's cache folder: where it is, how much it holds, and how it stays below a cap."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

CAP_BYTES = 2 << 30  # beyond it, what was used longest ago is removed: some thousands of ordinary corpora fit


def cache_folder() -> Path:
    """Where corpora are kept: VERIFIER_CACHE, or the user's cache folder."""
    chosen = os.environ.get("VERIFIER_CACHE")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("backprop-verifier", appauthor=False)


def corpora_folder() -> Path:
    """Where in it the corpora are."""
    return cache_folder() / "corpora"


def kept_bytes() -> int:
    """The size of all kept corpora, in bytes."""
    return sum(size for _, size, _ in _kept())


def clear() -> int:
    """Remove every kept corpus; how many bytes that was."""
    removed = 0
    for _, size, path in list(_kept()):
        with contextlib.suppress(OSError):
            path.unlink()
            removed += size
    return removed


def hold_below(cap: int = CAP_BYTES) -> None:
    """Remove the corpora that were used longest ago until at most `cap` bytes are kept. What cannot be removed stays."""
    kept = sorted(_kept())
    total = sum(size for _, size, _ in kept)
    for _, size, path in kept:
        if total <= cap:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size


def mark_used(path: Path) -> None:
    """Note that a corpus was read just now, so that it is not the first to go."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _kept() -> Iterator[tuple[float, int, Path]]:
    """When each was last used, its size, and where it is."""
    with contextlib.suppress(OSError):
        for path in corpora_folder().iterdir():
            with contextlib.suppress(OSError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode):
                    yield found.st_mtime, found.st_size, path
