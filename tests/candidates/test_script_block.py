"""The inline `script` block of PEP 723, held against the reference regular expression of the specification."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from verifier.candidates import script_block as script_blocks
from verifier.candidates.script_block import LARGEST_SOURCE, find_blocks, read_source, script_block
from verifier.errors import ManifestError, RequestError

REFERENCE = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
LINES = ["# /// script", "# /// other", "# /// script ", "# ///", "#", "# x = 1", "#x", "", "code()", " # ///", "# /// a b", "#\tx", "# é"]


def blocks_of_the_reference(source: str) -> list[tuple[str, str]]:
    def content(match: re.Match[str]) -> str:
        return "".join(line[2:] if line.startswith("# ") else line[1:] for line in match.group("content").splitlines(keepends=True))

    return [(match["type"], content(match)) for match in re.finditer(REFERENCE, source)]


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(LINES), max_size=12).map("\n".join), st.sampled_from(["", "\n"]))
@example("# /// script\n# a = 1\n# ///\n# /// other\n# b = 1\n# ///", "\n")
@example("# /// script\n# ///\n# ///", "")
def test_blocks_are_those_that_the_reference_expression_finds(source: str, end: str) -> None:
    assert [(block.type, block.text) for block in find_blocks(source + end)] == blocks_of_the_reference(source + end)


def test_the_line_of_a_block_is_that_of_its_opening() -> None:
    assert script_block('"""Docs."""\n\n# /// script\n# a = 1\n# ///\n', "net.py").line == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("# /// script\n# a = 1\n", 'line 1: the script block that opens here is not closed: there is no line "# ///" before the end'),
        ("# /// script\n# a = 1\n\n# ///\n", 'is not closed: there is no line "# ///" before line 3, which does not begin with "# "'),
        ("# /// script\n#a = 1\n# ///\n", 'no line "# ///" before line 2, which does not begin with "# "'),
        ("# /// script\n# ///\n", "line 1: the script block is empty."),
        ("x = 1\n#/// script\n# a = 1\n# ///\n", 'line 2: a script block opens with exactly "# /// script"'),
        ("# /// Script\n# a = 1\n# ///\n", 'line 1: a script block opens with exactly "# /// script"'),
        ("# /// script \n# a = 1\n# ///\n", 'line 1: a script block opens with exactly "# /// script"'),
        ("# /// verifier\n# a = 1\n# ///\n", 'line 1: there is no block type "verifier": open it with "# /// script"'),
        ("\n# [tool.verifier]\n# l2 = 1\n", "line 2: [tool.verifier] is outside a script block"),
        ("# /// script\n# a = 1\n# ///\n\n# /// script\n# b = 1\n# ///\n", "line 5: a second script block; the first begins on line 1"),
    ],
)
def test_what_is_almost_a_block_is_refused_with_its_line(source: str, message: str) -> None:
    with pytest.raises(ManifestError, match=re.escape(message)):
        script_block(source, "net.py")


@pytest.mark.parametrize("source", ["", "x = 1\n", "# /// other\n# a = 1\n# ///\n", "# a comment about /// script blocks\n"])
def test_a_file_without_a_script_block_has_none(source: str) -> None:
    assert script_block(source, "net.py") is None


@pytest.mark.parametrize(
    "data",
    [
        b"# /// script\n# a = 1\n# ///\n",
        b"\xef\xbb\xbf# /// script\r\n# a = 1\r\n# ///\r\n",
        b"# /// script\r# a = 1\r# ///\r",
        b"# -*- coding: latin-1 -*-\n# \xe9\n\n# /// script\n# a = 1\n# ///\n",
        b"# -*- coding: no-such-codec -*-\n\n# /// script\n# a = 1\n# ///\n",
        b"# \xff\xfe not UTF-8\n\n# /// script\n# a = 1\n# ///\n",
    ],
)
def test_byte_order_mark_line_ends_and_encoding_do_not_matter(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "net.py").write_bytes(data)
    block = script_block(read_source(tmp_path / "net.py", "net.py"), "net.py")
    assert block is not None
    assert block.text == "a = 1\n"


def test_no_encoding_is_read_that_takes_the_square_of_the_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(encoding: str, length: int) -> float:
        text = f"# coding: {encoding}\ndef backprop(): ...\n" + "x" * length + "-" + "a9" * (length // 2)
        (tmp_path / "net.py").write_text(text)
        begun = time.process_time()
        read_source(tmp_path / "net.py", "net.py")
        return time.process_time() - begun

    assert all(seconds(encoding, 60_000) < 0.1 for encoding in ("punycode", "PunyCode", "idna", "utf-8", "latin-1"))
    monkeypatch.setattr(script_blocks, "SLOW_ENCODINGS", ())
    assert seconds("punycode", 60_000) > 0.2


def test_a_block_that_the_reference_expression_would_be_slow_on_is_found_at_once() -> None:
    assert find_blocks("# /// script\n" * 300_000) == []


def test_the_reference_expression_is_slow_on_it() -> None:
    def seconds(lines: int) -> float:
        begun = time.process_time()
        re.search(REFERENCE, "# /// script\n" * lines)
        return time.process_time() - begun

    assert seconds(4000) > 6 * min(seconds(1000) for _ in range(3))  # 16 times where the time grows with the square


def test_a_file_too_large_to_be_a_candidate_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "net.py").open("wb") as file:
        file.truncate(LARGEST_SOURCE + 1)
    with pytest.raises(RequestError, match=r"net\.py: is larger than 8,388,608 bytes"):
        read_source(tmp_path / "net.py", "net.py")
