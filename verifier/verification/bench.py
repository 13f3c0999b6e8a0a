"""Where candidates are judged one after another: a zygote, the corpora of their claims, and what holds for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, cast

from verifier.candidates.discovery import Candidate
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Isolation, Zygote
from verifier.contracts.mlp.claims import Claims
from verifier.results.outcome import Outcome
from verifier.verification.corpus import Corpus, fresh_corpus, kept_corpus
from verifier.verification.grading import Grading
from verifier.verification.layers import judge_layers
from verifier.verification.record import Judged, Request
from verifier.verification.run import Progress, judge_candidate


@dataclass(frozen=True)
class Setting:
    """What holds for every candidate of a run; plain data, which another process can be given."""

    request: Request
    limits: Limits
    isolation: Isolation
    grading: Grading


class Bench:
    """Judges candidates; a context manager.

    Args:
        corpora: by claims, what is drawn already.
    """

    def __init__(self, setting: Setting, corpora: Mapping[Claims, Corpus | None] | None = None) -> None:
        self._setting = setting
        self._corpora: dict[Claims, Corpus | None] = dict(corpora or {})
        self._zygote = Zygote(isolation=setting.isolation)

    def judge(self, candidate: Candidate, tell: Progress, found: Callable[[Outcome], None]) -> Judged:
        """The graded report of a candidate. Raises what the run of it raises."""
        setting = self._setting
        if candidate.contract == "layer":
            judged = judge_layers(candidate, cast(Any, candidate.claims), self._zygote, setting.limits, setting.request, tell, found)
            return setting.grading.of(judged, candidate)
        if candidate.claims not in self._corpora:  # a kept one is read while the zygote warms up
            self._corpora[candidate.claims] = kept_corpus(candidate.claims, setting.request.profile, setting.request.seed)
        corpus = partial(self.corpus_of, candidate, tell)
        judged = judge_candidate(candidate, corpus, self._zygote, setting.limits, setting.request, tell, found)
        return setting.grading.of(judged, candidate)

    def corpus_of(self, candidate: Candidate, tell: Progress) -> Corpus:
        """The corpus of a candidate's claims, drawn where it is not there yet."""
        request = self._setting.request
        corpus = self._corpora.get(candidate.claims) or fresh_corpus(
            candidate.claims, request.profile, request.seed, lambda done, total: tell(f"{candidate.name}: drawing networks", done, total)
        )
        self._corpora[candidate.claims] = corpus
        return corpus

    @property
    def corpora(self) -> Mapping[Claims, Corpus | None]:
        """By claims, what was drawn or read so far."""
        return self._corpora

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._zygote.close()
