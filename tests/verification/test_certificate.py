"""What the certificate of a pass says, held against candidates that make each mistake: they fail, or pass, as it says."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from verifier import textbook
from verifier.candidates.discovery import find_candidates
from verifier.candidates.limits import Limits
from verifier.candidates.zygote import Zygote
from verifier.checks.examination import Examination, Item
from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import Architecture, build_problem
from verifier.contracts.mlp.numbers import Recipe, draw_problem
from verifier.diagnosis.mlp import explaining
from verifier.oracles.reference import refer
from verifier.results.report import Report
from verifier.verification import run
from verifier.verification.certificate import PLANTED
from verifier.verification.corpus import Corpus, fresh_corpus
from verifier.verification.profiles import Profile
from verifier.verification.record import Request

FEW = Profile("few", networks=10, differences=3, seed=0, kept=False, shrinking=0)
CLAIMS = Claims()

# A right network of one activation, written for every claim below; MISTAKE changes what it returns, SLOPE what it multiplies.
SOURCE = """
# /// script
# [tool.verifier]
{claims}
# ///
import numpy as np

def activate(z):
    return {activate}

def slope(z):
    return {slope} if {right_slope} else np.ones_like(z)

def backprop(weights, biases, x, y):
    single = x.ndim == 1
    X, Y = np.atleast_2d(x), np.atleast_2d(y)
    batch = len(X)
    if {one_sample}:
        X, Y = X[:1], Y[:1]
    zs, acts = [], [X]
    for w, b in zip(weights, biases):
        zs.append(acts[-1] @ w.T + b)
        acts.append(activate(zs[-1]))
    share = 1.0 if {summed} else 1.0 / len(X)
    loss = np.sum((activate_all(weights, biases, x) - np.atleast_2d(y)) ** 2) * (1.0 if {sum_claimed} else 1.0 / batch)
    d = 2 * (acts[-1] - Y) * share * slope(zs[-1])
    gw, gb = [], []
    for l in reversed(range(len(weights))):
        gw.insert(0, d.T @ acts[l])
        gb.insert(0, d.sum(axis=0))
        if l:
            d = d @ weights[l] * slope(zs[l - 1])
    {mistake}
    return loss, gw, gb

def activate_all(weights, biases, x):
    a = np.atleast_2d(x)
    for w, b in zip(weights, biases):
        a = activate(a @ w.T + b)
    return a
"""
ACTIVATIONS = {
    "sigmoid": ("1 / (1 + np.exp(-z))", "activate(z) * (1 - activate(z))"),
    "tanh": ("np.tanh(z)", "1 - np.tanh(z) ** 2"),
    "identity": ("z", "np.ones_like(z)"),
    "leaky_relu": ("np.where(z > 0, z, SLOPE * z)", "np.where(z > 0, 1.0, SLOPE)"),
}
EACH = "gw, gb = [{0} for g in gw], [{0} for g in gb]"
MISTAKES = {
    "gradients of zeros": EACH.format("0 * g"),
    "twice the gradient": EACH.format("2 * g"),
    "the opposite sign": EACH.format("-g"),
    "an element of a tensor left 0": "for g in gw + gb: g.flat[0] = 0",
    "a layer's bias gradient summed to one number": "gb = [np.full_like(g, g.sum()) for g in gb]",
}
MANIFESTS = [
    {"activations": "sigmoid"},
    {"activations": "tanh", "batch": "single", "layers": 2},
    {"activations": "identity", "layers": 1, "batch": "single"},
    {"activations": "leaky_relu", "leaky_slope": 0.9999999999999999, "reduction": "sum", "max_width": 1},
]


DRAWN = st.fixed_dictionaries(
    {"activations": st.sampled_from(sorted(ACTIVATIONS))},
    optional={
        "batch": st.just("single"),
        "layers": st.integers(1, 3),
        "max_width": st.integers(1, 4),
        "reduction": st.just("sum"),
        "leaky_slope": st.sampled_from([0.01, 0.5, 1 - 2**-52]),
        "bias": st.just("vector"),
    },
)


def source(manifest: dict, words: str = "") -> str:
    activate, slope = ACTIVATIONS[manifest["activations"]]
    steep = repr(manifest.get("leaky_slope", 0.01))
    claims = {**manifest, "activations": [manifest["activations"]]}
    summed = manifest.get("reduction") == "sum"
    return SOURCE.format(
        claims="\n".join(f"# {key} = {value!r}" for key, value in claims.items()),
        activate=activate.replace("SLOPE", steep),
        slope=slope.replace("SLOPE", steep),
        right_slope=words != "σ' left out",
        one_sample=words == "one sample's gradient for the whole batch's",
        summed=summed != words.startswith("the mean"),
        sum_claimed=summed,
        mistake=MISTAKES.get(words, "pass"),
    )


@pytest.fixture(scope="module")
def zygote():
    with Zygote() as started:
        yield started


@pytest.fixture(scope="module")
def corpora() -> dict[str, Corpus]:
    return {}


@pytest.fixture
def judged(zygote, corpora, tmp_path, monkeypatch):
    """Judge a text: its verdict is asked here, and nobody asks which mistake it makes, which takes most of a failing run."""
    monkeypatch.setattr(explaining, "explain_failure", lambda findings, examination: None)
    monkeypatch.setattr(explaining, "find_own_lines", lambda *arguments: ())

    def judge(text: str, *, only: tuple[str, ...] = ("autograd",), corpus: Corpus | None = None) -> Report:
        file = tmp_path / "net.py"
        file.write_text(text)
        (candidate,), errors = find_candidates([str(file)])
        assert not errors
        key = repr(candidate.claims)
        if key not in corpora:
            corpora[key] = fresh_corpus(candidate.claims, FEW, 0, lambda done, total: None)
        drawn = corpus or corpora[key]
        return run.judge_candidate(candidate, lambda: drawn, zygote, Limits(), Request(FEW, 0, only), lambda *_: None).report

    return judge


@seed(0)
@settings(
    max_examples=int(os.environ.get("VERIFIER_CERTIFICATES", "2")), deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(DRAWN)
def test_that_holds_for_random_manifests(judged, manifest):
    """VERIFIER_CERTIFICATES=200 draws two hundred of them."""
    the_certificate_holds(manifest, judged)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: " ".join(map(str, manifest.values())))
def test_a_candidate_that_makes_an_excluded_mistake_fails_and_one_that_makes_another_passes(manifest, judged):
    the_certificate_holds(manifest, judged)


def the_certificate_holds(manifest, judged):
    right = judged(source(manifest))
    assert right.verdict == "pass", right.summary
    said = right.certificate
    assert {*said.excludes, *said.not_excluded} == {planted.words for planted in PLANTED}
    for words in said.excludes:
        assert judged(source(manifest, words)).verdict == "fail", words
    for words in said.not_excluded:
        assert judged(source(manifest, words)).verdict == "pass", words
    assert (said.largest["batch"] == 1) is (manifest.get("batch") == "single")
    if manifest.get("batch") == "single":
        assert any(words.startswith("the mean") for words in said.not_excluded)
    if manifest["activations"] in ("identity", "leaky_relu"):
        assert "σ' left out" in said.not_excluded


def corpus_of(candidate: str, judged, corpora: dict[str, Corpus]) -> Corpus:
    """The networks that this candidate is asked about, whatever others were asked before it."""
    corpora.clear()
    judged(candidate)
    (corpus,) = corpora.values()
    return corpus


def zero_references(corpus: Corpus) -> Corpus:
    """As a poisoned corpus has them: every right gradient is 0."""

    def zeroed(item):
        evaluation = item.reference.evaluation
        nothing = {name: 0 * gradient for name, gradient in evaluation.gradients.items()}
        return replace(item, reference=replace(item.reference, evaluation=replace(evaluation, gradients=nothing)))

    return replace(corpus, items=tuple(map(zeroed, corpus.items)))


def test_a_tensor_whose_right_gradient_is_zero_nearly_everywhere_is_undecided(judged, corpora):
    zeros = source(MANIFESTS[0], "gradients of zeros")
    report = judged(zeros, corpus=zero_references(corpus_of(zeros, judged, corpora)))
    assert report.verdict == "inconclusive"
    assert report.certificate is None
    assert "first-layer weights" in report.summary


def test_without_the_certificate_that_would_pass(judged, corpora, monkeypatch):
    monkeypatch.setattr(run, "certify", lambda examination: (None, []))
    zeros = source(MANIFESTS[0], "gradients of zeros")
    assert judged(zeros, corpus=zero_references(corpus_of(zeros, judged, corpora))).verdict == "pass"


def test_witnesses_that_contradict_each_other_have_the_reference_computed_afresh(judged, corpora):
    zeros = source(MANIFESTS[0], "gradients of zeros")
    report = judged(zeros, only=("autograd", "finite-difference", "forward"), corpus=zero_references(corpus_of(zeros, judged, corpora)))
    assert report.verdict == "fail"
    assert next(check for check in report.checks if check.id == "autograd").status == "fail"


KNOWS_A_LINE = """
    import sys
    frame = sys._getframe()
    while frame:
        if getattr(frame.f_locals.get("asking"), "__name__", "") == "_line":
            loss = loss * (1 + 1e-3 * np.sin(1e3 * sum(w.sum() for w in weights)))
        frame = frame.f_back
    return loss, gw, gb"""


def test_witnesses_that_contradict_each_other_are_no_pass(judged, monkeypatch):
    text = source(MANIFESTS[0]).replace("\n    return loss, gw, gb", KNOWS_A_LINE)
    only = ("autograd", "finite-difference", "forward")
    report = judged(text, only=only)
    assert report.verdict == "inconclusive"
    assert report.summary.startswith("The witnesses contradict each other. ")
    monkeypatch.setattr(run, "contradicts", lambda testimony: False)
    assert judged(text, only=only).verdict == "pass"


@pytest.mark.parametrize("samples", ["different", "alike"])
def test_one_sample_for_the_batch_is_planted_as_a_candidate_makes_it(samples):
    # As X[:1], Y[:1] above do; of samples that are alike one is as good as all, and no mistake.
    network = Architecture((3, 4, 2), ("sigmoid", "sigmoid"), "squared_error", 4)
    problem = draw_problem(network, Recipe(samples=samples), CLAIMS, seed=0, index=0)
    first = {name: array[:1] if name in ("x", "y") else array for name, array in problem.arrays.items()}
    made, own = textbook.evaluate(build_problem(replace(network, batch=1), first, CLAIMS)), textbook.evaluate(problem)
    (planted,) = (one for one in PLANTED if one.words.startswith("one sample"))
    item = Item(0, problem, refer(problem))
    gradients = planted.gradients(Examination(CLAIMS, "backprop", (item,), (), {0: own}, None, 0, 0), item, own)
    for name, right in own.gradients.items():
        tolerance = 2 * item.reference.gradient_tolerance(name)
        assert np.all(np.abs(gradients[name] - made.gradients[name]) <= tolerance)
        assert bool(np.all(np.abs(gradients[name] - right) <= tolerance)) == (samples == "alike")
