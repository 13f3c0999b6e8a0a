"""The page in headless Chromium: what a reader sees, and that nothing runs, loads or complains."""

from pathlib import Path

import msgspec
import pytest

from verifier.reports.html import write
from verifier.results.report import Report
from verifier.verification.judging import Judged, judge

ROOT = Path(__file__).parents[3]
SECTIONS = ["to-do", "counterexample", "checks", "errors", "differences", "notes", "printed", "run"]
SPACE = 32
CLICK_A_POINT = """(() => {
    const point = document.querySelector('svg a.p.fail');
    point.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true, view: window}));
    return point.getAttribute('href');
})()"""
SERIOUS_FAULTS = """axe.run(document, {resultTypes: ['violations']}).then(found => found.violations
    .filter(fault => ['serious', 'critical'].includes(fault.impact))
    .map(fault => [fault.id, ...fault.nodes.slice(0, 3).map(node => node.html.slice(0, 200))]))"""
FAINT_HEADING = "document.querySelector('h1').style = 'color: #777; background: #888'"


@pytest.fixture(scope="session")
def judged() -> Report:
    """A real failure."""
    (answer,) = judge([str(ROOT / "reference_impls" / "worked_example" / "squared_error.py")], profile="quick")
    assert isinstance(answer, Judged)
    return answer.report


@pytest.fixture
def real(judged: Report, failing: Report) -> Report:
    return msgspec.structs.replace(judged, notes=failing.notes, printed=failing.printed, diagnosis=judged.diagnosis or failing.diagnosis)


@pytest.fixture
def opened(browser, tmp_path):
    """The browser with the page of a report."""

    def open_report(report, **looks):
        path = tmp_path / "report.html"
        path.write_text(write(report), encoding="utf-8")
        browser.show(**looks)
        browser.open(path)
        return browser

    return open_report


def visible(browser, selector: str) -> int:
    return browser.evaluate(f"[...document.querySelectorAll('{selector}')].filter(one => one.checkVisibility()).length")


@pytest.mark.parametrize("name", ["passing", "failing", "hostile", "real"])
def test_nothing_is_asked_of_the_network_and_nothing_complained_of(name, request, opened):
    browser = opened(request.getfixturevalue(name))
    assert [address.partition(":")[0] for address in browser.requests()] == ["file"]
    assert browser.complaints() == []
    assert browser.evaluate("document.scripts.length") == 0


def test_every_section_is_there_and_has_a_size(real, opened):
    browser = opened(real)
    seen = browser.evaluate("[...document.querySelectorAll('main > section')].filter(one => one.offsetHeight > 40).map(one => one.id)")
    assert seen == SECTIONS
    assert browser.evaluate("document.querySelector('#verdict h1').innerText").startswith("FAIL")


def test_the_verdict_and_what_is_wrong_stand_on_the_first_screen(real, opened):
    browser = opened(real, width=390, height=844)
    assert browser.evaluate("document.querySelector('#diagnosis').getBoundingClientRect().top") < 844


def test_the_filter_leaves_what_did_not_pass_and_one_check(real, opened):
    browser = opened(real)
    everything, failed = visible(browser, "svg .p"), visible(browser, "svg .p:not(.pass)")
    assert 0 < failed < everything
    browser.evaluate("document.getElementById('bad').click()")
    assert visible(browser, "svg .p") == visible(browser, "svg .p:not(.pass)") == failed
    assert visible(browser, ".net.pass") == 0
    number = browser.evaluate("[...document.querySelectorAll('.choice')].find(one => one.innerText == 'autograd').firstChild.id.slice(6)")
    browser.evaluate(f"document.getElementById('check-{number}').click()")
    assert visible(browser, "svg .p") == visible(browser, f"svg .p.fail.c{number}") > 0
    assert visible(browser, f".net:not(.c{number})") == 0
    browser.evaluate("document.getElementById('all').click(); document.getElementById('check-all').click()")
    assert visible(browser, "svg .p") == everything


def test_the_filter_works_with_the_keyboard_alone(real, opened):
    browser = opened(real)
    everything = visible(browser, "svg .p")
    browser.evaluate("document.getElementById('bad').focus()")
    browser.press(" ", SPACE)
    assert visible(browser, "svg .p") < everything


def test_a_point_leads_to_its_network_which_opens(real, opened):
    browser = opened(real)
    target = browser.evaluate(CLICK_A_POINT)
    browser.evaluate("new Promise(done => setTimeout(done, 100))")
    assert browser.evaluate("location.hash") == target
    assert browser.evaluate(f"document.querySelector('{target}').closest('details').open")


def ground(browser) -> str:
    return browser.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_theme_follows_the_system_until_it_is_chosen(real, opened):
    browser = opened(real, scheme="light")
    light = ground(browser)
    browser.evaluate("document.getElementById('theme-dark').click()")
    dark = ground(browser)
    assert dark != light
    browser = opened(real, scheme="dark")
    assert ground(browser) == dark
    browser.evaluate("document.getElementById('theme-light').click()")
    assert ground(browser) == light


@pytest.mark.parametrize("width", [320, 390, 1200])
@pytest.mark.parametrize("name", ["passing", "hostile", "real"])
def test_the_page_never_scrolls_sideways(width, name, request, opened):
    browser = opened(request.getfixturevalue(name), width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") == width


def test_paper_gets_no_buttons_and_no_dark_ground(real, opened):
    browser = opened(real, scheme="dark", media="print")
    assert ground(browser) == "rgb(255, 255, 255)"
    assert visible(browser, "input") == 0
    assert visible(browser, "svg.errors") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["passing", "hostile", "real"])
def test_axe_finds_no_serious_fault(name, scheme, request, opened):
    axe = pytest.importorskip("axe_core_python", reason="axe-core is not installed: pip install .[test]")
    browser = opened(request.getfixturevalue(name), scheme=scheme)
    browser.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8") + "; true")
    assert browser.evaluate(SERIOUS_FAULTS) == []
    if name == "passing":  # and it would have found one
        browser.evaluate(FAINT_HEADING)
        assert [fault[0] for fault in browser.evaluate(SERIOUS_FAULTS)] == ["color-contrast"]
