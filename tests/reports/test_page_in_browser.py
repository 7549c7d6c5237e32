"""The page as a reader has it: with and without scripts, by keyboard, on a phone, in the dark."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import PHONE_PX, Pipe, Tab, browser
from conftest import Made, ResultsFolder

from reports import write_report

MS = 1_000_000


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipe]:
    with browser(tmp_path_factory.mktemp("profile")) as pipe:
        yield pipe


@pytest.fixture
def tab(chromium: Pipe) -> Iterator[Tab]:
    tab = Tab(chromium)
    tab.resize(1100)
    yield tab
    chromium.call("Target.closeTarget", targetId=tab.target)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run whose 6th edge is 12 ms late, and one with a planted defect."""
    results = ResultsFolder(tmp_path_factory.mktemp("page") / "results" / "run")
    results.add("Blinks", Made(late_ns=[0] * 5 + [12 * MS]))
    results.add("One Too Few", Made(cycles=3, missing=2, record={"purpose": "defect"}))
    return write_report(results.path).html


@pytest.fixture
def defect(tmp_path: Path) -> Any:
    """A page with a defect in it."""

    def write(body: str) -> Path:
        path = tmp_path / "defect.html"
        path.write_text(f'<!doctype html><meta charset="utf-8"><title>x</title>{body}')
        return path

    return write


# What it loads, and what the browser says against it.


def test_the_page_asks_for_nothing_but_itself_and_nothing_is_wrong(
    tab: Tab, suite_html: Path
) -> None:
    tab.open(suite_html)

    assert tab.requests == [suite_html.resolve().as_uri()]
    assert tab.complaints == []


def test_a_request_and_a_fault_are_seen(tab: Tab, defect: Any) -> None:
    tab.open(defect('<img src="other.png" alt=""><script>nonsense()</script>'))

    assert len(tab.requests) == 2
    assert any("nonsense" in complaint for complaint in tab.complaints)


def test_the_page_lets_no_other_script_run(tab: Tab, page: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.html"
    copy.write_text(page.read_text().replace("<main>", "<main><script>var injected</script>"))
    tab.open(copy)

    assert tab.ask("typeof injected") == "undefined"
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


# Where it is shown.

WIDTH = "document.documentElement.scrollWidth"


@pytest.mark.parametrize("width_px", [PHONE_PX, 320])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    tab: Tab, suite_html: Path, width_px: int
) -> None:
    tab.resize(width_px)
    tab.open(suite_html)

    assert tab.ask(WIDTH) == width_px


def test_what_is_too_wide_is_seen(tab: Tab, defect: Any) -> None:
    tab.resize(PHONE_PX)
    tab.open(defect('<p style="width:500px">wide'))

    assert tab.ask(WIDTH) > PHONE_PX


SEEN = "[...document.querySelectorAll('{}')].filter((element) => element.checkVisibility({{" + (
    "visibilityProperty: true, contentVisibilityAuto: true}})).length"
)


def test_paper_has_no_controls_and_shows_what_is_folded(tab: Tab, page: Path) -> None:
    tab.open(page)
    controls, folded = SEEN.format("nav, .zoom, button"), SEEN.format("details > :not(summary)")
    assert (tab.ask(controls), tab.ask(folded)) == (1 + 2 * 6, 0)
    tab.prefer(medium="print")

    assert tab.ask(controls) == 0
    assert tab.ask(folded) == tab.ask("document.querySelectorAll('details').length") > 3


def test_a_browser_that_prints_opens_what_is_folded_and_folds_it_again(
    tab: Tab, page: Path
) -> None:
    tab.open(page)
    opened = "document.querySelectorAll('details[open]').length"
    counts = []
    for event in ("beforeprint", "afterprint"):
        tab.ask(f"dispatchEvent(new Event('{event}'))")
        counts.append(tab.ask(opened))

    assert counts[0] > 3
    assert counts[1] == 0


# Colours. A text's contrast to its ground is at least 4.5, as WCAG 2.2 asks (1.4.3).

CONTRAST = """(() => {
  const parts = (colour) => {
    const numbers = colour.match(/[\\d.]+/g).map(Number);
    const size = colour.startsWith("color(") ? 1 : 255;
    return [...numbers.slice(0, 3).map((n) => n / size), numbers[3] ?? 1];
  };
  const over = ([r, g, b, a], ground) => [r, g, b].map((n, i) => n * a + ground[i] * (1 - a));
  const ground = (element) => element
    ? over(parts(getComputedStyle(element).backgroundColor), ground(element.parentElement))
    : parts(getComputedStyle(document.documentElement).getPropertyValue("color-scheme") &&
            "rgb(255, 255, 255)");
  const light = (colour) => colour.slice(0, 3)
    .map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4)
    .reduce((sum, n, i) => sum + n * [0.2126, 0.7152, 0.0722][i], 0);
  const worst = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("script, title, [hidden]")) continue;
    const style = getComputedStyle(element);
    const ink = parts(element instanceof SVGElement ? style.fill : style.color);
    const under = ground(element);
    const [a, b] = [light(over(ink, under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) worst[element.textContent.trim().slice(0, 40)] = ratio;
  }
  return worst;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(tab: Tab, suite_html: Path, scheme: str) -> None:
    tab.prefer(scheme=scheme)
    tab.open(suite_html)

    assert tab.ask(CONTRAST) == {}


def test_a_text_that_cannot_be_read_is_seen(tab: Tab, defect: Any) -> None:
    tab.open(defect('<p style="color:#999">pale</p><p>black</p>'))

    assert list(tab.ask(CONTRAST)) == ["pale"]


def test_the_dark_page_is_dark(tab: Tab, page: Path) -> None:
    tab.open(page)
    grounds = []
    for scheme in ("light", "dark"):
        tab.prefer(scheme=scheme)
        grounds.append(tab.ask("getComputedStyle(document.body).backgroundColor"))

    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


# By keyboard.

FOCUSABLE = """[...document.querySelectorAll("a[href], button, summary, [tabindex='0']")]
  .filter((element) => element.checkVisibility({visibilityProperty: true}))"""
FOCUSED = f"{FOCUSABLE}.indexOf(document.activeElement)"


def test_the_tab_key_reaches_everything_from_top_to_bottom(tab: Tab, page: Path) -> None:
    tab.open(page)
    count = tab.ask(f"{FOCUSABLE}.length")
    order = []
    for _ in range(count):
        tab.press("Tab")
        order.append(tab.ask(FOCUSED))

    assert count > 20
    assert order == list(range(count))


def test_what_has_the_focus_can_be_seen(tab: Tab, page: Path) -> None:
    tab.open(page)
    for _ in range(tab.ask(f"{FOCUSABLE}.length")):
        tab.press("Tab")
        style = tab.ask("getComputedStyle(document.activeElement).outlineStyle")
        assert style == "solid", tab.ask("document.activeElement.outerHTML.slice(0, 80)")


def test_a_key_opens_what_is_folded(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.ask("document.querySelector('summary').focus()")
    tab.press("Enter")

    assert tab.ask("document.querySelector('details').open")


def test_a_link_from_robots_log_lands_on_its_run(tab: Tab, page: Path) -> None:
    tab.open(page, "#run/led/02-one-too-few")

    assert tab.ask("document.querySelector(':target').id") == "run/led/02-one-too-few"
    assert abs(tab.ask("document.querySelector(':target').getBoundingClientRect().top")) < 100


# The zoom.

READOUT = "document.querySelector('.zoom output').textContent"
TICKS = "[...document.querySelectorAll('.zoom svg')[0].querySelectorAll('text[text-anchor]')]"


def readout(tab: Tab) -> str:
    return str(tab.ask(READOUT)).replace("\N{NO-BREAK SPACE}", " ")


def zoom(tab: Tab, page: Path) -> Tab:
    """Open the page, with the focus on the first button of the first zoom."""
    tab.open(page)
    tab.ask("document.querySelector('.zoom button').focus()")
    return tab


def test_the_zoom_begins_at_the_edge_that_failed(tab: Tab, page: Path) -> None:
    zoom(tab, page)

    assert readout(tab) == (
        "Edge 5: off at 1,212 ms. On for 212 ms before: 12 ms more than commanded."
    )


def test_keys_go_from_edge_to_edge_and_stop_at_the_ends(tab: Tab, page: Path) -> None:
    zoom(tab, page)
    tab.press("ArrowRight")
    assert readout(tab) == (
        "Edge 6: on at 1,500 ms. Off for 288 ms before: 12 ms less than commanded."
    )
    for _ in range(8):
        tab.press("ArrowLeft")
    assert readout(tab) == "Edge 0: on at 0 ms."
    for _ in range(25):
        tab.press("ArrowRight")
    assert readout(tab).startswith("Edge 19: off at 4,700 ms.")


def test_keys_change_how_much_is_seen(tab: Tab, page: Path) -> None:
    zoom(tab, page)
    label = "document.querySelector('.zoom svg').getAttribute('aria-label')"
    told = []
    for key in ("+", "+", "-", "0"):
        tab.press(key)
        told.append(str(tab.ask(label)).replace("\N{NO-BREAK SPACE}", " "))

    assert told == [f"Waveform, {width} ms wide" for width in ("312.5", "78.125", "312.5", "5,200")]


def test_buttons_do_the_same_as_keys(tab: Tab, page: Path) -> None:
    zoom(tab, page)
    for action, wanted in (("next", "Edge 6:"), ("previous", "Edge 5:")):
        tab.ask(f"document.querySelector('[data-act={action}]').click()")
        assert readout(tab).startswith(wanted)


def test_a_click_selects_the_nearest_edge(tab: Tab, page: Path) -> None:
    zoom(tab, page)
    tab.press("0")
    tab.ask("""(() => {
      const svg = document.querySelector(".zoom svg"), box = svg.getBoundingClientRect();
      svg.dispatchEvent(new MouseEvent("click", {clientX: box.right - 1, clientY: box.top + 5}));
    })()""")

    assert readout(tab).startswith("Edge 19:")


def test_the_selected_edge_is_drawn_where_the_axis_has_its_time(tab: Tab, page: Path) -> None:
    zoom(tab, page)
    tab.press("+")
    ticks = tab.ask(f"{TICKS}.map((tick) => [tick.getAttribute('x'), tick.textContent])")
    (x0, first), *_, (x1, last) = [
        (float(x), float(text.split("\N{NO-BREAK SPACE}")[0].replace(",", ""))) for x, text in ticks
    ]
    path = tab.ask("document.querySelector('.zoom .selected').getAttribute('d')")
    x = float(path[1:].split()[0])

    assert first + (x - x0) / (x1 - x0) * (last - first) == pytest.approx(1212)


# Without scripts.


def test_without_scripts_only_the_zoom_is_missing(tab: Tab, page: Path) -> None:
    tab.open(page)
    shown = SEEN.format("main *:not(.zoom, .zoom *)")
    with_scripts = tab.ask(shown)
    tab.forbid_scripts()
    tab.open(page)

    assert tab.ask("document.querySelector('.zoom').hidden") is True
    assert tab.ask(SEEN.format(".zoom *")) == 0
    assert tab.ask(shown) == with_scripts > 100
    tab.ask("document.querySelector('summary').focus()")
    tab.press("Enter")
    assert tab.ask("document.querySelector('details').open")


def test_headings_are_in_order_on_the_screen(tab: Tab, page: Path) -> None:
    tab.open(page)
    tops = tab.ask(
        "[...document.querySelectorAll('h1, h2')].map((h) => h.getBoundingClientRect().top)"
    )

    assert all(upper < lower for upper, lower in pairwise(tops))
