"""How a worker's end is reported: one reason and one clear sentence."""

import os
import signal
from typing import Literal

from verifier.candidates.descriptors import Death
from verifier.candidates.limits import Limits

Reason = Literal["wall", "cpu", "memory", "output", "threads", "answer", "crash", "left", "protocol"]


LEFT_BY = {  # 70 and 72 are verifier.worker.serving's
    0: ", as by os._exit(0)",
    70: ": it closed the descriptor over which it should answer",
    72: ": it replaced something that the process it runs in needs (a function of NumPy or of the standard library)",
}


class WorkerEnded(Exception):
    """A worker is gone, by its own doing or because it passed a limit: the candidate is unusable, the harness is not broken.

    Attributes:
        reason: what ended it.
        text: one sentence about the candidate, without its name: "did not answer within 10 s (wall limit)".
        printed: the last that it printed.
    """

    printed = ""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason
        self.text = text


def explain_death(death: Death, limits: Limits, *, loading: bool) -> WorkerEnded:
    """Why a worker died that the referee did not kill."""
    if not os.WIFSIGNALED(death.status):
        code = os.waitstatus_to_exitcode(death.status)
        when = "while it was loaded" if loading else "without an answer"
        return WorkerEnded("left", f"left {when}, with exit status {code}{LEFT_BY.get(code, '')}")
    number = os.WTERMSIG(death.status)
    spent = death.cpu >= limits.all_cpu_seconds
    if ended_by_cpu_limit(death) or (number == signal.SIGKILL and spent):
        return used_up_cpu(limits)
    if number == signal.SIGKILL:
        in_use = f"{death.peak_memory / 2**20:.0f} MiB were in use"
        return WorkerEnded("memory", f"was killed by the kernel, most likely for lack of memory ({in_use})")
    return WorkerEnded("crash", f"was killed by {_signal_name(number)}")


def ended_by_cpu_limit(death: Death) -> bool:
    """Whether the kernel ended it for its CPU time in all, by a clock that need not agree with `death.cpu` to the last digit."""
    return os.WIFSIGNALED(death.status) and os.WTERMSIG(death.status) == getattr(signal, "SIGXCPU", None)


def used_up_cpu(limits: Limits) -> WorkerEnded:
    """All its workers together computed too long."""
    return WorkerEnded("cpu", f"used more than {limits.all_cpu_seconds:g} s of CPU time in all (CPU limit)")


def used_up_wall(limits: Limits) -> WorkerEnded:
    """All its answers together took too long."""
    return WorkerEnded("wall", f"took more than {limits.all_wall_seconds:g} s for all its answers (wall limit)")


def passed_cpu(limits: Limits) -> WorkerEnded:
    """It computed too long for one answer."""
    return WorkerEnded("cpu", f"used more than {limits.cpu_seconds:g} s of CPU time for one answer (CPU limit)")


def wall_passed(seconds: float, *, loading: bool) -> WorkerEnded:
    """It took too long."""
    return WorkerEnded("wall", f"did not {'load' if loading else 'answer'} within {seconds:g} s (wall limit)")


def passed_memory(limits: Limits) -> WorkerEnded:
    """It holds too much in memory."""
    return WorkerEnded("memory", f"held more than {in_words(limits.memory)} in memory (memory limit)")


def passed_output(limits: Limits) -> WorkerEnded:
    """It printed too much."""
    return WorkerEnded("output", f"printed more than {in_words(limits.output_bytes)} (output limit)")


def passed_scratch(limits: Limits) -> WorkerEnded:
    """It wrote too much."""
    allowed = f"{in_words(limits.scratch_bytes)} or {limits.scratch_files} files"
    return WorkerEnded("output", f"wrote more than {allowed} into its scratch folder (scratch limit)")


def passed_threads(limits: Limits) -> WorkerEnded:
    """It ran too many threads."""
    return WorkerEnded("threads", f"ran more than {limits.threads} threads (thread limit)")


def passed_answer(length: int, limits: Limits) -> WorkerEnded:
    """It answered too much."""
    allowed = in_words(limits.answer_bytes)
    return WorkerEnded("answer", f"announced an answer of {in_words(length)}, more than {allowed} (answer limit)")


def in_words(size: float) -> str:
    """Bytes, as a sentence gives them."""
    return f"{size / 2**20:.4g} MiB" if size >= 2**20 else f"{size:.0f} bytes"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
