"""A gap that a course left open is told from a mistake by the text of the function that raised."""

import pytest

from verifier.candidates.discovery import find_candidates
from verifier.candidates.unwritten import is_unwritten

OF_NONE = ("AttributeError", "'NoneType' object has no attribute 'astype'")
GAP = ["def f(x):", '    """out: what comes out."""', "    out, cache = None, None", "    pass", "    return out.astype(float), cache"]

OF_A_METHOD = ["class A:", "    def f(self, x):", "        self.m = None  # your code", "        return x - self.m"]


@pytest.fixture
def told(tmp_path):
    def tell(lines: list[str], kind: str, text: str, *, line: int | None = None) -> bool:
        file = tmp_path / "student.py"
        file.write_text("\n".join(lines))
        (candidate,), _ = find_candidates([str(file)])
        return is_unwritten(candidate, {"type": kind, "text": text, "file": str(file), "line": line or len(lines)})

    return tell


@pytest.mark.parametrize(
    ("lines", "kind", "text"),
    [
        (GAP, *OF_NONE),
        (
            ["class A:", "    def f(self, x):", "        self.m = None  # your code", "        return x - self.m"],
            "TypeError",
            "-: 'float' and 'NoneType'",
        ),
        (["def f(x):", "    raise NotImplemented  # your code"], "TypeError", "exceptions must derive from BaseException"),
    ],
)
def test_a_gap_is_seen(told, lines, kind, text):
    assert told(lines, kind, text)


@pytest.mark.parametrize(
    "between",
    [
        "    out = x if len(x) > 9 else None",
        "    if len(x) > 9: out = x",
        "    out[0] = 1",
        "    for out in x: pass",
        "    with open(x) as out: pass",
        "    (out, cache) = x",
    ],
)
def test_a_name_to_which_anything_else_may_be_given_is_no_gap(told, between):
    assert not told([*GAP[:-1], between, GAP[-1]], *OF_NONE)


def test_none_of_another_function_is_no_gap(told):
    assert not told(["def g(x):", "    out = None", "", "def f(out):", "    return out.astype(float)"], *OF_NONE)


@pytest.mark.parametrize(("kind", "text"), [("ValueError", "NoneType"), ("AttributeError", "'float' object has no attribute 'astype'")])
def test_another_exception_is_none(told, kind, text):
    assert not told(GAP, kind, text)


def test_only_the_candidates_own_files_are_read(told, tmp_path):
    (tmp_path / "other.py").write_text("\n".join(GAP))
    (tmp_path / "student.py").write_text("x = 1\n")
    (candidate,), _ = find_candidates([str(tmp_path / "student.py")])
    assert not is_unwritten(candidate, {"type": OF_NONE[0], "text": OF_NONE[1], "file": str(tmp_path / "other.py"), "line": len(GAP)})
