"""Both sides of a comparison, made of synthetic runs that differ as those of a bench do."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
from conftest import Made, ResultsFolder

from reports.compare import Side, read_side
from reports.figures import Figure
from reports.load import Run
from rig.findings import Finding, Kind
from rig.verdict import Outcome, Verdict

TEST = "Every Run"
NAME = "Acceptance / Every Run"
US = 1_000
MS = 1_000_000


def runs(
    seed: int, count: int = 10, cycles: int = 12, trip_ns: int = 0, **fields: Any
) -> list[Made]:
    """Runs of one system: each has a level of its own, about which its edges lie.

    The hypercalls of every run take `trip_ns` longer.
    """
    draw = Random(seed)
    return [_run(draw, cycles, trip_ns, fields) for _ in range(count)]


def _run(draw: Random, cycles: int, trip_ns: int, fields: dict[str, Any]) -> Made:
    level_ns = draw.randrange(20 * US)
    trips = [40 * US + level_ns + trip_ns + draw.randrange(10 * US) for _ in range(2 * cycles)]
    late = [draw.randrange(10 * US) for _ in range(2 * cycles)]
    made = Made(cycles=cycles, round_trips_ns=trips, late_ns=late, guest_is_late_too=False)
    return replace(made, **fields)


def write(folder: Path, made: list[Made], test: str = TEST, suite: str = "Acceptance") -> Path:
    """Leave the evidence of these runs in a results folder."""
    results = ResultsFolder(folder, count=len(list(folder.rglob("run.json"))))
    for one in made:
        results.add(test, one, suite)
    return folder


def side(folder: Path, made: list[Made], **names: str) -> Side:
    """The same, read again."""
    return read_side(write(folder, made, **names))


def altered(one: Side, figure: Figure, add: float = 0.0, column: str = "median") -> Side:
    """The same results with one figure of every run changed."""
    summary = one.summary.copy()
    summary.loc[_rows(summary, figure), column] += add
    return replace(one, summary=summary)


def lacking(one: Side, figure: Figure, count: int, column: str = "median") -> Side:
    """The same results with one figure missing from the first `count` runs."""
    summary = one.summary.copy()
    rows = summary.index[_rows(summary, figure)][:count]
    summary.loc[rows, column] = float("nan")
    return replace(one, summary=summary)


def _rows(summary: pd.DataFrame, figure: Figure) -> pd.Series:
    return (summary["figure"] == figure) & (summary["run"] != "")


def only(one: Side, count: int) -> Side:
    """The same results without all runs but the first `count`."""
    return with_runs(one, one.results.runs[:count])


def told(one: Side, **fields: Any) -> Side:
    """The same results, of runs whose record says something else."""
    return with_runs(one, [_told(run, fields) for run in one.results.runs])


def expecting(one: Side, **fields: Any) -> Side:
    """The same results, of runs that were told another pattern."""
    expected = one.results.runs[0].evidence.run.expectation.model_copy(update=fields)
    return told(one, expectation=expected)


def _told(run: Run, fields: dict[str, Any]) -> Run:
    record = run.evidence.run.model_copy(update=fields)
    return replace(run, evidence=replace(run.evidence, run=record))


def with_runs(one: Side, chosen: Sequence[Run]) -> Side:
    """The same results with these runs, in place of those of the same names, and no others."""
    names = {run.name for run in chosen} | {""}
    summary = one.summary[one.summary["run"].isin(names)].copy()
    for run in chosen:
        record = run.evidence.run
        summary.loc[summary["run"] == run.name, ["suite", "test"]] = record.suite, record.test
    return Side(replace(one.results, runs=tuple(chosen)), summary)


def judged(one: Side, outcome: Outcome, place: int = 3) -> Side:
    """The same results, of which one run has another verdict."""
    chosen = list(one.results.runs)
    finding = Finding(Kind.COUNT, outcome, "led went on 11 times", "led")
    chosen[place] = replace(chosen[place], verdict=Verdict((finding,)))
    return with_runs(one, chosen)
