"""Two calls before the first answer is read, and arguments that are written to later: what a caller may do and a check seldom does."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from verifier import textbook
from verifier.checks.examination import Examination, Finding, Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, build_problem
from verifier.oracles.reference import refer
from verifier.results.outcome import Outcome
from verifier.verification import run
from verifier.verification.judging import judge

SOURCE = """
import numpy as np
kept = {{}}

def backprop(weights, biases, x, y):
    acts = [x]
    for w, b in zip(weights, biases):
        acts.append(1 / (1 + np.exp(-(acts[-1] @ w.T + b))))
    d = 2 * (acts[-1] - y) * acts[-1] * (1 - acts[-1]) / len(x)
    loss, gw, gb = np.sum((acts[-1] - y) ** 2) / len(x), [], []
    for l in reversed(range(len(weights))):
        gw.insert(0, d.T @ acts[l])
        gb.insert(0, d.sum(axis=0))
        d = d @ weights[l] * acts[l] * (1 - acts[l])
    {ending}
"""
KEEPS = """shapes = tuple(g.shape for g in gw)
    buffers = kept.setdefault(shapes, [np.empty_like(g) for g in gw])
    for buffer, g in zip(buffers, gw):
        buffer[...] = g
    return loss, buffers, gb"""


@pytest.fixture
def notes(tmp_path):
    def of(ending: str) -> list[str]:
        (tmp_path / "net.py").write_text(SOURCE.format(ending=ending))
        (judged,) = judge([str(tmp_path / "net.py")], profile="quick", only=["purity"])
        assert judged.report.verdict == "pass", judged.report.summary
        return [note.message for note in judged.report.notes if re.search("changes later|contiguous", note.message)]

    return of


def test_an_answer_that_the_next_call_overwrites_is_noted(notes):
    (note,) = notes(KEEPS)
    assert "weights[0]" in note
    assert "biases" not in note


def test_one_of_its_own_is_not(notes):
    assert notes("return loss, gw, gb") == []


@pytest.mark.parametrize(
    ("layout", "line"),
    [
        (
            "fortran ones raise ValueError",
            "if not weights[0].flags.c_contiguous and weights[0].flags.f_contiguous: raise ValueError",
        ),
        ("with strided ones weights[0]", "if not x.flags.f_contiguous and not x.flags.c_contiguous: gw[0] = 2 * gw[0]"),
        ("read-only ones raise ValueError: ", "x[0] += 0"),
    ],
)
def test_what_breaks_only_where_arguments_lie_otherwise_in_memory_is_noted(layout, line, notes):
    (note,) = notes(f"{line}\n    return loss, gw, gb")
    assert layout in note


def network(weight):
    """One unit behind another; of weight 0 the second passes nothing back, so that the first layer's gradients are zeros."""
    arrays = {
        "weights[0]": np.array([[0.5]]),
        "biases[0]": np.array([0.1]),
        "weights[1]": np.array([[weight]]),
        "biases[1]": np.array([0.2]),
    }
    arrays |= {"x": np.array([[1.0], [2.0]]), "y": np.array([[0.3], [0.4]])}
    return build_problem(Architecture((1, 1, 1), ("sigmoid",) * 2, "squared_error", 2), arrays, Claims())


@pytest.mark.parametrize(("weights", "asked"), [([0.0], 0), ([0.0, 0.0], 0), ([0.0, 0.7], 1), ([0.7, 0.0], 0)])
def test_the_network_that_is_asked_again_is_the_first_without_zeros_or_else_the_first(weights, asked):
    items = tuple(Item(index, problem, refer(problem)) for index, problem in enumerate(map(network, weights)))
    seen = []
    interview = SimpleNamespace(read_later=seen.append, read_laid_out=lambda problem, layout: None, complex_numbers="")
    answers = {item.index: textbook.evaluate(item.problem) for item in items}
    finding = Finding(Outcome("purity", "pass", ""))
    run._with_what_was_seen(finding, Examination(Claims(), "backprop", items, (), answers, None, 0, 0), interview)
    assert seen == [items[asked].problem]
