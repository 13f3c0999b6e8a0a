"""The attacks on the judgement that docs/isolation.md lists: every test that it names is there, and none of two files is left out."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "isolation.md").read_text(encoding="utf-8").partition("## Attacks on the judgement\n")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in SECTION.splitlines() if line.startswith("| ")][2:]
LISTED_WHOLE = ("test_who_decides", "test_other_peoples_folders")


def names_in_file(stem: str) -> set[str]:
    found = list((ROOT / "tests").rglob(f"{stem}.py"))
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in found]
    return {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def named_in(cell: str) -> list[tuple[str, str]]:
    return re.findall(r"`(test_\w+)::(test_\w+)`", cell)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_names_tests_that_are_there(row):
    _, held_by, tests, without = row
    assert held_by and named_in(tests)
    assert without in ("–", "the same") or named_in(without)
    for stem, name in named_in(tests) + named_in(without):
        assert name in names_in_file(stem), f"{stem} has no {name}"


@pytest.mark.parametrize("stem", LISTED_WHOLE)
def test_no_attack_of_these_files_is_left_out(stem):
    assert names_in_file(stem) <= {name for row in ROWS for cell in row for _, name in named_in(cell)}
