"""Hidden units in another order."""

import pytest


def permutation(verify, source):
    return verify(source, only=("unit-permutation",)).outcome("unit-permutation")


def test_gradients_that_follow_their_units_pass(verify, plain):
    assert permutation(verify, plain).status == "pass"


MISTAKES = {
    "the first unit left out": ("    inputs = [x", "    for d in found[:-1]:\n        d[:, 0] = 0\n    inputs = [x"),
    "each unit a little more": ("    inputs = [x", "    for d in found[:-1]:\n        d *= 1 + np.arange(len(d.T)) / 1e6\n    inputs = [x"),
    "the neighbour's σ'": ("slope(z[l - 1], a[l - 1])", "np.roll(slope(z[l - 1], a[l - 1]), 1, axis=1)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_tied_to_a_units_place_fails(mistake, verify, plain):
    outcome = permutation(verify, plain.but(*MISTAKES[mistake]))
    assert outcome.status == "fail"
    assert outcome.message.startswith("A unit's gradient depends on its place in the layer")


def test_a_mistake_that_is_the_same_for_every_unit_follows_its_units(verify, plain):
    assert permutation(verify, plain.but("weights[l] * slope(z[l - 1], a[l - 1])", "weights[l]")).status == "pass"


def test_networks_without_hidden_units_leave_nothing_to_ask(verify, plain):
    assert permutation(verify, plain.claims("layers = 1")).status == "skipped"
