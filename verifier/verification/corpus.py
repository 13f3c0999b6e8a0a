"""The problems of a run with the oracles' answers: drawn once, kept in the user's cache, or drawn afresh.

A kept corpus needs neither PyTorch nor Hypothesis. Its file is one blob (see `wire`) named by claims, seed, size and versions; it is
written beside its final name and renamed, so that another run never sees half of it. A damaged file is drawn again.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from verifier.arrays import FloatArray
from verifier.checks.examination import Item
from verifier.contracts.catalogue import family_of
from verifier.contracts.contract import Claims
from verifier.errors import RequestError
from verifier.oracles.reference import Reference, refer
from verifier.oracles.scatter import Scatter, touches_a_kink
from verifier.plugins import OPERATIONS, versions_of
from verifier.problems.program import Problem, longest_sum
from verifier.problems.storage import problem_from_message, problem_to_message
from verifier.results.evaluation import Evaluation
from verifier.tolerance import SAFETY, safety
from verifier.verification.cache import corpora_folder
from verifier.verification.kept_files import read_kept, write_kept
from verifier.verification.profiles import Profile

FORMAT = 4
CORPUS_BYTES = 1 << 30  # of all problems with their answers; where each is large there are fewer
LARGEST_SHARE = 16  # a problem whose sizes are free takes at most this part of it, and is drawn smaller where it would take more
ATTEMPTS = 20  # to draw numbers that do not stand at a kink; then they give way to calm ones


@dataclass(frozen=True)
class Corpus:
    """Ordinary problems, and extreme ones beyond the range in which right textbook code keeps its digits.

    Attributes:
        kept: whether it was read from the cache.
        left_out: how many ordinary networks of the profile there was no room for, see `CORPUS_BYTES`.
    """

    items: tuple[Item, ...]
    extreme: tuple[Item, ...]
    kept: bool
    left_out: int = 0


def kept_corpus(claims: Claims, profile: Profile, seed: int) -> Corpus | None:
    """The corpus of these claims that an earlier run kept, or None."""
    return _read(cache_file(claims, profile, seed)) if profile.kept else None


def fresh_corpus(claims: Claims, profile: Profile, seed: int, progress: Callable[[int, int], None]) -> Corpus:
    """The corpus of these claims, drawn, and kept where the profile says so."""
    corpus = draw_corpus(claims, profile, seed, progress)
    if profile.kept:
        write_kept(cache_file(claims, profile, seed), *corpus_to_message(corpus))
    return corpus


def draw_corpus(claims: Claims, profile: Profile, seed: int, progress: Callable[[int, int], None]) -> Corpus:
    """The corpus, drawn: problems by the contract's family, answers by PyTorch, scatter by the textbook."""
    family = family_of(claims.contract)
    plans = family.draw_plans(
        claims, seed=seed, ordinary=profile.networks, extreme=profile.extreme, most_bytes=CORPUS_BYTES // LARGEST_SHARE
    )
    from verifier.oracles import autograd

    def item(index: int) -> Item | None:
        ordinary = index < profile.networks
        for attempt in range(2 * ATTEMPTS):
            calm = ordinary and attempt >= ATTEMPTS
            problem = family.draw_problem(plans[index], claims, seed=seed, index=index, attempt=attempt, calm=calm)
            reference = refer(problem, autograd.evaluate, seed=index)
            if not touches_a_kink(problem, reference.scatter, safety(reference.longest)):
                return Item(index, problem, reference, ordinary)
        return None  # without biases a ReLU may always stand at its kink

    chosen = choose_within_room(plans, claims, ordinary=profile.networks)
    items: list[Item] = []
    for done, index in enumerate(chosen, start=1):
        found = item(index)
        items += [] if found is None else [found]
        progress(done, len(chosen))
    ordinary = tuple(item for item in items if item.ordinary)
    left_out = profile.networks - sum(index < profile.networks for index in chosen)
    return Corpus(ordinary, tuple(item for item in items if not item.ordinary), kept=False, left_out=left_out)


def choose_within_room(plans: Sequence[Any], claims: Claims, *, ordinary: int) -> list[int]:
    """Indices of the problems that there is room for, in their order; the first `ordinary` of them are the ordinary ones.

    Whatever is claimed is shown by one problem at least, room or no room; then as many more as fit, those that were drawn first.
    """
    family = family_of(claims.contract)
    shown: set[object] = set()
    chosen: set[int] = set()
    room = CORPUS_BYTES
    for index, plan in enumerate(plans):
        shows = family.shows(plan) if index < ordinary else {"extreme"}
        if not shows <= shown:
            shown |= shows
            chosen.add(index)
            room -= family.held_bytes(plan, claims)
    for index, plan in enumerate(plans):
        needed = family.held_bytes(plan, claims)
        if index not in chosen and needed <= room:
            chosen.add(index)
            room -= needed
    return sorted(chosen)


def cache_file(claims: Claims, profile: Profile, seed: int) -> Path:
    """The file of a corpus: its name holds everything that its content depends on."""
    key = {
        "format": FORMAT,
        "safety": SAFETY,
        "claims": asdict(cast(Any, claims)),
        "networks": profile.networks,
        "extreme": profile.extreme,
        "seed": seed,
        "versions": versions(),
        "code": _code_digest(claims.contract),
        "operations": versions_of(OPERATIONS),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return corpora_folder() / f"{digest[:32]}.safetensors"


def versions() -> dict[str, str]:
    """Installed versions of what a corpus is drawn with, read without importing it."""
    found = {}
    for name in ("backprop-verifier", "numpy", "torch", "hypothesis"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _code_digest(contract: str) -> str:
    """Of the modules that decide a corpus: a checkout changes without changing its version."""
    package = Path(__file__).resolve().parent.parent
    drawing = Path(inspect.getfile(family_of(contract).draw_plans)).parent
    sources = [*drawing.glob("*.py"), *(package / "oracles").glob("*.py"), *(package / "problems").glob("*.py")]
    digest = hashlib.sha256()
    for source in sorted([*sources, package / "textbook.py", Path(__file__)]):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> Corpus | None:
    found = read_kept(path)
    try:
        return None if found is None else corpus_from_message(*found)
    except (RequestError, KeyError, TypeError, ValueError):
        return None


def corpus_to_message(corpus: Corpus) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """A corpus as plain data and arrays named `index/part/name`."""
    arrays: dict[str, NDArray[Any]] = {}
    problems = []
    for item in (*corpus.items, *corpus.extreme):
        parts: dict[str, Mapping[str, FloatArray]] = {
            "array": item.problem.arrays,
            "gradient": item.reference.gradients,
            "stage": item.reference.stages,
            "gradient scatter": item.reference.scatter.gradients,
            "stage scatter": item.reference.scatter.stages,
        }
        losses = np.array([item.reference.loss, item.reference.scatter.loss], dtype=np.float64)
        arrays[f"{item.index}/losses/"] = losses
        for part, named in parts.items():
            arrays |= {f"{item.index}/{part}/{name}": array for name, array in named.items()}
        problems.append([item.index, item.ordinary, problem_to_message(item.problem)])
    return {"format": FORMAT, "problems": problems, "left_out": corpus.left_out}, arrays


def corpus_from_message(message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Corpus:
    """The corpus that `corpus_to_message` wrote. Raises KeyError, TypeError, ValueError or RequestError where it is damaged."""
    if message["format"] != FORMAT:
        raise ValueError("another format")
    parts: dict[int, dict[str, dict[str, NDArray[Any]]]] = {}
    for key, array in arrays.items():
        index, part, name = key.split("/", 2)
        parts.setdefault(int(index), {}).setdefault(part, {})[name] = array
    items = [_item(index, ordinary, problem, parts[index]) for index, ordinary, problem in message["problems"]]
    ordinary, extreme = (tuple(item for item in items if item.ordinary is kind) for kind in (True, False))
    return Corpus(ordinary, extreme, kept=True, left_out=int(message["left_out"]))


def _item(index: int, ordinary: bool, message: Mapping[str, Any], parts: Mapping[str, Mapping[str, NDArray[Any]]]) -> Item:
    problem: Problem = problem_from_message(message, parts["array"])
    loss, loss_scatter = parts["losses"][""].tolist()
    outputs, stages, stage_scatter = problem.program.outputs, parts.get("stage", {}), parts.get("stage scatter", {})
    evaluation = Evaluation(loss, None if outputs is None else stages[outputs], parts["gradient"], stages)
    scatter = Scatter(loss_scatter, None if outputs is None else stage_scatter[outputs], parts["gradient scatter"], stage_scatter)
    return Item(index, problem, Reference(evaluation, scatter, longest_sum(problem)), ordinary)
