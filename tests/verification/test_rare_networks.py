"""Mistakes that show only on networks of one kind: with that kind of network drawn they fail, without it they pass."""

import pytest

from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.contracts.mlp import strategy
from verifier.verification import run
from verifier.verification.corpus import fresh_corpus
from verifier.verification.profiles import Profile
from verifier.verification.record import Request

SOURCE = """
# /// script
# [tool.verifier]
# max_width = {width}
# ///
import numpy as np

def backprop(weights, biases, x, y):
    acts = [x]
    for w, b in zip(weights, biases):
        acts.append(1 / (1 + np.exp(-(acts[-1] @ w.T + b))))
    d = 2 * (acts[-1] - y) * acts[-1] * (1 - acts[-1]) / len(x)
    gw, gb = [], []
    for l in reversed(range(len(weights))):
        gw.insert(0, d.T @ acts[l])
        gb.insert(0, d.sum(axis=0))
        d = d @ weights[l] * acts[l] * (1 - acts[l])
    if {condition}:
        gw = [1.5 * g for g in gw]
    return np.sum((acts[-1] - y) ** 2) / len(x), gw, gb
"""
SHOWN_BY = {  # the condition of a mistake, the strata that show it, and the widest layer
    "33 <= len(x) <= 64": (24, 8),
    "x.size > 3 and (x >= 0).all() and x.any()": (25, 8),
    "y.size > 3 and np.isin(y, (0, 1)).all()": (26, 8),
    "not any(b.any() for b in biases)": (12, 8),
    "max(np.abs(w).max() for w in weights) > 40": (27, 8),
    "max(len(w) for w in weights) > 32": (10, 64),
}


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as started:
        yield started


@pytest.fixture
def verdict(zygote, tmp_path, monkeypatch):
    def judged(condition: str, width: int, strata: tuple) -> str:
        monkeypatch.setattr(strategy, "STRATA", strata)
        file = tmp_path / "net.py"
        file.write_text(SOURCE.format(condition=condition, width=width))
        (candidate,), errors = find_candidates([str(file)])
        assert not errors
        profile = Profile("few", networks=2 * len(strata), differences=0, seed=0, kept=False, shrinking=0)
        corpus = fresh_corpus(candidate.claims, profile, 0, lambda done, total: None)
        return run.judge_candidate(
            candidate, lambda: corpus, zygote, Limits(), Request(profile, 0, ("autograd",)), lambda *_: None
        ).report.verdict

    return judged


@pytest.mark.parametrize("condition", SHOWN_BY)
def test_a_mistake_on_one_kind_of_network_fails_where_that_kind_is_drawn(condition, verdict):
    stratum, width = SHOWN_BY[condition]
    strata = strategy.STRATA
    assert verdict(condition, width, (strata[2], strata[stratum])) == "fail"
    assert verdict(condition, width, strata[2:4]) == "pass"


def test_a_large_weight_meets_an_input_so_small_that_nothing_else_changes():
    from verifier.contracts.mlp.claims import Claims
    from verifier.contracts.mlp.network import Architecture
    from verifier.contracts.mlp.numbers import Recipe, draw_problem

    network = Architecture((3, 4, 2), ("sigmoid", "sigmoid"), "squared_error", 5)
    plain, large = (draw_problem(network, Recipe(weights=kind), Claims(), seed=1, index=1).arrays for kind in ("ordinary", "large"))
    assert abs(plain["weights[0]"]).max() < 5 and abs(large["weights[0]"]).max() > 40
    assert ((plain["x"][:, None] * plain["weights[0]"]) == (large["x"][:, None] * large["weights[0]"])).all()
