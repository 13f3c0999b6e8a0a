"""An interrupt is never lost, and never comes twice while what it ended is cleared away."""

import gc
import os
import signal
import sys
import time
import weakref

import pytest

from verifier.cli.interrupts import Terminated, interruptible


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_ends_what_runs(number, kind):
    before = signal.getsignal(number)
    with pytest.raises(kind), interruptible():
        os.kill(os.getpid(), number)
        time.sleep(10)
    assert signal.getsignal(number) is before


def interrupt_and_wait(*_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)


class Dropping:
    def __del__(self):
        interrupt_and_wait()


def drop_a_weakly_held_key():
    """As in the loops of a process that is full of them: the callback is Python's own code (weakref.py), and so is its name."""
    watched = Dropped()
    watch = weakref.ref(watched, interrupt_and_wait)
    del watched
    assert watch() is None


class Dropped:
    pass


def collect_with_a_callback():
    gc.callbacks.append(interrupt_and_wait)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(interrupt_and_wait)


@pytest.mark.parametrize("inside", [Dropping, drop_a_weakly_held_key, collect_with_a_callback])
def test_a_signal_where_python_takes_no_exception_is_raised_a_moment_later_and_nothing_is_printed(inside, monkeypatch):
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    with pytest.raises(KeyboardInterrupt), interruptible():
        inside()
        time.sleep(10)
    assert not dropped


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
