"""Every candidate of tests/hostile gets the outcome that its first lines state, within its limits, and leaves nothing behind.

Where it says `pass`, the candidate attacks first, raises "breach" where anything of that got through, and answers right otherwise.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import MIB, Limits
from verifier.candidates.zygote import Zygote
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
SIZE = Profile("hostile", networks=12, differences=3, seed=0, kept=False, shrinking=0)
LIMITS = Limits(
    wall_seconds=0.4,
    cpu_seconds=0.6,
    load_seconds=1.0,
    output_bytes=2 * MIB,
    scratch_bytes=8 * MIB,
    scratch_files=200,
)
DEATHS = 3  # after which a candidate is given up
SECRET = "VERIFIER_SECRET"


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


def judge(file: Path, zygote: Zygote, corpus: Corpus) -> Report:
    (candidate,), _ = find_candidates([str(file)])
    return judge_candidate(candidate, lambda: corpus, zygote, LIMITS, Request(SIZE, 0), lambda *_: None).report


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
    if not (report.isolation.files and report.isolation.system_calls) and "breach" in told:
        pytest.skip(f"not confined here: {report.isolation.reason}")
    assert re.fullmatch(verdict, report.verdict), f"{report.verdict}: {told}"
    assert re.search(words, told), told
    if "for one answer" in words or ("wall limit" in words and "load" not in words):
        assert "Then the candidate was given up: " in told
    if report.verdict == "error":
        assert took < DEATHS * (limit_of(told) + 1), took
    assert left_behind(zygote, before) == []


# What the sandbox alone refuses: without it, each of these gets through here, or the test above would be green for no reason.
REFUSED_BY_THE_SANDBOX = [
    "asks_a_name_server",
    "changes_metadata",
    "connects_by_tcp",
    "maps_foreign_files",
    "opens_by_other_calls",
    "reads_its_neighbours",
    "reads_password_files",
    "reads_the_network_tables",
    "reads_the_referee",
    "reads_the_verifier",
    "speaks_over_unix_sockets",
    "watches_files",
]


@pytest.mark.parametrize("name", REFUSED_BY_THE_SANDBOX)
def test_without_isolation_the_same_attack_gets_through(name, corpus, tmp_path):
    file = ROOT / "tests" / "hostile" / f"{name}.py"
    if name != "reads_the_verifier":  # which knows where it lies; some others attack their own file
        file = Path(shutil.copy(file, tmp_path))
    with Zygote(isolation="off") as unconfined:
        report = judge(file, unconfined, corpus)
    assert report.verdict == "error"
    assert "breach" in report.summary


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="the tests run as an ordinary user already")
def test_all_this_holds_for_an_ordinary_user_too():
    with tempfile.TemporaryDirectory(prefix="verifier-user-", dir="/tmp") as home:
        os.chmod(home, 0o755)
        python = python_for_everybody(Path(home))
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), FEWER: "1", "OPENBLAS_NUM_THREADS": "1"}
        if python is None or subprocess.run([python, "-c", "import verifier, pytest, torch"], env=environment, **AS_USER).returncode:
            pytest.skip("the interpreter or the sources are readable to root alone")
        os.mkdir(own := os.path.join(home, "own"))
        os.chown(own, USER, USER)
        environment |= {"HOME": own, "TMPDIR": own}
        command = [python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, **AS_USER)
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
    while (found := [*children_of(zygote._process.pid), *names_in(zygote._home), *(traces() - before)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
