import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Made, ResultsFolder
from markupsafe import Markup

from reports import closeups, curves, plots, write_report
from reports.figures import DISTRIBUTED, Figure
from reports.load import load_results
from reports.page import anchor
from rig.capture import ClockKind

VOID = {"meta", "br", "hr", "img", "input", "link"}


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
        if self.open[-1:] not in (["script"], ["style"]):
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
    """The page with names in place of its pictures, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (plots, closeups, curves):
            patch.setattr(module, "inline", lambda figure, title: named(title))
        return write_report(results.path).html.read_text()


def named(title: str) -> Markup:
    return Markup('<svg role="img" aria-label="{}"></svg>').format(title)


@pytest.fixture(scope="session")
def suite_page(suite_html: Path) -> str:
    return suite_html.read_text()


def words(page: Page) -> str:
    return " ".join(" ".join(page.text).split())


def test_the_page_needs_nothing_but_itself(suite_page: str) -> None:
    page = Page(suite_page)

    assert page.references
    assert {reference for reference in page.references if not reference.startswith("#")} == set()
    for outside in ("http:", "https:", "url(", "@import", "<link", "<img", "src="):
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


def test_the_verdict_comes_first_then_what_failed(suite_page: str) -> None:
    headings = re.findall(r"<h[12].*?>(.*?)</h[12]>", suite_page, re.DOTALL)
    first, *others = [" ".join(re.sub("<[^>]*>", "", heading).split()) for heading in headings]

    assert first == "FAIL bench virtual"
    assert others == [
        "Verdicts",
        "What keeps it from PASS",
        "Planted defects: caught / not caught",
        "Latency",
        "Distributions",
        "Runs",
        "Runs with a planted defect",
        "What ran",
        "How it was measured",
    ]


def test_each_run_has_the_id_that_robots_log_links_to(
    suite: ResultsFolder, suite_page: str
) -> None:
    runs = load_results(suite.path).runs

    assert {anchor(run.name) for run in runs} <= set(Page(suite_page).ids)
    assert "run/led/01-the-led-blinks-ten-times" in Page(suite_page).ids


def test_a_run_keeps_its_id_when_others_are_added(results: ResultsFolder) -> None:
    results.add("Blinks")
    before = {name for name in Page(page_of(results)).ids if name.startswith("run/")}
    results.add("Blinks Again")

    assert before < set(Page(page_of(results)).ids)


def test_the_verdict_links_to_each_failing_finding_and_its_waveform(
    results: ResultsFolder,
) -> None:
    results.add("Keeps Its On-Time", Made(late_ns=[0] * 5 + [12_000_000]))
    text = page_of(results)
    page = Page(text)

    found = [name for name in page.ids if re.search(r"/finding-\d+$", name)]
    verdicts, failing = text.split('<h2 id="failing">')
    assert len(found) == 3
    assert all(f'href="#{name}">' in verdicts for name in found)
    closeups = failing.split("<h2")[0]
    for kind, lies in (("on-time", "worst of 10 is 212.000 ms"), ("off-time", "is 288.000 ms")):
        assert f'aria-label="Waveform of {kind}: Led / Keeps Its On-Time"' in closeups
        assert lies in words(Page(closeups))


def test_a_good_run_has_nothing_that_keeps_it_from_pass(results: ResultsFolder) -> None:
    results.add("Blinks")

    assert 'id="failing"' not in page_of(results)


def test_there_is_a_distribution_for_each_figure_with_the_names_of_the_runs(
    suite: ResultsFolder, suite_page: str
) -> None:
    part = suite_page.split('<h2 id="distributions">')[1].split("<h2")[0]
    titles = re.findall(r'aria-label="Distribution of ([^",]*)', part)

    assert titles == list(DISTRIBUTED)
    assert part.count('href="#run/led/') == 6
    assert "the other 2 runs" in part


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
    assert "Command line" not in shown[shown.rindex("What ran") :]


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

    assert text.count("<script") == 1
    assert "<b>Led" not in text
    assert Page(text).faults == []
    assert "alert" in words(Page(text))


def test_the_same_evidence_gives_the_same_page(results: ResultsFolder) -> None:
    results.add("Keeps Its On-Time", Made(cycles=4, late_ns=[0] * 5 + [12_000_000]))
    first, second = (write_report(results.path).html.read_text() for _ in range(2))

    assert first == second


def test_a_page_of_ten_runs_is_below_a_megabyte(suite: ResultsFolder, suite_page: str) -> None:
    assert len(load_results(suite.path).runs) == 10
    assert len(suite_page.encode()) < 1_000_000


def test_the_only_script_is_the_pages_own(suite_page: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", suite_page, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()

    assert (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'\">"
    ) in suite_page


def test_time_lapse_has_a_picture_only_if_something_is_wrong(results: ResultsFolder) -> None:
    lapse = ClockKind.TIME_LAPSE
    results.add("Good", Made(clock=lapse))
    results.add("Too Few", Made(clock=lapse, missing=2))
    html = write_report(results.path).html.read_text()
    assert "Timing diagram: Led / Too Few" in html
    assert "Timing diagram: Led / Good" not in html
