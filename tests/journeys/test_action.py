"""The action as a runner runs it: its own script, with the variables that action.yml hands it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
pytestmark = pytest.mark.skipif(os.name != "posix" or not shutil.which("bash"), reason="the action's script wants bash")


@pytest.fixture
def act(tmp_path, command):
    """The action's step "Verify" with these inputs; its exit status, its log, summary and outputs."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "verifier").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m verifier "$@"\n')
    (tools / "verifier").chmod(0o755)
    step = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "verify")

    def run(**inputs):
        given = {name: value["default"] for name, value in ACTION["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()} | {"report-dir": str(tmp_path / "reports")}
        variables = {
            name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value) for name, value in step["env"].items()
        }
        environment = {
            **os.environ,
            **variables,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "OPENBLAS_NUM_THREADS": "1",
        }
        done = subprocess.run(["bash", "-c", step["run"]], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
        assert f"status={done.returncode}\n" in (tmp_path / "output").read_text()
        return done, summary

    return run


def commands_of(log):
    """The workflow commands that a runner would obey: those between ::stop-commands:: and its token are text."""
    obeyed, token = [], None
    for line in log.splitlines():
        if token is not None:
            token = None if line.strip() == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.lstrip().startswith("::") or "##[" in line:
            obeyed.append(line)
    assert token is None
    return obeyed


def test_right_and_wrong_candidates_end_in_status_summary_and_annotations(act, tmp_path):
    candidates = "reference_impls/correct/vectorised_rows.py\n\n  reference_impls/worked_example/squared_error.py  \n"
    done, summary = act(candidates=candidates, profile="quick")
    assert done.returncode == 1, done.stderr
    (error,) = [line for line in commands_of(done.stdout) if line.startswith("::error")]
    assert error.startswith(
        "::error file=reference_impls/worked_example/squared_error.py,line=43,title=worked-example-squared-error%3A fail"
    )
    assert summary.startswith("# ❌ 2 candidates: 1 pass, 1 fail\n")
    assert "PASS  vectorised_rows" in done.stdout
    assert (tmp_path / "reports" / "junit.xml").exists()
    assert (tmp_path / "reports" / "vectorised_rows" / "report.json").exists()


def test_a_pass_annotates_nothing(act):
    done, summary = act(candidates="reference_impls/correct/vectorised_rows.py", profile="quick")
    assert done.returncode == 0, done.stderr
    assert commands_of(done.stdout) == []
    assert summary.startswith("# ✅ PASS: vectorised_rows\n")


def test_a_known_failure_is_a_notice_and_no_failure(act, tmp_path):
    (tmp_path / "known.toml").write_text(
        '[[known]]\ncandidate = "worked-example-squared-error"\nverdict = "fail"\n'
        'checks = ["finite-difference", "autograd"]\nreason = "the text contradicts itself"\n'
    )
    done, summary = act(
        candidates="reference_impls/worked_example/squared_error.py", profile="quick", baseline=str(tmp_path / "known.toml")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (notice,) = commands_of(done.stdout)
    assert notice.startswith("::notice ")
    assert "known failure: the text contradicts itself" in notice
    assert summary.startswith("# ✅ 1 candidate: 1 fail, 1 known\n")


def test_what_a_candidate_prints_gives_the_runner_no_command(act, tmp_path):
    evil = tmp_path / "evil.py"
    evil.write_text(
        "def backprop(weights, biases, x, y):\n"
        "    print('::error::forged'); print('##[error]forged'); print('x ##[warning]forged')\n"
        "    raise ValueError('::notice::forged\\n::warning::forged ##[error]forged')\n"
    )
    done, _ = act(candidates=str(evil), profile="quick")
    assert done.returncode == 1
    (error,) = commands_of(done.stdout)
    assert error.startswith(f"::error file={evil},line=3,title=evil%3A error")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"candidates": "nowhere.py"}, "nowhere.py"),
        ({"candidates": "x.py", "arguments": "--prfile ci"}, "--profile"),
        ({"candidates": "x.py; touch pwned"}, "touch pwned"),
    ],
)
def test_a_wrong_request_is_2_and_says_why_in_all_places(inputs, words, act):
    done, summary = act(**inputs)
    assert done.returncode == 2
    assert words in next(line for line in commands_of(done.stdout) if line.startswith("::error"))
    assert words in summary
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize(
    ("inputs", "installed"),
    [
        ({}, ["-m pip install torch>=2.11 --index-url https://download.pytorch.org/whl/cpu", "-m pip install ACTION"]),
        ({"torch-index": "", "packages": ". scikit-learn"}, ["-m pip install ACTION . scikit-learn"]),
        ({"torch-index": "", "install": "", "packages": "."}, ["-m pip install ."]),
    ],
)
def test_a_torch_without_cuda_comes_first_then_the_verifier_and_ones_own_package(inputs, installed, tmp_path):
    (tmp_path / "python").write_text('#!/bin/sh\necho "$@" >> "$RECORD"\n')
    (tmp_path / "python").chmod(0o755)
    given = {name: value["default"] for name, value in ACTION["inputs"].items()} | inputs
    step = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "install")
    variables = {name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value) for name, value in step["env"].items()}
    environment = {**variables, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "GITHUB_ACTION_PATH": "ACTION"}
    subprocess.run(["bash", "-euc", step["run"]], env={**environment, "RECORD": str(tmp_path / "record")}, check=True)
    assert (tmp_path / "record").read_text().splitlines() == installed


def test_every_input_is_handed_on_by_a_variable_and_none_stands_in_a_script():
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
    handed = " ".join(value for step in ACTION["runs"]["steps"] for value in step["env"].values())
    assert all(f"inputs.{name} " in handed for name in ACTION["inputs"])


def test_the_example_workflow_and_the_hook_name_what_there_is():
    workflow = yaml.safe_load((ROOT / "docs" / "examples" / "verify.yml").read_text(encoding="utf-8"))
    (step,) = [step for step in workflow["jobs"]["verify"]["steps"] if "backprop-verifier" in step.get("uses", "")]
    assert set(step["with"]) <= set(ACTION["inputs"])
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["entry"].startswith("verifier check ")
    assert "https://download.pytorch.org/whl/cpu" in hook["additional_dependencies"][0]
