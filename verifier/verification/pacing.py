"""How much of a profile fits into a candidate's time: a rung of a fixed ladder, so that the seed still decides which networks are asked.

Rung 0 is the whole profile, each further one has half as many networks as the one before. What a call costs is measured on a few networks
first; the rung that was taken stands in the report, and a run that is given it asks the same networks again, however fast the machine is.
Where the whole profile does not fit, ten networks that settle a `fail` are enough (`settling`).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from verifier.checks import autograd, finite_difference
from verifier.checks.examination import Asking, Item, Unanswered
from verifier.verification.corpus import Corpus
from verifier.verification.profiles import Profile
from verifier.verification.record import Request
from verifier.verification.settling import ENOUGH, Settled, settle

RUNGS = 6  # the last asks a thirty-second part
SETTLED = RUNGS  # beyond the ladder: no more networks than settle that a candidate is wrong, see `settling`
LEAST = 6  # networks at least, and of them as many with differences as `FEWEST`
FEWEST = 2
TIMED = 4  # networks; the first is not counted: it pays for imports and compilation
A_LINE = 40  # losses that one network's differences take: see `oracles.finite_difference.problem`
BESIDE = 120  # calls of the checks that ask a fixed number of times
SLOW = 120.0  # seconds of a whole run from which a limit is recommended
_SPREAD = 13  # odd, and no multiple of what strata and networks are multiples of: a part of the corpus still meets most strata


@dataclass(frozen=True)
class Paced:
    """The request and the corpus as far as the time limit, or an earlier run's rung, has them; a sentence on it; what settles a `fail`."""

    request: Request
    corpus: Corpus
    said: str = ""
    settled: Settled | None = None


def fit(claims: object, entry: str, asking: Asking, request: Request, corpus: Corpus, tell: Callable[[str], None]) -> Paced:
    """What is asked: all, or where that takes longer than the limit no more than settles a `fail`, or else the part that fits."""
    rung, profile = request.rung, request.profile
    if rung is None and math.isfinite(request.time_limit):
        seconds = seconds_a_call(asking, corpus.items)
        rung = rung_within(profile, seconds, request.time_limit)
        whole = seconds * calls_of(profile)
        tell(f"{whole:.0f} s for the whole profile, {whole / 2**rung:.0f} s as it is asked")
    if not rung:
        return Paced(replace(request, rung=0), corpus)
    if request.rung in (None, SETTLED) and request.wants(autograd.ID) and request.wants(finite_difference.ID):
        settled = settle(claims, entry, corpus.items, asking, request.seed)
        if settled is not None:
            said = f"It was asked about {len(settled.asked)} networks: {ENOUGH} of them settle that it is wrong (--rung {SETTLED})."
            part = replace(corpus, items=settled.asked, extreme=())
            return Paced(replace(request, profile=on_rung(profile, SETTLED), rung=SETTLED), part, said, settled)
    rung = min(rung, RUNGS - 1)
    part = part_of(corpus, on_rung(profile, rung))
    said = f"Within the time limit it was asked about {len(part.items)} of the profile's {len(corpus.items)} networks (--rung {rung})."
    return Paced(replace(request, profile=on_rung(profile, rung), rung=rung), part, said)


def seconds_a_call(asking: Asking, items: Sequence[Item]) -> float:
    """What one call takes, on a few networks; 0 where they are not answered."""
    timed = _spread_out(items)[:TIMED]
    began = time.perf_counter()
    for position, item in enumerate(timed):
        if position == 1:
            began = time.perf_counter()
        try:
            asking.gradients(item.problem, where=item.where)
        except Unanswered:
            return 0.0
    return (time.perf_counter() - began) / max(1, len(timed) - 1)


def calls_of(profile: Profile) -> int:
    """How many calls a run takes at most, with the search for a smaller network."""
    return 2 * profile.networks + profile.extreme + A_LINE * profile.differences + BESIDE + profile.shrinking


def tell_time(profile: Profile, seconds: float) -> str:
    """How long a run will take, where that is long; "" where it is not."""
    whole = seconds * calls_of(profile)
    return f" (about {whole / 60:.0f} min in all; --time-limit SECONDS asks about fewer networks)" if whole >= SLOW else ""


def rung_within(profile: Profile, seconds: float, limit: float) -> int:
    """The first rung that takes no longer than the limit, where a call takes so many seconds; else the last."""
    return next((rung for rung in range(RUNGS) if seconds * calls_of(on_rung(profile, rung)) <= limit), RUNGS - 1)


def on_rung(profile: Profile, rung: int) -> Profile:
    """The profile with a half, a quarter, … of its networks; where a `fail` is settled early, with less of the search for a small one."""
    if rung == 0:
        return profile
    if rung == SETTLED:
        return replace(profile, shrinking=profile.shrinking >> 3)
    networks, differences = max(LEAST, profile.networks >> rung), max(FEWEST, profile.differences >> rung)
    return replace(profile, networks=networks, differences=differences, shrinking=profile.shrinking >> rung)


def part_of(corpus: Corpus, profile: Profile) -> Corpus:
    """As many networks of a corpus as the profile has, of all strata in turn; those of a higher rung are among them."""
    items = sorted(_spread_out(corpus.items)[: profile.networks], key=lambda item: item.index)
    return replace(corpus, items=tuple(items), extreme=corpus.extreme[: profile.extreme])


def _spread_out(items: Sequence[Item]) -> list[Item]:
    count = max(1, len(items))
    return sorted(items, key=lambda item: (item.index * _SPREAD % count, item.index))
