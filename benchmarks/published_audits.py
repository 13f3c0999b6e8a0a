"""`verifier audit` on published projects, as they are; and mistakes made in them by hand, which their tests let pass.

    python -m benchmarks.published_audits NAME FOLDER    (benchmarks/results/published_audits.txt has what it printed)

NAME is one of PROJECTS; FOLDER is where its tests run: the unpacked source distribution, or an empty one where the package ships its tests.
The project is installed beside the verifier. Nothing of it is changed: a mistake is made by a plug-in that pytest is given.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent

import msgspec

from benchmarks.output import table
from verifier.audit.reporting.wording import figure, short
from verifier.audit.results import FINDINGS, Audit, Function, Outcome, Proposal

OUTCOMES: tuple[Outcome, ...] = ("noticed", *FINDINGS)


@dataclass(frozen=True)
class ByHand:
    """One mistake, made without the audit's machinery.

    Attributes:
        function, mutant: what the audit calls it.
        code: a module that makes it.
    """

    function: str
    mutant: str
    code: str


@dataclass(frozen=True)
class Project:
    """How a project is audited: arguments of the audit and of pytest, and its mistakes by hand."""

    package: str
    arguments: tuple[str, ...]
    tests: tuple[str, ...]
    by_hand: tuple[ByHand, ...]


SPARSEMAX = """
    import torch
    from entmax.activations import {name} as function

    right = function.backward


    def wrong(cls, ctx, cotangent):
        {before}
        gradient, *rest = right(ctx, cotangent)
        {after}
        return (gradient, *rest)


    function.backward = classmethod(wrong)
"""

LINALG = """
    import numpy
    import autograd.numpy as np
    from autograd.core import primitive_vjps

    function = np.linalg.{name}
    right = primitive_vjps[function]


    def wrong(argnums, ans, args, kwargs):
        vjp = right(argnums, ans, args, kwargs)
        x = args[0]
        while hasattr(x, "_value"):
            x = x._value
        return lambda g: tuple({edit} for gradient in vjp(g))


    primitive_vjps[function] = wrong
"""

CUSTOM_JVP = """
    import jax
    import jax.numpy as jnp
    from distrax._src.utils.math import {name} as function

    right = function.jvp


    def wrong(primals, tangents):
        output, tangent = right(primals, tangents)
        if isinstance(tangent, jax.custom_derivatives.SymbolicZero):
            return output, tangent
        return output, {edit}


    function.jvp = wrong
"""


def _entmax(name: str, mutant: str, before: str = "pass", after: str = "pass") -> ByHand:
    return ByHand(name, mutant, SPARSEMAX.format(name=name, before=before, after=after))


def _linalg(name: str, mutant: str, edit: str) -> ByHand:
    return ByHand(name, mutant, LINALG.format(name=name, edit=edit))


def _distrax(name: str, mutant: str, edit: str) -> ByHand:
    return ByHand(name, mutant, CUSTOM_JVP.format(name=name, edit=edit))


PROJECTS = {
    "entmax": Project(
        package="entmax",
        arguments=("--time-limit", "600"),
        # This one draws without a seed, and fails with some of its numbers: the audit names it and stops.
        tests=("--pyargs", "entmax", "--deselect", "test_root_finding.py::test_budget_grad_multiple_k"),
        by_hand=(
            _entmax("Entmax15Function", "narrower", after="gradient = gradient.float().to(gradient.dtype)"),
            _entmax("SparsemaxFunction", "last-tile", after="gradient[..., max(16, gradient.shape[-1] // 16 * 16):] = 0"),
            _entmax("SparsemaxFunction", "other-rank", after="gradient = gradient if gradient.dim() == 3 else 2 * gradient"),
        ),
    ),
    "autograd": Project(
        package="autograd",
        arguments=("--only", "autograd.numpy.linalg:*", "--time-limit", "600"),
        tests=("tests/test_linalg.py",),
        by_hand=(
            _linalg("det", "where-large", "np.where(numpy.abs(x) > 8, 0.0, gradient)"),
            _linalg("det", "at-zeros", "np.where(x == 0, 1.0, gradient)"),
            _linalg("det", "last-tile", "gradient * (numpy.arange(x.shape[-1]) < max(16, x.shape[-1] // 16 * 16))"),
        ),
    ),
    "distrax": Project(
        package="distrax",
        arguments=("--only", "distrax._src.utils.math:*", "--time-limit", "600"),
        tests=("distrax/_src/utils/math_test.py",),
        by_hand=(
            _distrax("multiply_no_nan", "reversed", "jnp.flip(tangent)"),
            _distrax("multiply_no_nan", "last-tile", "tangent * (jnp.arange(tangent.size) < 16).reshape(tangent.shape)"),
            _distrax("power_no_nan", "shared-over-batch", "jnp.broadcast_to(tangent[:1], tangent.shape) if tangent.ndim else tangent"),
        ),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=PROJECTS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--found", type=Path, help="The JSON of an audit that has been run; else it is run now.")
    chosen = parser.parse_args()
    project = PROJECTS[chosen.name]
    audit = _audited(project, chosen.folder) if chosen.found is None else msgspec.json.decode(chosen.found.read_bytes(), type=Audit)
    print(f"{chosen.name} {version(chosen.name)}, {audit.tests} tests: pytest {audit.command.partition(' -- ')[2]}")
    print(f"{', '.join(f'{name} {number}' for name, number in audit.versions.items())}")
    _print_table(audit)
    with tempfile.TemporaryDirectory() as scratch:
        for mistake in project.by_hand:
            _print_by_hand(project, chosen.folder, mistake, audit, Path(scratch))


def _audited(project: Project, folder: Path) -> Audit:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "audit.json"
        words = [sys.executable, "-m", "verifier", "audit", "--package", project.package, "--no-cache", *project.arguments]
        subprocess.run([*words, "--output", f"json={file}", "--", *project.tests], cwd=folder, stdout=subprocess.DEVNULL, check=False)
        return msgspec.json.decode(file.read_bytes(), type=Audit)


def _print_table(audit: Audit) -> None:
    counted = Counter(mutant.outcome for _, mutant in audit.mutants)
    print(f"{len(audit.mutants)} mutants of {len(audit.functions)} backward passes: {_counts(counted)}; {len(audit.not_asked)} not asked.")
    asked = [mutant for _, mutant in audit.mutants if mutant.seconds > 0]
    each = sum(mutant.seconds for mutant in asked) / max(len(asked), 1)
    print(f"{len(asked)} were run, each in a process of its own, {each:.2f} s on average: 71 on two cores take {71 * each / 2:.0f} s.")
    recording, processor = audit.recording_seconds, audit.processor_seconds
    print(f"{audit.seconds:.0f} s in all, {recording:.0f} s of them recording; {processor:.0f} s of processor time.")
    proposed = sum(len(proposal.notices) for function in audit.functions for proposal in function.proposals)
    open_ = counted["not-noticed"] + counted["never-shown"]
    print(f"Of the {open_} that are not noticed or never shown {proposed} are noticed by a proposed test.")
    print()
    print(table([_row(function) for function in audit.functions], ["backward pass", *OUTCOMES, "sees above", "rounding"]))


def _row(function: Function) -> list[str]:
    mine = Counter(mutant.outcome for mutant in function.mutants)
    sees = figure(function.resolution) if function.resolutions else "-"
    rounding = "-" if function.rounding is None else f"{function.rounding:.0e}"
    return [short(function.name), *(str(mine[one]) for one in OUTCOMES), sees, rounding]


def _counts(counted: Counter[Outcome]) -> str:
    return ", ".join(f"{counted[outcome]} {outcome}" for outcome in OUTCOMES)


def _print_by_hand(project: Project, folder: Path, mistake: ByHand, audit: Audit, scratch: Path) -> None:
    """Make the mistake; run the project's suite, and the test that was proposed for it, with and without it."""
    function = next(one for one in audit.functions if short(one.name) == mistake.function)
    proposal = _proposal(function, mistake.mutant)
    (scratch / "mistake_by_hand.py").write_text(dedent(mistake.code), encoding="utf-8")
    suite = _pytest(folder, scratch, ["-p", "mistake_by_hand", *project.tests])
    print(f"\nBy hand, {mistake.function} {mistake.mutant}: their suite {suite};", end=" ")
    if proposal is None:
        print("no test is proposed for it.")
        return
    (scratch / "test_proposed.py").write_text(proposal.source, encoding="utf-8")
    tests = ["-c", os.devnull, "--rootdir", str(scratch), str(scratch / "test_proposed.py")]
    with_it, without = _pytest(scratch, scratch, ["-p", "mistake_by_hand", *tests]), _pytest(scratch, scratch, tests)
    print(f"the proposed test {with_it}, without the mistake {without}.")


def _proposal(function: Function, mutant: str) -> Proposal | None:
    return next((one for one in function.proposals if any(name == mutant for _, name in one.notices)), None)


def _pytest(folder: Path, scratch: Path, words: list[str]) -> str:
    path = os.pathsep.join([str(scratch), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return {0: "passes", 1: "FAILS"}.get(done.returncode, f"ends with status {done.returncode}: {done.stdout[-200:]}")


if __name__ == "__main__":
    main()
