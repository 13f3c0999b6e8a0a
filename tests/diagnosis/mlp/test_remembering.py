"""What is remembered from one network to the next is told by asking two alike in a row; and where the forward pass mixes samples."""

import numpy as np
import pytest

from verifier.contracts.mlp.claims import Claims
from verifier.contracts.mlp.network import architecture_of
from verifier.diagnosis.mlp.faults import BY_ID
from verifier.diagnosis.mlp.patterns import gradients_with_state
from verifier.diagnosis.mlp.planted import planted
from verifier.diagnosis.mlp.remembering import find_memory
from verifier.results.evaluation import Evaluation

KEY = "(x.shape, tuple(w.shape for w in weights))"
BY_SHAPE = {
    "activations": {"forward_done": f"a = kept.setdefault({KEY}, a)"},
    "activations by the shape of x alone": {"forward_done": "a = kept.setdefault(x.shape, a)"},
    "hidden activations": {"forward_done": f"a = a[:1] + kept.setdefault({KEY}, a[1:-1]) + a[-1:]"},
    "weights": {"start": f"weights = kept.setdefault({KEY}, [w.copy() for w in weights])"},
    "targets": {"start": "y = kept.setdefault(y.shape, y.copy())"},
}


@pytest.mark.parametrize("pieces", BY_SHAPE.values(), ids=BY_SHAPE)
def test_what_is_remembered_by_shape_is_named(pieces, told_of):
    verdict, [first, *_] = told_of(**pieces)
    assert (verdict, first.fault) == ("fail", "stale-forward-state")
    assert "remembers" in first.explanation and "by the shape" in first.evidence


def test_what_is_remembered_by_the_inputs_is_named(told_of):
    verdict, [first, *_] = told_of(forward_done="a = kept.setdefault((x.tobytes(), tuple(w.shape for w in weights)), a)")
    assert (verdict, first.fault) == ("fail", "stale-forward-state")
    assert "by the inputs x" in first.evidence


CLAIMS = {"rows": Claims(), "one sample a call": Claims(batch="single")}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
@pytest.mark.parametrize("fault", [None, "hidden-derivative-missing", "sign", "clipped-by-value"])
def test_code_that_keeps_nothing_is_not_accused_of_remembering(fault, claims):
    candidate = planted(claims, BY_ID.get(fault), 0.05)
    assert find_memory(claims, lambda problem: candidate.gradients(problem, where=""), [], seed=5) is None


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
def test_the_first_network_of_each_shape_is_remembered_under_any_claims(claims):
    first = {}

    def ask(problem):
        before = first.setdefault(architecture_of(problem), problem)
        return Evaluation(None, None, gradients_with_state(problem, before))

    assert "by the shape" in find_memory(claims, ask, [], seed=5)


@pytest.mark.parametrize("wrong_where", [lambda size: size > 0.75, lambda size: size < 0.75], ids=["large weights", "small weights"])
def test_a_mistake_that_shows_on_some_networks_alone_is_no_memory(wrong_where):
    """The two of a pair differ in the size of their weights, and either comes first: so what is wrong for its size is so first too."""
    claims = Claims(sizes=(20, 30, 20))
    wrong = planted(claims, BY_ID["sign"], 0.05)
    right = planted(claims, None, 0.05)

    def ask(problem):
        drawn = [problem.arrays[name] * np.sqrt(problem.arrays[name].shape[1]) for name in ("weights[0]", "weights[1]")]
        size = np.sqrt(np.mean(np.concatenate([array.ravel() for array in drawn]) ** 2))
        return (wrong if wrong_where(size) else right).gradients(problem, where="")

    assert find_memory(claims, ask, [], seed=5) is None


@pytest.mark.parametrize("axis", ["None", "0"])
def test_a_softmax_over_the_batch_is_told_where_it_is(axis, told_of):
    verdict, [first] = told_of(
        claims='# losses = ["cross_entropy"]\n# output_activations = ["softmax"]\n',
        output=f"np.exp(z - z.max()) / np.exp(z - z.max()).sum(axis={axis})",
        loss="-(y * np.log(p)).sum() / len(x)",
        delta="(p - y) / len(x)",
    )
    assert (verdict, first.equation) == ("fail", "forward")
    assert "the forward pass mixes samples" in first.explanation and "softmax" in first.explanation


UNMIXED = {
    "a steeper sigmoid": {"hidden": "sigmoid(1.1 * z)", "slope": "1.1 * h * (1 - h)"},
    "divided by the batch twice": {"loss": "((p - y) ** 2).sum() / len(x) ** 2", "slope": "h"},
    "regularised": {"loss": "((p - y) ** 2).sum() + sum((w**2).sum() for w in weights)", "slope": "h"},
    "a loss in float32": {"loss": "np.float32(((p - y) ** 2).sum() / len(x))", "slope": "h"},
}


@pytest.mark.parametrize("pieces", UNMIXED.values(), ids=UNMIXED)
def test_a_loss_that_adds_up_over_the_samples_mixes_nothing(pieces, told_of):
    verdict, told = told_of(**pieces)
    assert verdict == "fail"
    assert not any("mixes" in one.explanation for one in told)
