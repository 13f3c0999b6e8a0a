"""Every clause that is composed about wrong gradients is read again here, word by word, and held against the numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.features import tell_features

MISTAKES = {
    "twice": lambda g, one: 2 * g,
    "third": lambda g, one: g / 3,
    "minus": lambda g, one: -g,
    "batch": lambda g, one: g * len(one.problem.arrays["x"]),
    "by outputs": lambda g, one: g / one.problem.arrays["y"].shape[1],
    "zero": lambda g, one: 0 * g,
    "rolled": lambda g, one: np.roll(g, 1, axis=0),
    "first row": lambda g, one: np.concatenate([1.5 * g[:1], g[1:]]),
    "long batches": lambda g, one: 1.01 * g if len(one.problem.arrays["x"]) > 3 else g,
    "absolute": lambda g, one: np.abs(g),
    "rounded": lambda g, one: np.round(g, 3),
}
PLACES = {
    "output weights": lambda name, last: name == f"weights[{last}]",
    "output biases": lambda name, last: name == f"biases[{last}]",
    "hidden weights": lambda name, last: name.startswith("weights") and name != f"weights[{last}]",
    "hidden biases": lambda name, last: name.startswith("biases") and name != f"biases[{last}]",
    "first weights": lambda name, last: name == "weights[0]",
    "second layer": lambda name, last: name.endswith("[1]"),  # hidden in deep networks alone, and the first hidden one is right
    "everything": lambda name, last: True,
}


class Numbers:
    """What is wrong, network by network, found here by plain comparisons."""

    def __init__(self, answered):
        self.networks = [(one, {name for name in one.claimed.gradients if self.is_wrong(one, name)}) for one in answered]
        self.wrong = [(one, names) for one, names in self.networks if names]

    @staticmethod
    def is_wrong(one, name):
        error = np.abs(one.claimed.gradients[name] - one.reference.gradients[name])
        return bool((error > one.reference.gradient_tolerance(name)).any())

    def tensors(self, of):
        """Of the networks that are wrong, (network, tensor) by place and kind."""
        return [
            (one, name)
            for one, _ in self.wrong
            for name in one.claimed.gradients
            if of(name, architecture_of(one.problem).layers - 1)
            and (np.abs(right(one, name)) > one.reference.gradient_tolerance(name)).any()
        ]

    def all_right(self, of):
        return not any(self.is_wrong(*tensor) for tensor in self.tensors(of))


def right(one, name):
    return one.reference.gradients[name]


def output(name, last):
    return name.endswith(f"[{last}]")


def hidden(name, last):
    return not output(name, last)


def law(words, one, name):
    """The number that "4", "2 × (batch size)", "1/(number of outputs)" stands for."""
    number = 1.0
    sizes = {"batch size": len(one.problem.arrays["x"]), "number of outputs": one.problem.arrays["y"].shape[1]}
    sizes |= {"units of the layer": one.problem.arrays[name].shape[0], "inputs of the layer": one.problem.arrays[name].shape[-1]}
    for part in words.split(" × "):
        size = re.fullmatch(r"(1/)?\((.*)\)", part)
        number *= float(part) if size is None else 1 / sizes[size[2]] if size[1] else sizes[size[2]]
    return number


def is_multiple(words, one, name):
    factor = law(words, one, name)
    room = 1e-3 * np.max(np.abs(right(one, name)), initial=0.0) * max(1, abs(factor))
    return bool(np.all(np.abs(one.claimed.gradients[name] - factor * right(one, name)) <= room))


def deciding(one):
    return [name for name, g in one.reference.gradients.items() if (np.abs(g) > one.reference.gradient_tolerance(name)).any()]


def holds(clause, numbers):
    """Whether a clause is true of the numbers; a clause that is not known here fails the test."""
    wrong = numbers.wrong
    if found := re.fullmatch(r"Wrong on every one of these networks: (.*), and no other\.", clause):
        return all(names == set(re.split(", | and ", found[1])) for _, names in wrong)
    if found := re.fullmatch(r"Every wrong tensor is (.*) times the right one\.", clause):
        return all(is_multiple(found[1], one, name) for one, names in wrong for name in names)
    if found := re.findall(r"([wb]\w+\[\d+\])(, where it is wrong,)? is (.*?) times the right one", clause):
        return {name for name, *_ in found} == set().union(*(names for _, names in wrong)) and all(
            is_multiple(words, one, name) for one, names in wrong for name, part, words in found if name in names or not part
        )
    if found := re.findall(r"the (wrong )?gradients of (output|hidden) (weights|biases) are (.*?) times the right ones", clause, re.I):
        places = {"output": output, "hidden": hidden}
        return all(
            is_multiple(words, one, name)
            for part, place, kind, words in found
            for one, names in wrong
            for name in (names if part else deciding(one))
            if name.startswith(kind) and places[place.lower()](name, architecture_of(one.problem).layers - 1)
        )
    if found := re.fullmatch(r"Batches of up to (\d+) samples are right, those of (\d+) and more are wrong\.", clause):
        batches = [(len(one.problem.arrays["x"]), bool(names)) for one, names in numbers.networks]
        return all(bad == (batch >= int(found[2])) for batch, bad in batches) and not any(
            int(found[1]) < batch < int(found[2]) for batch, _ in batches
        )
    if found := re.fullmatch(r"Every number is rounded to (\d+) decimals\.", clause):
        every = np.concatenate([g.ravel() for one, _ in wrong for g in one.claimed.gradients.values()])
        return bool(np.allclose(every, np.round(every, int(found[1])), atol=1e-9))
    plain = {
        "Only bias gradients are wrong.": lambda: numbers.all_right(lambda name, last: name.startswith("weights")),
        "Only weight gradients are wrong.": lambda: numbers.all_right(lambda name, last: name.startswith("biases")),
        "The output layer's gradients are right.": lambda: numbers.all_right(output),
        "Only the output layer's gradients are wrong.": lambda: numbers.all_right(hidden),
        "The output layer's gradients are right, those of the layers below are wrong.": lambda: (
            numbers.all_right(output) and all(numbers.is_wrong(*one) for one in numbers.tensors(hidden))
        ),
        "The wrong numbers are zero.": lambda: not any(one.claimed.gradients[name].any() for one, names in wrong for name in names),
        "All signs are right.": lambda: all(
            (np.sign(one.claimed.gradients[name]) == np.sign(right(one, name))).all() for one, names in wrong for name in names
        ),
        "The numbers are the right ones in the wrong places.": lambda: all(
            np.allclose(np.sort(one.claimed.gradients[name].ravel()), np.sort(right(one, name).ravel()))
            for one, names in wrong
            for name in names
        ),
        "Single samples are right, batches are wrong.": lambda: all(
            (len(o.problem.arrays["x"]) > 1) == bool(n) for o, n in numbers.networks
        ),
        "Networks of one layer are right, deeper ones are wrong.": lambda: all(
            (architecture_of(o.problem).layers > 1) == bool(n) for o, n in numbers.networks
        ),
    }
    if clause.startswith("On each network every wrong tensor is the same multiple"):
        return all(
            np.ptp([float((one.claimed.gradients[n] * right(one, n)).sum() / (right(one, n) ** 2).sum()) for n in names]) < 1e-4
            for one, names in wrong
        )
    if clause.startswith("δ is wrong only where z"):
        return True  # of batches of one, and by unit: tests/diagnosis/mlp/test_departure.py
    return plain[clause]()


@pytest.fixture(scope="module")
def right_answers(request):
    from benchmarks.diagnosis_power import Asked
    from verifier.diagnosis.mlp.probing import draw_probes
    from verifier.oracles.reference import Answered

    claims = Claims(activations=("tanh",), output_activations=("sigmoid",))
    asked = Asked("vectorised", claims, ())
    return [Answered(p, r, asked.gradients(p, where="")) for p, r in draw_probes(claims, seed=3, count=24)]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([("twice", "second layer"), ("third", "output weights")])
@given(st.lists(st.tuples(st.sampled_from(sorted(MISTAKES)), st.sampled_from(sorted(PLACES))), min_size=1, max_size=2))
def test_each_clause_is_true_of_planted_mistakes_and_pairs_of_them(right_answers, planted):
    answered = []
    for one in right_answers:
        last = architecture_of(one.problem).layers - 1
        gradients = dict(one.claimed.gradients)
        for mistake, place in planted:
            gradients = {n: MISTAKES[mistake](g, one) if PLACES[place](n, last) else g for n, g in gradients.items()}
        answered.append(replace(one, claimed=replace(one.claimed, gradients=gradients)))
    numbers = Numbers(answered)
    for clause in tell_features(answered):
        assert holds(clause, numbers), (planted, clause)
