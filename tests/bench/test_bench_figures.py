# SPDX-License-Identifier: ISC
"""What the bench computes and writes; none of it depends on how fast this machine is."""

import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rig.capture import write_capture
from rig.errors import ObserverError
from tests.bench.figure import COLUMNS, Figure, Verdict, write_csv
from tests.bench.judging import capture, judging, read_and_judge
from tests.bench.measure import (
    Runs,
    Spans,
    Turn,
    first_edges,
    parse_calls,
    parse_race,
)
from tests.bench.reporting import make_results, report, reporting
from tests.bench.samples import Estimate, certain, median, ratio
from tests.bench.trending import fill, show, trending

Event = tuple[str, int]
LED_ON, MARK_ON, MARK_OFF = ("led", 1), ("gpio27", 1), ("gpio27", 0)


def test_median_lies_in_its_interval() -> None:
    estimate = median([5, 1, 4, 2, 3, 100, 6])

    assert (estimate.value, estimate.samples) == (4, 7)
    assert 1 <= estimate.low <= 4 <= estimate.high <= 100


def test_interval_holds_the_true_median_about_95_times_in_100() -> None:
    draw = np.random.default_rng(7)
    intervals = [median(list(draw.exponential(size=20))) for _ in range(300)]
    held = sum(estimate.low <= math.log(2) <= estimate.high for estimate in intervals)

    assert 0.90 <= held / len(intervals) <= 0.99


def test_few_samples_have_a_median_and_no_interval() -> None:
    estimate = median([1, 2, 3, 4, 5])

    assert estimate.value == 3
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


def test_no_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        median([])


def test_noise_that_hits_both_sides_of_a_ratio_cancels() -> None:
    base = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0]

    estimate = ratio([2 * value for value in base], base)

    assert (estimate.value, estimate.low, estimate.high) == (2, 2, 2)


def test_a_ratio_is_that_of_pairs_not_of_the_two_medians() -> None:
    """The host became slower between the runs; each pair says 3, the medians would not."""
    base = [1.0, 1.0, 1.0, 1.0, 10.0, 10.0, 10.0]
    over = [3.0, 3.0, 3.0, 30.0, 30.0, 30.0, 30.0]

    assert ratio(over, base).value == 3
    assert np.median(over) / np.median(base) == 30


def test_ratio_of_unequal_numbers_of_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 samples against 2"):
        ratio([1, 2, 3], [1, 2])


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.0, 1.9, Verdict.REACHED),
        (1.0, 2.0, Verdict.REACHED),
        (1.9, 2.1, Verdict.UNCERTAIN),
        (2.1, 2.9, Verdict.MISSED),
        (math.nan, math.nan, Verdict.UNCERTAIN),
    ],
)
def test_upper_limit_is_judged_by_the_whole_interval(
    low: float, high: float, verdict: Verdict
) -> None:
    estimate = Estimate(1.5, low, high, 20)

    assert Figure(1, "here", "it", "x", estimate, at_most=2).verdict is verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(2.0, 3.0, Verdict.REACHED), (1.9, 3.0, Verdict.UNCERTAIN), (1.0, 1.9, Verdict.MISSED)],
)
def test_lower_limit_is_judged_by_the_whole_interval(
    low: float, high: float, verdict: Verdict
) -> None:
    estimate = Estimate(2.5, low, high, 20)

    assert Figure(3, "here", "it", "x", estimate, at_least=2).verdict is verdict


def test_csv_has_a_row_for_each_figure_and_says_what_is_not_known() -> None:
    figures = [
        Figure(5, "aarch64", "tender", "KiB", certain(650.7), at_most=800),
        Figure(2, "here", "a, b", "us", Estimate(1.5, math.nan, math.nan, 3)),
        Figure(1, "here", "start", "", None, note="no /dev/kvm"),
    ]
    stream = io.StringIO()

    write_csv(figures, stream)

    assert stream.getvalue().splitlines() == [
        ",".join(COLUMNS),
        "5,aarch64,tender,650.7,650.7,650.7,KiB,1,at most 800,reached,",
        '2,here,"a, b",1.5,,,us,3,,reported,',
        "1,here,start,,,,,,,not measured,no /dev/kvm",
    ]


def test_csv_keeps_what_is_known_when_measuring_is_interrupted(tmp_path: Path) -> None:
    def figures() -> Iterator[Figure]:
        yield Figure(5, "aarch64", "tender", "KiB", certain(650.7), at_most=800)
        assert "5,aarch64,tender" in path.read_text()
        raise KeyboardInterrupt

    path = tmp_path / "figures.csv"

    with path.open("w") as stream, pytest.raises(KeyboardInterrupt):
        write_csv(figures(), stream)


def test_turns_are_found_between_other_output() -> None:
    output = "0,100,7\nSolo5: exit(0)\n1,200,9\nname,300,1\n"

    assert parse_race(output) == [Turn(0, 100, 7), Turn(1, 200, 9)]


def test_calls_become_the_median_of_each_kind() -> None:
    output = "walltime,3\nled_set,10\nwalltime,5\nSolo5: exit(0)\nwalltime,90\nled_set,20\n"

    assert parse_calls(output) == {"walltime": 5, "led_set": 15}


def test_spans_add_up_to_the_whole_run() -> None:
    spans = Spans()

    spans.add("0,0,1\n2,1000,9000\nsolo5-hvt: stamp,start,3000\nsolo5-hvt: stamp,guest boot,7000\n")

    assert list(spans.us.values()) == [[2.0], [4.0], [3.0]]
    assert list(spans.us)[:2] == ["start", "guest boot"]
    assert spans.without_guest() == [5.0]


def _stream(*events: tuple[int, Event]) -> list[tuple[int, str, int]]:
    return [(time_ns, line, level) for time_ns, (line, level) in events]


def test_first_edge_counts_from_the_mark_and_later_edges_do_not() -> None:
    run = [(10, MARK_ON), (25, LED_ON), (27, LED_ON), (30, MARK_OFF)]
    later = [(time_ns + 100, event) for time_ns, event in run]

    assert first_edges(_stream(*run, *later)) == [15, 15]


@pytest.mark.parametrize("later", [[], [(30, MARK_ON), (40, LED_ON)]])
def test_marked_command_without_an_edge_is_an_error(later: list[tuple[int, Event]]) -> None:
    with pytest.raises(ObserverError, match="did not switch the LED on"):
        first_edges(_stream((10, MARK_ON), (20, MARK_OFF), *later))


def test_a_large_capture_is_read_and_judged_in_a_process_of_its_own() -> None:
    seconds, memory = judging(Runs(1), edges=1000)

    assert seconds.what == "read and judge 1,000 edges"
    assert seconds.estimate is not None
    assert 0 < seconds.estimate.value < 60
    assert memory.estimate is not None
    assert 10 < memory.estimate.value < 1024


def test_a_large_capture_that_does_not_pass_is_no_figure(tmp_path: Path) -> None:
    spoiled = capture(1000)
    spoiled.edges["time_ns"][501] += 1000
    write_capture(tmp_path, spoiled)

    with pytest.raises(RuntimeError, match="a good capture is FAIL: led on-time"):
        read_and_judge(tmp_path)


def test_a_report_is_written_in_a_process_of_its_own() -> None:
    seconds, memory = reporting(Runs(1), edges=2000, reported=2)

    assert seconds.what == "report over 4,000 edges"
    assert seconds.estimate is not None
    assert 0 < seconds.estimate.value < 60
    assert memory.estimate is not None
    assert 10 < memory.estimate.value < 1024


def test_a_report_on_runs_that_do_not_pass_is_no_figure(tmp_path: Path) -> None:
    make_results(tmp_path, edges=2000, runs=2)
    (tmp_path / "bench" / "run-2" / "console.log").unlink()

    with pytest.raises(RuntimeError, match="a report on good runs says INCONCLUSIVE"):
        report(tmp_path)


def test_a_trend_is_shown_in_a_process_of_its_own_and_a_page_is_weighed() -> None:
    seconds, size = trending(Runs(1), stored=120, runs_of_page=1)

    assert seconds.what == "trend over 120 stored runs"
    assert seconds.estimate is not None
    assert 0 < seconds.estimate.value < 60
    assert size.estimate is not None
    assert 0.01 < size.estimate.value < 2


def test_a_trend_that_does_not_find_the_steps_is_no_figure(tmp_path: Path) -> None:
    fill(tmp_path / "history.sqlite", stored=12)

    with pytest.raises(RuntimeError, match="rig report trend: status 0"):
        show(tmp_path / "history.sqlite")
