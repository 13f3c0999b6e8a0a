import re

import msgspec
from markdown_it import MarkdownIt

from verifier.reports.markdown import CUT, MOST_BYTES, blocks, fitting, write
from verifier.reports.run_summary import write_together
from verifier.results.gathering import Gathering
from verifier.results.report import CandidateRecord, Counterexample, Note

MEBIBYTE = 1024 * 1024
READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def named(report, name):
    return msgspec.structs.replace(report, candidate=CandidateRecord(name, f"{name}.py", "mlp", {}))


def test_the_table_has_every_candidate_and_what_did_not_pass_is_told_below(passing, failing):
    page = write_together(Gathering((passing, failing), ("no such file: x.py",)))
    assert page.startswith("# ❌ 3 candidates: 1 pass, 1 fail, 1 not judged\n")
    assert re.search(r"^\| `vectorised_rows` \| ✅ pass \| – \| – \|", page, re.M)
    assert re.search(r"^\| `factor_two` \| ❌ fail \| `autograd` \| `half-gradient` \|", page, re.M)
    assert "- Not judged: no such file: x.py" in page
    assert page.count("<details>") == page.count("</details>") == 1
    html = READER.render(page)
    assert html.count("<h1") == 1
    assert "<h3>Checks</h3>" in html


def test_one_candidate_is_its_report(failing):
    assert write_together(Gathering((failing,))) == write(failing)


def test_a_thousand_failures_stay_within_what_github_takes_and_it_is_told_how_many_are_not_shown(failing):
    reports = tuple(named(failing, f"student_{n}") for n in range(1_200))
    page = write_together(Gathering(reports))
    assert len(page.encode()) < MEBIBYTE
    assert "And 200 more candidates." in page
    left_out = int(re.search(r"The reports of (\d+) more", page)[1])
    assert page.count("<details>") == 1_200 - left_out > 0


def test_one_report_stays_within_it_however_much_it_holds(failing):
    notes = tuple(Note("purity", "x" * 1_900) for _ in range(1_000))
    example = Counterexample(None, "", "autograd", {f"weights[{n}]": [[0.123456789] * 40] * 40 for n in range(80)})
    page = write(msgspec.structs.replace(failing, notes=notes, counterexample=example))
    assert len(page.encode()) <= MOST_BYTES < MEBIBYTE
    assert page.rstrip().endswith(CUT)


def test_only_whole_blocks_are_left_out(failing):
    whole = blocks(failing)
    for limit in range(200, 6_000, 97):
        shown = fitting(whole, limit)
        assert len("\n\n".join(shown).encode()) <= limit
        assert set(shown) <= {*whole, CUT}
        assert (CUT in shown) == (len(shown) <= len(whole) and shown != whole)


def test_what_candidates_write_opens_nothing(hostile):
    page = write_together(Gathering((hostile, hostile)))
    assert page.count("<details>") == page.count("</details>") == page.count("<summary>") == 2
    assert "<script" not in READER.render(page)
