"""Candidates of this folder's tests: the planted networks of the benchmarks, asked in this process."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.diagnosis_power import IMPLEMENTATIONS, Asked, examine, findings_of
from verifier.contracts.mlp.claims import Claims
from verifier.diagnosis.mlp.explaining import explain_failure
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.oracles.reference import Answered
from verifier.results.report import Diagnosis
from verifier.verification.judging import judge
from verifier.verification.profiles import PROFILES

# An ordinary network; a test replaces pieces of it by name.
NETWORK = """\
# /// script
# [tool.verifier]
# contract = "mlp"
CLAIMS# ///
import numpy as np

kept = {}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def backprop(weights, biases, x, y):
    START
    a, zs = [x], []
    for l, (w, b) in enumerate(zip(weights, biases)):
        z = a[-1] @ w.T + b
        zs.append(z)
        a.append(OUTPUT if l == len(weights) - 1 else HIDDEN)
    FORWARD_DONE
    p = a[-1]
    loss = LOSS
    delta = DELTA
    gw, gb = [], []
    for l in reversed(range(len(weights))):
        gw.insert(0, delta.T @ a[l])
        gb.insert(0, delta.sum(axis=0))
        h, z = a[l], zs[l - 1]
        delta = delta @ weights[l] * (SLOPE)
    END
    return loss, gw, gb
AFTER
"""
_PIECES = {
    "claims": "",
    "start": "pass",
    "hidden": "sigmoid(z)",
    "output": "sigmoid(z)",
    "forward_done": "pass",
    "loss": "((p - y) ** 2).sum() / len(x)",
    "delta": "2 * (p - y) / len(x) * p * (1 - p)",
    "slope": "h * (1 - h)",
    "end": "pass",
    "after": "",
}


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


@pytest.fixture
def told_of(tmp_path, monkeypatch) -> Callable[..., tuple[str, tuple[Diagnosis, ...]]]:
    """Verdict and diagnosis of the ordinary network with these pieces in it, as the command judges it, but without a smallest network."""
    monkeypatch.setitem(PROFILES, "quick", replace(PROFILES["quick"], shrinking=0))

    def tell(**pieces: str) -> tuple[str, tuple[Diagnosis, ...]]:
        assert pieces.keys() <= _PIECES.keys()
        text = NETWORK
        for name, piece in {**_PIECES, **pieces}.items():
            text = text.replace(name.upper(), piece)
        (tmp_path / "student.py").write_text(text, encoding="utf-8")
        (judged,) = judge([str(tmp_path / "student.py")], profile="quick")
        return judged.report.verdict, tuple(judged.report.diagnosis)

    return tell
