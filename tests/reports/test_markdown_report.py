from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from verifier.reports.markdown import code, escape, fence, write

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TROUBLE = st.text(
    st.sampled_from("`*_[](){}<>|!#+-=~:\\&;@ \n\t1.x\"'/") | st.characters(categories=("L", "N", "P", "S", "Zs", "Cc")), max_size=60
)


def shown(markdown: str) -> str:
    """What a reader sees of one paragraph: its text, where it holds no other element."""
    (opening, inline, closing) = READER.parse(markdown)
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    return "".join(child.content for child in inline.children)


@given(TROUBLE)
def test_escaped_text_is_shown_as_it_is_and_does_nothing(text):
    escaped = escape("x " + text)
    assert shown(escaped).replace("\N{ZERO WIDTH SPACE}", "") == " ".join(("x " + "".join(_visible(text))).split())


@given(TROUBLE)
def test_escaped_text_begins_no_block(text):
    if escape(text).strip():
        assert [token.type for token in READER.parse(escape(text))] == ["paragraph_open", "inline", "paragraph_close"]


@given(TROUBLE)
def test_a_code_span_cannot_be_left(text):
    (_, inline, _) = READER.parse(f"x {code(text)} y")
    assert [child.type for child in inline.children] == ["text", "code_inline", "text"]


@given(st.lists(TROUBLE, min_size=1))
def test_a_fence_cannot_be_left(lines):
    assert [token.type for token in READER.parse(fence([line.replace("\x00", "") for line in lines]))] == ["fence"]


def test_names_and_tensors_stay_readable_in_the_file_itself():
    assert escape("weights[1][0, 2] of half_squared_error = -0.0811") == "weights[1][0, 2] of half_squared_error = -0.0811"


def test_the_page_says_verdict_and_diagnosis_before_anything_else(failing):
    page = write(failing)
    assert page.startswith("# ❌ FAIL: factor_two\n\n**A gradient is wrong.** weights[1][0, 2] = -0.0811")
    assert page.index("half-gradient") < page.index("verifier replay") < page.index("## Checks") < page.index("## Worst comparisons")


def test_claimed_and_right_gradients_stand_side_by_side(failing):
    assert "| `weights[1][0, 1]` | -0.05 | -0.1 |" in write(failing)


def test_hostile_text_is_inert(hostile):
    html = READER.render(write(hostile))
    for tag in ("<script", "<a ", "<img"):
        assert tag not in html
    assert "\x1b" not in html
    # The same elements as harmless text gives: nothing was opened or closed by it.
    assert html.count("<h1") == 1
    assert html.count("<h2") == write(hostile).count("\n## ")


def test_a_pass_is_short_and_says_how_to_repeat_it(passing):
    page = write(passing)
    assert "verifier check reference_impls/correct/vectorised_rows.py --profile ci --seed 20261124" in page
    assert "Diagnosis" not in page
    assert "printed" not in page


def _visible(text):
    from verifier.reports.untrusted import plain

    return plain(text)
