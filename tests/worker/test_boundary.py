"""What the boundary holds, with the boundary switched off: else those attacks would show nothing.

One test calls each in the referee's own process, as most people's tests do (`one_process`). The others leave it its process, and have the
session believe what comes over its channel.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker.attacks import FOLDER, LIMITS, ask, attacks, started
from verifier import wire
from verifier.candidates import session as sessions
from verifier.candidates.descriptors import Channel
from verifier.candidates.session import Session, WorkerEnded

BOUNDARY = [file for file, held_by, *_ in attacks() if held_by == "the boundary"]
WITHOUT = {
    "aborts": "is gone: SIGABRT",
    "changes_the_floating_point_unit": "is changed",
    "closes_every_descriptor": "is gone: exit status (1|120)",
    "dies_on_one_problem": "is gone: SIGABRT",
    "hangs_at_its_end": "hangs at its end",
    "kills_itself": "is gone: SIGKILL",
    "leaves_silently": "is gone: exit status 0",
    "leaves_while_it_is_loaded": "is gone: exit status 0",
    "overflows_the_stack": "is gone: SIGSEGV|says RecursionError: .*",
    "patches_by_the_collector": "is gone: TypeError",
    "patches_the_worker": "says pass",
    "raises_a_hostile_exception": "is gone: UnicodeEncodeError",
    "raises_what_is_no_error": "is gone: exit status 0",
    "reads_every_descriptor": "is changed",
    "replaces_builtins": "is gone: exit status 1",
    "replaces_json": "says something else",
    "returns_a_lying_array": "says pass",
    "returns_a_lying_subclass": "is gone: exit status 0",
    "returns_all_losses_nan": "says pass",
    "returns_an_array_interface": "is gone: SIGSEGV",
    "returns_endless_lists": "hangs|is gone: (MemoryError|numpy._core._exceptions._ArrayMemoryError|exit status 1)",
    "returns_infinities": "says pass",
    "returns_itself": "is gone: ValueError",
    "returns_lying_numbers": "says pass",
    "returns_nan": "says pass",
    "returns_objects": "says pass",
    "returns_other_kinds": "is gone: numpy.*NoLoopError",
    "returns_wrong_shapes": "is gone: ValueError",
    "segfaults": "is gone: SIGSEGV",
    "traces_everything": "is gone: exit status 0",
    "writes_to_every_descriptor": "is gone: exit status 0",
}
OVER_THE_CHANNEL = {"cuts_its_frame", "forges_an_answer", "forges_headers", "forges_no_points"}


def test_every_attack_that_the_boundary_holds_is_run_without_it():
    assert {file.stem for file in BOUNDARY} == {*WITHOUT, *OVER_THE_CHANNEL}


@pytest.fixture(scope="module")
def referees() -> dict[str, str]:
    """What became of a referee that has each in its own process; and of one that has right code."""
    right = Path(__file__).resolve().parents[2] / "reference_impls" / "correct" / "vectorised_rows.py"
    files = [right, *(FOLDER / f"{name}.py" for name in WITHOUT)]
    command = [sys.executable, "-P", "-W", "ignore", Path(__file__).with_name("one_process.py"), *files]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    return dict(line.split(" ", 1) for line in printed.splitlines())


def test_such_a_referee_lives_with_right_code(referees):
    assert referees["vectorised_rows"] == "says pass"


@pytest.mark.parametrize("attack", WITHOUT)
def test_in_the_referees_own_process_it_gets_through(attack, referees):
    assert re.fullmatch(WITHOUT[attack], referees[attack])


def test_where_forms_and_numbers_are_believed_a_forged_answer_is_one(zygote, monkeypatch):
    monkeypatch.setattr(sessions, "check_replies", lambda *_: None)
    monkeypatch.setattr(Channel, "idle", True)
    with started(zygote, FOLDER / "forges_an_answer.py") as session:
        assert ask(session).message["results"] == [{"form": [None, [], []]}]


def test_where_forms_are_believed_a_line_has_no_points(zygote, monkeypatch):
    monkeypatch.setattr(sessions, "check_replies", lambda *_: None)
    with started(zygote, FOLDER / "forges_no_points.py") as session:
        ask(session)
        answer = ask(session, line=True)
        assert answer.arrays[answer.message["lines"][0]["form"]].shape == (0,)


def test_where_nonsense_is_not_the_workers_end_it_is_the_referees(zygote, monkeypatch):
    monkeypatch.setattr(Session, "_believed", lambda self, read: read())
    with started(zygote, FOLDER / "forges_headers.py") as session, pytest.raises(wire.WireError):
        ask(session)


def test_where_nobody_looks_whether_it_lives_a_cut_frame_takes_all_the_time_there_is(zygote, monkeypatch):
    monkeypatch.setattr(Session, "_require_life", lambda self, loading: None)
    with started(zygote, FOLDER / "cuts_its_frame.py", LIMITS) as session, pytest.raises(WorkerEnded, match="wall limit"):
        ask(session)
