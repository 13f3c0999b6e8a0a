"""What no kernel limit holds for us: a worker's threads, and what lies in its scratch folder."""

import os


def count_threads(pid: int) -> int:
    """Threads of a process; 0 where the platform does not tell, or it is gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            return next((int(line.split()[1]) for line in status if line.startswith(b"Threads:")), 0)
    except (OSError, ValueError):
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
