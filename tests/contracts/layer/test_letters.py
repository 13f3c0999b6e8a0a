"""What an operation requires of sizes and options holds in the manifest's own letters too."""

import pytest

from verifier.contracts.layer.drawing import draw_problems
from verifier.contracts.layer.manifest import claims_from


def conditions(operation, arrays, **keys):
    call = f"out = f({', '.join([*arrays, *keys.get('options', {})])})"
    backward = f"{', '.join('d' + name for name in arrays)} = g(dout)"
    claims = claims_from({"operation": operation, "arrays": arrays, "forward": call, "backward": backward, **keys}).layers[0]
    return claims, [condition.text for condition in claims.require]


@pytest.mark.parametrize(
    ("arrays", "options", "expected"),
    [
        ({"x": "N C H W", "w": "F C KH KW", "b": "F"}, {"stride": [1], "pad": [0, 1]}, ["H + 2*pad >= KH", "W + 2*pad >= KW"]),
        ({"x": "N H W I", "w": "K K I O", "b": "O"}, {"stride": [1], "pad": [0, 1]}, ["H + 2*pad >= K", "W + 2*pad >= K"]),
        ({"x": "B Ci Hi Wi", "w": "Co Ci k k", "b": "Co 1"}, {"s": [1], "padding": [0]}, ["Hi + 2*padding >= k", "Wi + 2*padding >= k"]),
        ({"x": "C H W", "w": "F C f f", "b": "F 1 1"}, {"stride": [1], "pad": [0]}, ["H + 2*pad >= f", "W + 2*pad >= f"]),
    ],
)
def test_a_filter_of_other_letters_still_fits_into_the_image(arrays, options, expected):
    claims, said = conditions("conv2d", arrays, options=options)
    assert said == expected
    assert claims.fits


def test_the_sides_of_a_square_window_have_one_name():
    claims, said = conditions("maxpool", {"x": "N C H W"}, options={"K": [2, 3], "s": [1, 2]})
    assert said == ["H >= K", "W >= K"]
    assert claims.fits


def test_a_size_of_another_letter_has_the_operations_limits():
    claims, _ = conditions("conv2d", {"x": "N C H W", "w": "F C KH KW", "b": "F"}, options={"stride": [1], "pad": [0]})
    assert claims.sizes["KH"] == claims.sizes["HH"]


def test_what_a_manifest_does_not_say_is_not_required():
    """Whether such a size is ordinary cannot be told, and a forward pass that raises there is not wrong."""
    claims, said = conditions("conv2d", {"x": "N C H W", "w": "F C KH KW", "b": "F"})
    assert said == []
    assert not claims.fits


def test_padding_in_words_is_no_number_in_a_condition():
    """What fits without padding fits with any: sizes were refused where nothing could be worked out."""
    arrays = {"x": "N H W C", "w": "K L C F", "b": "F"}
    claims, said = conditions("conv2d", arrays, options={"stride": [1], "padding": ["same", "valid"]})
    assert said == ["H + 2*(0) >= K", "W + 2*(0) >= L"]
    assert claims.fits
    assert {problem.values["padding"] for problem in draw_problems(claims, 20, 0)} == {"same", "valid"}


def test_each_side_of_a_window_is_known_by_the_names_of_a_book():
    claims, said = conditions("maxpool", {"x": "N C H W"}, options={"pool_h": [2, 3], "pool_w": [2], "stride": [1, 2]})
    assert said == ["H >= pool_h", "W >= pool_w"]
    assert claims.fits


def test_the_height_of_a_window_is_its_width_where_nothing_else_is_said():
    claims, said = conditions("maxpool", {"x": "N C H W"}, options={"pool_h": [2, 3], "stride": [1, 2]})
    assert said == ["H >= pool_h", "W >= pool_h"]
    assert claims.fits
