"""A folder of submissions in which one holds something odd: the others get their verdicts, and it gets a row that names it."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.candidates import own_files
from verifier.candidates.discovery import find_candidates
from verifier.candidates.own_files import MOST_BYTES, digest_of
from verifier.cli import main
from verifier.errors import HarnessError
from verifier.results.report import from_json
from verifier.verification import journal, judging, programs

RIGHT = Path(__file__).parents[2] / "reference_impls" / "correct" / "vectorised_rows.py"
QUICK = ("--profile", "quick", "--only", "forward")


@pytest.fixture
def three(tmp_path, monkeypatch) -> Iterator[Path]:
    """Three submissions, each a folder with a manifest, in the working folder's `all`."""
    for name in "abc":
        folder = tmp_path / "all" / name
        folder.mkdir(parents=True)
        shutil.copy(RIGHT, folder / "net.py")
        (folder / "verifier.toml").write_text('module = "net.py"\n')
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "all"
    subprocess.run(["rm", "-rf", tmp_path / "all"], check=True)  # pytest's own clean-up breaks on folders that lie so deep


def verdicts() -> dict[str, str]:
    """Of the reports that were written, by the candidate's path."""
    reports = [from_json(file.read_bytes()) for file in Path("reports").glob("*/report.json")]
    return {report.candidate.path: report.verdict for report in reports}


def sparse(folder: Path) -> None:
    with open(folder / "data.bin", "wb") as file:
        file.truncate(40 << 30)


def pagemap(folder: Path) -> None:
    (folder / "data.bin").symlink_to("/proc/self/pagemap")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "data.bin")


def unreadable(folder: Path) -> None:
    (folder / "x").touch()
    (folder / "x").chmod(0)


def deep(folder: Path) -> None:
    inner = os.open(folder, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=inner)
        inner, outer = os.open("d", os.O_RDONLY, dir_fd=inner), inner
        os.close(outer)
    os.close(inner)


def linked_in_a_circle(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to("..")


@pytest.mark.parametrize("make", [sparse, pagemap, pipe, unreadable, deep, linked_in_a_circle], ids=lambda make: make.__name__)
def test_nothing_that_lies_in_one_takes_the_others_verdicts(make, three):
    make(three / "b")
    assert main(["check", "all", *QUICK]) == 0
    assert verdicts() == {"all/a": "pass", "all/b": "pass", "all/c": "pass"}
    shutil.rmtree("reports/b")
    assert main(["check", "all", *QUICK, "--resume"]) == 0
    assert verdicts() == {"all/a": "pass", "all/b": "pass", "all/c": "pass"}


class Endless(Exception):
    """What was read would have kept this process for ever, or taken all of its memory."""


def seconds_passed(*_) -> None:
    raise Endless


@contextlib.contextmanager
def two_seconds_and_a_gigabyte() -> Iterator[None]:
    """All that the machine has, as it were: beyond it Endless or MemoryError."""
    kept, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    handler = signal.signal(signal.SIGALRM, seconds_passed)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (1 << 30), hard))
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, (kept, hard))


def whole(digest, file: str, room: int) -> int:
    """A file read as one reads an ordinary one: through links, waiting, to its end."""
    with two_seconds_and_a_gigabyte(), open(file, "rb") as opened:
        content = b"".join(iter(lambda: opened.read(own_files.CHUNK), b""))
    digest.update(content)
    return len(content)


def everything_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """As a folder is walked where one thinks of ordinary ones: by recursion, and through links."""
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        yield entry
        if entry.is_dir():
            yield from everything_below(Path(entry.path))


@pytest.mark.parametrize(
    ("make", "defence", "without"),
    [
        (sparse, "_add", whole),
        (pagemap, "_add", whole),
        (pipe, "_add", whole),
        (deep, "entries_below", everything_below),
        (linked_in_a_circle, "entries_below", everything_below),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_where_folders_are_read_as_ordinary_ones_it_breaks_the_harness(make, defence, without, three, monkeypatch, capsys):
    monkeypatch.setattr(own_files, defence, without)
    make(three / "b")
    assert main(["check", "all", *QUICK]) == 3
    assert "all/b was not judged. The harness broke" in capsys.readouterr().err
    assert verdicts() == {"all/a": "pass", "all/c": "pass"}  # the second wall: one `try` around what belongs to one


def test_a_file_that_nobody_may_read_breaks_it_where_that_counts_as_an_error(three, monkeypatch, capsys):
    unreadable(three / "b")
    with contextlib.suppress(PermissionError):
        (three / "b" / "x").read_bytes()
        pytest.skip("root may read it")
    monkeypatch.setattr(own_files.contextlib, "suppress", lambda *_: contextlib.nullcontext())
    assert main(["check", "all", *QUICK]) == 3
    assert "all/b was not judged" in capsys.readouterr().err


def test_a_search_through_folders_that_lie_deep_in_one_another_ends(three):
    deep(three / "b")
    (three / "b" / "verifier.toml").unlink()
    assert main(["check", "all", *QUICK]) == 0
    assert verdicts() == {"all/a": "pass", "all/b/net.py": "pass", "all/c": "pass"}


def test_a_name_that_is_no_utf_8_is_judged_like_any_other(three):
    Path(os.fsdecode(b"all/b_\xff.py")).write_bytes(RIGHT.read_bytes())
    assert main(["check", "all", *QUICK]) == 0
    assert verdicts() == {"all/a": "pass", "all/b": "pass", "all/c": "pass", "all/b_\\udcff.py": "pass"}


def test_such_a_name_as_it_is_can_be_written_nowhere():
    with pytest.raises(UnicodeEncodeError):
        os.fsdecode(b"all/b_\xff.py").encode()


def test_what_breaks_on_one_is_told_with_its_name_and_ends_with_3(three, monkeypatch, capsys):
    real = programs.kept_corpus

    def breaks(claims, profile, seed):
        breaks.calls += 1
        return [].pop() if breaks.calls == 1 else real(claims, profile, seed)

    breaks.calls = 0
    monkeypatch.setattr(programs, "kept_corpus", breaks)
    (three / "c" / "net.py").write_text("def backprop(*_): raise ValueError\n")
    assert main(["check", "all", *QUICK]) == 3
    assert verdicts() == {"all/b": "pass", "all/c": "error"}
    told = capsys.readouterr()
    assert "all/a was not judged. The harness broke" in told.err
    assert "NOT JUDGED  all/a was not judged" in told.out


def test_where_what_breaks_on_one_is_not_caught_the_others_lose_their_verdicts(three, monkeypatch):
    def broken(candidate, error):
        raise error

    monkeypatch.setattr(judging, "_broken", broken)
    monkeypatch.setattr(programs, "kept_corpus", lambda claims, profile, seed: [].pop())
    assert main(["check", "all", *QUICK]) == 3
    assert verdicts() == {}


def test_a_journal_that_breaks_on_one_is_no_end_of_the_run(three, monkeypatch):
    real = journal.Journal.add

    def add(kept, candidate, judged):
        if candidate.path == "all/b":
            raise HarnessError("no more room")
        real(kept, candidate, judged)

    monkeypatch.setattr(journal.Journal, "add", add)
    assert main(["check", "all", *QUICK]) == 3
    assert verdicts() == {"all/a": "pass", "all/c": "pass"}


def test_links_found_by_searching_are_no_candidates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("link").mkdir()
    shutil.copy(RIGHT, "link/zed.py")
    Path("link/aaron.py").symlink_to("zed.py")
    found, errors = find_candidates(["link"])
    assert ([candidate.path for candidate in found], errors) == (["link/zed.py"], [])


@pytest.mark.parametrize("named", [["all/a", "all/bob"], ["all/bob", "all/a"]])
def test_a_link_that_is_named_does_not_pass_by_anothers_work(named, three):
    (three / "bob").symlink_to("a")
    found, errors = find_candidates(named)
    assert [candidate.path for candidate in found] == ["all/a"]
    assert [str(error) for error in errors] == ["all/bob: is a link to all/a, which is judged under that name."]
    assert find_candidates(["all/bob"])[0][0].path == "all/bob"


def test_a_claimed_name_takes_nobodys_place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(RIGHT, "zed.py")
    Path("aaron.py").write_text('# /// script\n# [tool.verifier]\n# name = "zed"\n# ///\ndef backprop(*a): raise ValueError\n')
    names = {candidate.path: candidate.name for candidate in find_candidates(["aaron.py", "zed.py"])[0]}
    assert names == {"aaron.py": "aaron", "zed.py": "zed"}
    assert find_candidates(["aaron.py"])[0][0].name == "zed"  # where nobody has it, the claim is the name
    main(["check", "zed.py", *QUICK])
    main(["check", "aaron.py", *QUICK])
    assert "The report of zed.py in reports/zed is replaced by that of aaron.py." in capsys.readouterr().err


def test_the_digest_reads_so_much_and_no_more_and_notices_a_change(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")
    before = digest_of([tmp_path])
    assert digest_of([tmp_path]) == before
    (tmp_path / "b").unlink()
    (tmp_path / "b").symlink_to("c")
    other = digest_of([tmp_path])
    assert other != before
    (tmp_path / "a").write_text("y")
    assert digest_of([tmp_path]) not in (before, other)
    with open(tmp_path / "large", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    digest_of([tmp_path])


CHANGES = {
    "a file has another name": lambda folder: (folder / "b.py").rename(folder / "bb.py"),
    "two files are exchanged": lambda folder: [(folder / one).write_text(text) for one, text in (("a.py", "b = 2"), ("b.py", "a = 1"))],
    "a file has another content of the same length": lambda folder: (folder / "a.py").write_text("a = 3"),
    "a file is gone": lambda folder: (folder / "b.py").unlink(),
    "a file more": lambda folder: (folder / "inner" / "d.py").touch(),
    "a file lies elsewhere": lambda folder: (folder / "b.py").rename(folder / "inner" / "b.py"),
    "a link leads elsewhere": lambda folder: [(folder / "link").unlink(), (folder / "link").symlink_to("b.py")],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_digest_of_a_folder_changes_with_whatever_changes_in_it(change, tmp_path):
    folder = tmp_path / "submission"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.py").write_text("a = 1")
    (folder / "b.py").write_text("b = 2")
    (folder / "link").symlink_to("a.py")
    before = digest_of([folder])
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"compiled")
    assert digest_of([folder]) == before
    change(folder)
    assert digest_of([folder]) != before
