import math
from typing import Any

import numpy as np
import pytest
from conftest import Made, ResultsFolder

from reports.load import load_results
from reports.statistics import Figure, percentile, samples_needed, summarize
from reports.tidy import tidy
from rig.capture import ClockKind, Stall

MS = 1_000_000


def summary(results: ResultsFolder, made: Made | None = None) -> dict[str, dict[str, Any]]:
    """The rows of one run by figure."""
    results.add("Test", made)
    rows = summarize(tidy(load_results(results.path))).to_dict("records")
    return {row["figure"]: row for row in rows}


def alternating(count: int, late_ns: list[int]) -> list[int]:
    """Lateness of falling edges only, so that on-time errors are exactly these."""
    return [late for value in late_ns for late in (0, value)][: 2 * count]


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [(20, 95, 19), (100, 95, 95), (100, 99, 99), (1000, 99, 990), (101, 99, 100)],
)
def test_a_percentile_is_the_nearest_rank(count: int, percent: int, expected: float) -> None:
    assert percentile(np.arange(1.0, count + 1), percent) == expected


@pytest.mark.parametrize(("count", "percent"), [(0, 95), (1, 95), (19, 95), (20, 99), (99, 99)])
def test_a_percentile_of_too_few_samples_is_missing(count: int, percent: int) -> None:
    assert math.isnan(percentile(np.arange(float(count)), percent))


@pytest.mark.parametrize("percent", [95, 99])
def test_a_percentile_is_there_from_the_number_of_samples_that_is_named(percent: int) -> None:
    needed = samples_needed(percent)

    assert not math.isnan(percentile(np.arange(float(needed)), percent))
    assert math.isnan(percentile(np.arange(float(needed - 1)), percent))


def test_figures_agree_with_what_a_pencil_says(results: ResultsFolder) -> None:
    # On 202, 198, 201 ms; off 298, 302 ms; period 500, 500 ms.
    made = Made(
        cycles=3, late_ns=[0, 2 * MS, 0, -2 * MS, 0, 1 * MS], round_trips_ns=[30_000, 80_000]
    )
    rows = summary(results, made)

    wanted = {
        Figure.ON_ERROR: (3, 1000.0, 2000.0, 301.0),
        Figure.OFF_ERROR: (2, 0.0, -2000.0, 301.0),
        Figure.PERIOD_ERROR: (2, 0.0, 0.0, 301.0),
        Figure.PERIOD: (2, 500_000.0, 500_000.0, 301.0),
        Figure.FIRST_EDGE: (1, 900_000.0, 900_000.0, 301.0),
    }
    for figure, numbers in wanted.items():
        row = rows[figure]
        got = (row["count"], row["median_us"], row["max_us"], row["uncertainty_us"])
        assert got == numbers, figure
    trips = rows[Figure.ROUND_TRIP]
    assert (trips["count"], trips["median_us"], trips["max_us"]) == (6, 55.0, 80.0)
    assert math.isnan(trips["uncertainty_us"])


def test_the_maximum_of_an_error_is_the_farthest_from_zero_with_its_sign(
    results: ResultsFolder,
) -> None:
    late = alternating(3, [1 * MS, -4 * MS, 3 * MS])

    assert summary(results, Made(cycles=3, late_ns=late))[Figure.ON_ERROR]["max_us"] == -4000


def test_percentiles_of_an_error_are_of_its_size(results: ResultsFolder) -> None:
    late = alternating(20, [-number * 100_000 for number in range(1, 21)])

    assert summary(results, Made(cycles=20, late_ns=late))[Figure.ON_ERROR]["p95_us"] == 1900


def test_the_uncertainty_grows_with_the_interval_when_the_clock_drifts(
    results: ResultsFolder,
) -> None:
    rows = summary(results, Made(cycles=2, clock_ppm=100.0))

    # 301 us for the stamps, and 100 ppm of 200 ms and of 500 ms.
    assert rows[Figure.ON_ERROR]["uncertainty_us"] == pytest.approx(321, abs=0.1)
    assert rows[Figure.PERIOD]["uncertainty_us"] == pytest.approx(351, abs=0.1)


def test_planted_defects_stay_out(suite: ResultsFolder) -> None:
    table = summarize(tidy(load_results(suite.path)))

    assert len(table) == 8 * len(Figure)
    assert not table["label"].str.contains("Is Caught").any()


@pytest.mark.parametrize(
    ("made", "figure", "note"),
    [
        (Made(cycles=1), Figure.OFF_ERROR, "no interval between two commanded edges"),
        (Made(missing=20), Figure.FIRST_EDGE, "the line never moved"),
        (Made(clock=ClockKind.KERNEL), Figure.FIRST_EDGE, "clock (kernel) is not the rig's"),
        (Made(lost=2), Figure.PERIOD, "edges are missing"),
        (Made(stalls=(Stall(0, 9, "heartbeat"),)), Figure.ON_ERROR, "the bench stalled"),
        (Made(), Figure.ROUND_TRIP, "the observer's uncertainty does not apply"),
    ],
)
def test_a_row_says_what_its_reader_must_know(
    results: ResultsFolder, made: Made, figure: Figure, note: str
) -> None:
    assert note in summary(results, made)[figure]["note"]


def test_a_good_row_needs_no_note(results: ResultsFolder) -> None:
    rows = summary(results)

    assert {figure for figure, row in rows.items() if row["note"]} == {Figure.ROUND_TRIP}
