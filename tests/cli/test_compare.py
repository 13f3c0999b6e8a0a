import io
import json
import sys
from pathlib import Path

import msgspec
import pytest

from verifier.cli import main
from verifier.cli.encoding import write_every_sign
from verifier.results.outcome import Measurement, Outcome
from verifier.results.report import CandidateRecord, Diagnosis, Isolation, OwnLine, Report, to_json


@pytest.fixture
def run(tmp_path):
    """A folder of reports: each a name, a verdict, and the error of its one comparison in tolerances."""

    def write(folder, **candidates):
        for name, (verdict, ratio) in candidates.items():
            measurement = Measurement("autograd", 0, "layers 1-1", "weights[0]", ratio * 4e-15, 4e-15, "", "pass")
            report = Report(
                1, verdict, "", CandidateRecord(name, f"{name}.py", "mlp", {}), "ci", 0, (Outcome("autograd", verdict, ""),),
                (measurement,), (), (), None, Isolation(True, True, True), {}, "", {},
            )  # fmt: skip
            (tmp_path / folder / name).mkdir(parents=True)
            (tmp_path / folder / name / "report.json").write_bytes(to_json(report))
        return str(tmp_path / folder)

    return write


def test_what_got_worse_and_better_is_told_and_the_status_is_1(run, capsys):
    old = run("old", a=("pass", 0.1), b=("fail", 0.1), c=("pass", 0.1), d=("pass", 0.1))
    new = run("new", a=("fail", 0.1), b=("pass", 0.1), c=("pass", 0.8), d=("pass", 0.1))
    assert main(["compare", old, new]) == 1
    shown = capsys.readouterr().out
    assert "WORSE     a  pass → fail\n          autograd: pass → fail\n" in shown
    assert "BETTER    b  fail → pass\n" in shown
    assert "autograd: worse in its last bits: largest error 0.1 → 0.8 of its tolerance (3.0 bits lost)" in shown
    assert "  d  " not in shown
    assert shown.endswith("4 candidates: 1 worse, 1 better, 2 the same; 1 lost accuracy\n")


def test_a_new_mistake_is_explained_with_its_place(run, capsys):
    old, new = run("old", a=("pass", 0.1)), run("new", a=("fail", 0.1), b=("fail", 0.1))
    for name in "ab":
        file = Path(new) / name / "report.json"
        named = Diagnosis("sign", "output-delta", "Every gradient has the wrong sign. Step along it and the loss grows.")
        line = OwnLine("a.py", 7, "backprop", "delta = y - a", 0, 13, "delta", "δ[0]", "", None, 0.5, 2)
        report = msgspec.structs.replace(
            msgspec.json.decode(file.read_bytes(), type=Report), diagnosis=(named,), own_lines=(line,), place=line.place
        )
        file.write_bytes(to_json(report))
    assert main(["compare", old, new]) == 1
    said = "          mistake: sign\n          Every gradient has the wrong sign. (a.py, line 7, in backprop)\n"
    shown = capsys.readouterr().out
    assert shown.count(said) == 2
    assert "NEW       b  fail\n" in shown


def test_one_candidate_is_counted_as_one(run, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    write_every_sign()
    main(["compare", run("old", a=("pass", 0.1)), run("new", a=("fail", 0.1))])
    sys.stdout.flush()
    assert b"WORSE     a  pass -> fail" in written.getvalue()
    assert written.getvalue().endswith(b"1 candidate: 1 worse\n")


def test_lost_bits_alone_fail_only_where_it_is_asked_for(run):
    old, new = run("old", a=("pass", 0.1)), run("new", a=("pass", 0.8))
    assert main(["compare", old, new]) == 0
    assert main(["compare", old, new, "--fail-on", "accuracy"]) == 1


def test_a_candidate_that_is_no_longer_judged_is_no_improvement(run, capsys):
    old, new = run("old", a=("fail", 0.1), b=("pass", 0.1)), run("new", b=("pass", 0.1))
    assert main(["compare", old, new]) == 1
    assert "NO LONGER JUDGED  a  fail" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["markdown", "json"])
def test_other_forms_say_the_same(form, run, capsys):
    old, new = run("old", a=("pass", 0.1)), run("new", a=("fail", 0.1))
    assert main(["compare", old, new, "--format", form]) == 1
    shown = capsys.readouterr().out
    if form == "json":
        assert json.loads(shown)[0]["change"] == "worse"
    else:
        assert "| ❌ worse | `a` | pass → fail | autograd: pass → fail |" in shown


def test_single_reports_can_be_named_and_a_missing_one_is_a_wrong_request(run, capsys):
    old = run("old", a=("pass", 0.1))
    assert main(["compare", f"{old}/a", f"{old}/a/report.json"]) == 0
    assert main(["compare", old, f"{old}/nowhere"]) == 2
    assert main(["compare", old, str(old).replace("old", "")]) == 2
    assert "Error: " in capsys.readouterr().err


def test_a_name_with_markup_is_inert(run, capsys):
    old = run("old", a=("pass", 0.1))
    path = Path(old) / "a" / "report.json"
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    evil = msgspec.structs.replace(report, candidate=CandidateRecord("<b>|`x\x1b[31m", "a.py", "mlp", {}), verdict="fail")
    path.write_bytes(to_json(evil))
    assert main(["compare", run("new", a=("pass", 0.1)), old, "--format", "markdown"]) == 1
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "| ``<b>¦`x `` |" in shown.replace("`` <b>", "``<b>")
