"""An interrupt is never lost, and never comes twice while what it ended is cleared away."""

import gc
import os
import signal
import time

import pytest

from verifier.cli.interrupts import Terminated, interruptible


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_ends_what_runs(number, kind):
    before = signal.getsignal(number)
    with pytest.raises(kind), interruptible():
        os.kill(os.getpid(), number)
        time.sleep(10)
    assert signal.getsignal(number) is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_python_drops_in_a_finaliser_is_raised_again():
    class Dropping:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt), interruptible():
        Dropping()
        gc.collect()
        time.sleep(10)


def test_clearing_up_is_not_interrupted_by_the_reminder():
    cleared = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        finally:
            time.sleep(0.7)
            cleared.append(True)
    assert cleared
    time.sleep(0.4)  # the clock is off
