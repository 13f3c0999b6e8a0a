"""Whatever ends a run, what was judged is kept, and `--resume` finishes with the report of a run that nothing ended."""

import json
import os
import random
import re
import resource
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.cli.exit_status import INTERRUPTED, TERMINATED
from verifier.errors import RequestError
from verifier.verification.journal import FOLDER, open_journal, read_records

ROOT = Path(__file__).resolve().parents[2]
CORRECT, FAULTY = ROOT / "reference_impls" / "correct", ROOT / "reference_impls" / "faulty"
CANDIDATES = [CORRECT / "columns.py", FAULTY / "sign.py", ROOT / "tests" / "planted" / "raises.py", CORRECT / "vectorised_rows.py"]
KILLS = int(os.environ.get("VERIFIER_KILLS", "8"))

# Starts commands by forking a process that has imported everything: a run then takes a fraction of a second.
STARTER = """
    import os, resource, sys
    import verifier.cli.check, verifier.verification.judging, verifier.oracles.autograd, verifier.reports.terminal
    import verifier.contracts.mlp.strategy, verifier.verification.shrinking
    from verifier.cli import main

    for line in sys.stdin:
        folder, largest, *arguments = line.rstrip("\\n").split("\\t")
        pid = os.fork()
        if pid == 0:
            os.setsid()
            for descriptor, name in ((0, os.devnull), (1, folder + ".out"), (2, folder + ".err")):
                os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o644), descriptor)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), -1))
            status = main([*arguments, "--report-dir", folder])
            os._exit(status)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Starter:
    """Runs `verifier` with these arguments, over and over."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "VERIFIER_CACHE": str(cache)}
        environment.pop("PYTHONUNBUFFERED", None)  # what is buffered fails later, at the end of the process too
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(STARTER)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, folder: Path, *arguments: object, largest: int = -1) -> int:
        """The process of a command that was started; the disk takes no file above `largest` bytes."""
        asked = ["check", *CANDIDATES, "--profile", "quick", "--only", "autograd", "--only", "forward", *arguments]
        self.process.stdin.write("\t".join(map(str, [folder, largest, *asked])) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def status(self) -> int:
        """How the last one ended: its exit status, or minus the signal that killed it."""
        return int(self.process.stdout.readline())

    def ended(self, seconds: float) -> bool:
        """Whether the last one ends within so long."""
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def run(self, folder: Path, *arguments: object, largest: int = -1) -> int:
        self.start(folder, *arguments, largest=largest)
        return self.status()


@pytest.fixture(scope="module")
def starter(tmp_path_factory) -> Iterator[Starter]:
    started = Starter(tmp_path_factory.mktemp("cache"))
    with started.process:
        yield started


@pytest.fixture(autouse=True)
def starters_key(request, monkeypatch):
    """The key that the commands sign their journals with, for what is read of them here."""
    if "starter" in request.fixturenames:
        monkeypatch.setenv("VERIFIER_CACHE", str(request.getfixturevalue("starter").cache))


@pytest.fixture(scope="module")
def whole(starter, tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """The reports of a run that nothing ends (the second, with a kept corpus, as those after it), and how long it takes."""
    starter.run(tmp_path_factory.mktemp("first"))
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    assert starter.run(folder) == 1
    return reports(folder), time.monotonic() - began


def reports(folder: Path) -> dict[str, bytes]:
    """All that a run wrote, without its timings."""
    files = [path for path in folder.glob("*/*") if path.parent.name != FOLDER and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): without_timings(path.read_bytes()) for path in files}


def without_timings(content: bytes) -> bytes:
    content = re.sub(rb'"timings": \{[^}]*\}', b"", content)
    return b"\n".join(line for line in content.split(b"\n") if b" s<" not in line and b"seconds" not in line.lower())


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_run_that_was_killed_at_any_moment_is_resumed_to_the_same_reports(kill, starter, whole, tmp_path):
    expected, seconds = whole
    folder = tmp_path / "reports"
    pid = starter.start(folder)
    if not starter.ended(random.Random(kill).uniform(0, seconds)):
        os.kill(pid, signal.SIGKILL)
    starter.status()
    for file in (folder / FOLDER).glob("*.jsonl"):
        assert_valid(file)
    assert starter.run(folder, "--resume") == 1
    assert reports(folder) == expected
    assert not (folder / FOLDER).exists()
    assert not list(folder.glob("*/.*"))


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, INTERRUPTED, "Interrupted"), (signal.SIGTERM, TERMINATED, "Terminated")]
)
def test_an_interrupted_run_says_how_to_go_on(number, status, word, starter, whole, tmp_path):
    folder = tmp_path / "reports"
    pid = starter.start(folder)
    while len(list(folder.glob("*/report.json"))) < 2:  # then the first is judged for sure, not only written
        time.sleep(0.005)
    os.kill(pid, number)
    assert starter.status() == status
    told = (tmp_path / "reports.err").read_text()
    assert re.fullmatch(rf"{word}: \d judged before, their reports are in .*\. The same command with --resume continues\.\n", told), told
    assert starter.run(folder, "--resume") == 1
    assert reports(folder) == whole[0]


def test_a_resumed_run_judges_no_candidate_twice(starter, whole, tmp_path):
    """The report of the first is changed in the journal's place: it would come back as it was if the candidate were judged again."""
    folder = tmp_path / "reports"
    pid = starter.start(folder)
    while not list(folder.glob("columns/report.json")):
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    starter.status()
    timings = json.loads((folder / "columns" / "report.json").read_bytes())["timings"]
    starter.run(folder, "--resume")
    assert json.loads((folder / "columns" / "report.json").read_bytes())["timings"] == timings


@pytest.mark.parametrize("largest", [0, 300, 2_000, 8_000, 20_000])
def test_a_full_disk_costs_no_verdict_and_the_run_is_resumed(largest, starter, whole, tmp_path):
    """A limit on the size of a file stands for a disk that takes no more in the midst of a report or of a record."""
    folder = tmp_path / "reports"
    status = starter.run(folder, largest=largest)
    shown, told = (tmp_path / "reports.out").read_text(), (tmp_path / "reports.err").read_text()
    assert status in (1, 3)
    assert "Traceback" not in told and "broke" not in told
    if largest:  # else nothing can be shown either: it goes to a file here
        assert all(path.stem in shown for path in CANDIDATES) or largest < 8_000
    for file in (folder / FOLDER).glob("*.jsonl"):
        assert_valid(file)
    assert starter.run(folder, "--resume") == 1
    assert reports(folder) == whole[0]
    assert not list(folder.glob("*/.*"))


@pytest.fixture
def small_disk(tmp_path, request) -> Iterator[Path]:
    """A file system of its own of so many bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param}", "none", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("small_disk", [8_192, 65_536], indirect=True)
def test_a_disk_that_is_full_costs_no_verdict(small_disk, starter, whole, tmp_path):
    folder = tmp_path / "reports"
    folder.symlink_to(small_disk)
    status = starter.run(folder)
    shown, told = (tmp_path / "reports.out").read_text(), (tmp_path / "reports.err").read_text()
    assert status in (1, 3)
    assert "No space left on device" in told and "Traceback" not in told and "broke" not in told
    assert all(path.stem in shown for path in CANDIDATES)
    for file in (folder / FOLDER).glob("*.jsonl"):
        assert_valid(file)
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert starter.run(folder, "--resume") == 1
    assert reports(folder) == whole[0]


def test_no_place_for_temporary_files_is_said(tmp_path):
    def no_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, -1))

    command = [sys.executable, "-m", "verifier", "check", CANDIDATES[0], "--profile", "quick", "--report-dir", tmp_path]
    ended = subprocess.run(command, cwd=ROOT, preexec_fn=no_files, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert "no temporary folder for the workers can be made" in ended.stderr and "TMPDIR" in ended.stderr
    assert "broke" not in ended.stderr


def test_a_folder_that_cannot_be_written_costs_no_verdict(starter, tmp_path):
    (tmp_path / "reports").write_text("a file stands here")
    assert starter.run(tmp_path / "reports") == 1
    told = (tmp_path / "reports.err").read_text()
    assert "cannot write the report to" in told
    assert "PASS  columns" in (tmp_path / "reports.out").read_text()


def assert_valid(file: Path) -> None:
    """All but a torn last line can be read."""
    data = file.read_bytes()
    ends = [end for _, end in read_records(data, file.name)]
    assert b"\n" not in data[ends[-1] if ends else 0 :]


ASKED = {"candidates": ["a.py"]}


def test_a_candidate_that_has_changed_is_judged_again(tmp_path):
    from verifier.candidates.discovery import find_candidates
    from verifier.results.report import Report
    from verifier.verification.record import Judged

    file = tmp_path / "a.py"
    file.write_text((CORRECT / "vectorised_rows.py").read_text())
    (candidate,), _ = find_candidates([str(file)])
    first = open_journal(tmp_path, ASKED, resume=False)
    first.begin(7)
    first.add(candidate, Judged(a_report(Report), b"network"))
    first.close()
    again = open_journal(tmp_path, ASKED, resume=True)
    assert again.seed == 7
    assert again.finished(candidate).counterexample == b"network"
    assert again.finished(candidate).report.measurements[0].error == float("inf")
    file.write_text(file.read_text() + "\n")
    assert again.finished(candidate) is None
    again.close()


@pytest.mark.parametrize("forgery", ["another key", "another run's"])
def test_a_journal_that_somebody_else_wrote_is_not_believed(forgery, tmp_path, monkeypatch):
    """A submission brings a journal in which it has passed; without the signature it would be resumed."""
    from verifier.candidates.discovery import find_candidates
    from verifier.results.report import Report
    from verifier.verification import journal as module
    from verifier.verification.record import Judged

    (tmp_path / "a.py").write_text("def backprop(weights, biases, x, y): raise ValueError\n")
    (candidate,), _ = find_candidates([str(tmp_path / "a.py")])
    key = os.environ.get("VERIFIER_CACHE", "")
    if forgery == "another key":
        monkeypatch.setenv("VERIFIER_CACHE", str(tmp_path / "theirs"))
    asked = ASKED if forgery == "another key" else {"candidates": ["b.py"]}
    forged = open_journal(tmp_path / "theirs", asked, resume=False)
    forged.begin(7)
    forged.add(candidate, Judged(a_report(Report), None))
    forged.close()
    monkeypatch.setenv("VERIFIER_CACHE", key) if key else monkeypatch.delenv("VERIFIER_CACHE", raising=False)

    def resumed():
        ours = open_journal(tmp_path / "ours", ASKED, resume=False)
        ours.close()
        (place,), (theirs,) = (list((tmp_path / side / FOLDER).glob("*.jsonl")) for side in ("ours", "theirs"))
        place.write_bytes(theirs.read_bytes())
        journal = open_journal(tmp_path / "ours", ASKED, resume=True)
        journal.close()
        return journal

    assert resumed().seed is None
    assert resumed().finished(candidate) is None
    monkeypatch.setattr(module, "verifies", lambda data, signature: True)
    assert resumed().finished(candidate) is not None


def a_report(kind):
    from verifier.results.outcome import Measurement
    from verifier.results.report import CandidateRecord, Isolation

    measured = Measurement("autograd", 0, "1-1", "weights[0]", float("inf"), 1.0, "", "fail")
    values = {
        "schema_version": 1,
        "verdict": "fail",
        "summary": "",
        "candidate": CandidateRecord("a", "a.py", "mlp", {}),
        "profile": "quick",
        "seed": 7,
        "checks": (),
        "measurements": (measured,),
        "notes": (),
        "diagnosis": (),
        "counterexample": None,
        "isolation": Isolation(True, True, True),
        "environment": {},
        "printed": "",
        "timings": {},
    }
    return kind(**values)


def test_a_new_run_does_not_go_on_with_an_old_journal(tmp_path):
    first = open_journal(tmp_path, ASKED, resume=False)
    first.begin(7)
    first.close()
    for folder, asked, resume in ((tmp_path, {"candidates": ["b.py"]}, True), (tmp_path / "other", ASKED, True), (tmp_path, ASKED, False)):
        journal = open_journal(folder, asked, resume=resume)
        assert journal.seed is None
        journal.close()


def test_the_same_run_twice_at_a_time_is_refused(tmp_path):
    first = open_journal(tmp_path, ASKED, resume=False)
    with pytest.raises(RequestError, match="the same run is under way"):
        open_journal(tmp_path, ASKED, resume=True)
    first.close()
    open_journal(tmp_path, ASKED, resume=True).close()


def test_a_journal_of_other_versions_is_refused(tmp_path, monkeypatch):
    from verifier.verification import journal as module

    first = open_journal(tmp_path, ASKED, resume=False)
    first.begin(7)
    first.close()
    monkeypatch.setattr(module, "environment", lambda: {"python": "2.7"})
    with pytest.raises(RequestError, match="other versions"):
        open_journal(tmp_path, ASKED, resume=True)


@given(st.data())
def test_a_journal_cut_or_damaged_anywhere_keeps_what_stands_before(data):
    from verifier.verification.journal import _line

    records = [{"kind": "outcome", "candidate": "é" * index, "number": index} for index in range(4)]
    lines = [_line(record, "a.jsonl") for record in records]
    whole = b"".join(lines)
    ends = [len(b"".join(lines[: index + 1])) for index in range(4)]
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = (
        whole[:place]
        if data.draw(st.booleans())
        else whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    )
    kept = [record for record, _ in read_records(damaged, "a.jsonl")]
    before = sum(end <= place for end in ends)
    assert kept[:before] == records[:before]
    assert kept == records[: len(kept)]


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data):
    assert list(read_records(data, "a.jsonl")) == [] or b" " in data
