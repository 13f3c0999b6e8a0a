"""What an exception of a candidate means: not written yet, called otherwise than it is defined, not there."""

import pytest

from verifier.checks.layer.raised import Raised, is_called_wrongly, is_missing, is_not_written, is_old


def raised(kind: str, text: str = "words", *, own: bool = False) -> Raised:
    return Raised(text, "forward", kind, own=own)


@pytest.mark.parametrize(
    ("found", "means"),
    [
        (raised("NotImplementedError", own=True), True),
        (raised("NoOutput"), True),
        (raised("TypeError", "cannot unpack non-iterable NoneType object"), True),
        (
            raised("TypeError", "unsupported operand: NoneType and float", own=True),
            False,
        ),  # its own line computes with None: that is a mistake
        (raised("TypeError", "unsupported operand: str and float"), False),
        (raised("ValueError", "NoneType"), False),
        (Raised("words", "forward", "AttributeError", own=True, unwritten=True), True),
    ],
)
def test_what_is_not_written_yet(found, means):
    assert is_not_written(found) is means


@pytest.mark.parametrize(
    ("found", "means"),
    [
        (raised("TypeError", "f() missing 1 required positional argument: 'b'"), True),
        (raised("TypeError", "f() missing 1 required positional argument: 'b'", own=True), False),  # it calls its own helper wrongly
        (raised("TypeError", "unsupported operand"), False),
        (raised("ValueError", "argument"), False),
    ],
)
def test_what_is_called_otherwise_than_it_is_defined(found, means):
    assert is_called_wrongly(found) is means


@pytest.mark.parametrize(
    ("found", "means"),
    [
        (raised("NameError", "name 'conv_forward' is not defined"), True),
        (raised("NameError", "name 'helper' is not defined", own=True), False),  # the function is there, and uses a name that is not
        (raised("AttributeError"), False),
        (None, False),
    ],
)
def test_what_is_not_there(found, means):
    assert is_missing(found) is means


@pytest.mark.parametrize(
    ("found", "means"),
    [
        (raised("AttributeError", "f.py, line 3: AttributeError: 'dict' object has no attribute 'iteritems'.", own=True), True),
        (raised("AttributeError", "f.py, line 3: AttributeError: 'dict' object has no attribute 'weights'.", own=True), False),
        (raised("TypeError", "'float' object cannot be interpreted as an integer", own=True), False),  # a mistake of today as well
    ],
)
def test_what_is_old(found, means):
    assert is_old(found) is means
