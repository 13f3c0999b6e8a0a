"""How much of a profile fits into a candidate's time: a rung of a fixed ladder, so that the seed still decides which networks are asked.

Rung 0 is the whole profile, each further one has half as many networks as the one before, and the questions that need few networks are
asked about fewer. What a call costs is measured on the first networks of the ladder, whose answers are kept, since every rung asks them.
The rung that was taken stands in the report, and a run that is given it asks the same networks again, however fast the machine is.

Where the whole profile does not fit, ten networks that settle a `fail` are enough (`settling`), if there is time for ten. Where not even
the last rung fits, nothing more is asked: a limit is one only if it holds.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from verifier.checks import autograd, finite_difference
from verifier.checks.catalogue import check_ids, check_of
from verifier.checks.check import Size
from verifier.checks.examination import Asking, Item, Unanswered
from verifier.results.evaluation import Evaluation
from verifier.verification.corpus import Corpus
from verifier.verification.profiles import Profile
from verifier.verification.record import Request
from verifier.verification.settling import ENOUGH, RIGHT, Settled, settle, spread_out

RUNGS = 6  # the last asks a thirty-second part
SETTLED = RUNGS  # beyond the ladder: no more networks than settle that a candidate is wrong, see `settling`
LEAST = 6  # networks at least
FEW = 3  # of which are asked what needs few networks
TIMED = 3  # networks at least; the first is not counted: it pays for imports and compilation
MOST_TIMED = 40
TIMED_SHARE = 20  # part of the limit in which more are timed: calls on networks of different sizes cost different times
COUNTED = 6  # calls whose statements are counted: see `costing`
SLACK = 1.2  # by which the last rung may pass the limit: what calls will take is an estimate, and another verdict than none worth it
SLOW = 120.0  # seconds of a whole run from which a limit is recommended


@dataclass(frozen=True)
class Paced:
    """How a candidate is asked.

    Attributes:
        request, corpus: as far as the time limit, or an earlier run's rung, has them.
        said: a sentence on it, for a note.
        settled: what settles a `fail`.
        known: answers that came while calls were timed, by problem index.
        ends: when the limit is over, by `time.perf_counter`.
        refused: why nothing more is asked; "" where it is.
    """

    request: Request
    corpus: Corpus
    said: str = ""
    settled: Settled | None = None
    known: Mapping[int, Evaluation] = field(default_factory=dict)
    ends: float = math.inf
    refused: str = ""


def fit(
    claims: object, entry: str, asking: Asking, request: Request, corpus: Corpus, tell: Callable[[str], None], spent: float = 0.0
) -> Paced:
    """What is asked: all, or where that takes longer than the limit no more than settles a `fail`, or else the part that fits.

    `spent`: seconds of the limit that are gone.
    """
    profile, rung, known, ends, left = request.profile, request.rung, dict[int, Evaluation](), math.inf, math.inf
    seconds = 0.0
    settles = request.wants(autograd.ID) and request.wants(finite_difference.ID)
    if rung is None and math.isfinite(request.time_limit):
        left = request.time_limit - spent
        ends = time.perf_counter() + left
        seconds, known = time_calls(asking, corpus.items, request.time_limit)
        price = Price(request, asking, corpus)
        rung = price.rung_within(seconds, left)
        if rung is None:
            return Paced(request, corpus, refused=_refused(request.time_limit, seconds, spent + seconds * price.of(RUNGS - 1)))
        settles = settles and seconds * price.of(SETTLED) <= left
        tell(f"{seconds * price.of(0):.0f} s for the whole profile, {seconds * price.of(rung):.0f} s as it is asked")
    if not rung:
        return Paced(replace(request, rung=0), corpus, known=known, ends=ends)
    if request.rung in (None, SETTLED) and settles:
        settled = settle(claims, entry, corpus.items, asking, request.seed, known)
        if settled is not None:
            said = f"It was asked about {len(settled.asked)} networks: {ENOUGH} of them settle that it is wrong (--rung {SETTLED})."
            part = replace(corpus, items=settled.asked, extreme=())
            return Paced(replace(request, profile=on_rung(profile, SETTLED), rung=SETTLED), part, said, settled, known, ends)
    rung = min(rung, RUNGS - 1)
    part = part_of(corpus, on_rung(profile, rung))
    said = f"Within the time limit it was asked about {len(part.items)} of the profile's {len(corpus.items)} networks (--rung {rung})."
    return Paced(replace(request, profile=on_rung(profile, rung), rung=rung), part, said, known=known, ends=ends)


def _refused(limit: float, seconds: float, needed: float) -> str:
    enough = math.ceil(1.2 * needed)
    return (
        f"It was not judged: a call takes {seconds:.2g} s, so even the fewest networks take about {needed:.0f} s, "
        f"longer than the time limit of {limit:g} s. Use --time-limit {enough} or more (or --rung {RUNGS - 1}, without a limit)."
    )


def time_calls(asking: Asking, items: Sequence[Item], limit: float) -> tuple[float, dict[int, Evaluation]]:
    """What one call takes in seconds, whether it answers or raises, and the answers; 0 where the candidate is given up."""
    known: dict[int, Evaluation] = {}
    taken: list[float] = []
    began = time.perf_counter()
    for item in spread_out(items)[:MOST_TIMED]:
        if len(taken) >= TIMED and time.perf_counter() - began > limit / TIMED_SHARE:
            break
        start = time.perf_counter()
        try:
            known[item.index] = asking.gradients(item.problem, where=item.where)
        except Unanswered as error:
            if error.fatal:
                return 0.0, known
        taken.append(time.perf_counter() - start)
    return float(np.mean(taken[1:] or [0.0])), known


class Price:
    """How many calls a run takes on each rung, where the candidate is right; looking closer at a mistake ends with the limit."""

    def __init__(self, request: Request, asking: Asking, corpus: Corpus) -> None:
        self._request = request
        self._there = len(corpus.items), len(corpus.extreme)
        self._batch = float(np.mean([item.problem.sizes.get("batch", 1) for item in corpus.items] or [1]))
        self._functions = asking.functions

    def of(self, rung: int) -> float:
        """The calls of a rung, and of what settles a `fail`."""
        profile = on_rung(self._request.profile, rung)
        networks, extreme = min(self._there[0], profile.networks), min(self._there[1], profile.extreme)
        differences = min(networks, profile.differences)
        if rung == SETTLED:
            networks, extreme, differences = ENOUGH + RIGHT, 0, ENOUGH
        size = Size(networks, differences, min(networks, profile.few), self._batch, profile.every_tensor, self._functions)
        checks = [check_of(check) for check in check_ids() if self._request.wants(check)]
        beside = {function for check in checks for function in check.functions} & set(self._functions)
        return (1 + len(beside)) * networks + extreme + COUNTED + sum(check.calls(size) for check in checks)

    def rung_within(self, seconds: float, left: float) -> int | None:
        """The first rung that takes no longer than what is left, where a call takes so many seconds; None where not even the last does."""
        fitting = (rung for rung in range(RUNGS) if seconds * self.of(rung) <= left * (SLACK if rung == RUNGS - 1 else 1.0))
        return next(fitting, None)


def tell_time(calls: float, seconds: float) -> str:
    """How long a run will take, where that is long; "" where it is not."""
    whole = seconds * calls
    return f" (about {whole / 60:.0f} min in all; --time-limit SECONDS asks about fewer networks)" if whole >= SLOW else ""


def on_rung(profile: Profile, rung: int) -> Profile:
    """The profile with a half, a quarter, … of its networks; where a `fail` is settled early, with less of the search for a small one."""
    if rung == 0:
        return profile
    if rung == SETTLED:
        return replace(profile, shrinking=profile.shrinking >> 3, few=FEW, located=0)
    return replace(
        profile,
        networks=max(LEAST, profile.networks >> rung),
        differences=max(1, profile.differences >> rung),
        shrinking=profile.shrinking >> rung,
        fewest_extreme=2,
        few=max(FEW, profile.few >> rung),
        located=0,
    )


def part_of(corpus: Corpus, profile: Profile) -> Corpus:
    """As many networks of a corpus as the profile has, of all strata in turn; those of a higher rung are among them."""
    items = sorted(spread_out(corpus.items)[: profile.networks], key=lambda item: item.index)
    return replace(corpus, items=tuple(items), extreme=corpus.extreme[: profile.extreme])
