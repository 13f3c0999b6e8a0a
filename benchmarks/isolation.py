"""What isolation costs: starting a worker, asking it, ending it; and what the journal adds to a run.

    python -m benchmarks.isolation [--repeats 40]

Medians, with the slowest tenth beside them. Goals: a worker's first answer within 10 ms of asking the zygote; the journal below 2 % of
a run.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.session import Session, Target
from verifier.candidates.zygote import Isolation, Zygote
from verifier.verification.journal import open_journal
from verifier.verification.judging import judge
from verifier.verification.profiles import DIFFERENTIATE
from verifier.verification.record import Judged

CANDIDATE = "reference_impls/correct/vectorised_rows.py"
SOURCE = "import numpy as np\ndef backprop(x):\n    return x\n"
CALL = {"calls": [{"function": "backprop", "arguments": ["x"], "form": "array"}]}


def main() -> None:
    """Print every figure on a line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=40)
    repeats = parser.parse_args().repeats
    print(f"medians of {repeats} (slowest tenth), ms; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "student.py")
        file.write_text(SOURCE)
        _workers(file, "auto", repeats)
        _workers(file, "off", repeats)
        _journal(Path(folder), repeats)


def _workers(file: Path, isolation: Isolation, repeats: int) -> None:
    target = Target(file, None, (file,))
    began = time.perf_counter()
    with Zygote(isolation=isolation) as zygote:
        zygote.start(target).close()
        print(f"\nisolation {isolation}")
        print(f"zygote, and its first worker      {1000 * (time.perf_counter() - began):9.2f}")
        for words, limits in (("start to first answer", Limits()), ("the same, grading", Limits(forbid=DIFFERENTIATE, scratch_bytes=0))):
            starts: list[float] = []
            ends: list[float] = []
            spent: list[float] = []
            for _ in range(repeats + 2):
                session = timed(starts, partial(_first_answer, zygote, target, limits))
                timed(ends, session.close)
                assert session.death is not None
                spent.append(session.death.cpu)
            _show(words, starts[2:])
            _show("of that, CPU time of the worker", spent[2:])
            _show("ended and cleared away", ends[2:])
        with zygote.start(target) as session:
            for words, size in (("question and answer, 8 bytes", 1), ("question and answer, 1 MB", 1 << 17)):
                arrays = {"x": np.zeros(size)}
                asked: list[float] = []
                for _ in range(10 * repeats):
                    timed(asked, partial(session.ask, {"put": {"x": "x"}, **CALL}, arrays))
                _show(words, asked)


def _first_answer(zygote: Zygote, target: Target, limits: Limits) -> Session:
    session = zygote.start(target, limits)
    session.ask({"put": {"x": "x"}, **CALL}, {"x": np.zeros(1)})
    return session


def _journal(folder: Path, repeats: int) -> None:
    began = time.perf_counter()
    (judged,) = judge([CANDIDATE], profile="quick")
    run = time.perf_counter() - began
    assert isinstance(judged, Judged)
    (candidate,), _ = find_candidates([CANDIDATE])
    journal = open_journal(folder, {}, resume=False)
    journal.begin(0)
    kept: list[float] = []
    for _ in range(repeats):
        with measured(kept):
            for outcome in judged.report.checks:
                journal.found(candidate, outcome)
            journal.add(candidate, judged)
    journal.close()
    print(f"\nthe journal of one candidate: {len(judged.report.checks)} outcomes, one report, synced")
    _show("all its records", kept)
    print(f"of a quick run of {1000 * run:.0f} ms       {100 * statistics.median(kept) / run:9.2f} %")


def timed(into: list[float], act: Callable[[], Any]) -> Any:
    """What `act` returns; how long it took is added."""
    with measured(into):
        return act()


@contextmanager
def measured(into: list[float]) -> Iterator[None]:
    """Add how long the block takes, in seconds."""
    began = time.perf_counter()
    yield
    into.append(time.perf_counter() - began)


def _show(words: str, seconds: list[float]) -> None:
    slowest = sorted(seconds)[int(0.9 * len(seconds))]
    print(f"{words:32} {1000 * statistics.median(seconds):10.2f} ({1000 * slowest:.2f})")


if __name__ == "__main__":
    main()
