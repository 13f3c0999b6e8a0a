import pytest

from verifier.candidates.fingerprint import fingerprint

CODE = '''
import numpy as np

def sigmoid(z):
    """The logistic function."""
    return 1 / (1 + np.exp(-z))  # stays below 1
'''


@pytest.mark.parametrize(
    "changed",
    [
        CODE.replace("sigmoid", "squash").replace("z", "values"),
        CODE.replace("    ", "\t"),
        CODE.replace("  # stays below 1", "\n\n    # the end"),
        CODE.replace("The logistic function.", "Mine!"),
    ],
)
def test_names_comments_and_layout_make_no_difference(changed):
    assert fingerprint(changed) == fingerprint(CODE) != ""


@pytest.mark.parametrize("changed", [CODE.replace("np.exp", "np.tanh"), CODE.replace("-z", "z"), CODE.replace("1 +", "2 +"), CODE * 2])
def test_what_is_computed_does(changed):
    assert fingerprint(changed) != fingerprint(CODE)


@pytest.mark.parametrize("text", ["", "# only a comment", "def broken(:", "'''never closed"])
def test_what_is_no_program_has_none(text):
    assert fingerprint(text) in ("", fingerprint(text))
    assert not fingerprint("")
