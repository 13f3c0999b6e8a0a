"""Others are still graded on the networks of a cohort's seed: the pages that its authors get do not say it."""

import msgspec
import pytest

from verifier.reports import gradescope, html, markdown

SEED = 987654321


@pytest.mark.parametrize("write", [markdown.write, html.write, gradescope.write], ids=["markdown", "html", "gradescope"])
def test_no_page_for_a_student_says_the_seed_of_a_cohort(write, failing):
    graded = msgspec.structs.replace(failing, seed=SEED, profile="grading", options=("--assignment", "a.toml"))
    assert str(SEED) not in write(graded)
    for shown in ({"profile": "ci", "options": ("--assignment", "a.toml")}, {"profile": "grading", "options": ()}):
        assert str(SEED) in write(msgspec.structs.replace(graded, **shown))
