"""How a candidate of the contract `mlp` is judged: on the corpus of its claims, kept or drawn, or on one stored network."""

from collections.abc import Callable
from typing import cast

from verifier.candidates.discovery import Candidate
from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, architecture_of, with_claims
from verifier.errors import RequestError
from verifier.oracles.reference import refer
from verifier.problems.program import Problem
from verifier.results.outcome import Outcome
from verifier.verification.corpus import Corpus, fresh_corpus, kept_corpus
from verifier.verification.record import Judged, Run
from verifier.verification.run import judge_candidate


def judge(run: Run, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
    """Judge one candidate; `found` is called with each outcome at once."""
    claims, request = cast(Claims, candidate.claims), run.request
    if claims not in run.corpora:  # a kept one is read while the zygote warms up
        run.corpora[claims] = kept_corpus(claims, request.profile, request.seed)

    def corpus() -> Corpus:
        drawn: Corpus = run.corpora[claims] or fresh_corpus(
            claims, request.profile, request.seed, lambda done, total: run.progress(f"{candidate.name}: drawing networks", done, total)
        )
        run.corpora[claims] = drawn
        return drawn

    return judge_candidate(candidate, corpus, run.zygote, run.limits, request, run.progress, found)


def replay(run: Run, problem: Problem, file: str, candidate: Candidate) -> Judged:
    """Judge one candidate on one stored network, by its own claims or those of the assignment.

    Raises:
        RequestError: the problem of this file is no network, or none that the candidate claims to compute.
    """
    claims = cast(Claims, candidate.claims)
    _refuse_foreign(file, architecture_of(problem), candidate, claims)
    from verifier.oracles import autograd

    problem = with_claims(problem, claims)
    corpus = Corpus((Item(0, problem, refer(problem, autograd.evaluate)),), (), kept=False)
    return judge_candidate(candidate, lambda: corpus, run.zygote, run.limits, run.request, run.progress)


def _refuse_foreign(file: str, architecture: Architecture, candidate: Candidate, claims: Claims) -> None:
    """A stored network that the candidate does not claim to compute is no question to it."""
    hidden = set(architecture.activations[:-1]) - set(claims.activations)
    wrong = sorted(hidden)
    if (architecture.activations[-1], architecture.loss) not in claims.pairs():
        wrong.append(f"{architecture.activations[-1]} with {architecture.loss}")
    if claims.batch == "single" and architecture.batch != 1:
        wrong.append(f"a batch of {architecture.batch}")
    if claims.layers is not None and claims.layers != architecture.layers:
        wrong.append(f"{architecture.layers} layers")
    if wrong:
        raise RequestError(
            f"{file}: the stored network ({architecture.describe()}) has what {candidate.path} does not claim: {', '.join(wrong)}"
        )
