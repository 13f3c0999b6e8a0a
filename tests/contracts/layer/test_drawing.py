"""The problems of a layer: small, of every rank, each size 1 once, and the same each time."""

import numpy as np
import pytest

from verifier.contracts.layer import drawing
from verifier.contracts.layer.drawing import draw_problems
from verifier.contracts.layer.manifest import claims_from
from verifier.contracts.layer.operations import catalogue
from verifier.problems.sizes import draw_sizes

WRITABLE = [name for name, entry in catalogue.operations().items() if entry.forward]
MOST_NUMBERS = 6000  # of one problem: a candidate in plain loops answers hundreds of them


def drawn(table, count=60):
    (claims,) = claims_from(table).layers
    return draw_problems(claims, count, seed=3)


ANY_RANK = {"forward": "out, x = f(x)", "backward": "dx = g(dout, x)", "arrays": {"x": "*"}}


def test_an_array_of_any_rank_is_drawn_in_each_rank_with_few_elements():
    shapes = [problem.arrays["x"].shape for problem in drawn(ANY_RANK)]
    assert {len(shape) for shape in shapes} == {0, 1, 2, 3}
    assert all(1 <= size <= 3 for shape in shapes for size in shape)
    assert any(1 in shape for shape in shapes)


@pytest.mark.parametrize("name", WRITABLE)
def test_problems_are_small_finite_and_the_same_each_time(name):
    first, again = drawn({"operation": name}), drawn({"operation": name})
    assert len({problem.index for problem in first}) == len(first)
    for problem, same in zip(first, again, strict=True):
        assert sum(array.size for array in problem.arrays.values()) <= MOST_NUMBERS, problem.describe()
        assert all(np.isfinite(array).all() for array in problem.arrays.values())
        assert all(np.array_equal(array, same.arrays[one]) for one, array in problem.arrays.items())


def test_each_size_is_1_alone_and_all_are_equal_once():
    problems = drawn({"forward": "out, c = f(x, w)", "backward": "dx, dw = g(dout, c)", "arrays": {"x": "N D", "w": "D M"}})
    sizes = [tuple(problem.values[letter] for letter in "NDM") for problem in problems]
    assert len(set(sizes[0])) == 3 and 1 not in sizes[0]
    for place in range(3):
        assert any(one[place] == 1 and 1 not in one[:place] + one[place + 1 :] for one in sizes)
    assert any(one[0] > 1 and len(set(one)) == 1 for one in sizes)


def test_what_is_drawn_for_an_operation_is_also_tried_where_its_manifest_does_not_say():
    tried = 0
    for name, entry in catalogue.operations().items():
        for option, values in entry.options.items():
            known = entry.variants.get("window" if option in ("pool_height", "pool_width") else option)
            tried += known is not None
            assert known is None or set(values) <= set(known), (name, option)
    assert tried >= 10


def test_a_remainder_is_looked_for_where_a_stride_can_leave_one_and_nowhere_else(monkeypatch):
    asked = []

    def counting(names, limits, generator, **rules):
        asked.append(rules["fits"])
        return draw_sizes(names, limits, generator, **rules)

    monkeypatch.setattr(drawing, "draw_sizes", counting)
    problems = {}
    for strides in ([1], [2]):
        asked.clear()
        (claims,) = claims_from({"operation": "conv2d", "options": {"stride": strides, "pad": [0]}}).layers
        problems[strides[0]] = draw_problems(claims, 40, seed=0)
        assert len(asked) == (len(problems[1]) if strides == [1] else 40)
    assert not [one for one in problems[1] if one.stress == "undivided"]
    undivided = [one.values for one in problems[2] if one.stress == "undivided"]
    assert undivided
    assert all((one["H"] - one["HH"]) % 2 or (one["W"] - one["WW"]) % 2 for one in undivided)


def test_cotangents_are_drawn_once_and_cannot_be_written_into():
    first = drawing.cotangent_values("out", 0, 3, 100, one_sign=False)
    assert drawing.cotangent_values("out", 0, 3, 100, one_sign=False) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1.0
    others = [("loss", 0, 3), ("out", 1, 3), ("out", 0, 4)]
    assert not any(np.array_equal(first, drawing.cotangent_values(*other, 100, one_sign=False)) for other in others)
    np.testing.assert_array_equal(np.abs(first), drawing.cotangent_values("out", 0, 3, 100, one_sign=True))
