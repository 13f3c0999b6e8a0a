"""Every candidate of tests/hostile gets the outcome that its first lines state, within its limits, and leaves nothing behind.

Where it says `pass`, the candidate attacks first, raises "breach" where anything of that got through, and answers right otherwise.

`Held by` says which defence that is, and each is run again without it and must then succeed, or the first run would be green for no reason:

    files, system calls         Landlock, or seccomp; where both are named, each alone lets it through
    files and system calls      only without both
    a clean environment, a zygote that knows nothing, limits
    names of checks             without these the wrong gradient passes
    the boundary                its end is told, its answer is data, and its words say what happened; without it: test_boundary

With limits raised they run in test_limits_raised, and all of them where there is no Landlock in test_without_landlock.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.worker.attacks import KNOWS_WHERE_IT_LIES
from verifier.candidates import spawning
from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import MIB, Limits
from verifier.candidates.zygote import Zygote
from verifier.checks.catalogue import check_ids
from verifier.errors import HarnessError
from verifier.results.report import Report
from verifier.verification.corpus import Corpus, fresh_corpus
from verifier.verification.profiles import Profile
from verifier.verification.record import Request
from verifier.verification.run import judge_candidate

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = sorted((ROOT / "tests" / "hostile").glob("*.py"))
USER = 54321  # nobody's
AS_USER: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []}
FEWER = "VERIFIER_HOSTILE_FEWER"  # set where the tests run again, as an ordinary user: what the sandbox refuses, not what checks find
OWN_USER = "VERIFIER_HOSTILE_OWN_USER"
SIZE = Profile("hostile", networks=12, differences=3, seed=0, kept=False, shrinking=0)
LIMITS = Limits(
    wall_seconds=0.4,
    cpu_seconds=0.6,
    load_seconds=2.0,
    output_bytes=2 * MIB,
    scratch_bytes=8 * MIB,
    scratch_files=200,
)
DEATHS = 3  # after which a candidate is given up
SECRET = "VERIFIER_SECRET"


def held_by(file: Path) -> list[str]:
    """The defences, each of which alone holds it or, for checks, all of which find it."""
    return re.search(r"^Held by: (.*)$", file.read_text(encoding="utf-8"), re.M)[1].split(", ")


def expectation(file: Path) -> tuple[str, str]:
    """The verdicts that are right for it, and what its report must say, as patterns."""
    verdict, _, words = re.search(r"^Expected: (.*)$", file.read_text(encoding="utf-8"), re.M)[1].partition("; ")
    return verdict, words


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    (candidate,), _ = find_candidates([str(HOSTILE[0])])
    return fresh_corpus(candidate.claims, SIZE, 0, lambda done, total: None)


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    os.environ[SECRET] = "x"
    try:
        with Zygote(isolation="auto") as started:
            yield started
    finally:
        del os.environ[SECRET]


def judge(file: Path, zygote: Zygote, corpus: Corpus, limits: Limits = LIMITS, only: tuple[str, ...] = ()) -> Report:
    (candidate,), _ = find_candidates([str(file)])
    return judge_candidate(candidate, lambda: corpus, zygote, limits, Request(SIZE, 0, only), lambda *_: None).report


def limit_of(told: str) -> float:
    """Seconds after which it had to be ended: once while it loads, else for each of its answers."""
    return LIMITS.load_seconds / DEATHS if "did not load" in told else max(LIMITS.wall_seconds, LIMITS.cpu_seconds)


def traces() -> set[str]:
    """What a candidate could leave on this machine: processes, files, sockets, objects of the kernel."""
    found = {f"{kind}: {line}" for kind in ("shm", "sem", "msg") for line in lines_of(f"/proc/sysvipc/{kind}")[1:]}
    found |= {line for line in lines_of("/proc/net/unix") if "verifier-breach" in line}
    places = ["/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/home", os.getcwd(), str(ROOT / "tests" / "hostile"), sys.prefix]
    return found | {os.path.join(place, name) for place in places for name in names_in(place) if "breach" in name}


def lines_of(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def children_of(process: int) -> list[str]:
    return lines_of(f"/proc/{process}/task/{process}/children")


def asked() -> list[Path]:
    return [file for file in HOSTILE if FEWER not in os.environ or expectation(file)[0] == "pass" or file.stem.startswith("fills")]


@pytest.mark.parametrize("file", asked(), ids=lambda file: file.stem)
def test_a_hostile_candidate_gets_its_outcome_and_leaves_nothing(file, zygote, corpus):
    verdict, words = expectation(file)
    before, began = traces(), time.monotonic()
    report = judge(file, zygote, corpus)
    took = time.monotonic() - began
    told = " ".join([report.summary, *(f"{outcome.id} {outcome.status}: {outcome.message}" for outcome in report.checks)])
    told += " ".join(f" {note.check} note: {note.message}" for note in report.notes)
    if not (report.isolation.files and report.isolation.system_calls) and "breach" in told:
        pytest.skip(f"not confined here: {report.isolation.reason}")
    assert re.fullmatch(verdict, report.verdict), f"{report.verdict}: {told}"
    assert os.environ.get(OWN_USER) != "expected" or report.isolation.own_user
    assert re.search(words, told), told
    if "for one answer" in words or ("wall limit" in words and "load" not in words):
        assert "Then the candidate was given up: " in told
    if report.verdict == "error":
        assert took < DEATHS * (limit_of(told) + 1), took
    assert left_behind(zygote, before) == []


SWITCHED_OFF = {
    "files": ("landlock", "raise OSError('switched off')"),
    "system calls": ("pyseccomp", "raise OSError('switched off')"),
    "a zygote that knows nothing": ("sitecustomize", "import msgspec"),
}
SINGLE = (*SWITCHED_OFF, "files and system calls", "a clean environment")
ROOT_ALONE = ("raises_its_own_limits",)  # could do what it tries
BRINGS_THE_ZYGOTE_DOWN = (("changes_how_others_run", "system calls"),)
UNHURRIED = replace(LIMITS, load_seconds=20.0, wall_seconds=10.0)


@pytest.fixture(scope="module")
def weakened(tmp_path_factory) -> Iterator[Callable[[str, str], Zygote]]:
    """A zygote without one defence, for all that it holds; for what brings it down one of its own."""
    started: dict[object, Zygote] = {}

    def start(defence: str, attack: str) -> Zygote:
        key = (attack, defence) if (attack, defence) in BRINGS_THE_ZYGOTE_DOWN else defence
        if key not in started:
            module, source = SWITCHED_OFF.get(defence, ("unused", ""))
            folder = tmp_path_factory.mktemp("shadow")
            (folder / f"{module}.py").write_text(source)
            variables = {**os.environ, SECRET: "x"} if defence == "a clean environment" else spawning._clean_environment()
            variables |= {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(spawning, "_clean_environment", lambda: variables)
                started[key] = Zygote(isolation="off" if defence == "files and system calls" else "auto")
        return started[key]

    yield start
    for zygote in started.values():
        zygote.close()


@pytest.mark.parametrize(
    ("file", "defence"),
    [(file, defence) for file in HOSTILE for defence in held_by(file) if defence in SINGLE],
    ids=lambda value: value if isinstance(value, str) else value.stem,
)
def test_without_that_defence_the_same_attack_gets_through(file, defence, corpus, weakened, tmp_path):
    if file.stem in ROOT_ALONE and os.geteuid() != 0:
        pytest.skip("the system refuses it to an ordinary user, with or without the filter")
    if file.stem not in KNOWS_WHERE_IT_LIES:
        file = Path(shutil.copy(file, tmp_path))
    before = traces()
    try:
        report = judge(file, weakened(defence, file.stem), corpus, UNHURRIED)
        # Where it forked, two processes answer; where it is traced by its parent, it is killed.
        assert re.search("breach|sent more than its answers|was killed by the kernel", report.summary), report.summary
    except HarnessError:
        assert (file.stem, defence) in BRINGS_THE_ZYGOTE_DOWN
    finally:
        for left in traces() - before:
            if left.startswith(os.sep):
                os.rmdir(left) if os.path.isdir(left) else os.unlink(left)


def test_a_file_stretched_beyond_a_limit_that_is_raised_does_get_that_large(corpus):
    raised = replace(LIMITS, scratch_bytes=1 << 41)
    with Zygote() as zygote:
        report = judge(ROOT / "tests" / "hostile" / "writes_one_endless_file.py", zygote, corpus, raised)
    assert "breach" in report.summary


@pytest.mark.parametrize("file", [file for file in HOSTILE if set(held_by(file)) <= set(check_ids())], ids=lambda file: file.stem)
def test_without_the_checks_that_find_it_the_same_attack_is_no_fail(file, zygote, corpus):
    rest = tuple(check for check in check_ids() if check not in held_by(file))
    report = judge(file, zygote, corpus, only=rest)
    assert report.verdict in ("pass", "inconclusive"), report.summary
    assert "note: " not in expectation(file)[1] or not report.notes


def test_every_attack_says_what_holds_it_and_what_happens():
    words = {*SINGLE, "limits", "the boundary", *check_ids()}
    for file in HOSTILE:
        assert set(held_by(file)) <= words, file
        verdict, happens = expectation(file)
        assert verdict == "pass" or happens, f"{file.stem}: any end would do, its own mistake too"


@pytest.mark.skipif(FEWER in os.environ, reason="this is such a run already")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="the tests run as an ordinary user already")
def test_all_this_holds_for_an_ordinary_user_too():
    run_again(AS_USER, {})


@pytest.mark.skipif(FEWER in os.environ, reason="this is such a run already")
@pytest.mark.skipif(OWN_USER not in os.environ, reason=f"{OWN_USER}=1 runs all attacks once more")
def test_all_this_holds_for_a_user_of_its_own_too():
    """As root with an interpreter that everybody can read; one below /root leaves workers the user id 0, as in the tests above."""
    run_again({}, {OWN_USER: "expected"})


def run_again(who: dict[str, Any], more: dict[str, str]) -> None:
    """Run this file again in a process of this user, with an interpreter that everybody can read."""
    with tempfile.TemporaryDirectory(prefix="verifier-user-", dir="/tmp") as home:
        os.chmod(home, 0o755)
        python = python_for_everybody(Path(home))
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), FEWER: "1", "OPENBLAS_NUM_THREADS": "1"}
        if python is None or subprocess.run([python, "-c", "import verifier, pytest, torch"], env=environment, **AS_USER).returncode:
            pytest.skip("the interpreter or the sources are readable to root alone")
        os.mkdir(own := os.path.join(home, "own"))
        os.chown(own, USER, USER)
        environment |= {"HOME": own, "TMPDIR": own, **more}
        command = [python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, **who)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 50, done.stdout


def python_for_everybody(home: Path) -> str | None:
    """This interpreter, where others may run it; else the system's of the same version, with the same packages."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for base in (sys.executable, f"/usr/bin/{version}"):
        try:
            subprocess.run([base, "-c", ""], check=True, **AS_USER)
        except (OSError, subprocess.CalledProcessError):
            continue
        if base == sys.executable:
            return base
        subprocess.run([base, "-m", "venv", "--without-pip", home / "venv"], check=True)
        packages = home / "venv" / "lib" / version / "site-packages"
        (packages / "same.pth").write_text(sysconfig.get_path("purelib") + "\n")
        return str(home / "venv" / "bin" / "python")
    return None


def left_behind(zygote: Zygote, before: set[str]) -> list[str]:
    """What is still there 1 s later."""
    deadline = time.monotonic() + 1
    while (
        found := [*children_of(zygote._spawned.process.pid), *names_in(zygote._spawned.home), *(traces() - before)]
    ) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
