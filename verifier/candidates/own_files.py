"""The files that a candidate consists of, walked so that nothing in a folder can keep whoever judges waiting, or break them.

A folder may hold a sparse file of 40 GB, a link into /proc, a file that nobody may read, a thousand folders one in another, names that
are no UTF-8. So: no link is followed, no recursion, contents in chunks and up to a bound; what cannot be read counts as that.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK = 1 << 20
MOST_BYTES = 256 << 20  # whose contents are read; of a file beyond, its size and the time of its last change stand for them
MOST_ENTRIES = 100_000


def entries_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All that lies below a folder, links as links, each folder's entries by name, at most MOST_ENTRIES."""
    waiting, left = [os.fspath(folder)], MOST_ENTRIES
    while waiting and left > 0:
        found: list[os.DirEntry[str]] = []
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name)[:left]
        left -= len(found)
        yield from found
        waiting += [entry.path for entry in reversed(found) if entry.name != "__pycache__" and entry.is_dir(follow_symlinks=False)]


def digest_of(places: Iterable[Path]) -> str:
    """Of the files and folders that a candidate consists of; it changes when one of them does. Never raises OSError."""
    digest = hashlib.sha256()
    left = MOST_BYTES
    for place in places:
        files = [os.fspath(place)]
        if place.is_dir() and not place.is_symlink():
            files = [entry.path for entry in entries_below(place) if not entry.is_dir(follow_symlinks=False)]
        for file in files:
            digest.update(os.fsencode(os.path.relpath(file, place.parent)) + b"\0")
            with contextlib.suppress(OSError):
                left -= _add(digest, file, left)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", file: str, room: int) -> int:
    """Add what a file holds, or what stands for it; how many bytes were read."""
    status = os.lstat(file)
    digest.update(f"{status.st_mode}\0{status.st_size}\0".encode())
    if stat.S_ISLNK(status.st_mode):
        digest.update(os.fsencode(os.readlink(file)))
        return 0
    if not stat.S_ISREG(status.st_mode):
        return 0
    if status.st_size > room:
        digest.update(f"{status.st_mtime_ns}".encode())
        return 0
    read = 0
    # Not through a link that took the file's place, and never waiting for a pipe.
    with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as content:
        while read < status.st_size and (chunk := content.read(CHUNK)):
            digest.update(chunk)
            read += len(chunk)
    return read
