import html
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Made, ResultsFolder

from reports import write_report
from reports.figures import Figure
from reports.load import load_results

VOID = {"meta", "br", "hr", "img", "input", "link"}
PHONE_PX = 390


class Page(HTMLParser):
    """Notes what a browser would have to forgive, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []
        self.headings: list[int] = []
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()} closes something else")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        loads = ("src", "href", "xlink:href", "srcset", "data", "action", "poster")
        self.references += [values[name] for name in loads if name in values]
        self.faults += [f"<{tag}> has {name} twice" for name, n in counted(attrs) if n > 1]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


def counted(attrs: list[tuple[str, str | None]]) -> list[tuple[str, int]]:
    return list(Counter(name for name, _ in attrs).items())


def page_of(results: ResultsFolder) -> str:
    return write_report(results.path).html.read_text()


@pytest.fixture(scope="session")
def suite_page(suite: ResultsFolder) -> str:
    return page_of(suite)


def words(page: Page) -> str:
    return " ".join(" ".join(page.text).split())


def test_the_page_needs_nothing_but_itself(suite_page: str) -> None:
    page = Page(suite_page)

    assert page.references
    assert {reference for reference in page.references if not reference.startswith("#")} == set()
    for outside in ("http", "//", "url(", "@import", "<script", "<link", "src="):
        found = suite_page.replace("url(#", "").count(outside)
        assert found == 0, outside


def test_every_reference_inside_the_page_has_a_target(suite_page: str) -> None:
    page = Page(suite_page)
    wanted = {reference[1:] for reference in page.references} | set(
        re.findall(r"url\(#([^)]*)\)", suite_page)
    )

    assert wanted <= set(page.ids)


def test_the_page_is_well_formed(suite_page: str) -> None:
    page = Page(suite_page)

    assert page.faults == []
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []


@pytest.mark.parametrize("broken", ["<p><b></p></b>", "<section>", "<p class=a class=b></p>"])
def test_the_check_of_the_form_sees_a_fault(broken: str) -> None:
    assert Page(broken).faults


def test_headings_leave_no_level_out(suite_page: str) -> None:
    levels = Page(suite_page).headings

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(lower <= upper + 1 for upper, lower in pairwise(levels))


def test_every_run_figure_and_finding_is_on_the_page(suite: ResultsFolder, suite_page: str) -> None:
    shown = words(Page(suite_page))

    for run in load_results(suite.path).runs:
        assert run.label in shown
        for finding in run.verdict.findings:
            assert " ".join(finding.text.split()) in shown
    for figure in Figure:
        assert figure in shown


def test_the_verdict_comes_first(suite_page: str) -> None:
    shown = words(Page(suite_page))
    order = ("FAIL bench virtual", "Verdicts", "Planted defects", "Latency", "Runs", "What ran")

    places = [shown.index(word) for word in order]
    assert places == sorted(places)


def test_the_page_says_what_ran_and_how_it_was_measured(suite_page: str) -> None:
    shown = words(Page(suite_page))

    for fact in (
        "6.1.0-56-arm64",
        "SHA-256 " + "7e" * 32,
        "SHA-256 " + "1e" * 32,
        "SHA-256 " + "be" * 32,
        "0123456789abcdef0123456789abcdef01234567",
        "7.2.22",
        "/tmp/tender --led:led=25 /tmp/led.hvt 120",
        "1,000 ns",
        "a stamp is late by 0 to 0.300 ms",
        "emulator: QEMU stamps",
        "hardware: the instrument stamps",
        "1000 heartbeats, the latest by 2.000 ms; stalls: 1",
        "2026-01-02 03:04:05 UTC",
    ):
        assert fact in shown


def test_a_fact_that_all_runs_share_is_said_once(results: ResultsFolder) -> None:
    results.add("Blinks")
    results.add("Blinks Again")

    assert words(Page(page_of(results))).count("SHA-256 " + "7e" * 32) == 1


def test_a_run_that_differs_says_so_itself(results: ResultsFolder) -> None:
    other = {"path": "/tmp/tender", "source": "../build/other", "sha256": "0d" * 32}
    results.add("Blinks")
    images = {"tender": other}
    results.add("One Too Few", Made(missing=2, record={"purpose": "defect", "images": images}))

    shown = words(Page(page_of(results)))

    assert shown.count("../build/other as /tmp/tender, SHA-256 " + "0d" * 32) == 1
    assert shown.count("../build/hvt as /tmp/tender, SHA-256 " + "7e" * 32) == 1


def test_what_differs_is_not_said_of_all(results: ResultsFolder) -> None:
    results.add("Blinks", Made(cycles=2))
    results.add("Blinks Again", Made(cycles=3))

    shown = words(Page(page_of(results)))

    assert "Command line" in shown
    assert "Command line" not in shown[shown.index("What ran") :]


def test_each_run_has_its_own_errors(results: ResultsFolder) -> None:
    results.add("Blinks", Made(cycles=4))
    results.add("Blinks Again", Made(cycles=7))

    shown = words(Page(page_of(results)))

    assert re.findall(r"(\d+) samples?, limits", shown) == ["4", "3", "3", "7", "6", "6"]


def test_missing_edges_are_told_where_the_measurement_is(results: ResultsFolder) -> None:
    results.add("Blinks", Made(lost=3))

    assert "3 edges are known to be missing" in words(Page(page_of(results)))


def test_damaged_evidence_is_on_the_page(results: ResultsFolder) -> None:
    results.add("Blinks")
    (results.add("Blinks Again") / "console.log").write_text("something else\n")

    shown = words(Page(page_of(results)))

    assert "Evidence that cannot be trusted led/02-blinks-again: console.log is not as" in shown
    assert "INCONCLUSIVE bench virtual" in shown


def test_a_planted_defect_shows_its_edges_but_no_errors(results: ResultsFolder) -> None:
    results.add("One Blink Too Few", Made(missing=2, record={"purpose": "defect"}))
    text = page_of(results)

    assert text.count('aria-label="Timing diagram: ') == 1
    assert "on-time error" not in text
    assert "<table" not in text


def test_names_cannot_inject_markup(results: ResultsFolder) -> None:
    results.add('<script>alert("x")</script> & "quotes"', suite="<b>Led")
    text = page_of(results)

    assert "<script" not in text
    assert "<b>Led" not in text
    assert Page(text).faults == []
    assert "alert" in words(Page(text))


def test_the_same_evidence_gives_the_same_page(suite: ResultsFolder, suite_page: str) -> None:
    assert page_of(suite) == suite_page


def test_ten_tests_fit_into_half_a_megabyte(results: ResultsFolder) -> None:
    for number in range(10):
        results.add(f"Blinks {number}", Made(cycles=50, late_ns=[0, 90_000, 30_000] * 30))

    assert len(page_of(results).encode()) < 500_000


CHECK = """<!doctype html><meta charset="utf-8"><title>waiting</title>
<iframe style="border:0;width:{width}px;height:800px" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const root = document.querySelector("iframe").contentDocument.documentElement;
  document.title = `width ${{root.scrollWidth}} of ${{root.clientWidth}}`;
}});
</script>"""

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def browse(text: str, folder: Path) -> tuple[int, list[str]]:
    """How wide the page lies in a phone's window, in px, and what the browser complains of."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    check = folder / "check.html"
    check.write_text(CHECK.format(width=PHONE_PX, page=html.escape(text)))
    command = [browser, *QUIET, f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr"]
    run = subprocess.run(
        [*command, "--dump-dom", check.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"<title>width (\d+) of 390</title>", run.stdout)
    assert found, f"the page was not shown: {run.stderr[-500:]}"
    return int(found[1]), [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def test_a_browser_shows_the_page_on_a_phone_without_a_complaint(
    suite_page: str, tmp_path: Path
) -> None:
    width_px, complaints = browse(suite_page, tmp_path)

    assert complaints == []
    assert width_px == PHONE_PX


@pytest.mark.parametrize(
    ("defect", "is_too_wide", "complains"),
    [('<p style="width:500px">wide', True, False), ("<script>nonsense()</script>", False, True)],
)
def test_the_browser_check_sees_a_defect(
    tmp_path: Path, defect: str, is_too_wide: bool, complains: bool
) -> None:
    width_px, complaints = browse(f"<!doctype html>{defect}", tmp_path)

    assert (width_px > PHONE_PX, bool(complaints)) == (is_too_wide, complains)
