import re
from dataclasses import replace

import pandas as pd
import pytest
from conftest import STARTED_NS, Made, ResultsFolder, jitter_ns

from reports.load import load_results
from reports.tidy import Tables, tidy
from rig.capture import ClockKind
from rig.identity import REPOSITORY
from rig.verdict import Kind

MS = 1_000_000


def tables(results: ResultsFolder, *runs: Made) -> Tables:
    for number, made in enumerate(runs):
        results.add(f"Test {number}", made)
    return tidy(load_results(results.path).runs)


def errors_ns(table: Tables, kind: Kind) -> list[int]:
    edges = table.edges
    columns = {
        Kind.ON_TIME: edges["error_ns"][edges["level"] == 1],
        Kind.OFF_TIME: edges["error_ns"][edges["level"] == 0],
        Kind.PERIOD: edges["period_error_ns"],
    }
    return [int(error) for error in columns[kind].dropna()]


def test_an_interval_is_measured_minus_commanded(results: ResultsFolder) -> None:
    # Edges at 0+0, 200+3, 500+1, 700-2 ms: on 203 and 197, off 298, period 501.
    late = [0, 3 * MS, 1 * MS, -2 * MS]
    table = tables(results, Made(cycles=2, late_ns=late))

    assert errors_ns(table, Kind.ON_TIME) == [3 * MS, -3 * MS]
    assert errors_ns(table, Kind.OFF_TIME) == [-2 * MS]
    assert errors_ns(table, Kind.PERIOD) == [1 * MS]


def test_an_edge_knows_where_it_belongs(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=2), Made(cycles=2)).edges

    assert len(table) == 8
    assert table.to_dict("records")[4] == {
        "run": "led/02-test-1",
        "suite": "Led",
        "test": "Test 1",
        "purpose": "proof",
        "seqno": 0,
        "level": 1,
        "time_ns": STARTED_NS + 900 * MS,
        "length_ns": 200 * MS,
        "error_ns": 0,
        "period_ns": 500 * MS,
        "period_error_ns": 0,
        "call_to_pin_ns": 20_000,
        "edge_late_ns": 20_000,
    }


def test_what_an_edge_does_not_begin_is_missing(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=2)).edges

    assert table["length_ns"].isna().tolist() == [False, False, False, True]
    assert table["period_ns"].isna().tolist() == [False, True, True, True]


def test_every_table_says_whose_each_row_is(suite: ResultsFolder) -> None:
    results = load_results(suite.path)
    everything = tidy(results.runs)

    for table in (everything.edges, everything.hypercalls, everything.runs):
        assert list(table.columns[:4]) == ["run", "suite", "test", "purpose"]
    for run in results.runs:
        (one,) = (everything.runs[everything.runs["run"] == run.name])["edges"]
        assert (everything.edges["run"] == run.name).sum() == one


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
    edges = tables(results, Made(late_ns=late)).edges
    verdict = load_results(results.path).runs[0].verdict

    rises = edges["level"] == 1
    kinds = {Kind.ON_TIME: rises, Kind.OFF_TIME: ~rises}
    for kind, of_kind in kinds.items():
        worst = edges.loc[edges["error_ns"][of_kind].abs().idxmax()]
        (finding,) = verdict.of_kind(kind)
        assert (worst["length_ns"], worst["seqno"]) == (finding.measured, finding.seqno)
    worst = edges.loc[edges["period_error_ns"].abs().idxmax()]
    (finding,) = verdict.of_kind(Kind.PERIOD)
    assert (worst["period_ns"], worst["seqno"]) == (finding.measured, finding.seqno)


def test_a_run_without_edges_has_no_rows_for_them(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=2, missing=4))

    assert table.edges.empty
    assert pd.isna(table.runs["first_edge_ns"][0])
    assert table.runs["why_no_start"][0] == "the line never moved"


def test_a_round_trip_is_after_minus_before(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=1, round_trips_ns=[41_000, 59_500])).hypercalls

    assert table["round_trip_ns"].tolist() == [41_000, 59_500]
    assert table["level"].tolist() == [1, 0]


def test_the_guest_is_late_from_its_deadline_to_its_call(results: ResultsFolder) -> None:
    table = tables(results, Made(cycles=1, guest_late_ns=[0, 70_000]))

    assert table.hypercalls["call_late_ns"].tolist() == [0, 70_000]
    late_ns = table.edges["edge_late_ns"] - table.edges["call_to_pin_ns"]
    assert late_ns.tolist() == [0, 70_000]


@pytest.mark.parametrize("clock", list(ClockKind))
def test_the_start_is_split_where_the_line_is_taken_and_where_the_program_begins(
    results: ResultsFolder, clock: ClockKind
) -> None:
    # Taken 1 ms before the first edge, begun 0.4 ms before the guest calls for it.
    table = tables(results, Made(clock=clock, first_edge_ns=750 * MS, round_trips_ns=[1])).runs

    assert table["first_edge_ns"].tolist() == [750 * MS]
    assert table["tender_start_ns"].tolist() == [749 * MS]
    assert table["main_to_edge_ns"][0] == pytest.approx(400_000, abs=1)
    assert table["guest_boot_ns"][0] == pytest.approx(600_000, abs=1)


def test_the_parts_of_the_start_are_as_uncertain_as_their_ends(results: ResultsFolder) -> None:
    (row,) = tables(results, Made(round_trips_ns=[40_000])).runs.to_dict("records")

    # Two stamps of 301 us each way, and 10 us of the command's; the first hypercall is 40 us long.
    assert row["first_edge_uncertainty_ns"] == 311_000
    assert row["tender_start_uncertainty_ns"] == 311_000
    assert row["main_to_edge_uncertainty_ns"] == 40_000
    assert row["guest_boot_uncertainty_ns"] == 341_000


def test_without_the_command_on_the_observers_clock_the_start_is_not_known(
    results: ResultsFolder,
) -> None:
    (row,) = tables(results, Made(tells_command=False)).runs.to_dict("records")

    assert pd.isna(row["first_edge_ns"])
    assert pd.isna(row["tender_start_ns"])
    assert row["why_no_start"] == "the observer's clock (emulator) does not tell the command"
    assert row["guest_boot_ns"] == pytest.approx(600_000, abs=100_000)


def test_without_directions_tender_and_guest_are_not_told_apart(results: ResultsFolder) -> None:
    (row,) = tables(results, Made(sees_modes=False)).runs.to_dict("records")

    assert row["first_edge_ns"] == 900 * MS
    assert pd.isna(row["tender_start_ns"])
    assert pd.isna(row["guest_boot_ns"])
    assert "did not see the line taken" in row["why_no_parts"]


def test_an_edge_before_the_command_gives_no_time_to_it(results: ResultsFolder) -> None:
    table = tables(results, Made(commanded_ns=901 * MS)).runs

    assert pd.isna(table["first_edge_ns"][0])


def test_edges_that_the_guest_did_not_record_are_not_put_beside_its_clock(
    results: ResultsFolder,
) -> None:
    table = tables(results, Made(missing=2))

    assert table.edges["call_to_pin_ns"].isna().all()
    assert table.runs["why_no_relation"][0] == "the edges are not those that the guest recorded"


def test_a_clock_that_was_set_is_not_put_beside_the_other(results: ResultsFolder) -> None:
    late = [0] * 10 + [5 * MS] * 10
    table = tables(results, Made(late_ns=late, guest_is_late_too=False))

    assert table.edges["edge_late_ns"].isna().all()
    assert "did not run evenly" in table.runs["why_no_relation"][0]


def test_a_deployment_that_was_not_recorded_is_missing(results: ResultsFolder) -> None:
    bare = {"path": "/tmp/x", "source": "x", "sha256": "7e" * 32}
    unknown = {"images": {"tender": bare, "unikernel": bare}}
    table = tables(results, Made(), Made(record=unknown)).runs

    assert table["deploy_ns"].isna().tolist() == [False, True]
    assert table["deploy_ns"][0] == 13 * MS


def test_the_example_of_the_manual_runs(
    suite: ResultsFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manual = (REPOSITORY / "docs" / "report.md").read_text().split("## Your own numbers")[1]
    example = "".join(re.findall(r"^    (.*\n)", manual, re.MULTILINE))
    monkeypatch.chdir(suite.path.parents[1])

    exec(example, {})

    assert "The LED Blinks Ten Times" in capsys.readouterr().out


def test_a_run_keeps_its_circumstances(suite: ResultsFolder) -> None:
    runs = tidy(load_results(suite.path).runs).runs.set_index("test")

    assert runs.loc["The Bench Is Busy", ["repeats", "stalls", "outcome"]].tolist() == [
        2,
        1,
        "INCONCLUSIVE",
    ]
    assert runs["purpose"].tolist().count("defect") == 2
