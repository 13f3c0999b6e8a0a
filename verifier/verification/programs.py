"""How a candidate is judged whose problems are programs: on the corpus of its claims, kept or drawn, or on one stored problem."""

from collections.abc import Callable

from verifier.candidates.discovery import Candidate
from verifier.checks.examination import Item
from verifier.contracts.catalogue import family_of
from verifier.errors import RequestError
from verifier.oracles.reference import refer
from verifier.problems.program import Problem
from verifier.results.outcome import Outcome
from verifier.verification.corpus import Corpus, fresh_corpus, kept_corpus
from verifier.verification.record import Judged, Run
from verifier.verification.run import judge_candidate


def judge(run: Run, candidate: Candidate, found: Callable[[Outcome], None]) -> Judged:
    """Judge one candidate; `found` is called with each outcome at once."""
    claims, request = candidate.claims, run.request
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
    """Judge one candidate on one stored problem, by its own claims or those of the assignment.

    Raises:
        RequestError: the problem of this file is of another contract, or none that the candidate claims to compute.
    """
    family = family_of(candidate.contract)
    wrong = family.refusals(problem, candidate.claims)
    if wrong:
        raise RequestError(
            f"{file}: the stored network ({problem.description}) has what {candidate.path} does not claim: {', '.join(wrong)}"
        )
    from verifier.oracles import autograd

    problem = family.under(problem, candidate.claims)
    corpus = Corpus((Item(0, problem, refer(problem, autograd.evaluate)),), (), kept=False)
    return judge_candidate(candidate, lambda: corpus, run.zygote, run.limits, run.request, run.progress)
