"""What docs/gate.md says of formats, keys, inputs and scores, held against what there is."""

import json
import re
import tomllib
from pathlib import Path

import yaml

from verifier.candidates.assignment import read_assignment
from verifier.cli.project import KEYS, read_project
from verifier.contracts.layer.manifest import claims_from
from verifier.reports.formats import FORMATS
from verifier.reports.gradescope import write
from verifier.results.baseline import read_baseline
from verifier.results.outcome import Outcome
from verifier.results.report import CandidateRecord, Isolation, Report

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)


def test_every_format_has_its_row():
    rows = re.findall(r"^\| `(\w+)` \| `([\w.]+)` \| ([^|]+) \|", TEXT, re.M)
    assert [(name, file) for name, file, _ in rows] == [(format.name, format.file) for format in FORMATS.values()]
    assert [name for name, _, holds in rows if holds != "no"] == [name for name, format in FORMATS.items() if format.together]


def test_every_key_of_a_project_is_named_and_the_example_is_read(tmp_path):
    assert all(f"`{key}`" in TEXT for key in KEYS)
    known, project, assignment, of_layers = blocks("toml")
    (tmp_path / "pyproject.toml").write_text(project)
    assert set(read_project(tmp_path).options) == {name.replace("-", "_") for name in tomllib.loads(project)["tool"]["verifier"]} - {
        "candidates",
        "output",
    } | {"outputs"}
    assert read_baseline(known, "example")[0].fault == "factor-outputs"
    (tmp_path / "assignment.toml").write_text(assignment)
    assert read_assignment(str(tmp_path / "assignment.toml")).weights["points"] == 20
    (tmp_path / "layers.toml").write_text(of_layers)
    claims = read_assignment(str(tmp_path / "layers.toml")).claims
    assert [layer.name for layer in claims_from(claims).layers] == ["affine", "relu", "softmax_loss"]


def test_every_input_of_the_action_is_named():
    inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    assert all(f"`{name}`" in TEXT for name in inputs)


def test_what_is_linked_is_there():
    assert all((ROOT / "docs" / link).exists() for link in re.findall(r"\]\(([^)#:]+)\)", TEXT))


def test_a_grader_that_wants_all_or_nothing_rescores_as_the_page_says(tmp_path, monkeypatch):
    (code,) = blocks("python")
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / "results.json"
    monkeypatch.chdir(tmp_path)
    for verdict, score in (("fail", 0.0), ("pass", 10.0)):
        record = CandidateRecord("c", "c.py", "mlp", {})
        checks = (Outcome("contract", "pass", "Words."), Outcome("autograd", verdict, "Words."))
        file.write_text(
            write(Report(1, verdict, "Words.", record, "ci", 0, checks, (), (), (), None, Isolation(True, True, True), {}, "", {}))
        )
        before = json.loads(file.read_text())
        exec(compile(code, "gate.md", "exec"), {})
        assert json.loads(file.read_text()) == {**before, "score": score}
