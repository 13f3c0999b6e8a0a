"""Every faulty implementation × every check of ours × every peer: found or missed, and after how many networks.

    python -m benchmarks.fault_matrix [--profile ci] [--peer-networks 10] [--share 1/4] [--minutes 15]

Ours is a run of the command's own path with real workers. The peers get the candidate's loss and gradient by a plain import (these files
are ours), on the first small networks of the same corpus; a rejection counts only where the peer accepts six right implementations there.
Writes results/fault_matrix.txt and .svg.
"""

import argparse
import contextlib
import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from benchmarks.arithmetic import Array
from benchmarks.output import Share, draw, progress, publish, table, versions
from benchmarks.peers import PEERS, Question
from benchmarks.right_code import VARIANTS, Variant, backprop
from verifier.candidates.discovery import Candidate, find_candidates
from verifier.checks.catalogue import check_ids
from verifier.checks.examination import Item
from verifier.contracts.mlp.calling import from_claimed, keywords_of, values_of
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import with_arrays
from verifier.errors import HarnessError, RequestError
from verifier.problems.program import Problem
from verifier.results.report import Report
from verifier.verification.corpus import draw_corpus
from verifier.verification.judging import judge
from verifier.verification.profiles import PROFILES

SEED = 0
FAULTY = Path("reference_impls/faulty")
RIGHT = 6  # implementations whose rounding a peer must bear before its rejection counts
SMALL = 250  # parameters: slow peers take seconds for more
MISSED, NOT_ASKED, BROKE = ".", "-", "!"


@dataclass(frozen=True)
class Row:
    """One faulty implementation: what each check and each peer says, a number of networks where it is found."""

    name: str
    what: str
    cells: Mapping[str, str]


def claims_of(candidate: Candidate) -> Claims:
    return cast(Claims, candidate.claims)


def by_ours(report: Report) -> dict[str, str]:
    """By check id: after how many networks it fails."""
    return {outcome.id: _found(report, outcome.id) if outcome.status == "fail" else _other(outcome.status) for outcome in report.checks}


def _found(report: Report, check: str) -> str:
    """The position of the first failing network among those that the check asked about."""
    asked: dict[int, bool] = {}
    for measurement in report.measurements:
        if measurement.check == check:
            asked[measurement.problem] = asked.get(measurement.problem, False) or measurement.status == "fail"
    failing = [position for position, failed in enumerate(asked.values(), start=1) if failed]
    return str(failing[0]) if failing else "x"


def _other(status: str) -> str:
    return {"pass": MISSED, "skipped": NOT_ASKED, "inconclusive": "?", "error": BROKE}[status]


def load(candidate: Candidate) -> ModuleType:
    """The candidate's module, imported into this process: a file of ours."""
    specification = importlib.util.spec_from_file_location(f"faulty_{candidate.name}", str(candidate.file))
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def asked(candidate: Candidate, module: ModuleType, problem: Problem) -> tuple[float | None, dict[str, Array]]:
    """Loss and gradients by a plain call, in the program's layout."""
    names, arrays = values_of(problem, claims_of(candidate))
    arguments = [[arrays[name] for name in names[kind]] for kind in ("weights", "biases")] + [arrays[names[kind]] for kind in ("x", "y")]
    keywords = keywords_of(problem, claims_of(candidate), with_loss=True)
    with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        loss, weights, biases = getattr(module, candidate.entry)(*arguments, **keywords)
    named = zip([*names["weights"], *names["biases"]], [*weights, *biases], strict=True)
    gradients = {name: from_claimed(name, np.asarray(array), problem.arrays[name].shape, claims_of(candidate))[0] for name, array in named}
    return None if loss is None else float(loss), gradients


def by_peers(candidate: Candidate, items: Sequence[Item]) -> dict[str, str]:
    """By peer: after how many of these networks it rejects the candidate's gradient, right code accepted."""
    module = load(candidate)
    if not hasattr(module, candidate.entry):
        return dict.fromkeys(PEERS, NOT_ASKED)
    found = {name: MISSED if _is_there(name) else NOT_ASKED for name in PEERS}
    for position, item in enumerate(items, start=1):
        question, right = _question(candidate, module, item.problem), _right(candidate, item.problem)
        if question is None:
            return dict.fromkeys(PEERS, NOT_ASKED)
        for name, peer in PEERS.items():
            with contextlib.suppress(Exception):  # a stateful candidate may break under other points
                if found[name] == MISSED and not peer(question) and all(map(peer, right)):
                    found[name] = str(position)
    return found


def _is_there(peer: str) -> bool:
    """Whether the package of a peer is installed: one that is not has missed nothing."""
    return importlib.util.find_spec({"gradcheck,": "torch", "CS231n": "numpy"}.get(peer.split()[0], peer.split()[0])) is not None


def _question(candidate: Candidate, module: ModuleType, problem: Problem) -> Question | None:
    loss, gradients = asked(candidate, module, problem)
    if loss is None:
        return None
    return _over(problem, gradients, lambda moved: asked(candidate, module, with_arrays(problem, moved))[0] or 0.0)


def _right(candidate: Candidate, problem: Problem) -> list[Question]:
    def question(variant: Variant) -> Question:
        gradients = backprop(variant, problem, claims_of(candidate)).gradients
        return _over(problem, gradients, lambda moved: backprop(variant, with_arrays(problem, moved), claims_of(candidate)).loss)

    return [question(variant) for variant in VARIANTS[:RIGHT]]


def _over(problem: Problem, gradients: Mapping[str, Array], loss: Callable[[Mapping[str, Array]], float]) -> Question:
    names = problem.program.differentiate
    return Question(loss, {name: problem.arrays[name] for name in names}, {name: gradients[name] for name in names})


def measure(profile: str, networks: int, folder: Path, share: Share) -> list[Row]:
    """A row for every candidate of the folder, or of a share of them."""
    candidates, _ = find_candidates([str(folder)])
    rows, tell = [], progress("implementations", len(candidates))
    for done, candidate in enumerate(share.units(candidates), start=1):
        (judged,) = judge([candidate.path], profile=profile, seed=SEED)
        if isinstance(judged, RequestError | HarnessError):
            raise judged
        corpus = draw_corpus(claims_of(candidate), PROFILES[profile], SEED, lambda *_: None)
        items = [item for item in corpus.items if _parameters(item) <= SMALL][:networks]
        cells = by_ours(judged.report) | by_peers(candidate, items)
        what = str(candidate.file and candidate.file.read_text().split('"""')[1].splitlines()[0])
        rows.append(Row(candidate.name, what, cells))
        tell(done)
    return rows


def _parameters(item: Item) -> int:
    return sum(item.problem.arrays[name].size for name in item.problem.program.differentiate)


def report(rows: Sequence[Row], profile: str, networks: int) -> str:
    """The table, and who sees what alone."""
    checks = [check for check in check_ids() if any(row.cells.get(check, NOT_ASKED) != NOT_ASKED for row in rows)]
    columns = [*checks, *PEERS]
    short = {
        name: name.replace("autograd check_grads", "HIPS autograd").replace(" check_grads", "").replace(" check_grad", "")
        for name in columns
    }
    seen = [("found", *(_count([row.cells[c] for row in rows]) for c in columns))]
    body = [(row.name, *(row.cells[column] for column in columns)) for row in rows]
    parts = [
        f"{len(rows)} faulty implementations. Ours: profile {profile}, seed {SEED}; "
        f"peers: the first {networks} networks with at most {SMALL} parameters.",
        f"A number: found, after so many networks. {MISSED} missed, {NOT_ASKED} cannot be asked, ? inconclusive, {BROKE} error, "
        "x found without a network.",
        versions("numpy", "torch", "jax", "autograd", "scipy"),
        "",
        table([*body, *seen], ("", *(short[column] for column in columns))),
        "",
    ]
    return "\n".join([*parts, *_alone(rows, checks)])


def _count(cells: Sequence[str]) -> str:
    return NOT_ASKED if set(cells) == {NOT_ASKED} else str(sum(map(_is_found, cells)))


def _is_found(cell: str) -> bool:
    return cell == "x" or cell.isdigit()


def _alone(rows: Sequence[Row], checks: Sequence[str]) -> list[str]:
    """What only some see."""

    def named(wanted: Callable[[set[str]], bool]) -> str:
        return ", ".join(row.name for row in rows if wanted({c for c, cell in row.cells.items() if _is_found(cell)})) or "none"

    ours, peers = set(checks), set(PEERS)
    lines = [f"Found by one check of ours alone ({check}): {named(lambda s, c=check: s & ours == {c})}" for check in checks]  # type: ignore[misc]
    return [
        *lines,
        f"Found by autograd, not by finite-difference: {named(lambda s: 'autograd' in s and 'finite-difference' not in s)}",
        f"Found by finite-difference, not by autograd: {named(lambda s: 'finite-difference' in s and 'autograd' not in s)}",
        f"Found by no peer: {named(lambda s: not s & peers)}",
        f"Found by a peer, not by us: {named(lambda s: bool(s & peers) and not s & ours)}",
        f"Not found: {named(lambda s: not s)}",
    ]


def paint(rows: Sequence[Row]) -> Any:
    """Green: found; red: missed; grey: cannot be asked."""

    def on(axes: Any) -> None:
        columns = [*(check for check in check_ids() if check in rows[0].cells), *PEERS]
        value = {MISSED: 0.0, NOT_ASKED: np.nan}
        grid = [[value.get(row.cells[column], 1.0 if _is_found(row.cells[column]) else 0.5) for column in columns] for row in rows]
        axes.imshow(grid, cmap="RdYlGn", vmin=0, vmax=1, aspect="auto")
        axes.set_facecolor("lightgrey")
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=7)
        axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=6)

    return on


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=tuple(PROFILES), default="ci")
    parser.add_argument("--peer-networks", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=FAULTY)
    Share.add_options(parser)
    arguments = parser.parse_args()
    share = Share.of(arguments)
    rows = sorted(measure(arguments.profile, arguments.peer_networks, arguments.folder, share), key=lambda row: row.name)
    publish(share.name("fault_matrix"), f"{report(rows, arguments.profile, arguments.peer_networks)}\n{share}")
    draw(share.name("fault_matrix"), paint(rows), size=(8.0, 11.0))


if __name__ == "__main__":
    main()
