"""What no kernel limit holds for us: a worker's threads, its CPU time for one answer, what it holds in memory and in its scratch folder."""

import os

USER_TIME, SYSTEM_TIME, WAITED_USER_TIME, WAITED_SYSTEM_TIME, THREADS = (
    11,
    12,
    13,
    14,
    17,
)  # fields of /proc/PID/stat, counted from the one after the name
HELD = (b"RssAnon:", b"RssShmem:", b"VmSwap:")  # lines of /proc/PID/status, in KiB


def read_use(pid: int) -> tuple[int, float]:
    """Threads of a process and its CPU seconds so far; (0, 0) where the platform does not tell, or it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        ticks = int(fields[USER_TIME]) + int(fields[SYSTEM_TIME])
        return int(fields[THREADS]), ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0, 0.0


def read_use_below(pid: int) -> float | None:
    """CPU seconds so far of a process, of all below it, and of those of them that are gone; None where the platform does not tell."""
    ticks, waiting = 0, [pid]
    try:
        while waiting:
            one = waiting.pop()
            with open(f"/proc/{one}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
            ticks += sum(int(fields[field]) for field in (USER_TIME, SYSTEM_TIME, WAITED_USER_TIME, WAITED_SYSTEM_TIME))
            for thread in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{thread}/children", "rb") as children:
                    waiting += map(int, children.read().split())
        return ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):  # also where one of them ended meanwhile: the next look will tell
        return None


def read_memory(pid: int) -> int:
    """Bytes that a process holds in memory or swap, not of mapped files; 0 where the platform does not tell, or it is gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            lines = [line.split() for line in status if line.startswith(HELD)]
        return sum(int(fields[1]) for fields in lines) * 1024
    except (OSError, ValueError, IndexError):
        return 0


def measure_folder(folder: str, most_files: int) -> tuple[int, int]:
    """Bytes on disk and entries below a folder; stops counting soon after `most_files`. What vanishes meanwhile does not count."""
    size = files = 0
    waiting = [folder]
    while waiting and files <= most_files:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    files += 1
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return size, files
