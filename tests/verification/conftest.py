"""Whole runs: a candidate's text or file, judged as the command judges it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from verifier.results.outcome import Outcome
from verifier.results.report import Report
from verifier.verification.judging import judge
from verifier.verification.record import Judged

CORRECT = Path(__file__).parents[2] / "reference_impls" / "correct"

# An ordinary network of one kind: what stands for ACTIVATE, SLOPE, LOSS and DELTA is a test's own.
NETWORK = """\
# /// script
# [tool.verifier]
# contract = "mlp"
# ///
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def backprop(weights, biases, x, y):
    a = [x]
    for l, (w, b) in enumerate(zip(weights, biases)):
        z = a[-1] @ w.T + b
        a.append(OUTPUT if l == len(weights) - 1 else HIDDEN)
    p = a[-1]
    loss = LOSS
    delta = DELTA
    by_weights, by_biases = [], []
    for l in reversed(range(len(weights))):
        by_weights.insert(0, delta.T @ a[l])
        by_biases.insert(0, delta.sum(axis=0))
        h = a[l]
        delta = delta @ weights[l] * (SLOPE)
    return loss, by_weights, by_biases
"""


class Source(str):
    """A candidate's text."""

    def but(self, old: str, new: str) -> "Source":
        """The same with one piece replaced, which must be there exactly once."""
        assert self.count(old) == 1, f"{self.count(old)} times {old!r}"
        return Source(self.replace(old, new))


@pytest.fixture
def network() -> Callable[..., Source]:
    """The text of a network: its pieces, and lines for its manifest."""

    def source(*claims: str, output: str, loss: str, delta: str, hidden: str = "np.tanh(z)", slope: str = "1 - h**2") -> Source:
        text = Source(NETWORK).but("OUTPUT", output).but("HIDDEN", hidden).but("LOSS", loss).but("DELTA", delta).but("SLOPE", slope)
        return text.but('# contract = "mlp"\n', '# contract = "mlp"\n' + "".join(f"# {line}\n" for line in claims))

    return source


@pytest.fixture
def plain() -> Source:
    """The reference of reference_impls/: sigmoid, mean squared error, every optional function."""
    return Source((CORRECT / "vectorised_rows.py").read_text(encoding="utf-8"))


@pytest.fixture
def judged(tmp_path) -> Callable[..., Judged]:
    """One candidate, judged with the quick profile."""

    def run(candidate: str | Path, **options: object) -> Judged:
        path = candidate
        if not isinstance(candidate, Path):
            path = tmp_path / "student.py"
            path.write_text(candidate, encoding="utf-8")
        (found,) = judge([str(path)], **{"profile": "quick", **options})  # type: ignore[arg-type]
        assert isinstance(found, Judged), found
        return found

    return run


@pytest.fixture
def report(judged) -> Callable[..., Report]:
    """The report of one candidate, judged with the quick profile."""

    def run(candidate: str | Path, **options: object) -> Report:
        return judged(candidate, **options).report

    return run


@pytest.fixture
def outcome() -> Callable[[Report, str], Outcome]:
    """A check's outcome in a report."""
    return lambda report, check: next(one for one in report.checks if one.id == check)
