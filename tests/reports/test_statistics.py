import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import Made, ResultsFolder, jitter_ns
from hdrh.histogram import HdrHistogram
from scipy import stats

from reports.figures import ONCE_PER_RUN, UNITS, Figure
from reports.load import load_results
from reports.order import (
    PER_MILLE,
    in_order,
    least_for_interval,
    median_interval,
    percentiles,
    samples_needed,
)
from reports.statistics import COLUMNS, summarize
from rig.capture import Stall

MS = 1_000_000
SHAPES = {
    "even": lambda draw, size: draw.uniform(1e3, 1e6, size),
    "long tail": lambda draw, size: draw.lognormal(10, 1.5, size),
    "two humps": lambda draw, size: draw.choice([2e4, 9e5], size) + draw.normal(0, 2e3, size),
    "few values": lambda draw, size: draw.choice([1e5, 2e5, 3e5], size, p=[0.7, 0.29, 0.01]),
}


def rows(results: ResultsFolder, *runs: Made) -> list[dict[str, Any]]:
    for number, made in enumerate(runs):
        results.add(f"Test {number}", made)
    return summarize(load_results(results.path)).to_dict("records")


def summary(results: ResultsFolder, made: Made | None = None) -> dict[str, dict[str, Any]]:
    """The rows of one run by figure."""
    return {row["figure"]: row for row in rows(results, made or Made()) if row["run"]}


def together(results: ResultsFolder, *runs: Made) -> dict[str, dict[str, Any]]:
    """The rows of all runs together by figure."""
    return {row["figure"]: row for row in rows(results, *runs) if not row["run"]}


def alternating(count: int, late_ns: list[int]) -> list[int]:
    """Lateness of falling edges only, so that on-time errors are exactly these."""
    return [late for value in late_ns for late in (0, value)][: 2 * count]


@pytest.mark.parametrize(
    ("count", "name", "expected"),
    [
        (20, "p95", 19),
        (100, "p95", 95),
        (100, "p99", 99),
        (1000, "p99_9", 999),
        (101, "p99", 100),
    ],
)
def test_a_percentile_is_the_nearest_rank(count: int, name: str, expected: float) -> None:
    backwards = np.arange(1.0, count + 1)[::-1]

    assert percentiles(in_order(backwards))[name] == expected


@pytest.mark.parametrize(("name", "per_mille"), PER_MILLE.items())
def test_a_percentile_is_there_from_the_number_of_samples_that_is_named(
    name: str, per_mille: int
) -> None:
    needed = samples_needed(per_mille)

    assert not math.isnan(percentiles(np.arange(float(needed)))[name])
    assert math.isnan(percentiles(np.arange(float(needed - 1)))[name])


def test_so_many_samples_are_needed() -> None:
    assert [samples_needed(per_mille) for per_mille in (950, 990, 999)] == [20, 100, 1000]
    assert least_for_interval() == 6


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1000, 4321, 50_000])
def test_percentiles_agree_with_those_of_hdr_histogram(shape: str, count: int) -> None:
    """It keeps 3 digits of each value, so it may be off by 1 in 1000."""
    values = SHAPES[shape](np.random.default_rng(count), count).astype(np.int64)
    histogram = HdrHistogram(1, 10**9, 3)
    for value in values:
        histogram.record_value(int(value))

    wanted = {
        name: histogram.get_value_at_percentile(per_mille / 10)
        for name, per_mille in PER_MILLE.items()
    }
    assert percentiles(in_order(values)) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("count", [6, 7, 8, 25, 100, 1001, 20_000])
def test_the_interval_of_the_median_is_that_of_scipy(count: int) -> None:
    values = np.random.default_rng(count).lognormal(size=count)
    wanted = stats.quantile_test(values, p=0.5).confidence_interval(0.95)

    assert median_interval(in_order(values)) == (wanted.low, wanted.high)


def test_the_interval_of_the_median_is_near_that_of_the_bootstrap() -> None:
    values = np.random.default_rng(5).lognormal(size=400)
    wanted = stats.bootstrap((values,), np.median, rng=1, n_resamples=2000).confidence_interval
    width = wanted.high - wanted.low

    assert median_interval(in_order(values)) == pytest.approx(
        (wanted.low, wanted.high), abs=width / 4
    )


def test_too_few_samples_have_no_interval() -> None:
    assert all(math.isnan(end) for end in median_interval(np.arange(5.0)))
    assert all(math.isnan(end) for end in median_interval(np.array([])))


@pytest.mark.parametrize("shape", ["even", "long tail"])
def test_the_interval_holds_the_true_median_95_times_in_100(shape: str) -> None:
    draw = np.random.default_rng(11)
    true = float(np.median(SHAPES[shape](draw, 2_000_000)))
    intervals = [median_interval(in_order(SHAPES[shape](draw, 40))) for _ in range(1000)]
    held = sum(low <= true <= high for low, high in intervals)

    assert 940 <= held <= 985  # order statistics are at or above what they promise


def test_figures_agree_with_what_a_pencil_says(results: ResultsFolder) -> None:
    # On 202, 198, 201 ms; off 298, 302 ms; period 500, 500 ms.
    made = Made(
        cycles=3, late_ns=[0, 2 * MS, 0, -2 * MS, 0, 1 * MS], round_trips_ns=[30_000, 80_000]
    )
    found = summary(results, made)

    wanted = {
        Figure.ON_ERROR: (3, 1000.0, -2000.0, 301.0),
        Figure.OFF_ERROR: (2, 0.0, -2000.0, 301.0),
        Figure.PERIOD_ERROR: (2, 0.0, 0.0, 301.0),
        Figure.PERIOD: (2, 500_000.0, 500_000.0, 301.0),
        Figure.JITTER: (1, 0.0, 0.0, 602.0),
        Figure.FIRST_EDGE: (1, 900_000.0, 900_000.0, 311.0),
        Figure.TENDER_START: (1, 899_000.0, 899_000.0, 311.0),
        Figure.DEPLOY: (1, 13_000.0, 13_000.0, None),
        Figure.ROUND_TRIP: (6, 55.0, 80.0, None),
        Figure.CALL_LATENESS: (6, 0.0, 0.0, None),
    }
    for figure, numbers in wanted.items():
        row = found[figure]
        uncertainty = None if math.isnan(row["uncertainty"]) else row["uncertainty"]
        assert (row["count"], row["median"], row["max"], uncertainty) == numbers, figure


def test_the_duty_error_is_in_points(results: ResultsFolder) -> None:
    # 210 of 500 ms are 42 %, commanded were 40 %.
    row = summary(results, Made(late_ns=alternating(10, [10 * MS] * 10)))[Figure.DUTY_ERROR]

    assert (row["unit"], row["median"], row["max"]) == ("%", pytest.approx(2), pytest.approx(2))
    assert row["uncertainty"] == pytest.approx(301 / 500_000 * 100)


@pytest.mark.parametrize("seed", range(20))
def test_stamps_that_are_late_move_no_duty_by_more_than_its_uncertainty(seed: int) -> None:
    late_ns = np.random.default_rng(seed).choice([0, 301_000], 3)
    rise, fall, again = np.array([0, 200 * MS, 500 * MS]) + late_ns
    off = abs((fall - rise) / (again - rise) - 0.4) * 100

    assert off <= 301_000 / (again - rise) * 100 + 1e-9


def test_jitter_is_from_one_period_to_the_next(results: ResultsFolder) -> None:
    # Rises at 0, 503, 1000, 1500 ms: periods 503, 497, 500 ms.
    row = summary(results, Made(cycles=4, late_ns=[0, 0, 3 * MS, 0, 0, 0, 0, 0]))[Figure.JITTER]

    assert (row["count"], row["median"], row["max"]) == (2, -1500.0, -6000.0)


def test_an_edges_lateness_is_the_guests_and_that_of_its_way_to_the_pin(
    results: ResultsFolder,
) -> None:
    made = Made(guest_late_ns=[100_000] * 20, round_trips_ns=[30_000])
    found = summary(results, made)

    assert found[Figure.CALL_LATENESS]["median"] == 100
    to_pin = found[Figure.CALL_TO_PIN]["median"]
    assert found[Figure.EDGE_LATENESS]["median"] == pytest.approx(100 + to_pin)
    assert found[Figure.CALL_TO_PIN]["uncertainty"] == 30


def test_drift_is_that_of_the_observers_clock(results: ResultsFolder) -> None:
    # 50 us more for each of its half periods: 200 ppm of 250 ms.
    made = Made(cycles=40, on_ns=250 * MS, off_ns=250 * MS, guest_is_late_too=False)
    made.late_ns = [50_000 * edge for edge in range(80)]
    row = summary(results, made)[Figure.DRIFT]

    assert row["unit"] == "ppm"
    assert row["median"] == pytest.approx(200, abs=row["uncertainty"])
    assert row["uncertainty"] < 20


def test_the_maximum_of_an_error_is_the_farthest_from_zero_with_its_sign(
    results: ResultsFolder,
) -> None:
    late = alternating(3, [1 * MS, -4 * MS, 3 * MS])

    assert summary(results, Made(cycles=3, late_ns=late))[Figure.ON_ERROR]["max"] == -4000


def test_percentiles_of_an_error_are_of_its_size(results: ResultsFolder) -> None:
    late = alternating(20, [-number * 100_000 for number in range(1, 21)])

    assert summary(results, Made(cycles=20, late_ns=late))[Figure.ON_ERROR]["p95"] == 1900


def test_the_uncertainty_grows_with_the_interval_when_the_clock_drifts(
    results: ResultsFolder,
) -> None:
    found = summary(results, Made(cycles=2, clock_ppm=100.0))

    # 301 us for the stamps, and 100 ppm of 200 ms and of 500 ms.
    assert found[Figure.ON_ERROR]["uncertainty"] == pytest.approx(321, abs=0.1)
    assert found[Figure.PERIOD]["uncertainty"] == pytest.approx(351, abs=0.1)


def test_planted_defects_stay_out(suite: ResultsFolder) -> None:
    table = summarize(load_results(suite.path))

    assert len(table) == 8 * len(Figure) + len(ONCE_PER_RUN)
    assert not table["label"].str.contains("Is Caught").any()


def test_every_row_has_a_unit_and_every_missing_number_is_nan(suite: ResultsFolder) -> None:
    table = summarize(load_results(suite.path))

    assert (table["unit"] == table["figure"].map({str(f): u for f, u in UNITS.items()})).all()
    for column in COLUMNS[1:]:
        assert table[column].dtype == float


def test_runs_together_give_one_sample_each(results: ResultsFolder) -> None:
    firsts = [900 * MS + late for late in jitter_ns(7, 1, worst_ns=50 * MS)]
    row = together(results, *(Made(first_edge_ns=first) for first in firsts))[Figure.FIRST_EDGE]

    assert (row["label"], row["count"]) == ("Once per run: 7 runs", 7)
    assert row["median"] == np.median(firsts) / 1000
    assert (row["low95"], row["high95"]) == (min(firsts) / 1000, max(firsts) / 1000)


def test_one_deployment_that_several_runs_share_counts_once(results: ResultsFolder) -> None:
    assert together(results, Made(), Made(), Made())[Figure.DEPLOY]["count"] == 1


def test_runs_of_unlike_images_are_not_put_together(results: ResultsFolder) -> None:
    old, new = ({"path": "/t", "source": "t", "sha256": digit * 64} for digit in "12")
    other = [Made(record={"images": {"tender": t, "unikernel": old}}) for t in (old, new)]
    found = [row for row in rows(results, *other) if row["figure"] == Figure.FIRST_EDGE]

    assert [row["label"] for row in found if not row["run"]] == [
        "Once per run: 1 run of tender 111111111111",
        "Once per run: 1 run of tender 222222222222",
    ]


def test_what_is_not_known_of_some_runs_is_said_with_their_number(results: ResultsFolder) -> None:
    row = together(results, Made(), Made(missing=20), Made(tells_command=False))[Figure.FIRST_EDGE]

    assert row["count"] == 1
    assert row["note"] == (
        "the line never moved (1 of 3 runs); "
        "the observer's clock (emulator) does not tell the command (1 of 3 runs)"
    )


@pytest.mark.parametrize(
    ("made", "figure", "note"),
    [
        (Made(cycles=1), Figure.OFF_ERROR, "no interval between two commanded edges"),
        (Made(cycles=2), Figure.JITTER, "no two periods to compare"),
        (Made(missing=20), Figure.FIRST_EDGE, "the line never moved"),
        (Made(missing=20), Figure.TENDER_START, "the line never moved"),
        (Made(missing=20), Figure.CALL_TO_PIN, "not those that the guest recorded"),
        (Made(tells_command=False), Figure.FIRST_EDGE, "does not tell the command"),
        (Made(sees_modes=False), Figure.GUEST_BOOT, "the observer did not see the line taken"),
        (Made(lost=2), Figure.PERIOD, "edges are missing"),
        (Made(stalls=(Stall(0, 9, "heartbeat"),)), Figure.ON_ERROR, "the bench stalled"),
        (Made(), Figure.ROUND_TRIP, "the observer's uncertainty does not apply"),
    ],
)
def test_a_row_says_what_its_reader_must_know(
    results: ResultsFolder, made: Made, figure: Figure, note: str
) -> None:
    assert note in summary(results, replace(made))[figure]["note"]


def test_a_good_row_needs_no_note(results: ResultsFolder) -> None:
    noted = {figure for figure, row in summary(results).items() if row["note"]}

    assert noted == {Figure.ROUND_TRIP, Figure.CALL_LATENESS, Figure.DEPLOY}
