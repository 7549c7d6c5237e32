import re
from collections.abc import Iterable

import pytest
from conftest import STARTED_NS, Made, ResultsFolder, jitter_ns

from reports.lanes import Picture
from reports.load import Run, load_results
from reports.plots import ALL_CYCLES, histograms, timing_diagram
from rig.capture import Stall

MS = 1_000_000


def only_run(results: ResultsFolder, made: Made) -> Run:
    results.add("Test", made)
    (run,) = load_results(results.path).runs
    return run


def timing(results: ResultsFolder, made: Made) -> Picture:
    return timing_diagram(only_run(results, made))


def spread(results: ResultsFolder, made: Made) -> list[Picture]:
    return histograms(only_run(results, made))


def texts(picture: Picture) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)


def widths(picture: Picture, variable: str) -> Iterable[float]:
    """How wide the filled shapes of one colour are, in points."""
    for path in re.findall(rf'<path d="([^"]*)"[^>]*fill: var\(--{variable}\)', picture.svg):
        places = [float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", path)]
        yield max(places) - min(places)


def test_both_levels_are_named_and_measured_lengths_are_shown(results: ResultsFolder) -> None:
    picture = timing(results, Made(cycles=3, late_ns=[0, 7 * MS, 0, 0]))

    assert {"commanded", "observed", "ms"} <= set(texts(picture))
    assert [text for text in texts(picture) if "." in text][:2] == ["207.0", "293.0"]
    assert "Commanded: 3 × 200 ms on, 300 ms off" in picture.caption
    assert "Observed: 6 edges of led" in picture.caption


@pytest.mark.parametrize("cycles", [1, ALL_CYCLES])
def test_few_cycles_are_drawn_in_full(results: ResultsFolder, cycles: int) -> None:
    picture = timing(results, Made(cycles=cycles))

    assert texts(picture).count("200.0") == cycles
    assert "Only" not in picture.caption


@pytest.mark.parametrize("cycles", [ALL_CYCLES + 1, 50])
def test_of_many_cycles_the_ends_are_drawn_and_it_says_so(
    results: ResultsFolder, cycles: int
) -> None:
    picture = timing(results, Made(cycles=cycles))

    assert texts(picture).count("200.0") == 8
    assert "Only the first and the last 4 cycles are drawn." in picture.caption


def test_the_cycle_of_a_finding_is_drawn_wherever_it_lies(results: ResultsFolder) -> None:
    late = [0] * 51 + [12 * MS]  # the 26th on-time of 50

    picture = timing(results, Made(cycles=50, late_ns=late))

    assert "212.0" in texts(picture)
    assert any("on-time" in text for text in texts(picture))
    assert "and those around findings" in picture.caption


def test_a_stall_is_marked(results: ResultsFolder) -> None:
    stall = Stall(STARTED_NS + 2_000 * MS, 180 * MS, "heartbeat")

    assert any("stall" in text for text in texts(timing(results, Made(stalls=(stall,)))))


def test_a_good_run_bears_no_mark(results: ResultsFolder) -> None:
    picture = timing(results, Made())

    assert "var(--fail)" not in picture.svg
    assert "var(--inconclusive)" not in picture.svg


def test_a_dark_line_is_drawn_from_the_start_of_the_capture(results: ResultsFolder) -> None:
    picture = timing(results, Made(cycles=2, missing=4))

    assert "laid from the start of the capture on. Observed: 0 edges" in picture.caption


def test_an_edge_too_few_leaves_the_observed_line_low(results: ResultsFolder) -> None:
    full = timing(results, Made(cycles=5))
    short = timing(ResultsFolder(results.path.with_name("short")), Made(cycles=5, missing=2))

    assert texts(full).count("200.0") == 5
    assert texts(short).count("200.0") == 4


def test_each_kind_of_error_has_a_histogram(results: ResultsFolder) -> None:
    pictures = spread(results, Made(late_ns=jitter_ns(20, 1)))

    titles = [text for picture in pictures for text in texts(picture) if "error" in text]
    assert titles == ["on-time error", "off-time error", "period error"]
    assert pictures[1].caption == "9 samples, limits ±5,000.0 µs, uncertainty 301.0 µs"


def test_limits_and_uncertainty_are_drawn(results: ResultsFolder) -> None:
    picture = spread(results, Made(late_ns=jitter_ns(20, 1)))[0]

    for variable in ("pass", "inconclusive", "fail", "observed", "ink"):
        assert f"var(--{variable})" in picture.svg


def test_an_uncertainty_above_the_limit_leaves_nothing_sure_to_pass(
    results: ResultsFolder,
) -> None:
    picture = spread(results, Made(tolerance_ns=100_000))[0]

    assert max(widths(picture, "pass")) == 0
    assert max(widths(picture, "inconclusive")) > 0


def test_one_cycle_has_one_histogram_with_a_bar_that_can_be_seen(results: ResultsFolder) -> None:
    pictures = spread(results, Made(cycles=1))

    assert len(pictures) == 1
    assert max(widths(pictures[0], "observed")) > 2
    assert pictures[0].caption.startswith("1 sample,")


def test_no_interval_means_no_histogram(results: ResultsFolder) -> None:
    assert spread(results, Made(missing=20)) == []


def test_the_same_run_gives_the_same_picture(results: ResultsFolder) -> None:
    run = only_run(results, Made(late_ns=jitter_ns(20, 1)))

    assert timing_diagram(run) == timing_diagram(run)


def test_colours_are_the_pages(results: ResultsFolder) -> None:
    run = only_run(results, Made(missing=2))

    for picture in (timing_diagram(run), *histograms(run)):
        assert not re.findall(r"#[0-9a-f]{6}", picture.svg)


def test_a_picture_has_a_name_and_no_size_of_its_own(results: ResultsFolder) -> None:
    results.add("Blinks <fast> & $often$")
    (run,) = load_results(results.path).runs
    opening = timing_diagram(run).svg.split("<title>")[0]

    assert 'aria-label="Timing diagram: Led / Blinks &lt;fast&gt; &amp; $often$"' in opening
    assert 'role="img"' in opening
    assert not re.search(r"\b(width|height)=", opening)


def test_no_style_sheet_escapes_into_the_page(results: ResultsFolder) -> None:
    assert "<style" not in timing(results, Made()).svg


def test_a_finding_long_before_the_first_edge_is_left_out(results: ResultsFolder) -> None:
    stall = Stall(STARTED_NS + 1, 180 * MS, "heartbeat")
    made = Made(cycles=50, first_edge_ns=9_000 * MS, stalls=(stall,))

    assert not any("stall" in text for text in texts(timing(results, made)))


def test_an_error_far_beyond_the_limit_leaves_the_limits_readable(results: ResultsFolder) -> None:
    picture = spread(results, Made(cycles=1, on_ns=900 * MS, late_ns=[0, 800 * MS]))[0]
    ticks = dict(re.findall(r'<text[^>]* x="([\d.]+)"[^>]*>([^<]*)</text>', picture.svg)[:3])
    left, _, right = sorted(map(float, ticks))

    assert set(ticks.values()) == {"\N{MINUS SIGN}5,000", "0", "5,000"}
    assert right - left > 60


def test_numbers_that_are_read_are_not_shortened(results: ResultsFolder) -> None:
    picture = spread(results, Made(tolerance_ns=1_125))[0]

    assert "1.125" in texts(picture)
