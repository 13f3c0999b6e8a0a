"""A run as a whole: the same report for the same seed in another process, a run limited to some checks, what the report holds."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from verifier.candidates.discovery import find_candidates
from verifier.candidates.session import Target
from verifier.candidates.zygote import Zygote
from verifier.checks.catalogue import check_ids
from verifier.reports import html, markdown
from verifier.results.report import from_json, to_json

ROOT = Path(__file__).parents[2]
RUN = """
import sys
from verifier.results.report import to_json
from verifier.verification.judging import judge
for judged in judge([sys.argv[1]], profile="quick", seed=int(sys.argv[2])):
    sys.stdout.buffer.write(to_json(judged.report))
"""


def report_of(candidate: str, seed: int, cache: Path):
    """The report of a run in a process of its own, without its timings."""
    environment = {**os.environ, "VERIFIER_CACHE": str(cache), "PYTHONHASHSEED": "random", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN, f"reference_impls/{candidate}", str(seed)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=300)
    assert done.stderr == b""
    return msgspec.structs.replace(from_json(done.stdout), timings={})


def test_the_same_seed_gives_the_same_report_drawn_or_kept(tmp_path):
    # Three runs: drawn, from the kept corpus, and drawn again elsewhere.
    first, second, third = (report_of("faulty/tanh_derivative_unsquared.py", 11, tmp_path / cache) for cache in ("a", "a", "b"))
    assert to_json(first) == to_json(second) == to_json(third)
    assert first.seed == 11


def test_another_seed_asks_about_other_networks(report, plain):
    first, second = report(plain, seed=1, only=("autograd",)), report(plain, seed=2, only=("autograd",))
    assert [m.network for m in first.measurements] != [m.network for m in second.measurements]
    assert (first.verdict, second.verdict) == ("pass", "pass")


def test_every_check_has_an_outcome_in_its_order(report, plain):
    found = report(plain)
    assert tuple(one.id for one in found.checks) == check_ids()
    assert {one.status for one in found.checks} == {"pass"}


@pytest.mark.parametrize("check", ["forward", "finite-difference", "autograd", "purity", "stability"])
def test_a_run_limited_to_a_check_asks_that_one_and_the_contract(check, report, plain):
    assert [one.id for one in report(plain, only=(check,)).checks] == ["contract", check]


def test_every_measurement_shows_its_error_beside_a_tolerance_with_a_source(report, plain):
    found = report(plain.but("delta.sum(axis=0)", "delta.mean(axis=0)"))
    decided = [measurement for measurement in found.measurements if measurement.status in ("pass", "fail")]
    assert {measurement.check for measurement in decided} >= {"forward", "finite-difference", "autograd", "purity", "batch-additivity"}
    for measurement in decided:
        assert measurement.source and measurement.network and measurement.tolerance > 0
        assert (measurement.error <= measurement.tolerance) == (measurement.status == "pass")
    failed = [m for m in decided if m.check == "finite-difference" and m.status == "fail"]
    assert failed and all(len(m.differences) == len(m.steps) > 1 for m in failed)


def test_a_report_survives_its_json(report, plain):
    found = report(plain.but("delta.sum(axis=0)", "delta.mean(axis=0)"))
    assert to_json(from_json(to_json(found))) == to_json(found)


def test_the_report_says_whether_the_worker_was_a_user_of_its_own(report, plain):
    assert report(plain, only=("contract",)).isolation.own_user is False  # tmp_path is its owner's alone
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        file = Path(folder, "student.py")
        file.write_text(plain, encoding="utf-8")
        (candidate,), _ = find_candidates([str(file)])
        with Zygote() as zygote, zygote.start(Target(candidate.file, None, candidate.readable)) as worker:
            told = worker.hello["isolation"]["own_user"]
        assert told is False or os.geteuid() == 0
        assert report(file, only=("contract",)).isolation.own_user is told


SENDS_NONSENSE = """
import os, stat
channel = next(n for n in range(3, 1 << 12) if os.path.exists(f"/proc/self/fd/{n}") and stat.S_ISSOCK(os.fstat(n).st_mode))
os.write(channel, b"nonsense that is no frame, where the functions are told")
"""


def test_of_a_worker_that_was_ended_before_its_hello_was_believed_isolation_is_not_known(report, plain):
    refused = report(plain.but("import numpy as np", f"import numpy as np{SENDS_NONSENSE}"), only=("contract",))
    assert refused.verdict == "error" and "something else than an answer" in refused.summary
    assert refused.isolation.known is False
    assert "isolation: not known" in markdown.write(refused)
    assert not any("not isolated" in write(refused).lower() for write in (markdown.write, html.write))
    assert report(plain, only=("contract",)).isolation.known is True


def test_an_older_report_does_not_say_so_and_stays_readable(report, plain):
    found = to_json(report(plain, only=("contract",)))
    told = b',\n    "own_user": false'
    assert found.count(told) == 1
    assert from_json(found.replace(told, b"")).isolation.own_user is None
    assert b"own_user" not in to_json(from_json(found.replace(told, b"")))


def test_what_was_printed_is_kept_where_it_fails_and_not_where_it_passes(report, plain):
    printing = plain.but("    loss = np.sum(", "    print('so far', len(x))\n    loss = np.sum(")
    assert report(printing).printed == ""
    assert "so far" in report(printing.but("delta.sum(axis=0)", "delta.mean(axis=0)")).printed


def test_the_claims_and_the_environment_are_written_down(report, plain):
    found = report(plain, only=("contract",))
    assert found.candidate.name == "student" and found.candidate.contract == "mlp"
    assert found.profile == "quick" and found.seed == 0
    assert {"python", "platform", "numpy", "torch", "hypothesis", "backprop-verifier"} <= set(found.environment)
