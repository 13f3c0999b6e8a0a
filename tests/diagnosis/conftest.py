"""Candidates of this folder's tests: the planted networks of the benchmarks, asked in this process."""

import pytest

from benchmarks.diagnosis_power import IMPLEMENTATIONS, Asked, examine, findings_of
from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.probing import Answered, draw_probes
from verifier.verification.explaining import explain_failure


@pytest.fixture
def answers():
    """Answers of a planted network on networks drawn for the purpose: (claims, style, faults, count, batch) -> Answered."""

    def answer(claims: Claims, faults=(), *, style="vectorised", count=30, batch=None, seed=0):
        asked = Asked(style, claims, faults)
        probes = draw_probes(claims, seed=seed, count=count, batch=batch)
        return [Answered(problem, reference, asked.gradients(problem, where="")) for problem, reference in probes]

    return answer


@pytest.fixture
def diagnosis_of():
    """What is said of one of the benchmark's implementations with these faults in it."""

    def diagnose(place: int, *faults: str):
        examination = examine(place, faults)
        diagnosed = explain_failure(findings_of(examination, faults), examination)
        return () if diagnosed is None else diagnosed.diagnosis

    assert len(IMPLEMENTATIONS) > 20
    return diagnose
