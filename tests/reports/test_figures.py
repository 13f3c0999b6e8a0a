import math
import re
import xml.etree.ElementTree as ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.reports.figures import differences_picture, margin_picture
from verifier.results.outcome import Measurement

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
        assert 0 <= float(dot.get("cx")) <= 560
        assert 0 <= float(dot.get("cy")) <= 250
    assert not re.search(r'="[^"]*(nan|inf)[^"]*"', picture)


def test_without_two_points_there_is_no_picture():
    assert differences_picture(MEASUREMENT) == ""
    assert differences_picture(msgspec.structs.replace(MEASUREMENT, steps=(0.5, 0.1), differences=(math.nan, 1.0))) == ""


@pytest.mark.parametrize(("error", "kind"), [(2e-9, "over"), (5e-10, "within"), (0.0, "within")])
def test_a_bar_tells_on_which_side_of_the_tolerance_an_error_lies(error, kind):
    picture = margin_picture(error, 1e-9)
    bar = next(rect for rect in ElementTree.fromstring(picture).iter("rect") if rect.get("class") == kind)
    assert (2 + float(bar.get("width")) > 50) == (kind == "over")
