from pathlib import Path

import pytest

from verifier.cli import main
from verifier.cli.project import NO_PROJECT, read_project
from verifier.errors import RequestError


@pytest.fixture
def project(tmp_path):
    """A project with this table, seen from a folder below."""

    def write(table: str) -> Path:
        (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
        (tmp_path / "src").mkdir(exist_ok=True)
        return tmp_path / "src"

    return write


def test_paths_are_those_of_the_project_wherever_the_command_runs(project):
    start = project(
        '[tool.verifier]\ncandidates = ["src", "nets/a.py", "package.module"]\nbaseline = "known.toml"\nreport-dir = "out"\n'
        'output = ["junit=verify.xml"]\nseed = 3\nfail-on = ["note"]\nformat = ["html"]\n'
    )
    found = read_project(start)
    assert found.candidates == (".", "../nets/a.py", "package.module")
    assert found.options == {
        "baseline": "../known.toml",
        "report_dir": "../out",
        "outputs": ("junit=../verify.xml",),
        "seed": 3,
        "fail_on": ("note",),
        "formats": ("html",),
    }


def test_a_project_without_the_table_says_nothing_and_one_above_is_heard(project):
    start = project('[tool.verifier]\nprofile = "quick"\n')
    (start / "pyproject.toml").write_text("[project]\nname = 'inner'\n")
    assert read_project(start).options == {"profile": "quick"}
    assert read_project(Path("/")) == NO_PROJECT


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[tool.verifier]\nprofil = "ci"', "key 'profil' is not known. Did you mean 'profile'?"),
        ('[tool.verifier]\ncandidates = "a.py"', "must be a list of strings"),
        ("[tool.verifier]\nprofile = 3", "must be a string"),
        ("[tool.verifier]\nseed = true", "must be a whole number"),
        ("[tool]\nverifier = 1", "must be a table"),
        ("[tool.verifier", "pyproject.toml: "),
    ],
)
def test_what_cannot_be_understood_is_a_wrong_request(table, words, project, monkeypatch, capsys):
    start = project(table)
    with pytest.raises(RequestError) as error:
        read_project(start)
    assert words in str(error.value)
    monkeypatch.chdir(start)
    assert main(["check", "x.py"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_values_are_held_to_what_the_option_allows(project, monkeypatch, capsys):
    monkeypatch.chdir(project('[tool.verifier]\nprofile = "slow"\n'))
    assert main(["check", "x.py"]) == 2
    assert "'quick', 'ci', 'thorough', 'grading'" in capsys.readouterr().err


def test_help_is_shown_beside_a_broken_project(project, monkeypatch):
    monkeypatch.chdir(project("[tool.verifier"))
    assert main(["check", "--help"]) == 0
