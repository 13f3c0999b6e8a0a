"""What a worker may read: the libraries and packages that ordinary code needs, but for what is kept from it.

Two things are kept: the verifier itself, since the right answer could be imported from it, and what an assignment forbids. A copy of
either can lie in any granted folder, not only on the import path, since a candidate can lengthen that: with pyenv, conda or a tool cache
the interpreter below a virtual environment has packages of its own. So a folder of packages is granted only where it is on the import
path, and every granted folder is searched for what could be imported from there.
"""

import contextlib
import os
import site
import sys
import sysconfig
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib.machinery import all_suffixes
from itertools import chain

LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/ld.so.preload")
SYSTEM = ("/etc/localtime", "/usr/share/zoneinfo", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
DEVICES = ("/dev/random", "/dev/urandom")  # not /dev/zero: mapped as shared, it is memory that no limit counts
PACKAGE_FOLDERS = ("site-packages", "dist-packages")
ARCHIVES = (".whl", ".egg", ".zip")
MODULES = tuple(all_suffixes())  # what the import system takes for one: .py, .pyc, .so
MOST_FOLDERS = 20_000  # that are searched, some half a second; what lies beyond is not granted

Grant = tuple[str, bool]  # a path and whether its files may be read; else its folders may only be listed


def kept_from_candidates(packages: Collection[str]) -> frozenset[str]:
    """Real paths below the granted folders that no candidate may read: copies of these packages, and packages beside the import path."""
    path, starts = {os.path.realpath(folder) for folder in sys.path}, tuple(packages)
    kept: set[str] = set()
    waiting = deque(dict.fromkeys(os.path.realpath(root) for root in _granted_roots()))
    seen: set[str] = set()
    while waiting:
        folder = waiting.popleft()
        if folder in seen:
            continue
        if len(seen) == MOST_FOLDERS:
            return frozenset(kept | {folder, *waiting} - seen)
        seen.add(folder)
        for entry in _importable_entries(folder, on_path=folder in path):
            named = entry.name.startswith(starts) and _is_of(entry.name, packages)
            if not named and not entry.is_dir():
                continue
            place = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
            if named or (entry.name in PACKAGE_FOLDERS and place not in path):
                kept.add(place)
            else:
                waiting.append(place)
    return frozenset(kept)


def shared_grants(excluded: Collection[str]) -> Iterator[Grant]:
    """The rules for what every worker may read."""
    seen: set[Grant] = set()
    for path in (*_granted_roots(), *DEVICES):
        for grant in grants_around(path, excluded):
            if grant not in seen and not any((folder, True) in seen for folder in _folders_above(grant[0])):
                seen.add(grant)
                yield grant


def own_process() -> Iterator[Grant]:
    """The rules for /proc/self, but for what shows more than this process: the network's tables, also those of its threads."""
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc/self"):
            if entry.name not in ("net", "task") and not entry.is_symlink():
                yield entry.path, True
        yield "/proc/self", False


def grants_around(path: str, excluded: Collection[str]) -> Iterator[Grant]:
    """The rules that let a path be read but for what is excluded: one for it where nothing is, else one an entry and the right to list."""
    path = os.path.realpath(path)
    if path in excluded or not os.path.exists(path):
        return
    inside = [place for place in excluded if place.startswith(path.rstrip(os.sep) + os.sep)]
    if not inside:
        yield path, True
        return
    if _is_library_of_another_python(path, inside):
        return  # a rule for each of its modules would cost every worker time, and nobody needs them
    yield path, False
    with contextlib.suppress(OSError):
        for entry in sorted(os.listdir(path)):
            if os.path.islink(inner := os.path.join(path, entry)) and os.path.realpath(inner).startswith(path):
                continue  # what it points to has its own rule
            yield from grants_around(inner, excluded)


def without(paths: Sequence[str], root: str) -> list[str]:
    """An import path without the folder that holds the verifier, unless that is where installed packages are."""
    return [path for path in paths if path and (os.path.realpath(path) != root or root in site_folders())]


def site_folders() -> frozenset[str]:
    """The real paths of the folders in which packages are installed."""
    folders = [*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return frozenset(os.path.realpath(folder) for folder in folders)


def _granted_roots() -> Iterable[str]:
    interpreter = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.join(sys.base_prefix, "lib")]
    return chain(LIBRARIES, interpreter, sys.path)


def _is_library_of_another_python(folder: str, inside: Collection[str]) -> bool:
    """Whether it is a `lib/python3.x` whose packages are kept, and not this interpreter's: an SDK may bring one of its own."""
    own = {os.path.realpath(path) for path in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *sys.path)}
    packages = {os.path.join(folder, name) for name in PACKAGE_FOLDERS}
    return folder not in own and "os.py" in os.listdir(folder) and not packages.isdisjoint(inside)


def _importable_entries(folder: str, *, on_path: bool) -> list[os.DirEntry[str]]:
    """What could be imported with the folder on the import path; nothing where it is a package itself, whose parts go by its own name."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return []
    return [] if not on_path and any(entry.name == "__init__.py" for entry in entries) else entries


def _is_of(name: str, packages: Collection[str]) -> bool:
    """Whether a file or folder of this name holds one of the packages: `torch`, `torch.py`, `torch.cpython-311.so`, `torch-2.1.whl`.

    `verifier.js` holds none; each name that is kept costs every worker a rule for each of its neighbours.
    """
    module, dot, _ = name.partition(".")
    if module in packages and (not dot or name.endswith(MODULES)):
        return True
    return name.endswith(ARCHIVES) and (module in packages or name.partition("-")[0] in packages)


def _folders_above(path: str) -> Iterator[str]:
    while (above := os.path.dirname(path)) != path:
        path = above
        yield path
