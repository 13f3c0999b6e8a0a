"""Would our own tests notice a changed line? Single-line mutants, each against the tests that cover its line, quickest first.

    python -m benchmarks.mutants [TESTS …] [--seconds 90]
    python -m benchmarks.mutants --again

A mutant changes one comparison, sum, product, number, connective, extremum or returned value of
`verifier/{checks,oracles,verification,tolerance,contracts}`. It is noticed by the first test that fails, or where its tests take five
times as long as before. Each test file is run once under coverage (pytest-cov, in the extra `benchmarks`), for `--each` processor seconds.

A run that is stopped, or ends after `--seconds`, goes on at the next call: the folder `.mutants` keeps the copy of the tree that is
mutated, what each test covers, and every answer. `--fresh` begins again. For each survivor benchmarks/mutants.toml has the test that
notices it, since it was looked at, or the reason why it is let be. `--again` asks these tests, with the tree as it is now; a line that is
there no more is gone. Writes results/mutants.txt.
"""

import argparse
import ast
import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.output import publish, table

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".mutants"
COPY = KEPT / "copy"
MUTATED = KEPT / "mutated.json"
PARTS = ("checks/", "oracles/", "verification/", "tolerance.py", "contracts/")
FOLDERS = ("checks", "oracles", "verification", "contracts", "problems", "diagnosis/engine", "diagnosis/layer")
TESTS = (*(f"tests/{folder}" for folder in FOLDERS), "tests/test_tolerance.py", "tests/test_assertions.py", "tests/test_checking.py")
COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn}
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult}
EXCHANGED = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "any": "all", "all": "any"}
PATIENCE = 5  # times as long as before is too slow
AGAIN = 600  # seconds for a test of a survivor, and for all of them without mutants
START = 60  # seconds that a process may take beside its tests
LIBRARIES = ["numpy", "torch"]  # imported once, before the processes are forked


@dataclass(frozen=True)
class Mutant:
    """One changed line of a file, with its indentation and its end."""

    file: str
    line: int
    before: str
    after: str

    @property
    def key(self) -> str:
        """What it is called in the kept answers; also, with a seed, where it stands in the draw."""
        return f"{self.file}:{self.line}: {self.before.strip()} -> {self.after.strip()}"

    def applied(self, source: str) -> str:
        """The module with the line changed."""
        lines = source.splitlines(keepends=True)
        return "".join([*lines[: self.line - 1], self.after, *lines[self.line :]])

    def parses(self) -> bool:
        """Whether the changed module is Python: a change in a part of a line need not be."""
        try:
            ast.parse(self.applied((COPY / self.file).read_text(encoding="utf-8")))
        except SyntaxError:
            return False
        return True


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
            if text != lines[start - 1]:
                yield Mutant(file, start, lines[start - 1], text)


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


@dataclass
class Recording:
    """What the tests cover: the seconds of each test, and the tests of each line by file and line number."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def add(self, seconds: Mapping[str, float], lines: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """One test file's: a line that ran in a fixture belongs to every test of the file, which is what its empty name says."""
        self.seconds.update(seconds)
        for file, covered in lines.items():
            kept = self.lines.setdefault(file, {})
            for number, tests in covered.items():
                kept.setdefault(int(number), set()).update(seconds if "" in tests else (test for test in tests if test in seconds))

    def tests_of(self, mutant: Mutant, in_function: bool, at_most: float) -> list[str]:
        """The tests of a line, quickest first, of `at_most` seconds together; of a line that runs at import, those of its module."""
        covered = self.lines.get(mutant.file, {})
        tests = covered.get(mutant.line, set()) if in_function else set().union(*covered.values())
        chosen: list[str] = []
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            at_most -= self.seconds[test]
            if chosen and at_most < 0:
                break
            chosen.append(test)
        return chosen


class _Recorder:
    """A pytest plug-in: coverage by test, and how long each took; what comes after `limit` seconds of processor is skipped."""

    def __init__(self, limit: float) -> None:
        import coverage

        self.limit = limit
        self.began: float | None = None
        self.seconds: dict[str, float] = {}
        judged = [str(COPY / "verifier" / (part + "*" if part.endswith("/") else part)) for part in PARTS]
        self.coverage = coverage.Coverage(data_file=None, include=judged)
        self.coverage.start()

    def pytest_runtest_setup(self, item: Any) -> None:
        import pytest

        self.coverage.switch_context("")
        self.began = _processor_seconds() if self.began is None else self.began
        if _processor_seconds() - self.began > self.limit:
            pytest.skip("its file has had its time")

    def pytest_runtest_call(self, item: Any) -> None:
        self.coverage.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and report.passed:
            self.seconds[report.nodeid] = report.duration

    def found(self) -> tuple[dict[str, float], dict[str, dict[int, list[str]]]]:
        self.coverage.stop()
        data = self.coverage.get_data()
        return self.seconds, {str(Path(file).relative_to(COPY)): data.contexts_by_lineno(file) for file in data.measured_files()}


def _processor_seconds() -> float:
    """Of this process and of those that it waited for: what else the machine does meanwhile must not choose the tests."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


class _FirstFailure:
    """A pytest plug-in: the name of the first test that fails."""

    def __init__(self) -> None:
        self.name: str | None = None

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self.name is None:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and self.name is None:
            self.name = "cannot be collected"

    def found(self) -> str | None:
        return self.name


def _in_copy(plugin: Callable[[], _Recorder | _FirstFailure], words: Sequence[str], answer: Connection) -> None:
    """In a process of its own: pytest over the copy; the answer is what the plug-in found."""
    os.setsid()
    os.chdir(COPY)
    sys.path[:0] = [str(COPY)]
    sys.dont_write_bytecode = True
    os.environ.update(PYTHONPATH=str(COPY), PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    import pytest

    made = plugin()
    status = pytest.main(["-q", "-p", "no:cacheprovider", "-n", "0", f"--basetemp={KEPT / 'scratch'}", *words], plugins=[made])
    found = made.found()
    answer.send("cannot be collected" if found is None and status not in (0, 5) else found)


def _ask(plugin: Callable[[], _Recorder | _FirstFailure], words: Sequence[str], limit: float) -> Any:
    """What the plug-in found; "too slow" where the process was ended at its limit in seconds, "ended" where it died."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_in_copy, args=(plugin, words, there))
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(limit) else "too slow"
    except EOFError:
        return "ended"
    finally:
        if process.is_alive() and process.pid:
            process.join(1)
            process.kill()
        process.join()


def _kept(file: Path) -> Iterator[Any]:
    return map(json.loads, file.read_text(encoding="utf-8").splitlines()) if file.exists() else iter(())


def _keep(file: Path, row: object) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")


class _RecorderOf:
    """Makes the plug-in on the other side: a recorder cannot travel, its limit can."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __call__(self) -> _Recorder:
        return _Recorder(self.limit)


def record(tests: Sequence[str], each: float, until: float) -> Recording | None:
    """What these tests cover, for `each` seconds a file; None where the time was up before all were run."""
    recording, done = Recording(), set()
    for row in _kept(KEPT / "recording.jsonl"):
        done.add(row["file"])
        recording.add(row["seconds"], row["lines"])
    files = sorted(
        {
            path.relative_to(COPY)
            for test in tests
            for path in ((COPY / test).rglob("test_*.py") if (COPY / test).is_dir() else [COPY / test])
        }
    )
    for file in map(str, files):
        if file in done:
            continue
        if time.perf_counter() > until:
            return None
        found = _ask(_RecorderOf(each), [file], PATIENCE * (START + each))
        seconds, lines = ({}, {}) if isinstance(found, str) else found
        print(f"{file}: {len(seconds)} tests{f', {found}' if isinstance(found, str) else ''}", flush=True)
        row = {"file": file, "seconds": seconds, "lines": lines}
        _keep(KEPT / "recording.jsonl", row)
        recording.add(seconds, lines)
    return recording


def noticed_by(mutant: Mutant, tests: Sequence[str], seconds: float) -> str | None:
    """The first test that fails with the mutant; "too slow" or "ended" where they do not come to an end; None where all pass."""
    listed = KEPT / "tests.txt"
    listed.write_text("\n".join(tests), encoding="utf-8")
    path = COPY / mutant.file
    right = path.read_text(encoding="utf-8")
    MUTATED.write_text(json.dumps({"file": mutant.file, "right": right}), encoding="utf-8")
    path.write_text(mutant.applied(right), encoding="utf-8")
    try:
        found: str | None = _ask(_FirstFailure, ["-x", f"@{listed}"], START + PATIENCE * seconds)
    finally:
        restore()
    return found


def restore() -> None:
    """Take back the mutant that is applied, if there is one: a run may have been killed meanwhile."""
    if MUTATED.exists():
        kept = json.loads(MUTATED.read_text(encoding="utf-8"))
        (COPY / kept["file"]).write_text(kept["right"], encoding="utf-8")
        MUTATED.unlink()


def _inside_functions(source: str) -> set[int]:
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    bodies = [statement for node in nodes for statement in (node.body if isinstance(node.body, list) else [node.body])]
    return {line for one in bodies for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)}


def drawn(recording: Recording, seed: int, at_most: float) -> tuple[int, list[tuple[Mutant, list[str]]]]:
    """How many mutants there are; those that a recorded test covers, with their tests, in the order of the draw."""
    sources = {str(path.relative_to(COPY)): path.read_text(encoding="utf-8") for path in sorted((COPY / "verifier").rglob("*.py"))}
    judged = {file: source for file, source in sources.items() if file.removeprefix("verifier/").startswith(PARTS)}
    inside = {file: _inside_functions(source) for file, source in judged.items()}
    every = [mutant for file, source in judged.items() for mutant in mutants_of(file, source)]
    every.sort(key=lambda mutant: hashlib.sha256(f"{seed} {mutant.key}".encode()).digest())
    with_tests = [(mutant, recording.tests_of(mutant, mutant.line in inside[mutant.file], at_most)) for mutant in every]
    return len(every), [(mutant, tests) for mutant, tests in with_tests if tests]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tests", nargs="*", default=TESTS)
    parser.add_argument("--count", type=int, default=150, help="how many mutants are asked")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so long; the next call goes on")
    parser.add_argument(
        "--each", type=float, default=10, help="processor seconds for which a file is recorded; its other tests are left out"
    )
    parser.add_argument("--most", type=float, default=30, help="seconds of tests that a mutant is asked, quickest first")
    parser.add_argument("--fresh", action="store_true", help="forget what was kept")
    parser.add_argument("--again", action="store_true", help="ask the tests that are to notice the survivors, on the tree as it is now")
    chosen = parser.parse_args()
    until = time.perf_counter() + chosen.seconds
    if chosen.fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    if chosen.again:
        publish("mutants", "\n".join([(KEPT / "first.txt").read_text(encoding="utf-8"), *again()]))
        return
    if not COPY.exists():
        (KEPT / "revision").write_text(_copy_the_tree(), encoding="utf-8")
    restore()
    recording = record(chosen.tests, chosen.each, until)
    if recording is None:
        print("The recording goes on at the next call.")
        return
    there, reached = drawn(recording, chosen.seed, chosen.most)
    possible = ((mutant, tests) for mutant, tests in reached if mutant.parses())
    reached_by_key = {mutant.key: (mutant, tests) for mutant, tests in itertools.islice(possible, chosen.count)}
    answers = {row["mutant"]: row["noticed_by"] for row in _kept(KEPT / "answers.jsonl") if row["mutant"] in reached_by_key}
    for key, (mutant, tests) in reached_by_key.items():
        if time.perf_counter() > until:
            break
        if key not in answers:
            answers[key] = noticed_by(mutant, tests, sum(map(recording.seconds.__getitem__, tests)))
            _keep(KEPT / "answers.jsonl", {"mutant": key, "noticed_by": answers[key]})
    text = "\n".join(_lines(chosen, recording, there, len(reached), answers))
    (KEPT / "first.txt").write_text(text, encoding="utf-8")
    print(text)


def _copy_the_tree() -> str:
    """The tree as it is now, in place of an earlier copy; its revision."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(ROOT, COPY, ignore=shutil.ignore_patterns(".git", ".mutants", ".tox", ".venv", "__pycache__", "*_cache"))
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return revision.stdout.strip() or "no git"


def again() -> Iterator[str]:
    """What became of each survivor, by the test or the reason that it has now."""
    survivors = [row["mutant"] for row in _kept(KEPT / "answers.jsonl") if row["noticed_by"] is None]
    revision, now = _copy_the_tree(), {key: _now(key) for key in survivors}
    failing = _ask(_FirstFailure, sorted({test for test in now.values() if test.startswith("tests/")}), AGAIN)
    if failing is not None:
        raise SystemExit(f"{failing} fails, or is too slow, without any mutant: nothing can be noticed by it.")
    counts = Counter[str]()
    yield f"\nThe survivors again, at {revision}:"
    for key, by in now.items():
        mutant = _located(key)
        if mutant is None:
            became = "gone"
        elif by.startswith("tests/"):
            became = "noticed" if noticed_by(mutant, [by], AGAIN) is not None else "survives"
        else:
            became = "let be" if by else "survives"
        counts[became] += 1
        yield f"{became}: {key}\n    {by}"
    yield ", ".join(f"{count} {became}" for became, count in counts.most_common()) + "."


def _now(key: str) -> str:
    """The test that is to notice a survivor, or why it is let be; "" where nobody looked at it."""
    found: str = tomllib.loads((ROOT / "benchmarks" / "mutants.toml").read_text(encoding="utf-8")).get(key.partition(": ")[2], "")
    return found


def _located(key: str) -> Mutant | None:
    """The same change to the tree as it is now, where the line may have moved; None where it is there no more."""
    place, _, change = key.partition(": ")
    file, _, line = place.rpartition(":")
    path = COPY / file
    alike = [one for one in mutants_of(file, path.read_text(encoding="utf-8")) if one.key.endswith(f": {change}")] if path.exists() else []
    return min(alike, key=lambda one: abs(one.line - int(line)), default=None)


def _lines(chosen: argparse.Namespace, recording: Recording, there: int, reached: int, answers: Mapping[str, str | None]) -> Iterator[str]:
    survivors = [key for key, by in answers.items() if by is None]
    yield f"Revision {(KEPT / 'revision').read_text()}; {len(recording.seconds)} tests, {chosen.each:.0f} s of each file, were recorded."
    yield (
        f"{reached} of {there} mutants are on lines that they cover; {len(answers)} were asked, {chosen.most:.0f} s of tests each"
        f" (seed {chosen.seed})."
    )
    yield f"{len(answers) - len(survivors)} are noticed, {len(survivors)} survive: {len(survivors) / max(len(answers), 1):.0%}."
    parts = {part: [key for key in answers if key.startswith(f"verifier/{part}")] for part in PARTS}
    yield table(
        [(part, len(keys), sum(answers[key] is None for key in keys)) for part, keys in parts.items()], ["part", "asked", "survive"]
    )


if __name__ == "__main__":
    main()
