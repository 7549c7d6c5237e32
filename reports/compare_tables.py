# SPDX-License-Identifier: ISC
"""A comparison as text, CSV and JSON, from one source: `table`, one row per figure."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pandas as pd

from reports.compare import Change, Compared, Comparison, Side
from reports.shift import ALPHA
from reports.tables import aligned, counted, in_fitting_unit, plural, wrapped
from rig.findings import Outcome

COLUMNS = (
    *("test", "figure", "statistic", "unit", "baseline_runs", "candidate_runs"),
    *("baseline", "candidate", "shift", "low95", "high95", "uncertainty", "p", "change", "missing"),
)
"""Of `table`. `baseline` and `candidate` are medians over runs."""

SCHEMA = "compare/1"

_HEADS = ("runs", "unit", "baseline", "candidate", "shift", "low95", "high95", "+/-", "p", "")
_RULES = (
    "each run is one sample; figures are sizes, without sign, and better the smaller they are",
    "the shift lies from low95 to high95, 95 times in 100; +/- is what both observers may add",
    f"p is adjusted for the number of figures; better and worse are said up to p = {ALPHA:g}",
)
_CONCLUSIONS = {
    Outcome.PASS: "nothing is worse",
    Outcome.FAIL: "WORSE",
    Outcome.INCONCLUSIVE: "nobody can tell",
}


def table(compared: Compared) -> pd.DataFrame:
    """One row per figure: `COLUMNS`. Numbers are NaN where nothing could be compared."""
    return pd.DataFrame([_record(row) for row in compared.rows], columns=list(COLUMNS))


def to_csv(compared: Compared) -> str:
    """The table for machines."""
    return table(compared).to_csv(index=False, float_format="%.12g", lineterminator="\n")


def to_json(compared: Compared) -> str:
    """The table with what could not be judged; None for what is missing."""
    rows = table(compared).astype(object)
    document = {
        "schema": SCHEMA,
        "baseline": str(compared.baseline.results.folder),
        "candidate": str(compared.candidate.results.folder),
        "outcome": compared.outcome,
        "refusals": compared.refusals,
        "skipped": compared.skipped,
        "figures": rows.where(rows.notna(), None).to_dict("records"),
    }
    return json.dumps(document, indent=2) + "\n"


def to_text(compared: Compared) -> str:
    """Both sides, the table, what could not be judged, and the conclusion as the last line."""
    parts = [
        f"{_side('Baseline', compared.baseline)}\n{_side('Candidate', compared.candidate)}",
        "\n".join(_table(compared)),
        "\n".join(_unjudged(compared)),
        conclusion(compared),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def conclusion(compared: Compared) -> str:
    """In one line: `WORSE: 1 of 23 figures: edge lateness, p95`."""
    worse = compared.of(Change.WORSE)
    judged = compared.of(Change.BETTER, Change.SAME, Change.WORSE)
    told = f"{len(judged)} of {plural(len(compared.rows), 'figure')} judged"
    if worse:
        told = f"{len(worse)} of {plural(len(compared.rows), 'figure')}: {_named(worse)}"
    elif better := compared.of(Change.BETTER):
        told += f"; better: {_named(better)}"
    if compared.refusals:
        told += f"; {compared.refusals[0]}"
    return f"{_CONCLUSIONS[compared.outcome]}: {told}"


def _named(rows: tuple[Comparison, ...]) -> str:
    return "; ".join(dict.fromkeys(row.pair.name for row in rows))


def _record(row: Comparison) -> dict[str, Any]:
    pair = row.pair
    return {
        "test": pair.test,
        "figure": str(pair.figure),
        "statistic": pair.statistic,
        "unit": pair.unit,
        "baseline_runs": len(pair.baseline.seen),
        "candidate_runs": len(pair.candidate.seen),
        "baseline": float(pd.Series(pair.baseline.seen).median()),
        "candidate": float(pd.Series(pair.candidate.seen).median()),
        "shift": row.shift,
        "low95": row.low95,
        "high95": row.high95,
        "uncertainty": row.uncertainty,
        "p": row.p,
        "change": str(row.change),
        "missing": pair.missing,
    }


def _side(name: str, side: Side) -> str:
    results = side.results
    return f"{name:<9}  {results.folder}: {results.outcome} ({counted(results)})"


def _table(compared: Compared) -> Iterator[str]:
    """Grouped by test; nothing if there is nothing to compare."""
    if not compared.rows:
        return
    lines = [(f"    {row.pair.name}", *_cells(_record(row))) for row in compared.rows]
    widths = [max(map(len, column)) for column in zip(("", *_HEADS), *lines, strict=True)]
    yield aligned("", _HEADS, widths).rstrip()
    for test, rows in groupby(zip(compared.rows, lines, strict=True), lambda it: it[0].pair.test):
        yield f"  {test}"
        yield from (aligned(name, cells, widths).rstrip() for _, (name, *cells) in rows)
    yield from (f"  {rule}" for rule in _RULES)


def _cells(record: dict[str, Any]) -> tuple[str, ...]:
    columns = ("baseline", "candidate", "shift", "low95", "high95", "uncertainty")
    unit, numbers = in_fitting_unit(record["unit"], [record[column] for column in columns])
    runs = f"{record['baseline_runs']}+{record['candidate_runs']}"
    p = "-" if pd.isna(record["p"]) else f"{record['p']:.3f}"
    return (runs, unit, *numbers, p, record["change"])


def _unjudged(compared: Compared) -> Iterator[str]:
    rows = compared.of(Change.MISSING, Change.TOO_FEW)
    told = [f"{row.pair.test}: {row.pair.name}: {_why(row)}" for row in rows]
    told += compared.refusals
    if told:
        yield "Not judged"
        yield from (wrapped(text, 2) for text in told)
    if compared.skipped:
        yield "Not meant for a comparison, as they ran so rarely on both sides"
        yield from (wrapped(text, 2) for text in compared.skipped)


def _why(row: Comparison) -> str:
    if row.change is Change.MISSING:
        return f"missing {row.pair.missing}"
    runs = f"{len(row.pair.baseline.seen)} and {len(row.pair.candidate.seen)} runs"
    return f"{runs} could not show even the greatest difference among so many figures"
