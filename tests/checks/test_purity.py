"""The same call again, and the arguments after it."""

import re

import pytest


def purity(verify, source):
    return verify(source, only=("purity",))


def test_pure_code_passes_without_a_note(verify, plain):
    outcome = purity(verify, plain).outcome("purity")
    assert (outcome.status, outcome.notes) == ("pass", ())


def test_gradients_that_accumulate_between_calls_fail_and_are_told(verify, plain):
    accumulating = plain.but("    inputs = [x, *a[:-1]]\n", "    inputs = [x, *a[:-1]]\n    found = accumulated(found)\n")
    accumulating += """

sums = {}


def accumulated(found):
    for l, delta in enumerate(found):
        sums[l, delta.shape] = sums.get((l, delta.shape), 0) + delta
    return [sums[l, delta.shape] for l, delta in enumerate(found)]
"""
    verified = purity(verify, accumulating)
    assert verified.status("purity") == "fail"
    assert "answers differently the second time" in verified.outcome("purity").message
    assert re.search(r" = \S+, beside \S+\. Error", verified.outcome("purity").message)  # which of the two is right it does not know
    assert "to zero" in verified.report.diagnosis[0].explanation


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("weights[0] *= 2", "weights[0]"),
        ("biases[-1] += 1", "biases["),
        ("x += 1", "x"),
        ("y -= a[-1]", "y"),
        ("weights.reverse()", "weights[0]"),
        ("biases.clear()", "biases[0]"),
        ("x[0, 0] = -x[0, 0]", "x"),
    ],
)
def test_code_that_changes_its_arguments_fails_and_they_are_named(line, changed, verify, plain):
    # After the gradients are made, so that nothing else shows it.
    changing = plain.but("return loss, [d.T @ i for", "by_weights = [d.T @ i for").but(
        "zip(found, inputs)], [d.sum(axis=0) for d in found]",
        f"zip(found, inputs)]\n    by_biases = [d.sum(axis=0) for d in found]\n    {line}\n    return loss, by_weights, by_biases",
    )
    verified = purity(verify, changing)
    outcome = verified.outcome("purity")
    assert outcome.status == "fail"
    assert "The call changes its arguments" in outcome.message
    assert outcome.tensor.startswith(changed)


def test_a_write_of_the_same_bytes_is_no_change(verify, plain):
    assert purity(verify, plain.but("    inputs = [x", "    weights[0] *= 1\n    inputs = [x")).status("purity") == "pass"


def test_other_last_bits_the_second_time_are_a_note_only(verify, plain):
    wavering = plain.but("    inputs = [x", "    found = [d * next(factors) for d in found]\n    inputs = [x")
    factors = "import itertools\n\nfactors = itertools.cycle([1, 1 + 2**-52, 1 - 2**-53])\n"
    wavering = wavering.but("import numpy as np\n", f"import numpy as np\n{factors}")
    verified = verify(wavering)
    assert verified.verdict == "pass", verified.report.summary
    assert verified.status("purity") == "pass"
    assert "last bits differ when the same call is repeated" in verified.outcome("purity").notes[0]


def test_randomness_fails(verify, plain):
    noise = "np.random.default_rng().uniform(0.9, 1.1, d.shape)"
    dropout = plain.but("    inputs = [x", f"    found = [d * {noise} for d in found]\n    inputs = [x")
    verified = verify(dropout)
    assert {"purity", "autograd"} <= verified.failed
    assert "the same call again" in verified.report.summary  # which explains the others, and is said in their place


def test_a_forward_pass_of_the_call_before_fails(verify, plain):
    stale = plain.claims("sizes = [2, 3, 1]").but("    z, a = forward(weights, biases, x)\n", "    z, a = stored(weights, biases, x)\n")
    stale += """

kept = {}


def stored(weights, biases, x):
    key = (len(x), *(w.shape for w in weights))
    before = kept.get(key)
    kept[key] = forward(weights, biases, x)
    return before or kept[key]
"""
    # The first network of its shapes is answered rightly, and the second time from what came between.
    outcome = purity(verify, stale).outcome("purity")
    assert outcome.status == "fail"
