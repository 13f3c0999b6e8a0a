import math
import re
import xml.etree.ElementTree as ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.reports.errors_picture import errors_picture
from verifier.reports.figures import differences_picture, margin_picture
from verifier.reports.network_picture import network_picture
from verifier.results.outcome import Measurement
from verifier.results.report import Counterexample

MEASUREMENT = Measurement("finite-difference", 0, "1-1", "weights[0]", 0.1, 1e-8, "8 x bound", "fail")
NUMBERS = st.floats(width=64) | st.floats(1e-12, 10)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=9), NUMBERS | st.none(), NUMBERS | st.none())
def test_every_picture_is_well_formed_and_stays_inside_its_frame(points, tolerance, chosen):
    measurement = msgspec.structs.replace(
        MEASUREMENT, steps=tuple(s for s, _ in points), differences=tuple(d for _, d in points), tolerance=tolerance, step=chosen
    )
    picture = differences_picture(measurement)
    if not picture:
        return
    tree = ElementTree.fromstring(picture)
    for dot in tree.iter("circle"):
        assert 0 <= float(dot.get("cx")) <= 640
        assert 0 <= float(dot.get("cy")) <= 280
    assert not re.search(r'="[^"]*(nan|inf)[^"]*"', picture)


def test_without_two_points_there_is_no_picture():
    assert differences_picture(MEASUREMENT) == ""
    assert differences_picture(msgspec.structs.replace(MEASUREMENT, steps=(0.5, 0.1), differences=(math.nan, 1.0))) == ""


@pytest.mark.parametrize(("error", "kind"), [(2e-9, "over"), (5e-10, "within"), (0.0, "within")])
def test_a_bar_tells_on_which_side_of_the_tolerance_an_error_lies(error, kind):
    picture = margin_picture(error, 1e-9)
    bar = next(rect for rect in ElementTree.fromstring(picture).iter("rect") if rect.get("class") == kind)
    assert (2 + float(bar.get("width")) > 50) == (kind == "over")


@given(st.lists(st.tuples(NUMBERS | st.none(), NUMBERS | st.none()), max_size=12))
def test_every_error_has_a_place_in_the_picture(pairs):
    points = [msgspec.structs.replace(MEASUREMENT, error=error, tolerance=tolerance) for error, tolerance in pairs]
    picture = errors_picture(points, {"finite-difference": 0}, {0: "n0"})
    assert not re.search(r'="[^"]*(nan|inf)[^"]*"', picture)
    if not picture:
        return
    for path in ElementTree.fromstring(picture).iter("path"):
        if (place := re.match(r"M([\d.-]+) ([\d.-]+)l4 7", path.get("d"))) is not None:
            assert 0 <= float(place[1]) <= 760
            assert 0 <= float(place[2]) <= 400


def test_an_error_beyond_its_tolerance_stands_above_the_line_and_one_within_below():
    points = [msgspec.structs.replace(MEASUREMENT, error=error, tolerance=1e-9) for error in (1e-12, 1e-6)]
    tree = ElementTree.fromstring(errors_picture(points, {}, {}))
    line = next(path.get("d") for path in tree.iter("path") if path.get("class") == "one")
    (left, low), (right, high) = [tuple(map(float, place.split())) for place in line[1:].split("L")]
    places = [tuple(map(float, path.get("d")[1:].split("l")[0].split())) for path in tree.iter("path") if "l4 7" in path.get("d")]
    above = [y < low + (x - left) / (right - left) * (high - low) for x, y in places]
    assert above == [False, True]


EXAMPLE = Counterexample(
    None,
    "1-2-1",
    "autograd",
    {"weights[0]": [[1.0], [1.0]], "biases[0]": [0.0, 0.0], "weights[1]": [[1.0, 1.0]], "biases[1]": [0.0]},
    {"weights[0]": [[0.5], [0.25]], "biases[0]": [0.5, 0.5], "weights[1]": [[1.0, 2.0]], "biases[1]": [1.0]},
    {"weights[0]": [[0.5], [0.5]], "biases[0]": [0.5, 0.5], "weights[1]": [[1.0, 2.0]], "biases[1]": [1.0 + 1e-16]},
)


def test_the_wrong_weight_and_the_wrong_equation_are_marked_and_nothing_else():
    tree = ElementTree.fromstring(network_picture(EXAMPLE, "hidden-delta"))
    assert [edge.get("class") for edge in tree.iter("path")].count("edge bad") == 1
    assert "unit bad" not in [unit.get("class") for unit in tree.iter("circle")]
    words = [text.text for text in tree.iter("text") if "bad" in (text.get("class") or "")]
    assert words == ["weights[0] wrong", "hidden-delta", "δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ'(zˡ)"]
    assert "wrong gradients: weights[0]; the equation that departs: hidden-delta" in tree.get("aria-label")


def test_a_gradient_that_is_no_number_is_marked_as_wrong():
    claimed = {**EXAMPLE.claimed, "biases[0]": [None, "nan"]}
    tree = ElementTree.fromstring(network_picture(msgspec.structs.replace(EXAMPLE, claimed=claimed), None))
    assert [unit.get("class") for unit in tree.iter("circle")].count("unit bad") == 2


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"weights[0]": 1.0},
        {"weights[0]": []},
        {"weights[0]": [[]]},
        {"weights[0]": [[1.0], [1.0, 2.0]]},
        {"weights[0]": [[1.0]], "weights[1]": [[1.0, 2.0]]},
    ],
)
def test_what_is_no_multilayer_perceptron_is_not_drawn(arrays):
    assert network_picture(msgspec.structs.replace(EXAMPLE, arrays=arrays), None) == ""


def test_a_wide_layer_is_cut_and_says_so():
    wide = Counterexample(None, "20-1", "autograd", {"weights[0]": [[1.0] * 20]}, {}, {})
    picture = network_picture(wide, None)
    assert "and 12 more" in picture
    assert ElementTree.fromstring(picture).get("aria-label").startswith("Network of layers 20-1")
