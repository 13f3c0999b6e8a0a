"""An axis that finds nothing would go: without it a wrong gradient passes that is found with it (the whole table: benchmarks.axes)."""

import pytest

from benchmarks.axes import ask, axes_of
from benchmarks.museum import planted

NEEDED = {
    "rows-apart-in-memory": "layout",
    "strides-taken-for-granted": "inputs",
    "weight-needs-the-input-to-be-needed": "usage: one gradient alone",
    "buffer-shared-by-all-calls": "usage: two forward passes before one backward",
    "same-memory-is-a-square": "usage: the same tensor twice",
    "hook-on-the-input": "usage: another user of the inputs",
    "captured-after-a-warm-up": "usage: four calls",
    "clipped": "cotangent",
    "mean-of-nothing": "masks",
    "equal-inputs-are-one": "values",
    "rotary": "options",
    "scan-in-chunks": "sizes",
}
EXHIBITS = {exhibit.name: exhibit for exhibit in planted()}


@pytest.mark.parametrize(("name", "axis"), NEEDED.items())
def test_without_the_axis_the_plant_would_pass(name, axis):
    found = ask(EXHIBITS[name], draws=12, seed=0)
    assert found.failing
    assert all(axis in axes for axes in found.failing)
    assert found.accused == ()


def test_the_base_has_no_axis_on():
    from verifier.oracles.references.space import Case

    base = Case({"N": 4}, (), {"p": 0.0}, {}, 0)
    assert axes_of(base, base) == frozenset()
    assert axes_of(Case({"N": 5}, (), {"p": 0.5}, {"layout": "rows", "usage": "four calls"}, 1), base) == {
        "sizes",
        "options",
        "layout",
        "usage: four calls",
    }
