"""What code for Python 2 or an old NumPy raises today, told from mistakes."""

import numpy as np
import pytest

from verifier.candidates.outdated import advice_on_old_code
from verifier.worker.stand_ins import GONE


def raised_by(text):
    try:
        exec(text, {"np": np})
    except Exception as error:
        return type(error).__name__, str(error)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("{}.iteritems()", "items()"),
        ("{}.has_key(1)", "`in`"),
        ("xrange(3)", "`range`"),
        ("np.zeros((4 / 2, 3))", "`//`"),
        ("range(4 / 2)", "`//`"),
        ("zip([1], [2])[0]", "`list("),
        ("{}.keys()[0]", "`list("),
        ("np.float(1)", "numpy_aliases = true"),
    ],
)
def test_old_code_is_told_what_to_write(text, advice):
    assert advice in advice_on_old_code(*raised_by(text))


@pytest.mark.parametrize("text", ["{}.items2()", "rang(3)", "np.zero_like(3)", "np.zeros('a')", "(3)[0]"])
def test_a_mistake_is_no_old_code(text):
    assert advice_on_old_code(*raised_by(text)) == ""


@pytest.mark.parametrize("name", GONE)
def test_every_name_that_is_given_back_is_told(name):
    assert "numpy_aliases" in advice_on_old_code("AttributeError", f"module 'numpy' has no attribute '{name}'")
