# SPDX-License-Identifier: ISC
"""Results and their summary as text, CSV, Parquet and JSON, from one source.

The text is plain, 100 columns wide where it can be wrapped, and the same with and
without a terminal.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports.figures import ONCE_PER_RUN, Scale, number
from reports.load import Results, Run
from reports.order import PER_MILLE, least_for_interval, samples_needed
from reports.statistics import COLUMNS
from rig.soak import Topic
from rig.verdict import Outcome

WIDTH = 100
HEADS = ("unit", *(column.replace("_", ".") for column in COLUMNS[:-1]), "+/-")
"""Of the columns of numbers, as people read them."""
_NEEDED = ", ".join(
    f"{name.replace('_', '.')} needs {samples_needed(per_mille)}"
    for name, per_mille in PER_MILLE.items()
)
TOO_FEW = f"too few samples: the interval low95 to high95 needs {least_for_interval()}, {_NEEDED}"
"""What `-` in place of a number means."""
ERROR_RULE = "percentiles of an error are of its size; max is the error farthest from 0"
UNCERTAINTY_RULE = "+/- is the uncertainty of a single sample, by the observer's clock"
RULES = (ERROR_RULE, UNCERTAINTY_RULE)

CSV_COLUMNS = (
    *("run", "suite", "test", "bench", "outcome", "repeats"),
    *("figure", "unit", *COLUMNS, "note"),
)
"""Columns of `summary.csv`."""

FIGURES_SCHEMA = "figures/1"
"""In the metadata of `figures.parquet`."""

_UNIT = re.compile(r"(?<=\d) (?=ms\b)|(?<=\+/-) ")
"""Spaces that do not end a line."""


@dataclass(frozen=True)
class Row:
    """One line of the latency table, as people read it."""

    figure: str
    marks: tuple[int, ...]
    """Numbers of the footnotes that belong to it."""
    cells: tuple[str, ...]
    """One for each of `HEADS`."""


@dataclass(frozen=True)
class Latency:
    """The latency table, ready to be set: on a terminal or on the page."""

    groups: tuple[tuple[str, tuple[Row, ...]], ...]
    """Test, with its repeats, and its rows."""
    notes: tuple[str, ...]
    """Footnotes, numbered from 1."""


def latency(summary: pd.DataFrame) -> Latency:
    """Format a summary: in a unit that fits the row, `-` for what is missing.

    What a run has once is shown of all runs together only; the files have it of each.
    """
    summary = summary[(summary["run"] == "") | ~summary["figure"].isin(ONCE_PER_RUN)]
    notes = tuple(dict.fromkeys(note for text in summary["note"] for note in split_notes(text)))
    groups: dict[str, list[Row]] = {}
    for record in summary.to_dict("records"):
        marks = tuple(notes.index(note) + 1 for note in split_notes(record["note"]))
        group = groups.setdefault(_heading(record["label"], record["repeats"]), [])
        group.append(Row(record["figure"], marks, _cells(record)))
    return Latency(tuple((name, tuple(rows)) for name, rows in groups.items()), notes)


def counted(results: Results) -> str:
    """How many runs ended how, in one line: `3 runs: 2 PASS, 1 FAIL`."""
    proofs, defects = results.proofs, results.defects
    outcomes = [run.verdict.outcome for run in proofs]
    parts = [f"{outcomes.count(kind)} {kind}" for kind in Outcome if kind in outcomes]
    line = f"{plural(len(proofs), 'run')}: {', '.join(parts)}" if proofs else "nothing was proven"
    if defects:
        caught = sum(run.is_caught for run in defects)
        line += f"; {caught} of {plural(len(defects), 'planted defect')} caught"
    if lapsed := sum(run.is_pattern and not run.is_timed for run in proofs):
        line += f"; timing not judged of {plural(lapsed, 'run')} in time-lapse"
    judged = [topic.outcome for topic in results.topics if topic.outcome]
    if judged:
        line += f"; the whole soak: {max(judged, key=list(Outcome).index)}"
    if results.problems:
        line += f"; {plural(len(results.problems), 'problem')} with the evidence"
    return line


def plural(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def to_text(results: Results, summary: pd.DataFrame, page: Path) -> str:
    """Verdicts, latency table, footnotes and where the page lies."""
    parts = [
        _section("Verdicts", _verdicts(results.proofs)),
        _section("Planted defects: caught / not caught", _defects(results.defects)),
        _section("Soak", _topics(results.topics)),
        _section("Evidence that cannot be trusted", map(_problem, results.problems)),
        "\n".join(_latency(latency(summary))),
        f"Overall: {results.outcome} ({counted(results)})\nReport: {page}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _topics(topics: Iterable[Topic]) -> Iterator[str]:
    for topic in topics:
        yield wrapped(f"{topic.outcome or 'not judged':<12}  {topic.text}", 2)


def to_csv(summary: pd.DataFrame) -> str:
    """The summary for machines: times to the nanosecond, nothing for what is missing."""
    return summary.to_csv(
        columns=list(CSV_COLUMNS), index=False, float_format="%.12g", lineterminator="\n"
    )


def write_parquet(summary: pd.DataFrame, path: Path) -> None:
    """The summary with its types: every column, NaN as null."""
    table = pa.Table.from_pandas(summary, preserve_index=False)
    metadata = {"schema": FIGURES_SCHEMA, **(table.schema.metadata or {})}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def split_notes(text: str) -> list[str]:
    """The notes of a row of the summary."""
    return text.split("; ") if text else []


def _heading(label: str, repeats: int) -> str:
    if not repeats:
        return label
    return f"{label} (repeated {plural(repeats, 'time')}: the bench had stalled)"


def in_fitting_unit(unit: str, numbers: Sequence[float]) -> tuple[str, tuple[str, ...]]:
    """Numbers in `unit` as people read them: a unit that fits the largest, and `-` for NaN."""
    scale = Scale.fitting(unit, numbers)
    return scale.unit, tuple(number(value / scale.size, scale.decimals) for value in numbers)


def aligned(first: str, cells: Iterable[str], widths: list[int]) -> str:
    """A line of a table: what it is about, and its cells to the right."""
    numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
    return "  ".join([first.ljust(widths[0]), *numbers])


def _cells(record: dict[Hashable, Any]) -> tuple[str, ...]:
    """The numbers of one row, all in one unit."""
    unit, shown = in_fitting_unit(record["unit"], [record[column] for column in COLUMNS[1:]])
    return (unit, str(record["count"]), *shown)


def _section(title: str, lines: Iterable[str]) -> str:
    body = list(lines)
    return "\n".join([title, *body]) if body else ""


def _verdicts(runs: Iterable[Run]) -> Iterator[str]:
    for run in runs:
        yield f"  {run.verdict.outcome:<12}  {run.label}"
        yield from _findings(run)


def _defects(runs: Iterable[Run]) -> Iterator[str]:
    for run in runs:
        yield f"  {'caught' if run.is_caught else 'NOT CAUGHT':<12}  {run.label}"
        yield from _findings(run)


def _findings(run: Run) -> Iterator[str]:
    """What keeps a run from PASS, one finding a line."""
    for finding in run.verdict.not_passed():
        yield wrapped(f"{finding.outcome} {finding.kind}: {finding.text}", 16)


def _problem(problem: str) -> str:
    return wrapped(problem, 2)


def wrapped(text: str, indent: int) -> str:
    """Wrapped between words only, so that a path can be copied; a unit stays by its number."""
    return fill(
        _UNIT.sub("\N{NO-BREAK SPACE}", text),
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\N{NO-BREAK SPACE}", " ")


def _latency(table: Latency) -> Iterator[str]:
    """The table with its footnotes; nothing if there are only planted defects."""
    if not table.groups:
        return
    widths = _widths(table)
    yield aligned("Latency", HEADS, widths)
    for name, rows in table.groups:
        yield f"  {name}"
        for row in rows:
            yield aligned(_marked(row), row.cells, widths)
    yield f"  -    {TOO_FEW}"
    for place, note in enumerate(table.notes, 1):
        yield f"  [{place}]  {note}"
    yield from (f"  {rule}" for rule in RULES)


def _marked(row: Row) -> str:
    marks = "".join(f"[{mark}]" for mark in row.marks)
    return f"    {row.figure} {marks}".rstrip()


def _widths(table: Latency) -> list[int]:
    rows = [(_marked(row), *row.cells) for _, rows in table.groups for row in rows]
    return [max(map(len, column)) for column in zip(("Latency", *HEADS), *rows, strict=True)]
