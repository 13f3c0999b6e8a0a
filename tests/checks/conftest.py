"""A plain candidate whose pieces a test replaces, judged by the real run in a real worker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.contracts.mlp.claims import Claims
from verifier.results.outcome import Outcome
from verifier.results.report import Report
from verifier.verification.corpus import Corpus, draw_corpus
from verifier.verification.profiles import PROFILES
from verifier.verification.record import Request
from verifier.verification.run import judge_candidate

# Every stratum once, and no search for the smallest network.
QUICK = replace(PROFILES["quick"], networks=20, shrinking=0)

PLAIN = """\
# /// script
# [tool.verifier]
# contract = "mlp"
# ///
import numpy as np


def activate(z):
    return 1 / (1 + np.exp(-z))


def slope(z, a):
    return a * (1 - a)


def forward(weights, biases, x):
    pre_activations, activations = [], []
    for w, b in zip(weights, biases):
        z = x @ w.T + b
        x = activate(z)
        pre_activations.append(z)
        activations.append(x)
    return pre_activations, activations


def predict(weights, biases, x):
    return forward(weights, biases, x)[1][-1]


def deltas(weights, biases, x, y):
    z, a = forward(weights, biases, x)
    delta = 2 * (a[-1] - y) / len(y) * slope(z[-1], a[-1])
    found = [delta]
    for l in range(len(weights) - 1, 0, -1):
        delta = delta @ weights[l] * slope(z[l - 1], a[l - 1])
        found.insert(0, delta)
    return found


def backprop(weights, biases, x, y):
    a = forward(weights, biases, x)[1]
    loss = np.sum((a[-1] - y) ** 2) / len(y)
    found = deltas(weights, biases, x, y)
    inputs = [x, *a[:-1]]
    return loss, [d.T @ i for d, i in zip(found, inputs)], [d.sum(axis=0) for d in found]


def update(weights, biases, x, y, learning_rate):
    _, by_weights, by_biases = backprop(weights, biases, x, y)
    weights = [w - learning_rate * g for w, g in zip(weights, by_weights)]
    biases = [b - learning_rate * g for b, g in zip(biases, by_biases)]
    return weights, biases
"""


class Source(str):
    """A candidate's text."""

    def but(self, old: str, new: str) -> "Source":
        """The same with one piece replaced, which must be there exactly once."""
        assert self.count(old) == 1, f"{self.count(old)} times {old!r}"
        return Source(self.replace(old, new))

    def claims(self, *lines: str) -> "Source":
        """The same with further lines in its manifest."""
        return self.but('# contract = "mlp"\n', '# contract = "mlp"\n' + "".join(f"# {line}\n" for line in lines))

    def without(self, *functions: str) -> "Source":
        """The same without some of its functions."""
        parts = self.split("\n\n\n")
        kept = [part for part in parts if not part.startswith(tuple(f"def {function}(" for function in functions))]
        assert len(kept) == len(parts) - len(functions)
        return Source("\n\n\n".join(kept))


@dataclass(frozen=True)
class Verified:
    """A report, and ways to read it."""

    report: Report

    def outcome(self, check: str) -> Outcome:
        return next(outcome for outcome in self.report.checks if outcome.id == check)

    def status(self, check: str) -> str:
        return self.outcome(check).status

    @property
    def failed(self) -> set[str]:
        return {outcome.id for outcome in self.report.checks if outcome.status == "fail"}

    @property
    def verdict(self) -> str:
        return self.report.verdict


Verify = Callable[..., Verified]


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote(isolation="auto") as started:
        yield started


@pytest.fixture(scope="session")
def corpora() -> Callable[[Claims], Corpus]:
    """The quick corpus of some claims, drawn once a session."""
    drawn: dict[Claims, Corpus] = {}

    def corpus(claims: Claims) -> Corpus:
        if claims not in drawn:
            drawn[claims] = draw_corpus(claims, QUICK, 0, lambda done, total: None)
        return drawn[claims]

    return corpus


@pytest.fixture
def verify(zygote, corpora, tmp_path) -> Verify:
    """Judge a candidate, given as its text or as a file, on the quick corpus; `only` limits the run to some checks."""

    def judge(candidate: str | Path, *, only: tuple[str, ...] = (), shrinking: int = 0) -> Verified:
        path = candidate
        if not isinstance(candidate, Path):
            path = tmp_path / "student.py"
            path.write_text(candidate, encoding="utf-8")
        (found,), errors = find_candidates([str(path)])
        assert not errors
        request = Request(replace(QUICK, shrinking=shrinking), 0, only)
        judged = judge_candidate(found, lambda: corpora(found.claims), zygote, Limits(), request, lambda phase, done, total: None)
        return Verified(judged.report)

    return judge


@pytest.fixture
def plain() -> Source:
    """Right code for sigmoid networks and the mean squared error, with every optional function."""
    return Source(PLAIN)
