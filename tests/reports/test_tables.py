from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from conftest import Made, ResultsFolder

from reports.figures import ONCE_PER_RUN, Figure
from reports.load import Results, load_results
from reports.statistics import COLUMNS, IDENTITY, summarize
from reports.tables import (
    CSV_COLUMNS,
    FIGURES_SCHEMA,
    WIDTH,
    counted,
    latency,
    to_csv,
    to_text,
    write_parquet,
)
from rig.verdict import Finding, Kind, Outcome, Verdict

PAGE = Path("results/20260102T030405Z-virtual/report.html")
PASSED = Finding(Kind.CONSOLE, Outcome.PASS, "console says 'SUCCESS'")
FAILED = Finding(Kind.COUNT, Outcome.FAIL, "led went on 9 times in 18 edges, expected 10 times")
DOUBTFUL = Finding(
    Kind.PERIOD,
    Outcome.INCONCLUSIVE,
    "led period: worst of 9 is 504.912 ms, expected 500.000 ms +/- 5.000 ms, uncertainty 0.301 ms, "
    "edge 16 at +4900.006 ms",
)


def plain(results: Results) -> Results:
    """The same runs with findings of fixed wording, which is the rig's to change."""
    findings = {
        Outcome.PASS: (PASSED,),
        Outcome.INCONCLUSIVE: (PASSED, DOUBTFUL),
        Outcome.FAIL: (PASSED, DOUBTFUL, FAILED),
    }
    runs = [replace(run, verdict=Verdict(findings[run.verdict.outcome])) for run in results.runs]
    return replace(results, runs=tuple(runs))


def text_of(results: ResultsFolder) -> str:
    loaded = load_results(results.path)
    return to_text(loaded, summarize(loaded), PAGE)


def test_the_text_is_as_agreed(suite: ResultsFolder, golden: Callable[[str, str], None]) -> None:
    loaded = plain(load_results(suite.path))

    golden("suite.txt", to_text(loaded, summarize(loaded), PAGE))


def test_the_csv_is_as_agreed(suite: ResultsFolder, golden: Callable[[str, str], None]) -> None:
    golden("suite.csv", to_csv(summarize(load_results(suite.path))))


def test_text_and_csv_need_no_terminal_and_no_locale(suite: ResultsFolder) -> None:
    text = text_of(suite)

    verdicts, table = text.split("\nLatency ")
    assert text.isascii()
    assert max(map(len, verdicts.splitlines())) <= WIDTH
    assert max(map(len, table.splitlines())) <= 120


def test_a_unit_stays_on_the_line_of_its_number(suite: ResultsFolder) -> None:
    assert not [line for line in text_of(suite).splitlines() if line.lstrip().startswith("ms")]


def test_a_long_path_stays_whole(results: ResultsFolder) -> None:
    results.add("Blinks")
    path = "-".join(["long"] * 30)
    loaded = replace(load_results(results.path), problems=(f"{path}: is damaged",))

    assert path in to_text(loaded, summarize(loaded), PAGE)


def test_every_finding_that_keeps_a_run_from_pass_is_printed(suite: ResultsFolder) -> None:
    words = " ".join(text_of(suite).split())

    for run in load_results(suite.path).runs:
        for finding in run.verdict.not_passed():
            assert f"{finding.outcome} {finding.kind}: {finding.text}" in words


def test_fail_comes_before_inconclusive(results: ResultsFolder) -> None:
    results.add("Stays Dark", Made(missing=20))
    text = text_of(results)

    assert text.index("FAIL count") < text.index("INCONCLUSIVE on-time")


def test_a_defect_that_was_not_caught_stands_out(results: ResultsFolder) -> None:
    results.add("Blinks")
    results.add("One Blink Too Few", Made(record={"purpose": "defect"}))
    text = text_of(results)

    assert "NOT CAUGHT    Led / One Blink Too Few" in text
    assert "Overall: INCONCLUSIVE (1 run: 1 PASS; 0 of 1 planted defect caught)" in text


def test_a_folder_of_planted_defects_only_has_no_latency_table(results: ResultsFolder) -> None:
    results.add("One Blink Too Few", Made(missing=2, record={"purpose": "defect"}))
    text = text_of(results)

    assert "Latency" not in text
    assert "Overall: INCONCLUSIVE (nothing was proven; 1 of 1 planted defect caught)" in text


def test_damaged_evidence_is_printed(results: ResultsFolder) -> None:
    results.add("Blinks")
    (results.add("Blinks Again") / "run.json").write_text("{}")
    text = text_of(results)

    assert "Evidence that cannot be trusted\n  led/02-blinks-again: " in text
    assert "1 problem with the evidence" in text


def test_a_number_is_never_cut_to_fit(results: ResultsFolder) -> None:
    hour_ns = 3600 * 10**9
    results.add("Slow", Made(cycles=2, on_ns=hour_ns, off_ns=hour_ns))

    assert " 7,200.000 " in text_of(results)


def test_a_row_is_shown_in_a_unit_that_fits_it(results: ResultsFolder) -> None:
    results.add("Blinks", Made(late_ns=[0, 9_000_000, 0, -12_000_000]))
    table = latency(summarize(load_results(results.path)))
    rows = {row.figure: row.cells for row in table.groups[0][1]}

    assert rows[Figure.ON_ERROR][0] == "ms"
    assert rows[Figure.ON_ERROR][8:] == ("-12.000", "0.301")
    assert rows[Figure.PERIOD][0] == "ms"
    assert rows[Figure.CALL_TO_PIN][0] == "us"
    assert rows[Figure.DUTY_ERROR][0] == "%"


def test_what_a_run_has_once_is_shown_of_all_runs_together(suite: ResultsFolder) -> None:
    groups = dict(latency(summarize(load_results(suite.path))).groups)
    together = groups.pop("Once per run: 8 runs")

    assert [row.figure for row in together] == list(ONCE_PER_RUN)
    for rows in groups.values():
        assert [row.figure for row in rows] == [f for f in Figure if f not in ONCE_PER_RUN]


def test_the_parquet_file_holds_the_same_numbers(suite: ResultsFolder, tmp_path: Path) -> None:
    summary = summarize(load_results(suite.path))
    write_parquet(summary, tmp_path / "figures.parquet")
    table = pq.read_table(tmp_path / "figures.parquet")

    assert table.schema.metadata[b"schema"] == FIGURES_SCHEMA.encode()
    assert table.column_names == [*IDENTITY, "figure", "unit", *COLUMNS, "note"]
    assert table["count"].type == "int64"
    assert table["median"].null_count == summary["median"].isna().sum()
    pd.testing.assert_frame_equal(table.to_pandas(), summary)


def test_footnotes_are_numbered_once(suite: ResultsFolder) -> None:
    table = latency(summarize(load_results(suite.path)))
    used = {mark for _, rows in table.groups for row in rows for mark in row.marks}

    assert used == set(range(1, len(table.notes) + 1))
    assert len(set(table.notes)) == len(table.notes)


def test_runs_are_counted_by_outcome(suite: ResultsFolder) -> None:
    assert counted(load_results(suite.path)) == (
        "8 runs: 5 PASS, 1 INCONCLUSIVE, 2 FAIL; 2 of 2 planted defects caught"
    )


def test_the_manual_explains_every_figure_and_column() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "report.md").read_text()

    for word in (*(f"| {figure} |" for figure in Figure), *(f"`{name}`" for name in CSV_COLUMNS)):
        assert word in manual
