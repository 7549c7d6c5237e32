from dataclasses import replace

import pandas as pd
import pytest
from conftest import STARTED_NS, Made, ResultsFolder, jitter_ns

from reports.load import load_results
from reports.tidy import Tables, tidy
from rig.capture import ClockKind
from rig.verdict import Kind

MS = 1_000_000


def tables(results: ResultsFolder, *runs: Made) -> Tables:
    for number, made in enumerate(runs):
        results.add(f"Test {number}", made)
    return tidy(load_results(results.path))


def errors_ns(table: Tables, kind: Kind) -> list[int]:
    of_kind = table.intervals[table.intervals["kind"] == kind]
    return of_kind["error_ns"].tolist()


def test_an_interval_is_measured_minus_commanded(results: ResultsFolder) -> None:
    # Edges at 0+0, 200+3, 500+1, 700-2 ms: on 203 and 197, off 298, period 501.
    late = [0, 3 * MS, 1 * MS, -2 * MS]
    table = tables(results, Made(cycles=2, late_ns=late))

    assert errors_ns(table, Kind.ON_TIME) == [3 * MS, -3 * MS]
    assert errors_ns(table, Kind.OFF_TIME) == [-2 * MS]
    assert errors_ns(table, Kind.PERIOD) == [1 * MS]


def test_an_interval_knows_where_it_belongs(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=1), Made(cycles=1)).intervals

    assert table.to_dict("records")[1] == {
        "run": "led/02-test-1",
        "suite": "Led",
        "test": "Test 1",
        "purpose": "proof",
        "kind": "on-time",
        "seqno": 0,
        "start_ns": STARTED_NS + 900 * MS,
        "interval_ns": 200 * MS,
        "nominal_ns": 200 * MS,
        "error_ns": 0,
        "tolerance_ns": 5 * MS,
        "uncertainty_ns": 301_000,
    }


def test_the_hold_of_the_final_level_is_no_interval(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=2, final_level=1, off_ns=400 * MS))

    assert errors_ns(table, Kind.ON_TIME) == [0, 0]
    assert errors_ns(table, Kind.OFF_TIME) == [0, 0]
    assert errors_ns(table, Kind.PERIOD) == [0, 0]


def test_edges_that_nobody_commanded_are_no_interval(results: ResultsFolder) -> None:
    made = Made(cycles=3)
    more = replace(made, record={"expectation": replace(made, cycles=2).expectation()})

    assert errors_ns(tables(results, more), Kind.ON_TIME) == [0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_the_worst_interval_is_the_one_that_the_verdict_names(
    results: ResultsFolder, seed: int
) -> None:
    late = jitter_ns(20, seed, worst_ns=8 * MS)
    table = tables(results, Made(late_ns=late))
    verdict = load_results(results.path).runs[0].verdict

    for kind in (Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD):
        of_kind = table.intervals[table.intervals["kind"] == kind]
        worst = of_kind.loc[of_kind["error_ns"].abs().idxmax()]
        (finding,) = verdict.of_kind(kind)
        assert (worst["interval_ns"], worst["seqno"]) == (finding.measured, finding.seqno)


def test_a_run_without_edges_has_no_intervals(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=2, missing=4))

    assert table.intervals.empty
    assert pd.isna(table.runs["first_edge_ns"][0])


def test_a_round_trip_is_after_minus_before(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=1, round_trips_ns=[41_000, 59_500])).hypercalls

    assert table["round_trip_ns"].tolist() == [41_000, 59_500]
    assert table["level"].tolist() == [1, 0]


@pytest.mark.parametrize("clock", [ClockKind.EMULATOR, ClockKind.HOST])
def test_the_first_edge_counts_from_the_command(results: ResultsFolder, clock: ClockKind) -> None:
    table = tables(results, Made(clock=clock, first_edge_ns=750 * MS)).runs

    assert table["first_edge_ns"].tolist() == [750 * MS]


@pytest.mark.parametrize("clock", [ClockKind.HARDWARE, ClockKind.KERNEL])
def test_stamps_of_another_clock_give_no_time_to_the_first_edge(
    results: ResultsFolder, clock: ClockKind
) -> None:
    assert pd.isna(tables(results, Made(clock=clock)).runs["first_edge_ns"][0])


@pytest.mark.parametrize(
    "times", [{"started_ns": 0, "ended_ns": 10}, {"started_ns": STARTED_NS + 901 * MS}]
)
def test_a_first_edge_outside_the_run_gives_no_time(
    results: ResultsFolder, times: dict[str, object]
) -> None:
    assert pd.isna(tables(results, Made(record=times)).runs["first_edge_ns"][0])


def test_a_run_keeps_its_circumstances(suite: ResultsFolder) -> None:
    runs = tidy(load_results(suite.path)).runs.set_index("test")

    assert runs.loc["The Bench Is Busy", ["repeats", "stalls", "outcome"]].tolist() == [
        2,
        1,
        "INCONCLUSIVE",
    ]
    assert runs["purpose"].tolist().count("defect") == 2
