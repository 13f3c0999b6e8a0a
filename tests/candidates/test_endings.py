"""Why a worker died that nobody of ours killed, from what the kernel says of it."""

import signal

import pytest

from verifier.candidates.descriptors import Death
from verifier.candidates.endings import explain_death
from verifier.candidates.limits import Limits

LIMITS = Limits(all_cpu_seconds=10.0)


@pytest.mark.parametrize(
    ("status", "cpu", "reason", "said"),
    [
        (signal.SIGXCPU, 9.9, "cpu", "used more than 10 s of CPU time in all"),  # another clock than the kernel's
        (signal.SIGKILL, 10.0, "cpu", "used more than 10 s of CPU time in all"),  # it had ignored SIGXCPU
        (signal.SIGKILL, 2.0, "memory", "was killed by the kernel, most likely for lack of memory (48 MiB were in use)"),
        (signal.SIGSEGV, 11.0, "crash", "was killed by SIGSEGV"),
        (3 << 8, 11.0, "left", "left without an answer, with exit status 3"),
        (70 << 8, 0.1, "left", "it closed the descriptor over which it should answer"),
    ],
)
def test_what_ended_it_is_told_from_the_signal_and_the_time_that_it_used(status, cpu, reason, said):
    ended = explain_death(Death(int(status), cpu, 48 << 20), LIMITS, loading=False)
    assert ended.reason == reason
    assert said in ended.text
