# SPDX-License-Identifier: ISC
"""Results and their summary as one JSON document, whose schema is published.

The schema is `docs/report.schema.json`, which is what `json_schema` returns.
"""

import json
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from reports.figures import Figure
from reports.load import Results, Run
from reports.statistics import COLUMNS
from reports.tables import split_notes
from rig.aftermath import Aftermath
from rig.evidence import Image
from rig.expectation import Expectation
from rig.findings import Kind, Outcome
from rig.load import Load
from rig.soak import Topic

Count = Annotated[int, Field(ge=0)]
Number = float | None
"""None: not known, or not from so few samples."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class FindingEntry(_Part):
    """One comparison of the verdict; times in ns, see docs/formats.md."""

    kind: Kind
    outcome: Outcome
    text: str
    line: str | None
    measured: int | None
    limits: tuple[int | None, int | None] | None
    uncertainty: int | None
    margin: int | None
    seqno: int | None
    time_ns: int | None


class UnseenEntry(_Part):
    """Something that the observer could not see."""

    kind: Kind
    text: str


class RunEntry(_Part):
    """One run: what ran, and what followed from it."""

    name: str
    """Its folder below the results."""
    suite: str
    test: str
    purpose: Literal["proof", "defect"]
    """`defect`: one was planted, and `outcome` must be FAIL."""
    outcome: Outcome
    repeats: Count
    """Runs before this one that a stalled bench spoiled."""
    bench: str
    bench_sha256: str
    target: dict[str, str | int]
    images: dict[str, Image]
    command: str
    expectation: Expectation | Aftermath
    load: Load
    """What kept the target busy meanwhile."""
    ending: str
    """How the run was ended on purpose; empty: it came to its end."""
    started_ns: int
    """On the rig's clock, since 1970 UTC."""
    git_commit: str
    tools: dict[str, str]
    findings: tuple[FindingEntry, ...]
    unseen: tuple[UnseenEntry, ...]


class FigureEntry(_Part):
    """One figure of one run, or of all runs together; numbers in `unit`."""

    run: str | None
    """Name of the run; None for all runs together."""
    figure: Figure
    unit: str
    count: Count
    median: Number
    low95: Number
    """From here to `high95` the median lies 95 times in 100."""
    high95: Number
    p95: Number
    p99: Number
    p99_9: Number
    max: Number
    uncertainty: Number
    """Of a single sample, by the observer's clock."""
    notes: tuple[str, ...]
    """What one must know to believe the numbers, and why some are missing."""


class Document(_Part):
    """`report.json`."""

    schema_: Literal["report/2"] = Field(default="report/2", alias="schema")
    results: str
    """Name of the results folder."""
    outcome: Outcome
    """Of all runs; see docs/report.md."""
    problems: tuple[str, ...]
    """Evidence that could not be used."""
    soak: tuple[Topic, ...]
    """What is judged over all chunks of a soak; empty if the runs are none."""
    runs: tuple[RunEntry, ...]
    figures: tuple[FigureEntry, ...]


def to_json(results: Results, summary: pd.DataFrame) -> str:
    """The document as text; the same results give the same text."""
    document = Document(
        results=results.folder.resolve().name,
        outcome=results.outcome,
        problems=results.problems,
        soak=results.topics,
        runs=tuple(_run(run) for run in results.runs),
        figures=tuple(_figure(record) for record in summary.to_dict("records")),
    )
    return document.model_dump_json(indent=2) + "\n"


def json_schema() -> str:
    """The schema of `report.json`, as JSON Schema 2020-12."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Document.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _run(run: Run) -> RunEntry:
    record = run.evidence.run
    shared = RunEntry.model_fields.keys() & type(record).model_fields.keys()
    return RunEntry(
        name=run.name,
        outcome=run.verdict.outcome,
        findings=tuple(FindingEntry(**finding.__dict__) for finding in run.verdict.findings),
        unseen=tuple(UnseenEntry(**unseen.__dict__) for unseen in run.verdict.unseen),
        **{name: getattr(record, name) for name in shared},
    )


def _figure(record: dict[Any, Any]) -> FigureEntry:
    numbers = {column: record[column] for column in COLUMNS[1:]}
    return FigureEntry(
        run=record["run"] or None,
        figure=Figure(record["figure"]),
        unit=record["unit"],
        count=record["count"],
        notes=tuple(split_notes(record["note"])),
        **{name: None if pd.isna(number) else number for name, number in numbers.items()},
    )
