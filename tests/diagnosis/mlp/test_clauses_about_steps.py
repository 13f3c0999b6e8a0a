"""Every clause that is said of wrong steps is read again here and held against the steps themselves, at other networks and rates."""

import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier import textbook
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of, with_arrays
from verifier.diagnosis.mlp import mini_batches, updates
from verifier.diagnosis.mlp.optimizers import explain_by_a_rule, tell_carried
from verifier.diagnosis.mlp.probing import draw_probes
from verifier.diagnosis.mlp.rules_by_part import explain_by_parts
from verifier.diagnosis.mlp.updates import explain_update
from verifier.oracles.reference import refer
from verifier.oracles.steps import Path
from verifier.problems.optimizers import Rule

CLAIMS = Claims(activations=("tanh",), output_activations=("sigmoid",))
RATES = (0.01, 0.3, 1.5)
# What a tensor moves by: (what it moved by so far, its gradient, its value, rate, samples, count of the call).
MISTAKES = {
    "twice": lambda d, g, w, rate, batch, call: 2 * d,
    "by the batch": lambda d, g, w, rate, batch, call: d / batch,
    "turned": lambda d, g, w, rate, batch, call: -d,
    "still": lambda d, g, w, rate, batch, call: 0 * d,
    "own rate": lambda d, g, w, rate, batch, call: d / rate * 0.3,
    "at most": lambda d, g, w, rate, batch, call: d / rate * min(rate, 0.05),
    "squared": lambda d, g, w, rate, batch, call: d * rate,
    "root": lambda d, g, w, rate, batch, call: d / np.sqrt(rate),
    "clipped": lambda d, g, w, rate, batch, call: rate * np.clip(d / rate, -0.02, 0.02),
    "signs": lambda d, g, w, rate, batch, call: rate * np.sign(d),
    "decay": lambda d, g, w, rate, batch, call: d + rate * 0.02 * w,
    "decay of its own": lambda d, g, w, rate, batch, call: d + 0.02 * w,
    "ever shorter": lambda d, g, w, rate, batch, call: d / (1 + 0.01 * call),
    "jumping": lambda d, g, w, rate, batch, call: d * (1 + 0.5 * np.sin(7.0 * call)),
}
PLACES = {
    "all": lambda name, last: True,
    "weights": lambda name, last: name.startswith("weights"),
    "biases": lambda name, last: name.startswith("biases"),
    "output": lambda name, last: name.endswith(f"[{last}]"),
    "below": lambda name, last: not name.endswith(f"[{last}]"),
    "first": lambda name, last: name.endswith("[0]"),
}
planted = st.lists(st.tuples(st.sampled_from(sorted(MISTAKES)), st.sampled_from(sorted(PLACES))), min_size=1, max_size=2)


@cache
def drawn_once(claims, **options):
    return list(draw_probes(claims, **options))


@pytest.fixture(autouse=True, scope="module")
def drawing_once():
    """Networks are drawn from the seed alone, and most of the time goes there: the same ones serve every example."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "draw_probes", drawn_once)
        patch.setattr(mini_batches, "draw_probes", drawn_once)
        patch.setattr(mini_batches, "SIZES", (2, 3))  # no mistake here goes through mini-batches
        yield


class Stepping:
    """An `update` with these mistakes, one after another."""

    def __init__(self, mistakes):
        self.mistakes, self.calls = mistakes, 0

    def __call__(self, problem, rate):
        return {name: value - self.moves(problem, rate, count=False)[name] for name, value in self.start(problem, count=True).items()}

    def start(self, problem, *, count):
        self.calls += count
        return {name: np.asarray(problem.arrays[name], dtype=float) for name in problem.program.differentiate}

    def moves(self, problem, rate, *, count=True):
        start, last = self.start(problem, count=count), architecture_of(problem).layers - 1
        found = {name: rate * g for name, g in textbook.evaluate(problem).gradients.items()}
        for mistake, place in self.mistakes:
            for name, g in textbook.evaluate(problem).gradients.items():
                if PLACES[place](name, last):
                    found[name] = MISTAKES[mistake](found[name], g, start[name], rate, len(problem.arrays["x"]), self.calls)
        return found


def near(one, other):
    return bool(np.all(np.abs(one - other) <= 1e-5 * max(np.max(np.abs(one)), np.max(np.abs(other)), 1e-30)))


def length_of(law, rate, problem):
    """The number that "2 η / (batch size)", "min(η, 0.05)", "0.3, whatever the rate" stand for."""
    sizes = {"batch size": len(problem.arrays["x"]), "number of outputs": problem.arrays["y"].shape[1]}
    sizes["batch size × number of outputs"] = sizes["batch size"] * sizes["number of outputs"]
    if found := re.fullmatch(r"(.*) (×|/) \((.*?)\)", law):
        size = sizes[found[3]]
        return length_of(found[1], rate, problem) * (size if found[2] == "×" else 1 / size)
    if found := re.fullmatch(r"(.*), whatever the rate", law):
        return float(found[1])
    if found := re.fullmatch(r"(min|max)\(η, (.*)\)", law):
        return {"min": min, "max": max}[found[1]](rate, float(found[2]))
    if found := re.fullmatch(r"(.*) / η", law):
        return float(found[1]) / rate
    found = re.fullmatch(r"(-?)([\d./e-]*) ?η(²?)", law)
    top, _, bottom = (found[2] or "1").partition("/")
    return (-1 if found[1] else 1) * float(top) / float(bottom or 1) * rate ** (2 if found[3] else 1)


class World:
    """The steps at networks and rates that the diagnosis has not seen."""

    def __init__(self, step):
        probes = [*drawn_once(CLAIMS, seed=99, count=6), *drawn_once(CLAIMS, seed=98, count=3, batch=3)]
        self.problems = [problem for problem, _ in probes]
        self.step = step

    def seen(self, of=lambda name, last: True):
        """Each tensor of these: what it moves by, its gradient, its value, the rate and the network."""
        for problem in self.problems:
            last, gradients = architecture_of(problem).layers - 1, textbook.evaluate(problem).gradients
            for rate in RATES:
                for name, moved in self.step.moves(problem, rate).items():
                    if of(name, last):
                        yield moved, gradients[name], np.asarray(problem.arrays[name]), rate, problem

    def along(self, law, of=lambda name, last: True):
        if law.startswith("a length that changes from call to call"):
            firsts, seconds = self.seen(of), World(self.step).seen(of)
            pairs = [(np.abs(one[0]).sum(), np.abs(two[0]).sum()) for one, two in zip(firsts, seconds, strict=True)]
            return any(not near(a, b) for a, b in pairs) and ("shorter" not in law or all(b <= a for a, b in pairs))
        if law == "another length at each rate":
            shares = [float((m * g).sum() / (g * g).sum() / rate) for m, g, _, rate, _ in self.seen(of) if g.any()]
            return np.ptp(shares) > 1e-3
        return all(near(moved, length_of(law, rate, problem) * g) for moved, g, _, rate, problem in self.seen(of))

    def right(self, of):
        return [near(moved, rate * g) for moved, g, _, rate, _ in self.seen(of)]


def kind(name):
    return PLACES[name]


def place(words):
    what, where = re.fullmatch(r"the (weights|biases) of (the output layer|the layers below the output)", words).groups()
    return lambda name, last: name.startswith(what) and name.endswith(f"[{last}]") == (where == "the output layer")


def holds(told, world):
    """Whether what is said is true of the steps; a sentence that is not known here fails the test."""
    text = told.explanation
    if told.fault == "update-of-another-length":
        rest = r"The other parameters step rightly; it is the (\w+) that do not\."
        law = r"`update` steps along the right gradient by (.*), not by η\."
        found = re.fullmatch(rf"{law}( {rest})? W ← W - η ∂L/∂W\.", text)
        if apart := re.fullmatch(r"(.*) in the weights and by (.*) in the biases", found[1]):
            return world.along(apart[1], kind("weights")) and world.along(apart[2], kind("biases"))
        if not found[3]:
            return world.along(found[1])
        others = {"weights": "biases", "biases": "weights"}[found[3]]
        return world.along(found[1], kind(found[3])) and all(world.right(kind(others)))
    if told.fault == "update-with-weight-decay":
        of_rate, number, what = re.search(r"takes (η )?λ W.*?, λ = (\S+), off the (\w+):", text).groups()
        decays = (lambda name, last: True) if what == "parameters" else kind("weights")
        return all(
            near(moved, rate * g + float(number) * (rate if of_rate else 1) * w) for moved, g, w, rate, _ in world.seen(decays)
        ) and all(world.right(lambda name, last: not decays(name, last)))
    if told.fault == "update-by-another-law":
        return OF_LAWS[next(words for words in OF_LAWS if words in text)](world, text)
    if told.fault == "no-known-mistake":
        never, always = re.search(r"Never right: (.*?)\.", text), re.search(r"Always right: (.*?)\.", text)
        return all(not all(world.right(place(one))) for one in (never[1].split(", ") if never else ())) and all(
            all(world.right(place(one))) for one in (always[1].split(", ") if always else ())
        )
    return OF_FAULTS[told.fault](world)


def each(world, of, right):
    return all(near(moved, right(rate, g)) for moved, g, _, rate, _ in world.seen(of))


OF_LAWS = {
    "by the sign": lambda world, text: each(world, kind("all"), lambda rate, g: rate * np.sign(g)),
    "clips each element": lambda world, text: each(
        world, kind("all"), lambda rate, g: rate * np.clip(g, -(bound := float(re.search(r"± (\S+)\.", text)[1])), bound)
    ),
    "moves the output layer alone": lambda world, text: (
        each(world, kind("below"), lambda rate, g: 0 * g) and all(world.right(kind("output")))
    ),
    "never moves the output layer": lambda world, text: (
        each(world, kind("output"), lambda rate, g: 0 * g) and all(world.right(kind("below")))
    ),
    "never moves the first layer": lambda world, text: each(world, kind("first"), lambda rate, g: 0 * g),
}
OF_FAULTS = {
    "update-sign": lambda world: each(world, kind("all"), lambda rate, g: -rate * g),
    "update-without-biases": lambda world: each(world, kind("biases"), lambda rate, g: 0 * g) and all(world.right(kind("weights"))),
    "update-without-weights": lambda world: each(world, kind("weights"), lambda rate, g: 0 * g) and all(world.right(kind("biases"))),
    "update-ignores-rate": lambda world: len({float(f"{(m * g).sum() / (g * g).sum():.4g}") for m, g, *_ in world.seen() if g.any()}) == 1,
    "random-between-calls": lambda world: (
        len(
            {
                tuple(np.concatenate([m.ravel() for m in world.step.moves(world.problems[0], 0.3).values()]))
                for _ in range(4)
                if world.step.start(world.problems[0], count=True)
            }
        )
        > 2
    ),
}


@settings(max_examples=12, deadline=None)
@given(planted)
def test_each_clause_about_steps_is_true_of_planted_mistakes_and_pairs_of_them(mistakes):
    step = Stepping(mistakes)
    told = explain_update(CLAIMS, step, seed=4)
    assert told is None or holds(told, World(step)), (mistakes, told.explanation)


@pytest.mark.parametrize("mistake", ["twice", "by the batch", "at most", "squared", "decay", "clipped", "signs", "turned", "still"])
def test_each_of_them_alone_is_told(mistake):
    assert explain_update(CLAIMS, Stepping([(mistake, "all")]), seed=4) is not None


PULLS = {
    "momentum": lambda kept, g, w: {"v": 0.7 * kept.get("v", 0 * g) + g},
    "decayed": lambda kept, g, w: {"v": g + 0.03 * w},
    "plain": lambda kept, g, w: {"v": g},
    "squares": lambda kept, g, w: {"v": g + 3 * kept.get("v", 0 * g) ** 2},
    "half": lambda kept, g, w: {"v": 0.5 * kept.get("v", 0 * g) + 0.5 * g},
}


def a_path(problem, output, below):
    """Five steps of this network: v of the output layer by one rule, that of the layers below by another."""
    problems, references, afters, kept = [], [], [], {}
    for _ in range(5):
        last, reference = architecture_of(problem).layers - 1, refer(problem)
        problems.append(problem)
        references.append(reference)
        for name, g in textbook.evaluate(problem).gradients.items():
            pull = PULLS[output if name.endswith(f"[{last}]") else below]
            kept[name] = pull(kept.get(name, {}), g, problem.arrays[name])
        afters.append({name: problem.arrays[name] - 0.1 * kept[name]["v"] for name in kept})
        problem = with_arrays(problem, afters[-1])
    return Path(problems, references, afters, 0.1)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(sorted(PULLS)), st.sampled_from(sorted(PULLS)), st.sampled_from([None, Rule("sgd", (("momentum", 0.7),))]))
def test_each_clause_about_a_rule_is_true_of_planted_rules_and_pairs_of_them(output, below, claimed):
    paths = [a_path(problem, output, below) for problem, _ in drawn_once(CLAIMS, seed=5, count=2)]
    assert all(architecture_of(path.problems[0]).layers > 1 for path in paths)
    told = (
        explain_by_a_rule(paths, claimed, seed=0, right_gradients=True)
        or explain_by_parts(paths, claimed, seed=0)
        or tell_carried(paths, seed=0)
    )
    if told is None:
        assert output == below == ("plain" if claimed is None else "momentum") or claimed is None
        return
    text = told.explanation
    right = "momentum" if claimed else "plain"
    first_is_right = {"momentum": {"momentum", "plain", "squares"}, "plain": {"plain", "momentum", "squares"}}[right]
    words = {
        "momentum": "momentum 0.7,",
        "decayed": "weight decay 0.03",
        "plain": "plain gradient descent",
        "half": "momentum 0.5 of averaged",
    }
    if told.fault == "update-by-two-rules":
        mine, other = re.search(r"steps the output layer by (.*), and the layers below it by (.*)\. The manifest", text).groups()
        assert words[output] in mine and words[below] in other, text
    elif told.fault == "no-known-mistake":
        wrong = {place for place, rule in (("output", output), ("below", below)) if rule not in first_is_right}
        said = {
            "The first step of each path is": set(),
            "in the output layer alone": {"output"},
            "in the layers below the output alone": {"below"},
            "in the output layer and in those below": {"output", "below"},
        }
        assert next(places for clause, places in said.items() if clause in text) == wrong, text
    else:
        assert output == below and words[output] in text, text
