# SPDX-License-Identifier: ISC
"""Runs -> tidy tables: one row per observation, everything known about it in columns.

Every table has the columns `run`, `suite`, `test` and `purpose`. Times are integer
nanoseconds; a column's name ends in its unit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.load import Results, Run
from rig.capture import ClockKind
from rig.verdict import Expectation, Kind

_SAME_CLOCK = (ClockKind.EMULATOR, ClockKind.HOST)
"""Observer clocks that are the rig's own, so that their stamps can be compared."""

_SPANS = {Kind.ON_TIME: (1, 1), Kind.OFF_TIME: (1, 0), Kind.PERIOD: (2, 1)}
"""What an interval is: (edges from its start to its end, level that it starts with)."""

_KINDS = pd.CategoricalDtype([str(kind) for kind in _SPANS])


@dataclass(frozen=True)
class Tables:
    """All observations of one results folder."""

    intervals: pd.DataFrame
    """One row per interval between commanded edges: `kind` (on-time,
    off-time, period), `seqno` of the edge that starts it, `start_ns` on the observer's
    clock, `interval_ns`, `nominal_ns`, `error_ns`, `tolerance_ns`, `uncertainty_ns`."""
    hypercalls: pd.DataFrame
    """One row per hypercall, on the guest's clock: `seqno`, `level`, `deadline_ns`,
    `before_ns`, `after_ns`, `round_trip_ns`."""
    runs: pd.DataFrame
    """One row per run: `label`, `outcome`, `bench`, `repeats`, `is_complete`, `stalls`,
    `edges` of the commanded line, `clock`, `started_ns` and `ended_ns` on the rig's clock,
    `first_edge_ns` after the start (missing if there is none or the clocks differ) and its
    `uncertainty_ns`."""


def tidy(results: Results) -> Tables:
    """Lay out all runs of a results folder."""
    dtypes = _dtypes(results.runs)

    def stack(table: Callable[[Run], pd.DataFrame]) -> pd.DataFrame:
        tagged = [_tag(table(run), run, dtypes) for run in results.runs]
        return pd.concat(tagged, ignore_index=True)

    return Tables(stack(_intervals), stack(_hypercalls), stack(_run))


def repeated(name: str, count: int, dtype: pd.CategoricalDtype) -> pd.Series:
    """A column that says the same in every row, at a byte a row when categories are few."""
    codes = np.full(count, dtype.categories.get_loc(name), dtype=np.int64)
    return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))


def _identity(run: Run) -> dict[str, str]:
    record = run.evidence.run
    return {"run": run.name, "suite": record.suite, "test": record.test, "purpose": record.purpose}


def _dtypes(runs: Iterable[Run]) -> dict[str, pd.CategoricalDtype]:
    rows = [_identity(run) for run in runs]
    return {key: pd.CategoricalDtype(list(dict.fromkeys(r[key] for r in rows))) for key in rows[0]}


def _tag(table: pd.DataFrame, run: Run, dtypes: dict[str, pd.CategoricalDtype]) -> pd.DataFrame:
    for place, (column, name) in enumerate(_identity(run).items()):
        table.insert(place, column, repeated(name, len(table), dtypes[column]))
    return table


def _intervals(run: Run) -> pd.DataFrame:
    return pd.concat([_intervals_of(kind, run) for kind in _SPANS], ignore_index=True)


def _intervals_of(kind: Kind, run: Run) -> pd.DataFrame:
    """The intervals that `rig.verdict` judges: those between commanded edges."""
    capture, expected = run.evidence.capture, run.evidence.run.expectation
    step, level = _SPANS[kind]
    edges = capture.of_line(expected.line)[: expected.commanded]
    starts = edges[:-step]["level"] == level
    begin, end_ns = edges[:-step][starts], edges[step:][starts]["time_ns"]
    interval_ns, nominal_ns = end_ns - begin["time_ns"], _nominal_ns(kind, expected)
    longest_ns = int(interval_ns.max(initial=0))
    columns = {
        "kind": repeated(kind, len(begin), _KINDS),
        "seqno": begin["seqno"],
        "start_ns": begin["time_ns"],
        "interval_ns": interval_ns,
        "nominal_ns": nominal_ns,
        "error_ns": interval_ns - nominal_ns,
        "tolerance_ns": expected.tolerance_of(nominal_ns),
        "uncertainty_ns": capture.clock.interval_uncertainty_ns(longest_ns),
    }
    return pd.DataFrame(columns)


def _nominal_ns(kind: Kind, expected: Expectation) -> int:
    nominal_ns = {
        Kind.ON_TIME: expected.on_ns,
        Kind.OFF_TIME: expected.off_ns,
        Kind.PERIOD: expected.on_ns + expected.off_ns,
    }
    return nominal_ns[kind]


def _hypercalls(run: Run) -> pd.DataFrame:
    table: pd.DataFrame = run.evidence.guest.to_pandas()
    return table.assign(round_trip_ns=table["after_ns"] - table["before_ns"])


def _run(run: Run) -> pd.DataFrame:
    record, capture = run.evidence.run, run.evidence.capture
    first_edge_ns = _first_edge_ns(run)
    row = {
        "label": run.label,
        "outcome": str(run.verdict.outcome),
        "bench": record.bench,
        "repeats": record.repeats,
        "is_complete": capture.is_complete,
        "stalls": len(capture.heartbeat.stalls) if capture.heartbeat else 0,
        "edges": len(capture.of_line(record.expectation.line)),
        "clock": str(capture.clock.kind),
        "started_ns": record.started_ns,
        "ended_ns": record.ended_ns,
        "first_edge_ns": first_edge_ns,
        "uncertainty_ns": capture.clock.interval_uncertainty_ns(first_edge_ns or 0),
    }
    return pd.DataFrame([row]).astype({"first_edge_ns": "Int64"})


def _first_edge_ns(run: Run) -> int | None:
    """From the command to the first edge, or None.

    An edge outside the run proves that the clocks differ, whatever their kind.
    """
    record, capture = run.evidence.run, run.evidence.capture
    edges = capture.of_line(record.expectation.line)
    if capture.clock.kind not in _SAME_CLOCK or not len(edges):
        return None
    first_ns = int(edges[0]["time_ns"])
    inside = record.started_ns <= first_ns <= record.ended_ns
    return first_ns - record.started_ns if inside else None
