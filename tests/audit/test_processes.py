"""Jobs in processes of their own: what hangs, dies or cannot be forked."""

import os
import signal
import time

import pytest

from tests.audit.projects import FILES, PATTERNS
from verifier.audit.children import forked, run
from verifier.audit.jobs import Job


def jobs(count):
    return [Job("control", (f"test_{number}",)) for number in range(count)]


def ended(perform, *, patience=30.0, count=1):
    return list(run(jobs(count), forked(perform), at_once=2, patience=lambda job: patience))


def test_messages_come_back_in_order_and_a_job_that_ends_is_no_trouble():
    def perform(job, send):
        for number in range(1000):
            send({"number": number})

    (done,) = ended(perform)
    assert done.each("number") == list(range(1000))
    assert (done.trouble, done.last("number")) == ("", 999)


def test_a_silent_job_is_ended_with_its_children_and_the_test_that_hung_is_known():
    def perform(job, send):
        send({"began": job.tests[0], "pid": os.getpid()})
        send({"child": os.fork()})
        time.sleep(60)

    (done,) = ended(perform, patience=0.5)
    assert (done.trouble, done.test) == ("hangs", "test_0")
    with pytest.raises(ProcessLookupError):
        for _ in range(50):  # the kernel takes a moment
            os.kill(done.messages[0]["pid"], 0)
            time.sleep(0.05)


def test_a_job_that_dies_says_how():
    def perform(job, send):
        send({"began": job.tests[0]})
        os.kill(os.getpid(), signal.SIGKILL)

    (done,) = ended(perform)
    assert (done.trouble, done.test) == ("crashes (SIGKILL)", "test_0")


def test_jobs_run_at_the_same_time_and_all_end():
    def perform(job, send):
        time.sleep(0.2)
        send({"name": job.tests[0]})

    began = time.monotonic()
    done = ended(perform, count=8)
    assert sorted(one.last("name") for one in done) == sorted(f"test_{number}" for number in range(8))
    assert time.monotonic() - began < 8 * 0.2 + 5


THREADS = """
import threading
import time

threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
"""


def test_where_threads_run_at_import_each_mutant_has_a_fresh_process_and_the_same_outcomes(audit):
    few = ("--only", "affine*", "--no-proposals", "--no-resolution", "--no-cache")
    with_forks = audit(FILES, *PATTERNS, *few)
    fresh = audit({"conftest.py": THREADS}, *PATTERNS, *few, "--time-limit", "1")  # a few mutants: each takes a process's imports
    assert (with_forks.found["forked"], fresh.found["forked"]) == (True, False)
    assert "Each mutant had a new process: threads run when the tests are imported." in fresh.printed
    known = {(one["output"], one["mutant"]): one["outcome"] for one in with_forks.function("affine_backward")["mutants"]}
    again = {(one["output"], one["mutant"]): one["outcome"] for one in fresh.function("affine_backward")["mutants"]}
    assert (again["x", "zero"], again["w", "zero"]) == ("noticed", "not-noticed")
    assert again.items() <= known.items()
