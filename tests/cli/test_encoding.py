import os
import subprocess
import sys
from pathlib import Path

import pytest

import verifier
from verifier.cli.encoding import HANDLER, in_ascii, write_every_sign

REPORT = "✓ agrees, ✗ parts: δ = 2 (a − y) · a (1 − a), ∂L/∂W ≈ 0.1²… Zoë 李 │ → ≤"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1", "utf-8"])
def test_no_sign_becomes_a_question_mark(encoding):
    write_every_sign()
    shown = REPORT.encode(encoding, errors=HANDLER).decode(encoding)
    assert "?" not in shown
    assert "Zo" in shown


def test_signs_are_written_as_one_would_without_the_key():
    write_every_sign()
    assert "✓ ✗ x² a·b 1–2 … → 10⁻¹⁵ aˡ⁻¹".encode("ascii", errors=HANDLER) == b"ok x x^2 a*b 1-2 ... -> 10^-15 a^l-1"


def test_what_an_encoding_has_stays():
    write_every_sign()
    assert "δ²".encode("cp437", errors=HANDLER).decode("cp437") == "δ²"


def test_another_error_is_not_hidden():
    with pytest.raises(UnicodeDecodeError):
        in_ascii(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "wrong"))


def test_every_sign_that_the_package_writes_has_a_form_in_ascii():
    write_every_sign()
    sources = "".join(file.read_text(encoding="utf-8") for file in Path(verifier.__file__).parent.rglob("*.py"))
    unknown = {sign for sign in sources if "\\" in sign.encode("ascii", errors=HANDLER).decode() and sign != "\\"}
    assert not unknown


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("command", [["check", "--help"], ["explain", "--terms"]])
def test_a_command_writes_nothing_that_its_terminal_does_not_have(command, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    shown = subprocess.run([sys.executable, "-m", "verifier", *command], capture_output=True, env=environment, check=True).stdout
    assert shown
    assert "\\" not in shown.decode(encoding)
