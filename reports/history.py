# SPDX-License-Identifier: ISC
"""The history: what every run gave, one after the other, in a database.

Tidy data in three tables: `runs` has a row for each run, `figures` one for each figure of a
run, `facts` one for each thing that target and tools told about themselves. A run is known
by the seal of its evidence, so storing it twice changes nothing. The evidence remains the
truth: a history can always be made again from it.

A history is an SQLite file or a PostgreSQL database. All runs of one results folder are
stored in one transaction, whole or not at all.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from rig.errors import HistoryError

if TYPE_CHECKING:
    from reports.load import Results, Run

SCHEMA = "history/1"
"""Which tables, and what they mean; it is stored with them."""

DEFAULT = "results/history.sqlite"
VARIABLE = "RIG_HISTORY"
"""The environment's word for another one; if it is empty, none is kept."""

PATIENCE_S = 10
"""So long another writer may hold the history, or a server may take to answer."""

PATTERN = ("cycles", "on_ns", "off_ns", "final_level")
"""Columns of what was commanded."""

_TABLES = sa.MetaData()

_SCHEMA = sa.Table("history", _TABLES, sa.Column("schema", sa.Text, primary_key=True))

RUNS = sa.Table(
    "runs",
    _TABLES,
    sa.Column("seal", sa.Text, primary_key=True),
    sa.Column("results", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("suite", sa.Text, nullable=False),
    sa.Column("test", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("repeats", sa.Integer, nullable=False),
    sa.Column("is_complete", sa.Boolean, nullable=False),
    sa.Column("stalls", sa.Integer, nullable=False),
    sa.Column("bench", sa.Text, nullable=False),
    sa.Column("bench_sha256", sa.Text, nullable=False),
    sa.Column("board", sa.Text, nullable=False),
    sa.Column("kernel", sa.Text, nullable=False),
    sa.Column("clock", sa.Text, nullable=False),
    sa.Column("line", sa.Text, nullable=False),
    sa.Column("cycles", sa.BigInteger, nullable=False),
    sa.Column("on_ns", sa.BigInteger, nullable=False),
    sa.Column("off_ns", sa.BigInteger, nullable=False),
    sa.Column("final_level", sa.Integer, nullable=False),
    sa.Column("tender", sa.Text, nullable=False),
    sa.Column("unikernel", sa.Text, nullable=False),
    sa.Column("git_commit", sa.Text, nullable=False),
    sa.Column("started_ns", sa.BigInteger, nullable=False, index=True),
    sa.Column("ended_ns", sa.BigInteger, nullable=False),
)
"""What ran, where and when, and how it ended; docs/history.md has the columns."""

FIGURES = sa.Table(
    "figures",
    _TABLES,
    sa.Column("seal", sa.ForeignKey(RUNS.c.seal), primary_key=True),
    sa.Column("figure", sa.Text, primary_key=True),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    *(
        sa.Column(name, sa.Double)
        for name in ("median", "low95", "high95", "p95", "p99", "p99_9", "max", "uncertainty")
    ),
    sa.Column("note", sa.Text, nullable=False),
)
"""As in `figures.parquet`; a number that is missing is NULL."""

FACTS = sa.Table(
    "facts",
    _TABLES,
    sa.Column("seal", sa.ForeignKey(RUNS.c.seal), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""`kind` is `target` or `tool`."""

_Row = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """What is stored of one run: its row, and its rows in the two other tables."""

    run: _Row
    figures: tuple[_Row, ...]
    """None of a run with a planted defect: they would say nothing about the target."""
    facts: tuple[_Row, ...]


@dataclass(frozen=True)
class Past:
    """What a history holds, or a part of it."""

    runs: pd.DataFrame
    """A row for each run, with the columns of that table."""
    figures: pd.DataFrame
    """A row for each figure of each of them: `seal`, `figure`, `unit`, `count`, `median`,
    `uncertainty`; NaN for what is missing."""


def default_location() -> str:
    """Where the history is if nobody says otherwise; empty: none is kept."""
    return os.environ.get(VARIABLE, DEFAULT)


def records(results: "Results", summary: pd.DataFrame) -> list[Record]:
    """What is to be stored of the runs of a results folder and their summary."""
    numbers = [column.name for column in FIGURES.columns if column.name != "seal"]
    figures: dict[str, list[_Row]] = {}
    for row in summary.to_dict("records"):
        known = {name: None if pd.isna(row[name]) else row[name] for name in numbers}
        figures.setdefault(row["run"], []).append(known)
    folder = results.folder.resolve().name
    return [_record(folder, run, figures.get(run.name, [])) for run in results.runs]


def _record(folder: str, run: "Run", figures: list[_Row]) -> Record:
    evidence = run.evidence
    record, capture = evidence.run, evidence.capture
    seal = {"seal": record.seal}
    same = ("suite", "test", "purpose", "repeats", "bench", "bench_sha256", "git_commit")
    row = {
        **seal,
        **{name: getattr(record, name) for name in (*same, "started_ns", "ended_ns")},
        "results": folder,
        "run": run.name,
        "outcome": str(run.verdict.outcome),
        "is_complete": capture.is_complete,
        "stalls": len(capture.heartbeat.stalls) if capture.heartbeat else 0,
        "board": str(record.target.get("board", "unknown")),
        "kernel": str(record.target.get("kernel", "unknown")),
        "clock": str(capture.clock.kind),
        "line": record.expectation.line,
        **_pattern(run),
        "tender": record.images["tender"].sha256,
        "unikernel": record.images["unikernel"].sha256,
    }
    told: dict[str, Mapping[str, object]] = {"target": record.target, "tool": record.tools}
    facts = [
        {**seal, "kind": kind, "name": name, "value": str(value)}
        for kind, values in told.items()
        for name, value in values.items()
    ]
    return Record(row, tuple(seal | figure for figure in figures), tuple(facts))


def _pattern(run: "Run") -> _Row:
    """What was commanded; all 0 for a run that was ended early, which has no pattern."""
    expected = run.evidence.run.expectation
    return {name: getattr(expected, name, 0) for name in PATTERN}


class History:
    """One history, which need not exist yet."""

    def __init__(self, location: str) -> None:
        """`location` is a path, or the URL of an SQLite file or a PostgreSQL database.

        Raises `HistoryError` if it is neither.
        """
        self._url = _url_of(location)
        self.name = _without_password(self._url)

    def __str__(self) -> str:
        return self.name

    def add(self, records: Iterable[Record]) -> int:
        """Store those runs that are not there yet; how many these were.

        All or none: whoever is killed or fails meanwhile has stored nothing. Raises
        `HistoryError` if they cannot be stored.
        """
        new = {record.run["seal"]: record for record in records}
        with self._transaction(is_writing=True) as connection:
            self._prepare(connection)
            for seal in connection.scalars(sa.select(RUNS.c.seal).where(RUNS.c.seal.in_(new))):
                del new[seal]
            _insert(connection, new.values())
        return len(new)

    def read(self, bench: str | None = None, since_ns: int = 0) -> "Past":
        """All runs without a planted defect, and the medians of their figures.

        Only runs on `bench`, if one is named, that started at `since_ns` or later. Raises
        `HistoryError` if the history cannot be read.
        """
        which = [RUNS.c.purpose == "proof", RUNS.c.started_ns >= since_ns]
        if bench is not None:
            which.append(RUNS.c.bench == bench)
        columns = ("seal", "figure", "unit", "count", "median", "uncertainty")
        medians = sa.select(*(FIGURES.c[name] for name in columns)).join(RUNS)
        with self._reading() as connection:
            runs = pd.read_sql(sa.select(RUNS).where(*which), connection)
            figures = pd.read_sql(medians.where(*which), connection)
        return Past(runs, figures.astype({"median": float, "uncertainty": float}))

    def facts(self, seals: Iterable[str]) -> pd.DataFrame:
        """What target and tools told in these runs; the columns of that table.

        Raises `HistoryError` if the history cannot be read.
        """
        with self._reading() as connection:
            return pd.read_sql(sa.select(FACTS).where(FACTS.c.seal.in_(list(seals))), connection)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._transaction(is_writing=False) as connection:
            self._check_schema(connection)
            yield connection

    @contextmanager
    def _transaction(self, *, is_writing: bool) -> Iterator[sa.Connection]:
        """Everything that can go wrong with the database is a `HistoryError`."""
        try:
            with self._opened(is_writing).begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            verb = "written" if is_writing else "read"
            raise HistoryError(f"history {self}: cannot be {verb}: {_reason(error)}") from error

    def _opened(self, is_writing: bool) -> sa.Engine:
        if self._file is None:
            return _postgresql(self._url)
        if is_writing:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        elif not self._file.exists():
            raise HistoryError(
                f"history {self}: there is none yet; a suite begins one, and so does: "
                "rig report store RESULTS..."
            )
        return _sqlite(self._file, is_writing)

    @cached_property
    def _file(self) -> Path | None:
        """None: it is on a server."""
        return Path(self._url.database or "") if self._url.drivername == "sqlite" else None

    def _prepare(self, connection: sa.Connection) -> None:
        """Be the only writer until the transaction ends, and make the tables if there are none.

        An SQLite file is locked already, by how its transaction begins.
        """
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITING)))
        if sa.inspect(connection).get_table_names():
            self._check_schema(connection)
            return
        _TABLES.create_all(connection)
        connection.execute(_SCHEMA.insert(), {"schema": SCHEMA})

    def _check_schema(self, connection: sa.Connection) -> None:
        if connection.dialect.name == "sqlite":
            self._check_file(connection)
        names = sa.inspect(connection).get_table_names()
        if names and _SCHEMA.name not in names:
            raise HistoryError(
                f"history {self}: this database is something else, with a table {names[0]!r}; "
                "give the history a database of its own"
            )
        found = connection.execute(sa.select(_SCHEMA.c.schema)).scalar() if names else "empty"
        if found != SCHEMA:
            raise HistoryError(
                f"history {self}: is {found}, but this rig needs {SCHEMA}; leave it to the rig "
                "that made it, and make another from the evidence: "
                "rig report store --history NEW RESULTS..."
            )

    def _check_file(self, connection: sa.Connection) -> None:
        """Refuse a damaged file before anything is read from it or added to it."""
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            what = " ".join(str(found).split())
            raise HistoryError(f"history {self}: is damaged: {what}. {_MAKE_AGAIN}")


_WRITING = 0x6C6564
"""Number of the advisory lock: any will do that nobody else takes in this database."""

_MAKE_AGAIN = (
    "Nothing was changed. Move it away, and make it again from the evidence: "
    "rig report store RESULTS..."
)
_REASONS = {
    "file is not a database": f"it is no SQLite file, or a damaged one. {_MAKE_AGAIN}",
    "database disk image is malformed": f"it is damaged. {_MAKE_AGAIN}",
    "database is locked": f"somebody else has been writing for {PATIENCE_S} s; try again",
}
"""What SQLite says -> what it means."""


def _reason(error: Exception) -> str:
    """In one line, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    return _REASONS.get(text, text)


def _url_of(location: str) -> sa.URL:
    if "://" not in location:
        return sa.URL.create("sqlite", database=location)
    try:
        url = sa.make_url(location)
    except (SQLAlchemyError, ValueError):
        raise HistoryError(f"the history's URL cannot be understood; {_ALLOWED}") from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg") or not url.database:
        raise HistoryError(f"history {_without_password(url)}: {_ALLOWED}")
    return url


_ALLOWED = (
    "give a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE "
    "(with a password from PGPASSWORD or ~/.pgpass)"
)


def _without_password(url: sa.URL) -> str:
    """As people wrote it, without what nobody else may read."""
    if url.drivername == "sqlite":
        return str(url.database)
    secret = [name for name in url.query if "password" in name]
    shown = url.set(drivername="postgresql" if "postgresql" in url.drivername else url.drivername)
    return shown.difference_update_query(secret).render_as_string(hide_password=True)


def _postgresql(url: sa.URL) -> sa.Engine:
    patience_ms = PATIENCE_S * 1000
    bounds = f"-c lock_timeout={patience_ms} -c statement_timeout={6 * patience_ms}"
    arguments = {
        "connect_timeout": PATIENCE_S,
        "keepalives_idle": PATIENCE_S,
        "tcp_user_timeout": patience_ms,
        "options": bounds,
    }
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)


def _sqlite(file: Path, is_writing: bool) -> sa.Engine:
    """A writer takes the lock at its beginning, so that it never has to give up half way.

    A reader may not create the file, but may undo what a killed writer has left half done.
    """
    mode = "rwc" if is_writing else "rw"
    url = sa.URL.create(
        "sqlite", database=file.resolve().as_uri(), query={"uri": "true", "mode": mode}
    )
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": PATIENCE_S})

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # so that it begins no transaction of its own

    @sa.event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    return engine


def _insert(connection: sa.Connection, records: Collection[Record]) -> None:
    rows = {
        RUNS: [record.run for record in records],
        FIGURES: [row for record in records for row in record.figures],
        FACTS: [row for record in records for row in record.facts],
    }
    for table, new in rows.items():
        if new:
            connection.execute(table.insert(), new)
