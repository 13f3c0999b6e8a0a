"""A class judged by a real Dask cluster of two worker processes on this machine: one of them is killed in the middle of its work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec import structs

from verifier.errors import HarnessError, RequestError
from verifier.verification.judging import judge
from verifier.verification.record import Judged

pytest.importorskip("distributed")
ROOT = Path(__file__).parents[2]
RIGHT = (ROOT / "reference_impls/correct/vectorised_rows.py").read_text()
WRONG = (ROOT / "reference_impls/faulty/sign.py").read_text()
SLEEPS = "import time\ntime.sleep(2)\n"
COUNT = 6


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The scheduler file of a cluster with two workers, started as docs/gate.md says."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    file = tmp_path / "scheduler.json"
    words = ["--scheduler-file", str(file), "--no-dashboard"]
    log = (tmp_path / "dask.log").open("w")

    def start(*command):
        command = [sys.executable, "-m", *command, *words]
        return subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})

    started = [start("distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1")]
    while not file.exists():
        assert started[0].poll() is None, (tmp_path / "dask.log").read_text()
        time.sleep(0.1)
    started += [start("distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny") for _ in range(2)]
    yield file
    for process in started:
        process.kill()
        process.wait()
    log.close()


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "submissions"
    place.mkdir()
    for number in range(COUNT):
        (place / f"s{number}.py").write_text((WRONG if number % 2 else RIGHT) + SLEEPS)
    (tmp_path / "task.toml").write_text('activations = ["sigmoid"]\n')
    return place


def asked(folder, **how):
    return judge([str(folder)], profile="quick", only=["contract", "forward"], assignment=str(folder.parent / "task.toml"), **how)


def test_nothing_is_lost_or_judged_twice_where_one_of_two_workers_is_killed(cluster, folder):
    from distributed import Client

    answers = asked(folder, cluster=str(cluster))
    found = [next(answers)]
    with Client(scheduler_file=str(cluster), set_as_default=False) as client:
        client.wait_for_workers(2)
        pids = client.run(os.getpid)
        at_work = [address for address, tasks in client.processing().items() if tasks]
        os.kill(pids[at_work[0]], signal.SIGKILL)
        found += answers
        assert len(client.scheduler_info()["workers"]) == 1
    assert all(isinstance(answer, Judged) for answer in found), found
    found.sort(key=lambda answer: answer.position)
    assert [answer.report.candidate.name for answer in found] == [f"s{number}" for number in range(COUNT)]
    alone = sorted(asked(folder, jobs=2), key=lambda answer: answer.position)
    assert [structs.replace(one.report, timings={}) for one in alone] == [structs.replace(one.report, timings={}) for one in found]


def test_hostile_code_gets_the_same_reports_there(cluster, folder):
    for file in folder.iterdir():
        file.unlink()
    for name in ("forges_an_answer", "kills_itself", "patches_the_worker", "raises_a_hostile_exception", "reads_the_referee"):
        (folder / f"{name}.py").write_text((ROOT / "tests" / "hostile" / f"{name}.py").read_text())
    found, alone = (sorted(asked(folder, **how), key=lambda one: one.position) for how in ({"cluster": str(cluster)}, {"jobs": 1}))
    assert [one.report.verdict for one in found] == ["error", "error", "pass", "error", "pass"]
    assert [(one.report.verdict, one.report.isolation) for one in alone] == [(one.report.verdict, one.report.isolation) for one in found]


def test_a_worker_that_sees_other_files_gives_no_verdict(folder):
    from verifier.candidates.assignment import Assignment
    from verifier.candidates.limits import Limits
    from verifier.candidates.submissions import find_submissions
    from verifier.verification.bench import Setting
    from verifier.verification.cluster import Errand, judge_here
    from verifier.verification.grading import Grading
    from verifier.verification.profiles import PROFILES
    from verifier.verification.record import Request, environment

    candidate = find_submissions([str(folder / "s0.py")], Assignment(str(folder.parent / "task.toml")))[0]
    setting = Setting(Request(PROFILES["quick"], 0, ("contract",)), Limits(), "auto", Grading())
    answer = judge_here(Errand("a", setting, time.time() + 60, environment()), candidate, "another digest")
    assert isinstance(answer, HarnessError)
    assert "same files" in str(answer)
    answer = judge_here(Errand("a", setting, time.time() + 60, {**environment(), "numpy": "1.0"}), candidate, "another digest")
    assert "numpy" in str(answer)
    assert "(here 1.0)" in str(answer)


def test_where_no_scheduler_answers_the_request_is_wrong(folder, monkeypatch):
    monkeypatch.setattr("verifier.verification.cluster.CONNECT_SECONDS", 1)
    with pytest.raises(RequestError, match="no scheduler answers"):
        next(asked(folder, cluster="tcp://127.0.0.1:9"))
    with pytest.raises(RequestError, match="no such scheduler file"):
        next(asked(folder, cluster="nowhere.json"))
