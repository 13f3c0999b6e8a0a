"""Would our own tests notice a changed line? Single-line mutants, each against the tests that cover its line, quickest first.

    python -m benchmarks.mutants [TESTS …]

Lines and their tests come from one run under coverage (pytest-cov, in the extra `benchmarks`). A mutant changes one comparison, sum,
product, number, connective, extremum or returned value of `verifier/{checks,oracles,verification,tolerance,contracts}`; it is noticed
by the first test that fails, or where its tests take five times as long as before.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.output import table

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("checks/", "oracles/", "verification/", "tolerance.py", "contracts/")
TESTS = ("tests/checks", "tests/oracles", "tests/verification", "tests/contracts", "tests/problems", "tests/test_tolerance.py")
COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn}
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult}
EXCHANGED = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "any": "all", "all": "any"}
PATIENCE = 5

DURATIONS = """
import json, os
seconds = {}


def pytest_runtest_logreport(report):
    seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish():
    with open(os.environ["DURATIONS"], "w") as file:
        json.dump(seconds, file)
"""


@dataclass(frozen=True)
class Mutant:
    """One changed line of a file: `before` and `after` are the line's texts without indentation."""

    file: str
    line: int
    before: str
    after: str
    source: str


def mutants_of(file: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module whose change stays on one line."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        start, end = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
        if start == 0 or start != end:
            continue
        line = lines[start - 1].encode()
        for changed in _changed(node):
            text = (line[: node.col_offset] + ast.unparse(changed).encode() + line[node.end_col_offset :]).decode()  # type: ignore[attr-defined]
            whole = "".join([*lines[: start - 1], text, *lines[start:]])
            if text != lines[start - 1] and _parses(whole):
                yield Mutant(file, start, lines[start - 1].strip(), text.strip(), whole)


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=comparators) if type(op) in COMPARED:
            yield ast.Compare(left, [COMPARED[type(op)]()], comparators)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in COMPUTED:
            yield ast.BinOp(left, COMPUTED[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield from (ast.Constant(value + 1), ast.Constant(1000 * value if value else 1000))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in EXCHANGED:
            yield ast.Call(ast.Name(EXCHANGED[name]), args, keywords)
        case ast.Call(func=ast.Attribute(value=owner, attr=name), args=args, keywords=keywords) if name in EXCHANGED:
            yield ast.Call(ast.Attribute(owner, EXCHANGED[name]), args, keywords)
        case ast.Return(value=ast.AST()):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.AugAssign():
            yield ast.Pass()


def record(copy: Path, tests: Sequence[str], scratch: Path) -> tuple[dict[tuple[str, int], set[str]], dict[str, float]]:
    """The tests that cover each line, by file and line; and how long each test takes, in seconds."""
    (scratch / "durations_plugin.py").write_text(DURATIONS, encoding="utf-8")
    environment = _environment(copy, scratch) | {"COVERAGE_FILE": str(scratch / "coverage"), "DURATIONS": str(scratch / "durations.json")}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "durations_plugin", "-p", "no:cacheprovider", "--cov=verifier"]
    subprocess.run([*words, "--cov-context=test", "--cov-report=", *tests], cwd=copy, env=environment, check=False)
    from coverage import CoverageData

    data = CoverageData(str(scratch / "coverage"))
    data.read()
    covering: dict[tuple[str, int], set[str]] = {}
    for file in data.measured_files():
        for line, contexts in data.contexts_by_lineno(file).items():
            covering[str(Path(file).relative_to(copy)), line] = {one.partition("|")[0] for one in contexts if one}
    return covering, json.loads((scratch / "durations.json").read_text())


def _environment(copy: Path, scratch: Path) -> dict[str, str]:
    path = os.pathsep.join([str(copy), str(scratch)])
    return os.environ | {
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "VERIFIER_CACHE": str(scratch / "cache"),
    }


def noticed_by(mutant: Mutant, copy: Path, tests: Sequence[str], seconds: Mapping[str, float], scratch: Path) -> str | None:
    """The first test that fails with the mutant; "too slow" where they take too long; None where all pass."""
    ordered = sorted(tests, key=lambda test: seconds.get(test, 0.0))
    listed = scratch / "tests.txt"
    listed.write_text("\n".join(ordered), encoding="utf-8")
    path = copy / mutant.file
    right = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    limit = 60 + PATIENCE * sum(seconds.get(test, 0.0) for test in ordered)
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"@{listed}"]
    try:
        done = subprocess.run(words, cwd=copy, env=_environment(copy, scratch), capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return "too slow"
    finally:
        path.write_text(right, encoding="utf-8")
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0].split(" ")[1] if failed else "cannot be collected"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tests", nargs="*", default=TESTS)
    parser.add_argument("--count", type=int, default=150, help="how many mutants are drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop drawing after so long")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        _print(chosen, Path(scratch))


def _print(chosen: argparse.Namespace, scratch: Path) -> None:
    copy = scratch / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".tox", ".venv", "__pycache__", ".whl"))
    covering, seconds = record(copy, chosen.tests, scratch)
    files = [path for path in sorted((copy / "verifier").rglob("*.py")) if str(path.relative_to(copy / "verifier")).startswith(PARTS)]
    drawn = [mutant for path in files for mutant in mutants_of(str(path.relative_to(copy)), path.read_text(encoding="utf-8"))]
    reached = [mutant for mutant in drawn if covering.get((mutant.file, mutant.line))]
    random.Random(chosen.seed).shuffle(reached)
    started, asked, survivors = time.perf_counter(), 0, []
    for mutant in reached[: chosen.count]:
        if time.perf_counter() - started > chosen.seconds:
            break
        asked += 1
        if noticed_by(mutant, copy, sorted(covering[mutant.file, mutant.line]), seconds, scratch) is None:
            survivors.append(mutant)
            print(f"survives: {mutant.file}:{mutant.line}\n    {mutant.before}\n    {mutant.after}", flush=True)
    print(
        f"{len(reached)} of {len(drawn)} mutants are on lines that {' '.join(chosen.tests)} cover; {asked} were asked (seed {chosen.seed})."
    )
    print(f"{asked - len(survivors)} are noticed, {len(survivors)} survive: {len(survivors) / max(asked, 1):.0%}.")
    by_part = {part: sum(one.file.startswith(f"verifier/{part}") for one in survivors) for part in PARTS}
    print(table(by_part.items(), ["part", "survivors"]))


if __name__ == "__main__":
    main()
