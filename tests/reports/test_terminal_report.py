import io

import msgspec
import pytest
from rich.console import Console

from verifier.reports.terminal import open_console, show, show_short, show_table, write
from verifier.results.outcome import Outcome
from verifier.results.report import Note


def terminal(**options):
    """A console that believes in a terminal, and the page that it writes."""
    page = io.StringIO()
    return Console(file=page, force_terminal=True, markup=False, emoji=False, highlight=False, width=80, **options), page


def test_the_first_screen_says_verdict_tensor_numbers_and_diagnosis(failing):
    first_screen = "\n".join(write(failing).split("\n")[:12])
    for words in (
        "FAIL  factor_two",
        "weights[1][0, 2] = -0.0811",
        "should be -0.1621",
        "tolerance 4e-15",
        "half-gradient",
        "output-delta",
    ):
        assert words in first_screen


def test_a_failure_ends_with_the_command_that_replays_it(failing):
    assert "      verifier replay counterexample.safetensors 'reference_impls/faulty/factor two.py'\n" in write(failing)


def test_the_headline_is_not_repeated_by_its_check(failing):
    assert write(failing).count("should be -0.1621") == 1


def test_a_pass_shows_what_it_excludes_and_not_what_it_printed(passing):
    page = write(msgspec.structs.replace(passing, printed="a secret of the pass"))
    assert "3e-8" in page
    assert "a secret of the pass" not in page


def test_a_note_comes_with_the_line_that_declares_it(failing):
    assert "To declare it, add to the manifest:  log_epsilon = 1e-12\n" in write(failing)


def test_many_notes_are_counted_not_listed(passing):
    page = write(msgspec.structs.replace(passing, notes=tuple(Note("purity", f"note {n}") for n in range(9))))
    assert "note 4" in page
    assert "note 5" not in page
    assert "and 4 more notes" in page


def test_no_line_but_commands_and_what_was_printed_is_wider_than_80_columns(failing):
    wide = [line for line in write(failing).split("\n") if len(line) > 80]
    assert all("verifier " in line or "│" in line for line in wide)


def test_every_check_stands_in_80_columns_with_the_longest_words(failing):
    longest = msgspec.structs.replace(
        failing.checks[1], status="inconclusive", error=-1.2e-100, tolerance=3.4e-100, problems=2000, failed=1999
    )
    rows = [line for line in write(msgspec.structs.replace(failing, checks=(longest,))).split("\n") if "INCONCLUSIVE" in line]
    assert len(rows) == 1
    assert "1999 of 2000" in rows[0]


def test_what_a_candidate_writes_is_inert(hostile):
    console, page = terminal(color_system=None)
    show(hostile, console)
    show_short(hostile, console)
    show_table([hostile, hostile], console)
    text = page.getvalue()
    assert "[red]x[/red]" in text  # shown, not obeyed
    assert not any(sign in text for sign in ("\x1b]", "\x07", "\x9b", "\u202e"))
    assert "\x1b[31m" not in text


def test_colour_is_for_terminals_that_want_it(failing, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    console, page = terminal(color_system="standard")
    show(failing, console)
    assert "\x1b[1;31m" in page.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    console, page = terminal(color_system="standard")
    show(failing, console)
    assert "31m" not in page.getvalue()


def test_a_pipe_gets_plain_text(failing, monkeypatch):
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(variable, raising=False)
    page = io.StringIO()
    show(failing, open_console(page))
    assert "\x1b" not in page.getvalue()


def test_several_candidates_end_in_one_table(passing, failing):
    page = io.StringIO()
    show_table([passing, failing], open_console(page, width=80))
    rows = page.getvalue().split("\n")
    assert any(row.startswith("vectorised_rows") and "PASS" in row for row in rows)
    assert any(row.startswith("factor_two") and "FAIL" in row and "autograd" in row for row in rows)
    assert "2 candidates: 1 pass, 1 fail (profile ci, seed 20261124)" in rows
    assert "Isolation: not confined: files (this kernel has no Landlock)" in rows


def test_a_pass_among_several_is_one_line(passing):
    page = io.StringIO()
    show_short(passing, open_console(page, width=100))
    assert page.getvalue().count("\n") == 1


def test_a_row_of_the_table_is_one_line_however_long_the_words_are(passing, hostile):
    page = io.StringIO()
    show_table([hostile, passing, hostile], open_console(page, width=80))
    lines = page.getvalue().split("\n")
    assert lines[4] == ""
    assert max(map(len, lines[:4])) <= 80


@pytest.mark.parametrize("verdict", ["error", "inconclusive"])
def test_other_verdicts_say_what_to_do(passing, verdict):
    assert "verifier check " in write(msgspec.structs.replace(passing, verdict=verdict))


def test_checks_that_were_not_asked_for_one_reason_share_a_line(passing):
    skipped = tuple(Outcome(name, "skipped", "No problem was answered.") for name in ("forward", "autograd"))
    page = write(msgspec.structs.replace(passing, checks=(*passing.checks, *skipped)))
    assert "Not asked: update. The candidate has no `update`.\nNot asked: forward, autograd. No problem was answered.\n" in page


def test_only_the_word_of_the_verdict_has_its_colour(failing, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    console, page = terminal(color_system="standard")
    show_short(failing, console)
    assert page.getvalue().startswith("\x1b[1;31mFAIL\x1b[0m\x1b[1m  factor_two\x1b[0m\x1b[2m  reference_impls")
