"""What a file of layers says of itself, in the names of its layers and in what it raises, is inert in every format."""

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest
from jinja2 import Environment

import verifier
from verifier.reports import html, markdown, table
from verifier.reports.formats import FORMATS
from verifier.results.report import Report

TABLES = ("csv", "checks", "measurements")
SOURCE = r"""# /// script
# [tool.verifier]
# contract = "layer"
# [[tool.verifier.layer]]
# name = "=1+1<script>alert(1)</script>|[x](javascript:alert(1)) ::error::x"
# forward = "out, cache = f(x)"
# backward = "dx = raises(dout, cache)"
# arrays = { x = "N" }
# [[tool.verifier.layer]]
# name = "<img src=x onerror=alert(1)>"
# forward = "out, cache = f(x)"
# backward = "dx = wrong(dout, cache)"
# arrays = { x = "N" }
# [[tool.verifier.layer]]
# name = "quoted"
# forward = "out, cache = picked(x, w)"
# backward = "dx, dw = unpicked(dout, cache)"
# arrays = { x = "N D", w = "D" }
# ///
import numpy as np

def f(x):
    return x * x, x

def raises(dout, x):
    raise ValueError("=cmd|' /c calc'!A0\x1b[31m<script>alert(2)</script>\n::error file=a::b\n| a |\n```\n````\n![x](http://e/x.png)\u202e]]>\x00")

def wrong(dout, x):
    return 3 * x * dout

def picked(x, w):
    return np.multiply(x, {"<script>alert(3)</script>`![x](http://e)ESC[31m": np.tanh(w)}.popitem()[1]), (x, w)

def unpicked(dout, cache):
    x, w = cache
    return dout * w, (dout * x).sum(0) * (1 - np.tanh(w) ** 2)
""".replace("ESC", "\x1b")


def outside_of_code(markdown: str) -> Iterator[str]:
    """Its lines, without those between fences and those that are indented or hold code."""
    fence = ""
    for line in markdown.split("\n"):
        ticks = re.match(r" {0,3}(`{3,})", line)
        if fence:
            fence = "" if ticks and len(ticks[1]) >= len(fence) and not line.strip().strip("`") else fence
        elif ticks:
            fence = ticks[1]
        elif not line.startswith("    ") and "`" not in line:
            yield line


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    file = tmp_path_factory.mktemp("hostile") / "hostile.py"
    file.write_text(SOURCE)
    return verifier.check(file, profile="quick", seed=0)


def test_where_nothing_is_escaped_they_are_not_inert(report, monkeypatch):
    monkeypatch.setattr(html, "Environment", lambda **options: Environment(**{**options, "autoescape": False}))
    monkeypatch.setattr(markdown, "escape", str)
    monkeypatch.setattr(table, "_cell", lambda field: field)
    html.template.cache_clear()
    try:
        assert "<script>alert(1)" in FORMATS["html"].write(report)
    finally:
        html.template.cache_clear()
    assert any("<script>alert" in line for line in outside_of_code(FORMATS["markdown"].write(report)))
    cells = [cell for name in TABLES for row in csv.reader(io.StringIO(FORMATS[name].write(report))) for cell in row]
    assert any(cell.startswith("=1+1") for cell in cells)


def test_the_text_of_an_operation_is_inert(report):
    said = next(one.explanation for one in report.diagnosis if one.layer == "quoted")
    assert said.startswith("dx has `w` where `{")
    assert "alert(3)" in said and "\x1b" not in said
    written = {name: format.write(report) for name, format in FORMATS.items()}
    assert "<script>alert" not in written["html"]
    assert "\x1b[31m" not in "".join(written.values())
    assert not [line for line in outside_of_code(written["markdown"]) if "<script>alert" in line or "![x](http" in line]


def test_names_of_layers_and_what_they_raise_are_inert(report):
    assert report.verdict == "fail"
    written = {name: format.write(report) for name, format in FORMATS.items()}
    assert "alert(1)" in written["html"]
    assert "<script>alert" not in written["html"]
    assert "<img src=x" not in written["html"]
    assert "\x1b" not in "".join(text for name, text in written.items() if name != "terminal")
    prose = list(outside_of_code(written["markdown"]))
    assert any("alert(1)" in line for line in prose)
    assert not [line for line in prose if "<script>alert" in line or "<img src=x" in line or "](javascript" in line or "![x](http" in line]
    assert not [line for line in written["annotations"].split("\n") if "alert" in line and not line.startswith(("::error ", "::warning "))]
    for name in TABLES:
        cells = [cell for row in csv.reader(io.StringIO(written[name])) for cell in row]
        assert not [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t")], name
    ElementTree.fromstring(written["junit"])
