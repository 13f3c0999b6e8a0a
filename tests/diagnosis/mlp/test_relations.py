"""Whatever sentence is composed, each of its clauses holds on the numbers: on planted pairs, and on tensors with factors of their own."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.diagnosis_power import IMPLEMENTATIONS, examine
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.faults import FAULTS
from verifier.diagnosis.mlp.features import tell_features
from verifier.diagnosis.mlp.matching import departs
from verifier.oracles.reference import Answered

NAMES = [fault.id for fault in FAULTS if not fault.pattern]
PAIRS = 40


def wrong(one: Answered, name: str) -> bool:
    error = np.abs(one.claimed.gradients[name] - one.reference.gradients[name])
    return not bool(np.all(error <= one.reference.gradient_tolerance(name)))


def is_output(one: Answered, name: str) -> bool:
    return name.endswith(f"[{architecture_of(one.problem).layers - 1}]")


def moves(one: Answered, name: str) -> bool:
    return bool(np.any(np.abs(one.reference.gradients[name]) > one.reference.gradient_tolerance(name)))


def false_clauses(sentences: list[str], answered: list[Answered]) -> list[str]:
    """The clauses that the numbers contradict, each read again here from its words."""
    bad = [one for one in answered if departs(one)]
    fine = [one for one in answered if not departs(one)]
    tensors = [(one, name, wrong(one, name)) for one in bad for name in one.claimed.gradients]

    def batch(one):
        return len(one.problem.arrays["x"])

    def holds(text: str) -> bool:
        if text == "Only bias gradients are wrong.":
            return not any(w for _, name, w in tensors if name.startswith("weights"))
        if text == "Only weight gradients are wrong.":
            return not any(w for _, name, w in tensors if name.startswith("biases"))
        if text.startswith("The output layer's gradients are right"):
            below = all(w for one, name, w in tensors if not is_output(one, name) and moves(one, name))
            return not any(w for one, name, w in tensors if is_output(one, name)) and (below or "below are wrong" not in text)
        if text == "Only the output layer's gradients are wrong.":
            return not any(w for one, name, w in tensors if not is_output(one, name))
        if text == "Single samples are right, batches are wrong.":
            return all(batch(one) > 1 for one in bad) and all(batch(one) == 1 for one in fine)
        if text == "Networks of one layer are right, deeper ones are wrong.":
            return all(architecture_of(one.problem).layers > 1 for one in bad)
        if match := re.match(r"Batches of up to (\d+) samples are right, those of (\d+) and more are wrong", text):
            return max(map(batch, fine)) <= int(match[1]) < int(match[2]) <= min(map(batch, bad))
        if match := re.match(r"Every wrong tensor is (-?[\d.e+-]+) times the right one", text):
            factor = float(match[1])
            pairs = [(o.claimed.gradients[n], o.reference.gradients[n]) for o, n, w in tensors if w]
            return all(np.allclose(claimed, factor * right, rtol=1e-3, atol=1e-9 * np.max(np.abs(claimed))) for claimed, right in pairs)
        if text == "The wrong numbers are zero.":
            return all(not one.claimed.gradients[name].any() for one, name, w in tensors if w)
        if text == "All signs are right.":
            return all(np.array_equal(np.sign(o.claimed.gradients[n]), np.sign(o.reference.gradients[n])) for o, n, w in tensors if w)
        return True

    return [text for text in sentences if not holds(text)]


def test_every_clause_about_planted_pairs_holds():
    generator = np.random.default_rng(12)
    told = 0
    for _ in range(PAIRS):
        place = int(generator.integers(len(IMPLEMENTATIONS)))
        pair = tuple(NAMES[int(i)] for i in generator.choice(len(NAMES), size=2, replace=False))
        examination = examine(place, pair)
        answered = [Answered(item.problem, item.reference, examination.evaluations[item.index]) for item in examination.answered]
        answered = [one for one in answered if all(np.isfinite(g).all() for g in one.claimed.gradients.values())]
        sentences = tell_features(answered)
        told += len(sentences)
        assert false_clauses(sentences, answered) == [], (place, pair, sentences)
    assert told > PAIRS / 4


THREE = Claims(activations=("relu",), output_activations=("sigmoid",), layers=3)


@pytest.mark.parametrize("factors", [{"weights[1]": 2.0, "biases[0]": 4.0}, {"weights[0]": 2.0, "biases[1]": 2.0}])
def test_tensors_with_factors_of_their_own_are_named(factors, answers):
    right = answers(THREE)
    changed = [
        replace(one, claimed=replace(one.claimed, gradients={n: factors.get(n, 1.0) * g for n, g in one.claimed.gradients.items()}))
        for one in right
    ]
    changed = [one for one in changed if all(wrong(one, name) for name in factors)]
    text = " ".join(tell_features(changed))
    assert "and no other." in text and all(name in text for name in factors)
    assert "another factor" not in text and "those of the layers below are wrong" not in text
    if len(set(factors.values())) == 1:
        assert "Every wrong tensor is 2 times the right one." in text
    else:
        assert all(f"{name} is {factor:g} times the right one" in text for name, factor in factors.items())
