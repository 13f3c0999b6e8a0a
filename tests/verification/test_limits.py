"""A limit ends what it should, on the rest the candidate goes on, and the report says which limit it was, after how much."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.contracts.mlp.claims import Claims
from verifier.verification.judging import judge
from verifier.verification.workers import Workers

ROOT = Path(__file__).resolve().parents[2]
HONEST = (ROOT / "tests" / "hostile" / "hangs_at_its_end.py").read_text().partition("def backprop")[2].partition("activations = [x]")[2]
# It writes memory, then gives up the right to write it: the kernel's limit, on what can be written, forgets it.
PROTECTED = """\
import ctypes, mmap
libc = ctypes.CDLL(None)
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
for _ in range(40):
    place = libc.mmap(None, 1 << 25, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    ctypes.memset(place, 1, 1 << 25)
    libc.mprotect(place, 1 << 25, mmap.PROT_READ)"""


def judged(tmp_path: Path, first_lines: str, *limits: str, head: str = "", **options):
    """The report about right code that begins with these lines."""
    file = tmp_path / "student.py"
    body = "".join(f"    {line}\n" for line in first_lines.splitlines())
    file.write_text(f"import time\nimport numpy as np\n{head}\ndef backprop(weights, biases, x, y):\n{body}    activations = [x]{HONEST}")
    (answer,) = judge([str(file)], limits=limits, **{"profile": "quick", "only": ["autograd"], **options})
    return answer.report


@pytest.mark.parametrize(
    ("lines", "limits", "told"),
    [
        ("time.sleep(0.05)", ["all_wall_seconds=0.3"], "took more than 0.3 s for all its answers (wall limit)"),
        ("time.sleep(0.3)", ["wall_seconds=0.1"], "did not answer within 0.1 s (wall limit)"),
        ("while True: pass", ["cpu_seconds=0.2"], "used more than 0.2 s of CPU time for one answer (CPU limit)"),
        (
            "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass",
            ["all_cpu_seconds=1"],
            "1 s of CPU time in all (CPU limit)",
        ),
        ("print('x' * 2000)", ["output_bytes=1000"], "printed more than 1000 bytes (output limit)"),
        ("np.ones(1 << 25)", ["memory=300 MiB"], "Unable to allocate 256. MiB"),
        (PROTECTED, ["memory=300 MiB"], "held more than 300 MiB in memory (memory limit)"),
    ],
)
def test_each_limit_ends_a_candidate_and_is_named(tmp_path, lines, limits, told):
    report = judged(tmp_path, lines, *limits)
    assert report.verdict == "error"
    assert told in report.summary
    if "limit)" in told:
        assert "Then the candidate was given up: " in report.summary


class Ends:
    """A worker that used so much CPU time in its life."""

    def __init__(self, seconds):
        self.hello, self.death = {}, SimpleNamespace(cpu=seconds, status=0)

    def printed(self):
        return ""

    def close(self):
        pass


def test_a_new_worker_may_use_what_the_ones_before_it_left_of_the_time_for_all(tmp_path):
    given, used = [], iter((1.5, 4.0, 9.0))

    def start(target, limits):
        given.append(limits.all_cpu_seconds)
        return Ends(next(used))

    file = tmp_path / "student.py"
    candidate = Candidate("student", "student.py", "mlp", Claims(), file, None, None, (file,), "backprop")
    with Workers(SimpleNamespace(start=start), candidate, Limits(all_cpu_seconds=10.0)) as workers:
        for _ in range(3):
            workers.load()
            workers.forget()
    assert given == [10.0, 8.5, 4.5]


def test_a_candidate_that_dies_twice_is_asked_about_the_rest(tmp_path):
    lines = "import os\nif len(x) == 3 and x.shape[1] == 3: os._exit(3)"
    report = judged(tmp_path, lines)
    (contract,) = [outcome for outcome in report.checks if outcome.id == "contract"]
    assert contract.status == "error"
    assert "The same happened on 2 of 40 networks." in contract.message
    assert "given up" not in contract.message
    (autograd,) = [outcome for outcome in report.checks if outcome.id == "autograd"]
    assert (autograd.status, autograd.problems) == ("pass", 38)
    assert contract.notes == ("It was not asked about 5 saturated networks: at one more such end it would have been given up.",)


SATURATED = "extreme = max(np.abs(a @ w.T).max() for a, w in [(x, weights[0])] + [(np.ones(len(w.T)), w) for w in weights[1:]]) > 30\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels hold no such limit")
def test_addresses_that_are_only_reserved_are_no_memory(tmp_path):
    lines = "import mmap\nkept = mmap.mmap(-1, 4 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)"
    assert judged(tmp_path, lines).verdict == "pass"


def contract_of(report):
    (contract,) = [outcome for outcome in report.checks if outcome.id == "contract"]
    return contract


def test_deaths_on_saturated_networks_alone_are_a_note_and_leave_it_a_life(tmp_path):
    report = judged(tmp_path, SATURATED + "if extreme: __import__('os').abort()", only=[])
    contract = contract_of(report)
    assert contract.status == "pass"
    assert contract.message == "Answered all ordinary networks in the claimed form, and all but 5 of the saturated ones."
    died, spared = contract.notes
    assert died.startswith("It died on 2 saturated networks, outside the range that decides. ")
    assert "was killed by SIGABRT. Network 4" in died
    assert spared == "It was not asked about 3 saturated networks: at one more such end it would have been given up."
    # It goes on: every other check is asked and answered, and those notes come with the verdict.
    assert {outcome.id: outcome.status for outcome in report.checks if outcome.status == "error"} == {}
    assert report.verdict == "pass"
    assert {died, spared} <= {note.message for note in report.notes}


def test_who_claims_to_be_stable_fails_where_it_dies_on_saturated_networks(tmp_path):
    head = "# /// script\n# [tool.verifier]\n# stable = true\n# ///"
    report = judged(tmp_path, SATURATED + "if extreme: __import__('os').abort()", head=head, only=[])
    (stability,) = [outcome for outcome in report.checks if outcome.id == "stability"]
    assert stability.status == "fail"
    assert "5 of 5" in stability.message


def test_an_exception_on_saturated_networks_is_not_counted_as_an_answer(tmp_path):
    contract = contract_of(judged(tmp_path, SATURATED + "if extreme: raise OverflowError('math range error')"))
    assert (contract.status, contract.notes) == ("pass", ())
    assert contract.message == "Answered all ordinary networks in the claimed form, and all but 4 of the saturated ones."


def test_who_uses_up_its_time_on_saturated_networks_is_given_up_in_words(tmp_path):
    contract = contract_of(judged(tmp_path, SATURATED + "if extreme: time.sleep(1e6)", "all_wall_seconds=4", "wall_seconds=3"))
    assert contract.status == "error"
    assert "took more than 4 s for all its answers (wall limit)" in contract.message
    assert "Then the candidate was given up: 3 networks were never asked." in contract.message


def test_options_go_before_the_assignment_and_that_before_the_profile(tmp_path):
    task = tmp_path / "task.toml"
    task.write_text("[limits]\nwall_seconds = 0.1\n")
    assert "within 0.1 s" in judged(tmp_path, "time.sleep(0.15)", assignment=str(task)).summary
    assert judged(tmp_path, "time.sleep(0.15)", "wall_seconds=5", assignment=str(task), seed=0).verdict == "pass"


SLOW_DEFINITION = "class Slow:\n    time.sleep(1.1)\n    print('no compiler was found')\n"  # as the import of a large library is
SCRIPT = "for epoch in range(3):\n    time.sleep(0.4)\n    print('epoch', epoch)\n"


@pytest.mark.parametrize(("head", "noted"), [(SLOW_DEFINITION, False), (SCRIPT, True)])
def test_what_a_file_computes_whenever_it_is_loaded_is_a_note_and_slow_definitions_are_none(tmp_path, head, noted):
    report = judged(tmp_path, "", head=head)
    assert report.verdict == "pass"
    notes = " ".join(note for outcome in report.checks for note in outcome.notes)
    assert ('the last "epoch 2"' in notes and "__main__" in notes) is noted
    assert ("Loading the file took" in notes) is noted
