"""What a worker may use. CPU time in all, open files and file sizes are the kernel's to enforce, memory is the kernel's and the referee's,
and the rest is watched by the referee."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Of one worker, and in two of them of all workers of one candidate that follow one another.

    Attributes:
        memory: bytes that it holds or could write to; addresses that are only reserved, and files that are mapped, do not count.
        wall_seconds, cpu_seconds: for one answer; CPU time counts over all threads.
        load_seconds: for loading the candidate's module, which may import a large library first.
        all_wall_seconds, all_cpu_seconds: for all answers of one candidate, over all its workers.
        threads: at one time.
        open_files: descriptors that it may open.
        output_bytes: printed to stdout and stderr in all.
        answer_bytes: of the arrays in one answer.
        scratch_bytes, scratch_files: in its scratch folder; it has none where scratch_bytes is 0.
        forbid: top-level packages that it may not import.
    """

    memory: int = 2048 * MIB
    wall_seconds: float = 10.0
    cpu_seconds: float = 60.0
    load_seconds: float = 30.0
    all_wall_seconds: float = 3600.0
    all_cpu_seconds: float = 3600.0
    threads: int = 32
    open_files: int = 64
    output_bytes: int = 16 * MIB
    answer_bytes: int = 256 * MIB
    scratch_bytes: int = 64 * MIB
    scratch_files: int = 1000
    forbid: tuple[str, ...] = ()
