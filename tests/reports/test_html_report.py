import re
from html.parser import HTMLParser

import msgspec
import pytest

from verifier.reports.html import grid, write

VOID = {"meta", "link", "br", "hr", "img", "input"}


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
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(read.elements)
    names = {name for name, _ in read.attributes}
    assert not {"src", "href", "srcset"} & names
    assert not [name for name in names if name.startswith("on")]
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_forbids_scripts_and_loading(page):
    assert "default-src 'none'" in page


def test_nothing_is_left_of_terminal_escapes(page):
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)


def test_hostile_text_is_shown_and_not_obeyed(hostile, failing):
    read = Reader(write(hostile))
    assert "<script>alert(1)</script>" in "".join(read.text)
    assert set(read.elements) <= set(Reader(write(failing)).elements) | {"dt", "dd"}


def test_verdict_summary_and_diagnosis_come_first(failing):
    page = write(failing)
    places = [
        page.index(words, page.index("<body>")) for words in ("FAIL", "should be -0.1621", "half-gradient", "verifier replay", "<table>")
    ]
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


def test_a_large_array_is_cut_and_says_so():
    cut = grid("weights[0]", [[0.0] * 100] * 100)
    assert (len(cut.rows), len(cut.rows[0])) == (24, 16)
    assert cut.cut == "76 more rows and 84 more columns"


def test_a_ragged_or_empty_array_is_shown_as_it_is():
    assert grid("x", []).rows == ((),)
    assert grid("x", [[1.0], [2.0, None]]).rows == (("1",), ("2", "not finite"))
