"""What makes a candidate's words harmless, switched off: each of them then does harm, or the tests that find them inert would show nothing.

An attack is seen by the same eyes with and without its defence, which is the only difference.
"""

import csv
import io
import json
import re
import tomllib
from xml.etree import ElementTree

import msgspec
import pytest
from jinja2 import Environment
from markdown_it import MarkdownIt
from rich.text import Text

from verifier import pytest_plugin
from verifier.reports import (
    annotations,
    baseline,
    changes,
    class_page,
    errors_picture,
    gradescope,
    graph_picture,
    html,
    junit,
    markdown,
    run_summary,
    table,
    terminal,
    untrusted,
)
from verifier.results.comparison import CandidateChange
from verifier.results.gathering import Gathering
from verifier.results.outcome import Outcome
from verifier.results.report import Counterexample, Diagnosis, GraphNode, Note, Report

EVIL = (
    "`</title></summary></details><script>alert(1)</script>\x1b[31m\u202e\x07 **b** | c |\n::error::forged\n"
    '# forged\n```\n<script>alert(1)</script> [red]x[/red] [a](http://e.x)\n[[known]]\ncandidate = "other"'
)
READER = MarkdownIt("commonmark", {"html": True}).enable("table")


@pytest.fixture
def evil(hostile: Report) -> Report:
    """Whatever a candidate can write, it wrote this."""
    record = msgspec.structs.replace(hostile.candidate, name=EVIL, path=EVIL, claims={EVIL: EVIL})
    nodes = (GraphNode("v0", ("a",), "<script>alert(1)"),)
    return msgspec.structs.replace(
        hostile,
        summary=EVIL,
        candidate=record,
        checks=(Outcome("autograd", "fail", EVIL, 3, 1, 0.5, 1e-9, EVIL, 0),),
        measurements=(msgspec.structs.replace(hostile.measurements[0], check=EVIL, tensor=EVIL, network=EVIL),),
        notes=(Note(EVIL, EVIL, EVIL),),
        diagnosis=(Diagnosis(EVIL, EVIL, EVIL),),
        counterexample=Counterexample("../elsewhere", EVIL, EVIL, {"a": [1.0], EVIL: [1.0]}, {EVIL: [1.0]}, {EVIL: [2.0]}, nodes=nodes),
        printed=EVIL,
    )


def same(text, *_, **__):
    return text


def unescaping(**options):
    return Environment(**{**options, "autoescape": False})


def marked(text: str = "", *_, **__) -> Text:
    return Text.from_markup(text)


marked.assemble = lambda *parts: marked("".join(part if isinstance(part, str) else part[0] for part in parts))


def runs_script(page: str) -> bool:
    return "<script>alert" in page


def moves_the_terminal(page: str) -> bool:
    return bool(re.search("[\x07\x1b\u202e]", page))


def rendered(text: str) -> str:
    return READER.render(text)


def opens_something(text: str) -> bool:
    return runs_script(rendered(text))


def has_a_heading_of_its_own(text: str) -> bool:
    return "<h1>forged" in rendered(text)


def commands(text: str) -> bool:
    return any(line.startswith("::error::forged") for line in text.splitlines())


def is_no_xml(text: str) -> bool:
    try:
        ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return True
    return False


def calculates(text: str) -> bool:
    return any(cell[:1] in "=+@" for row in csv.reader(io.StringIO(text)) for cell in row if cell)


def forges_an_entry(text: str) -> bool:
    try:
        return len(tomllib.loads(text)["known"]) > 1
    except tomllib.TOMLDecodeError:
        return True


def output_of(results: str) -> str:
    return "\n\n".join([json.loads(results)["output"], *(test["output"] for test in json.loads(results)["tests"])])


def of_a_class(report: Report) -> str:
    other = msgspec.structs.replace(report, candidate=msgspec.structs.replace(report.candidate, name="other"))
    return class_page.write_together(Gathering((report, other), (EVIL,), pages={"other": "javascript:alert(1)"}))


def of_a_run(report: Report) -> str:
    return run_summary.write_together(Gathering((report, report), (EVIL,)))


def of_changes(report: Report) -> str:
    return changes._markdown((CandidateChange(report.candidate.name, "pass", "fail", found=report.summary),))


def formula(report: Report) -> str:
    return table.write_checks(msgspec.structs.replace(report, checks=(Outcome("autograd", "fail", "=1+1"),)))


def printed(report: Report) -> str:
    return "\n".join(markdown._printed(report))


def in_pytest(report: Report) -> str:
    return pytest_plugin._words(report, report.checks[0])


def whole(text: str, count: int) -> list[str]:
    return [text]


# What is switched off, what is written, and what is then seen.
ATTACKS = {
    "page, script": ([(html, "Environment", unescaping)], html.write, runs_script),
    "page, terminal": (
        [(html, "plain", same), (html, "one_line", same), (html, "last_lines", whole)],
        html.write,
        moves_the_terminal,
    ),
    "picture of errors": ([(errors_picture, "escape", same)], html.write, runs_script),
    "picture of a graph": ([(graph_picture, "escape", same)], html.write, runs_script),
    "class, script": ([(html, "Environment", unescaping)], of_a_class, runs_script),
    "class, link": ([(class_page, "safe_link", same)], of_a_class, lambda page: 'href="javascript:' in page),
    "Markdown, prose": ([(markdown, "escape", same)], markdown.write, opens_something),
    "Markdown, code": ([(markdown, "code", lambda text: f"`{text}`")], markdown.write, opens_something),
    "Markdown, fence": ([(markdown, "fence", lambda lines, *_: "\n".join(["```", *lines, "```"]))], printed, opens_something),
    "Markdown, heading": ([(markdown, "escape", same)], markdown.write, has_a_heading_of_its_own),
    "summary, prose": ([(run_summary, "escape", same)], of_a_run, opens_something),
    "summary, code": ([(run_summary, "code", lambda text: f"`{text}`")], of_a_run, opens_something),
    "comparison": ([(changes, "escape", same)], of_changes, opens_something),
    "autograder": ([(gradescope, "escape", same)], lambda report: output_of(gradescope.write(report)), opens_something),
    "annotations": ([(annotations, "one_line", same), (annotations, "_data", same)], annotations.write, commands),
    "JUnit": ([(junit, "one_line", same), (junit, "plain", same), (junit, "_text", same)], junit.write, is_no_xml),
    "table, formula": ([(table, "_cell", same)], formula, calculates),
    "table, terminal": ([(table, "_cell", same)], table.write, moves_the_terminal),
    "baseline": ([(baseline, "_string", lambda text: f'"{text}"'), (baseline, "one_line", same)], baseline.write, forges_an_entry),
    "terminal": ([(terminal, "one_line", same)], terminal.write, moves_the_terminal),
    "terminal, markup": ([(terminal, "Text", marked)], terminal.write, lambda page: "[red]x[/red]" not in page),
    "pytest": ([(untrusted, "one_line", same), (untrusted, "last_lines", whole)], in_pytest, moves_the_terminal),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_without_that_defence_alone_the_same_words_do_harm(name, evil, monkeypatch):
    off, write, harms = ATTACKS[name]
    assert not harms(write(evil))
    for module, attribute, instead in off:
        monkeypatch.setattr(module, attribute, instead)
    html.template.cache_clear()
    try:
        shown = write(evil)
    finally:
        html.template.cache_clear()
    assert harms(shown)
