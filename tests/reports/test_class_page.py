"""One page over a class: self-contained, escaped, and each row leads to its page."""

import re

import msgspec
import pytest

from verifier.reports.class_page import safe_link, write_together
from verifier.results.gathering import Gathering
from verifier.results.report import CandidateRecord


def named(report, name, **changes):
    record = CandidateRecord(name, f"subs/{name}.py", "mlp", {}, fingerprint=changes.pop("fingerprint", ""))
    return msgspec.structs.replace(report, candidate=record, **changes)


@pytest.fixture
def page(passing, failing):
    reports = [
        named(passing, "ada", fingerprint="aa"),
        named(failing, "bob"),
        named(failing, "cleo"),
        named(passing, "dan", fingerprint="aa"),
    ]
    missing = named(failing, "eve", verdict="error", reason="not-judged", summary="Not judged: an empty folder.", diagnosis=())
    pages = {report.candidate.name: f"reports/{report.candidate.name}/report.html" for report in reports}
    return write_together(Gathering((*reports, missing), pages=pages))


def test_it_counts_and_names_who_made_which_mistake(page):
    words = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", page))
    assert "2 pass" in words
    assert "1 not judged" in words
    (row,) = [row for row in page.split("<tr>") if 'class="share"' in row]
    row = row.partition("</tr>")[0]
    assert 'href="./reports/bob/report.html"' in row
    assert 'href="./reports/cleo/report.html"' in row
    assert "ada" not in row


def test_everyone_is_a_row(page):
    assert page.count('role="row"') == 5 + 1
    assert "not judged</span>: an empty folder." in page


def test_what_all_who_were_judged_claim_alike_is_in_no_row(passing, failing):
    """An assignment fixes it; whoever was not judged has no claims at all, and changes nothing in that."""

    def claiming(report, name, claims):
        return msgspec.structs.replace(report, candidate=msgspec.structs.replace(named(report, name).candidate, beside_defaults=claims))

    judged = [claiming(passing, "ada", {"batch": "columns"}), claiming(failing, "bob", {"batch": "columns", "l2": 0.25})]
    missing = named(failing, "eve", verdict="error", reason="not-judged", summary="Not judged: an empty folder.", diagnosis=())
    page = write_together(Gathering((*judged, missing)))
    assert "l2 = 0.25" in page
    assert "batch = " not in page
    differing = write_together(Gathering((judged[0], claiming(failing, "bob", {"batch": "single"}), missing)))
    assert all(f"batch = {word}" in differing for word in ("columns", "single"))


def test_a_row_does_not_repeat_its_path(failing):
    summary = "subs/bob.py, line 7, in backprop: IndexError: list index out of range."
    page = write_together(
        Gathering((named(failing, "bob", summary=summary, diagnosis=(), place="subs/bob.py, line 7"), named(failing, "ada")))
    )
    assert "line 7, in backprop: IndexError" in page
    assert "subs/bob.py, line 7" not in page


def test_an_equation_is_named_only_where_a_whole_group_breaks_it(failing):
    first = failing.diagnosis[0]
    unknown = [
        msgspec.structs.replace(first, fault="no-known-mistake", equation=equation) for equation in ("bias-gradient", "hidden-delta")
    ]
    page = write_together(Gathering(tuple(named(failing, name, diagnosis=(one,)) for name, one in zip("ab", unknown, strict=True))))
    mistakes = page.partition('id="mistakes"')[2].partition("</section>")[0]
    assert "no known mistake" in mistakes
    assert "hidden-delta" not in mistakes


def test_the_same_code_is_told(page):
    told = page.partition('id="same"')[2].partition("</section>")[0]
    assert "ada" in told
    assert "dan" in told
    assert "bob" not in told


def test_it_needs_nothing_else_and_runs_no_script(page):
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?(https?:|//|data:|javascript:)""", page)
    assert "default-src 'none'" in page


def test_a_candidates_words_are_escaped(hostile, passing):
    shown = write_together(Gathering((hostile, passing), (hostile.summary,), pages={hostile.candidate.name: "javascript:alert(1)"}))
    assert "<script>" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert 'href="javascript:' not in shown


@pytest.mark.parametrize(
    "path", ["javascript:alert(1)", "//evil.example/x", 'a" onclick="x', "reports/李雷/report.html", "../a b/report.html"]
)
def test_a_link_stays_a_relative_path(path):
    link = safe_link(path)
    assert re.fullmatch(r"\./[A-Za-z0-9/._%-]+", link)
