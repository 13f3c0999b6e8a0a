"""How a manifest's arrays lie beside the usual layout of their operation, by their letters."""

import numpy as np
import pytest

from verifier.checks.layer.parts import layout_of
from verifier.contracts.layer.manifest import claims_from

CALLS = {"forward": "out = f(x, w, b)", "backward": "dx, dw, db = g(dout)"}


def lying(operation, arrays, **keys):
    return layout_of(claims_from({"operation": operation, "arrays": arrays, **CALLS, **keys}).layers[0])


@pytest.mark.parametrize(
    ("operation", "arrays", "shapes", "usual"),
    [
        (
            "conv2d",
            {"x": "N H V C", "w": "A B C F", "b": "1 1 1 F"},
            [(2, 5, 6, 3), (1, 2, 3, 4), (1, 1, 1, 4)],
            [(2, 3, 5, 6), (4, 3, 1, 2)],
        ),
        ("conv2d", {"x": "C H W", "w": "F C K K", "b": "F 1 1"}, [(3, 5, 6), (4, 3, 2, 2), (4, 1, 1)], [(1, 3, 5, 6), (4, 3, 2, 2)]),
        ("affine", {"x": "D N", "w": "M D", "b": "M 1"}, [(3, 1), (4, 3), (4, 1)], [(1, 3), (3, 4)]),
        ("affine", {"x": "N I", "w": "O I", "b": "O"}, [(2, 3), (4, 3), (4,)], [(2, 3), (3, 4)]),
        ("affine", {"x": "N P Q", "w": "P*Q M", "b": "M"}, [(2, 3, 4), (12, 5), (5,)], [(2, 12), (12, 5)]),
    ],
)
def test_axes_are_found_by_their_letters_and_go_back(operation, arrays, shapes, usual):
    found = lying(operation, arrays)
    generator = np.random.default_rng(0)
    for role, shape, expected in zip("xwb", shapes, [*usual, None], strict=True):
        array = generator.normal(size=shape)
        turned = found[role].in_usual_layout(array)
        assert expected is None or turned.shape == expected
        assert np.array_equal(found[role].as_it_lies(turned, shape), array)


def test_a_square_matrix_keeps_its_two_axes():
    claims = claims_from({"operation": "rnn_step"}).layers[0]
    assert layout_of(claims)["Wh"].order == (0, 1)


@pytest.mark.parametrize("arrays", [{"x": "N D", "w": "D M K", "b": "M"}, {"x": "N D", "w": "D M", "b": "D"}])
def test_letters_that_do_not_tell_are_left_alone(arrays):
    assert lying("affine", arrays) is None
