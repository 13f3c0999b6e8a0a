import re
from html.parser import HTMLParser

import msgspec
import pytest

from verifier.reports.heat_map import gradient_grids, grid
from verifier.reports.html import write
from verifier.results.outcome import Measurement
from verifier.results.report import Counterexample

VOID = {"meta", "link", "br", "hr", "img", "input"}
MOST_BYTES = 2_000_000


class Reader(HTMLParser):
    """Elements, attributes and text of a page; complains where elements are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(params=["passing", "failing", "hostile"])
def page(request):
    return write(request.getfixturevalue(request.param))


def test_the_page_needs_nothing_else_and_runs_nothing(page):
    read = Reader(page)
    assert not {"script", "link", "img", "iframe", "object", "form", "image", "use", "foreignObject"} & set(read.elements)
    assert not {"src", "srcset", "xlink:href"} & {name for name, _ in read.attributes}
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert "url(" not in page
    assert "@import" not in page


def test_a_link_leads_to_a_place_on_the_page_itself(page):
    read = Reader(page)
    targets = {f"#{value}" for name, value in read.attributes if name == "id"}
    assert {value for name, value in read.attributes if name == "href"} <= targets
    assert len(targets) == len([name for name, _ in read.attributes if name == "id"])


def test_the_page_forbids_scripts_and_loading(page):
    assert "default-src 'none'" in page


def test_nothing_is_left_of_terminal_escapes(page):
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)


def test_hostile_text_is_shown_and_not_obeyed(hostile, failing):
    read = Reader(write(hostile))
    assert "<script>alert(1)</script>" in "".join(read.text)
    assert set(read.elements) <= set(Reader(write(failing)).elements) | {"dt", "dd", "g", "title"}
    hostile_words = ("alert(1)", "tick", "rever")
    attributes = [(name, value) for name, value in read.attributes if value and any(word in value for word in hostile_words)]
    assert {name for name, _ in attributes} <= {"aria-label"}


def test_verdict_summary_and_diagnosis_come_first(failing):
    page = write(failing)
    page = page[page.index("<main>") :]
    places = [page.index(words) for words in ("FAIL", "should be -0.1621", "half-gradient", "δᴸ = ", "verifier replay", "<table")]
    assert places == sorted(places)


def test_the_failed_difference_is_drawn_with_all_its_steps(failing):
    assert write(failing).count('class="dot"') == 5


def test_claimed_right_and_difference_stand_side_by_side(failing):
    text = " ".join(Reader(write(failing)).text)
    assert re.search(r"claimed\s+-0.0811\s+-0.05\s+right\s+-0.1622\s+-0.1\s+claimed − right\s+0.0811\s+0.05", text)


def test_what_was_printed_comes_before_the_checks_where_the_candidate_could_not_be_judged(failing):
    page = write(msgspec.structs.replace(failing, verdict="error"))
    assert page.index("epoch 1") < page.index("<table>")
    assert page.count("epoch 1") == 1


def test_what_a_passing_candidate_printed_is_not_shown(passing):
    assert "noise" not in write(msgspec.structs.replace(passing, printed="noise"))


def texts(cells):
    return tuple(tuple(cell.text for cell in row) for row in cells.rows)


def test_a_large_array_is_cut_and_says_so():
    cut = grid("weights[0]", [[0.0] * 100] * 100)
    assert (len(cut.rows), len(cut.rows[0])) == (24, 16)
    assert cut.cut == "76 more rows and 84 more columns"


def test_a_ragged_or_empty_array_is_shown_as_it_is():
    assert grid("x", []).rows == ((),)
    assert texts(grid("x", [[1.0], [2.0, None]])) == (("1",), ("2", "not finite"))


def test_claimed_and_right_share_their_shades_and_the_difference_has_its_own():
    example = Counterexample(None, "", "autograd", {}, {"w": [1.0, -4.0, 0.0, None]}, {"w": [1.0, 2.0, 0.0, 1.0]})
    (gradient,) = gradient_grids(example)
    assert [cell.shade for cell in gradient.claimed.rows[0]] == ["p1", "n5", "", "no"]
    assert [cell.shade for cell in gradient.reference.rows[0]] == ["p1", "p2", "", "p1"]
    assert [cell.shade for cell in gradient.difference.rows[0]] == ["", "n5", "", "no"]


def test_what_only_rounding_moved_is_not_shaded_as_if_it_were_wrong():
    example = Counterexample(None, "", "autograd", {}, {"v": [1.0, 2.0], "w": [2.0]}, {"v": [1.0, 2.0 + 4e-16], "w": [1.0]})
    shades = {gradient.name: [cell.shade for cell in gradient.difference.rows[0]] for gradient in gradient_grids(example)}
    assert shades == {"v": ["", ""], "w": ["p5"]}


def test_each_point_of_the_picture_leads_to_its_network(failing):
    page = write(failing)
    assert page.count('<a class="p fail c') == 2
    assert page.count('href="#n7"') == 2
    assert page.count('<table id="n7">') == 1


def many(report, networks, tensors, status="pass"):
    """The report with so many comparisons."""
    name = "layers 13-28-21-7-5-3, sigmoid then tanh then leaky_relu, binary_cross_entropy_with_logits, batch 12"
    measurements = tuple(
        Measurement(
            "autograd",
            n,
            name,
            f"weights[{t}]",
            1.234567e-16,
            4.56789e-15,
            "32 x rounding scatter",
            status,
            -0.123456789,
            0.123456789,
            (12, 13),
            1e-14,
        )
        for n in range(networks)
        for t in range(tensors)
    )
    return msgspec.structs.replace(report, measurements=measurements)


@pytest.mark.parametrize(("networks", "tensors"), [(300, 12), (2000, 9)])
def test_a_report_of_any_length_stays_below_two_megabytes(networks, tensors, failing):
    page = write(many(failing, networks, tensors))
    assert len(page.encode()) < MOST_BYTES
    Reader(page)


def test_what_is_left_out_is_told_and_is_never_what_failed(failing):
    report = many(failing, 900, 2)
    wrong = tuple(msgspec.structs.replace(one, status="fail", error=1.0) for one in many(failing, 899, 1).measurements[-1:])
    page = write(msgspec.structs.replace(report, measurements=report.measurements + wrong))
    assert "And 500 more networks" in page
    assert '<table id="n898">' in page
