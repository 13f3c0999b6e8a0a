"""Each attack that a limit holds, with that limit raised: it takes more than the limit allowed, so it was the limit that held it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.worker.attacks import FOLDER, LIMITS, ask, attacks, outcome, started
from verifier.candidates.limits import MIB
from verifier.candidates.zygote import Zygote

LONGER = ({"wall_seconds": 1.0, "cpu_seconds": 9.0}, r"did not answer within 1 s \(wall limit\)")
RAISED: dict[str, tuple[dict[str, Any], str]] = {
    "announces_absurd_length": ({"answer_bytes": 1 << 63, "wall_seconds": 0.3}, r"did not answer within 0.3 s \(wall limit\)"),
    "computes_forever": LONGER,
    "computes_in_many_threads": LONGER,
    "fills_the_disk": ({"scratch_bytes": 32 * MIB}, r"more than 32 MiB or 200 files"),
    "fills_the_inodes": ({"scratch_files": 400, "wall_seconds": 5.0, "cpu_seconds": 5.0}, r"more than 8 MiB or 400 files"),
    "floods_by_descriptor": ({"output_bytes": 8 * MIB}, r"printed more than 8 MiB"),
    "floods_its_output": ({"output_bytes": 8 * MIB}, r"printed more than 8 MiB"),
    "hangs_while_it_is_loaded": ({"load_seconds": 2.5}, r"did not load within 2.5 s"),
    "ignores_every_signal": LONGER,
    "is_lost_in_a_pattern": LONGER,
    "sleeps_forever": LONGER,
    "starts_threads_without_end": ({"threads": 64}, r"ran more than 64 threads"),
    "stops_itself": LONGER,
    "takes_arrays": ({"memory": 4 << 30}, "answered"),
    "trickles_its_frame": LONGER,
}
"""What is raised, and what then comes of it: the end is at the raised limit."""


ALONE = {"takes_the_heap", "writes_one_endless_file"}  # below, and in test_hostile_candidates


def test_every_attack_that_a_limit_holds_is_run_with_more():
    assert {file.stem for file, held_by, *_ in attacks() if held_by == "limits"} == {*RAISED, *ALONE}


@pytest.mark.parametrize("attack", RAISED)
def test_it_takes_more_where_its_limit_is_raised(attack, zygote):
    raised, words = RAISED[attack]
    assert re.search(words, outcome(zygote, FOLDER / f"{attack}.py", replace(LIMITS, **raised))[1])


def test_it_holds_more_memory_where_that_limit_is_raised(zygote):
    assert held(zygote, 1 << 30) < 16 < held(zygote, 2 << 30)


def held(zygote: Zygote, memory: int) -> int:
    """Pieces of 64 MiB that one gets which takes as many as it may."""
    with started(zygote, FOLDER / "takes_the_heap.py", replace(LIMITS, memory=memory, wall_seconds=5.0)) as session:
        ask(session)
        return int(session.printed().split()[-1])
