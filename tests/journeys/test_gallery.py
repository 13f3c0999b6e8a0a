"""reports/gallery: its pages against what comes out today; the command that makes it is reports/gallery/build.py."""

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from verifier.reports.html import write
from verifier.results.report import Report

ROOT = Path(__file__).parents[2]
REMAKE = "the gallery is out of date: python reports/gallery/build.py"


def load():
    spec = importlib.util.spec_from_file_location("gallery_build", ROOT / "reports" / "gallery" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load()
SECTIONS = re.compile(r'<section id="([\w-]+)"')


class Statuses(HTMLParser):
    """The verdict and the status of each check, as a page shows them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._status = ""
        self._row = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "header":
            self.found["verdict"] = given["class"].split()[-1]
        if tag == "tr":
            self._status = given.get("class") or ""
        self._row = tag == "th" and given.get("scope") == "row"

    def handle_data(self, data):
        if self._row and data.strip():
            self.found[data.strip()] = self._status
            self._row = False


@pytest.fixture(scope="session")
def reports(judged, tmp_path_factory) -> dict[str, Report]:
    """By the entry's path; those of a library that is not installed are missing."""
    found = build.judge(
        tmp_path_factory.mktemp("gallery"), [entry for entry in build.ENTRIES if entry.library or entry.path.startswith("layers/")]
    )
    for entry in build.ENTRIES:
        folder, _, name = entry.path.partition("/")
        if folder in judged:
            found[entry.path] = build.without_place(judged[folder][1][name])
    return found


@pytest.mark.parametrize("entry", build.ENTRIES, ids=lambda entry: entry.name)
def test_a_page_shows_the_verdict_the_statuses_and_the_sections_of_today(entry, reports):
    if entry.path not in reports:
        pytest.skip(f"{entry.library} is not installed: pip install .[third-party]")
    kept, fresh = entry.page.read_text(encoding="utf-8"), write(reports[entry.path])
    assert Statuses(kept).found == Statuses(fresh).found, REMAKE
    # The verdict and each check; of a layer its name beside, and three checks or more.
    assert len(Statuses(fresh).found) > (4 if entry.path.startswith("layers/") else 5)
    assert SECTIONS.findall(kept) == SECTIONS.findall(fresh), REMAKE


def test_the_index_is_that_of_today(reports):
    assert (build.GALLERY / "README.md").read_text(encoding="utf-8") == build.index(reports), REMAKE


def test_nothing_else_lies_in_the_gallery():
    there = {path.name for path in build.GALLERY.iterdir() if path.name != "__pycache__"}
    assert there == {"README.md", "build.py", *(entry.page.name for entry in build.ENTRIES)}


def test_no_page_names_this_machine():
    for entry in build.ENTRIES:
        page = entry.page.read_text(encoding="utf-8")
        assert str(Path.home()) + "/" not in page
        assert "/site-packages/" not in page
        assert str(ROOT) not in page
