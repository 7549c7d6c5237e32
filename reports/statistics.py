# SPDX-License-Identifier: ISC
"""Tidy tables -> one summary: count, median, p95, p99 and max of every figure of every run.

Of an error, p95 and p99 are of its size, without sign; max is the error farthest from
zero, with its sign. A percentile is one of the samples (the nearest rank), and it is
missing when fewer samples were taken than it needs for one to lie beyond it.
"""

from collections.abc import Hashable
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.tidy import Tables, repeated
from rig.verdict import Kind


class Figure(StrEnum):
    """What is summed up, in the order of the table."""

    ON_ERROR = "on-time error"
    OFF_ERROR = "off-time error"
    PERIOD_ERROR = "period error"
    PERIOD = "period"
    ROUND_TRIP = "hypercall round trip"
    FIRST_EDGE = "start to first edge"


_ERRORS = {
    Figure.ON_ERROR: Kind.ON_TIME,
    Figure.OFF_ERROR: Kind.OFF_TIME,
    Figure.PERIOD_ERROR: Kind.PERIOD,
}

COLUMNS = ("count", "median_us", "p95_us", "p99_us", "max_us", "uncertainty_us")
"""The numbers of the summary; missing ones are NaN."""

_FIGURES = pd.CategoricalDtype([str(figure) for figure in Figure])
_NS_PER_US = 1000

_Record = dict[Hashable, Any]
"""One row of `Tables.runs` or of the summary."""


def summarize(tables: Tables) -> pd.DataFrame:
    """One row per run and figure: who it is, `figure`, `COLUMNS`, `repeats` and `note`.

    Runs with a planted defect are left out: their figures say nothing about the target.
    `note` says what the reader must know to believe the row, or is empty.
    """
    taken = _samples(tables).groupby(["run", "figure"], observed=True, sort=False)
    groups = {(str(run), str(figure)): group for (run, figure), group in taken}
    nothing = pd.DataFrame({"value_us": [], "uncertainty_us": []}, dtype=float)
    proofs = tables.runs[tables.runs["purpose"] == "proof"]
    rows = [
        _row(run, figure, groups.get((run["run"], figure), nothing))
        for run in proofs.to_dict("records")
        for figure in Figure
    ]
    return pd.DataFrame(rows, columns=[*_IDENTITY, "figure", *COLUMNS, "note"])


_IDENTITY = ("run", "label", "suite", "test", "bench", "outcome", "repeats")


def percentile(values: NDArray[np.float64], percent: int) -> float:
    """The nearest-rank percentile, or NaN when too few samples support it.

    With n samples, n * (100 - percent) / 100 lie beyond it; that must be one or more.
    """
    if len(values) * (100 - percent) < 100:
        return float("nan")
    return float(np.percentile(values, percent, method="inverted_cdf"))


def samples_needed(percent: int) -> int:
    """How many samples a percentile needs: 20 for p95, 100 for p99."""
    return -(-100 // (100 - percent))


def _samples(tables: Tables) -> pd.DataFrame:
    """Every sample of every figure: `run`, `figure`, `value_us`, `uncertainty_us`."""
    intervals, runs = tables.intervals, tables.runs
    first_edges = runs[runs["first_edge_ns"].notna()]
    periods = intervals[intervals["kind"] == Kind.PERIOD]
    parts = [
        _part(intervals[intervals["kind"] == kind], figure, "error_ns")
        for figure, kind in _ERRORS.items()
    ]
    parts.append(_part(periods, Figure.PERIOD, "interval_ns"))
    parts.append(_part(tables.hypercalls, Figure.ROUND_TRIP, "round_trip_ns"))
    parts.append(_part(first_edges, Figure.FIRST_EDGE, "first_edge_ns"))
    return pd.concat(parts, ignore_index=True)


def _part(table: pd.DataFrame, figure: Figure, column: str) -> pd.DataFrame:
    uncertainty_ns = table.get("uncertainty_ns", pd.Series(np.nan, table.index))
    columns = {
        "run": table["run"],
        "value_us": table[column].astype(float) / _NS_PER_US,
        "uncertainty_us": uncertainty_ns / _NS_PER_US,
    }
    samples = pd.DataFrame(columns).reset_index(drop=True)
    return samples.assign(figure=repeated(figure, len(samples), _FIGURES))


def _row(run: _Record, figure: Figure, samples: pd.DataFrame) -> _Record:
    identity: _Record = {column: run[column] for column in _IDENTITY}
    values = samples["value_us"].to_numpy(float)
    return {
        **identity,
        "figure": str(figure),
        **_numbers(values, np.abs(values) if figure in _ERRORS else values),
        "uncertainty_us": samples["uncertainty_us"].max(),
        "note": _note(run, figure, len(values)),
    }


def _numbers(values: NDArray[np.float64], sizes: NDArray[np.float64]) -> _Record:
    """`sizes` is what percentiles and the maximum go by."""
    nan = float("nan")
    return {
        "count": len(values),
        "median_us": float(np.median(values)) if len(values) else nan,
        "p95_us": percentile(sizes, 95),
        "p99_us": percentile(sizes, 99),
        "max_us": float(values[np.argmax(sizes)]) if len(values) else nan,
    }


def _note(run: _Record, figure: Figure, count: int) -> str:
    notes = []
    if not count:
        notes.append(_why_none(run, figure))
    if figure is Figure.ROUND_TRIP:
        notes.append("timed by the guest's own counter: the observer's uncertainty does not apply")
    elif count and not run["is_complete"]:
        notes.append("edges are missing from the capture")
    if count and run["stalls"]:
        notes.append("the bench stalled during the run")
    return "; ".join(notes)


def _why_none(run: _Record, figure: Figure) -> str:
    if figure is Figure.ROUND_TRIP:
        return "the guest recorded no hypercall"
    if figure is Figure.FIRST_EDGE:
        differs = f"the observer's clock ({run['clock']}) is not the rig's"
        return differs if run["edges"] else "the line never moved"
    return "no interval between two commanded edges"
