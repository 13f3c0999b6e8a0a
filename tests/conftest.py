"""What holds for every test: nothing is written into the user's cache, and Hypothesis does not judge by the clock."""

import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["pytester"]

# The benchmarks are not installed; behind everything else, so that the package under test stays the installed one.
sys.path.append(str(Path(__file__).parents[1]))

# Before NumPy is imported, here and in every process that a test starts: more threads give other last bits, and some tests forbid them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every command that they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow, not wrong. In CI the examples are the same each time: a red run must be red for its own change.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """Corpora are kept in one temporary folder for the whole session, here and in every process that a test starts.

    Processes among which pytest-xdist spreads the suite share it: each corpus is drawn once, and is written whole or not at all.
    """
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "corpora"
    place.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERIFIER_CACHE", str(place))
        yield
