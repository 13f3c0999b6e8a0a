"""What README.md, docs/reading.md and docs/tutorial.md say, held against what happens: commands, shown output, options.

A shown output that ends in a line "…" shows the beginning.

Shown output is written anew by: UPDATE_README=1 pytest tests/test_readme.py
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import verifier
from verifier.cli.check import check
from verifier.cli.exit_status import CANDIDATE_WRONG, PASSED

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, ROOT / "docs" / "reading.md", ROOT / "docs" / "tutorial.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
VENV = ".venv/bin/"


def blocks(language: str, *pages: Path) -> list[str]:
    texts = [page.read_text(encoding="utf-8") for page in pages or (README,)]
    return [text for page in texts for kind, text in BLOCK.findall(page) if kind == language]


def shown_runs() -> list[tuple[str, str]]:
    """(command, shown output): the first command's output stands alone, others begin with "$ command"."""
    first, *others = blocks("", *PAGES)
    runs = [(blocks("sh")[0].split("&&")[-1].strip().removeprefix(VENV), first)]
    return runs + [(command.removeprefix("$ "), output) for command, _, output in (text.partition("\n") for text in others)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A command of the README, in a folder with what it names."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "reference_impls", folder / "reference_impls", ignore=shutil.ignore_patterns("__pycache__"))
    for code in blocks("python", *PAGES):
        if name := re.match(r"# (\w+\.py)\n", code):
            (folder / name[1]).write_text(code, encoding="utf-8")
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(Path(verifier.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}

    def run_words(words: list[str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120
        )
        assert done.stderr == ""
        return done

    return run_words


def but_for_the_machine(output: str) -> str:
    """Without seconds, which differ each time, and without the figures of checks that pass: rounding, which differs with the processor."""
    output = re.sub(r"\d+(\.\d+)? s\b", "… s", output)
    output = re.sub(r"above [\d.e-]+ of", "above … of", output)
    return re.sub(r"^(  [\w-]+ +pass) .*$", r"\1", output, flags=re.M)


ROUNDING = re.compile(r"-?\d+(?:\.\d+)?e-(?:0?[6-9]|[1-9]\d)\b")  # below 1e-5: what rounding makes of it, not a value of the example


def same_but_for_rounding(shown: str, printed: str) -> bool:
    """Whether two outputs say the same: values digit by digit, what is rounding by order of magnitude, as processors add in other orders.

    A number of another length moves what stands behind it, so that spaces and the breaks of lines do not count.
    """
    texts = [re.sub(r"\s+", " ", ROUNDING.sub("…", text)) for text in (shown, printed)]
    pairs = zip(ROUNDING.findall(shown), ROUNDING.findall(printed), strict=False)
    return texts[0] == texts[1] and all(0.1 <= abs(float(one)) / abs(float(other)) <= 10 for one, other in pairs)


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("error 0.01, tolerance 2.9e-12", True),
        ("error 0.01,\n  tolerance 1e-12", True),
        ("error 0.01, tolerance 2.9e-10", False),
        ("error 0.02, tolerance 2.3e-12", False),
        ("error 0.01, tolerance 0.23", False),
    ],
)
def test_values_are_compared_by_digit_and_rounding_by_its_order_of_magnitude(printed, same):
    assert same_but_for_rounding("error 0.01, tolerance 2.3e-12", printed) is same


def trimmed(output: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in output.rstrip().split("\n"))


@pytest.mark.parametrize("number", range(len(shown_runs())))
def test_shown_output_is_what_the_command_prints(number, run):
    command, shown = shown_runs()[number]
    assert command.startswith("verifier check ")
    done = run(["-m", *command.split()])
    printed = trimmed(done.stdout)
    if os.environ.get("UPDATE_README"):
        cut = printed if not shown.endswith("\n…\n") else "".join(printed.splitlines(keepends=True)[: shown.count("\n") - 1]) + "…\n"
        for page in PAGES:
            page.write_text(page.read_text(encoding="utf-8").replace(f"\n{shown}```", f"\n{cut}```"), encoding="utf-8")
        return
    whole = printed
    if shown.endswith("\n…\n"):
        shown = shown.removesuffix("…\n")
        printed = "".join(printed.splitlines(keepends=True)[: shown.count("\n")])
    assert same_but_for_rounding(but_for_the_machine(shown), but_for_the_machine(printed)), printed
    assert done.returncode == (CANDIDATE_WRONG if "\nFAIL" in f"\n{whole}" else PASSED)


def test_the_first_screen_shows_a_pass_and_a_failure_with_its_numbers():
    shown = blocks("")[0]
    assert re.search(r"^PASS ", shown, re.M)
    assert re.search(r"^FAIL ", shown, re.M)
    assert re.search(r"Error [\d.e-]+,\s+tolerance [\d.e-]+", shown)
    assert README.read_text(encoding="utf-8").index(blocks("sh")[1]) < 2000


@pytest.mark.parametrize("command", blocks("sh"))
def test_a_command_can_be_pasted_as_one_line(command):
    assert command.count("\n") == 1
    assert "sudo" not in command


def test_ci_runs_the_test_command_word_for_word_and_beyond_it_only_installs_the_browser_that_the_readme_names():
    lines = [line for line in (ROOT / ".ci" / "run").read_text().split("\n") if line and not line.startswith("#")]
    first, place, condition, install, end, command = lines
    assert (first, place, command) == ("set -euo pipefail", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."', blocks("sh")[1].strip())
    assert condition.startswith("if ! command -v chromium")
    assert "apt-get install --yes --no-install-recommends chromium ||" in install
    assert end == "fi"
    assert "`apt-get install chromium`" in README.read_text(encoding="utf-8")


def test_the_python_example_runs(run):
    (code,) = [code for code in blocks("python", *PAGES) if 'verifier.check("my_network.py"' in code]
    done = run(["-c", code])
    assert done.returncode == 0
    assert done.stdout.startswith("pass\n")


def test_every_option_of_check_is_named():
    text = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
    for parameter in check.params:
        for option in parameter.opts:
            assert option == "candidates" or f"`{option}" in text, option
        for choice in getattr(parameter.type, "choices", ()):
            assert re.search(rf"`[^`\n]*\b{choice}`", text), choice


def test_every_document_that_is_linked_is_there():
    for page in PAGES:
        links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        assert links
        assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_stays_short():
    assert README.read_text(encoding="utf-8").count("\n") < 200
