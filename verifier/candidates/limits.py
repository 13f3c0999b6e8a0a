"""What a worker may use. Memory, CPU time, open files and file sizes are the kernel's to enforce; the rest is watched by the referee."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Of one worker.

    Attributes:
        memory: bytes of address space.
        cpu_seconds: CPU time in all, over all threads.
        wall_seconds: for one answer.
        load_seconds: for loading the candidate's module, which may import a large library first.
        threads: at one time.
        open_files: descriptors that it may open.
        output_bytes: printed to stdout and stderr in all.
        answer_bytes: of the arrays in one answer.
        scratch_bytes, scratch_files: in its scratch folder; it has none where scratch_bytes is 0.
        forbid: top-level packages that it may not import.
    """

    memory: int = 2048 * MIB
    cpu_seconds: float = 600.0
    wall_seconds: float = 10.0
    load_seconds: float = 30.0
    threads: int = 32
    open_files: int = 64
    output_bytes: int = 16 * MIB
    answer_bytes: int = 256 * MIB
    scratch_bytes: int = 64 * MIB
    scratch_files: int = 1000
    forbid: tuple[str, ...] = ()
