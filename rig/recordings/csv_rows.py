"""CSV files of any tool as captures: a row per edge or a row per sample, read with Arrow.

Each row holds the level of every channel. With a column of times it does not matter how
many rows there are between two edges; without one every row is a sample, and the sample rate
counts. The window reaches from the first row to the last, or to `Supplement.end_ns`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from rig.capture import Capture
from rig.errors import EvidenceError
from rig.recordings.csv_head import Head, read_head
from rig.recordings.csv_times import UNITS, Digits, nanoseconds
from rig.recordings.edges import UNKNOWN, EdgeCollector, Levels
from rig.recordings.quantities import refuse_too_late
from rig.recordings.supplement import Supplement, chosen_lines, clock_of, end_of, rate_of
from rig.samples import sample_times_ns

BLOCK_BYTES = 4 << 20

_ARROWS_OWN = re.compile(r"(In CSV column|Row) #\d+: |CSV (parse|conversion) error(:| to uint8:) ")
"""In its errors; it stands in ours at another place or not at all."""


def read_csv(path: Path, added: Supplement) -> Capture:
    """Read a CSV file.

    Raises `EvidenceError` with file and row if it is damaged, or can be read in more than
    one way.
    """
    with path.open("rb") as file:
        head = read_head(path, file)
        time = _time_column(path, head, added)
        channels = [n for n, c in enumerate(head.columns) if time is None or n != time.index]
        names = [head.columns[n] for n in channels]
        lines = chosen_lines(path, names, added)
        columns = [head.columns.index(channel) for channel in lines.values()]
        rows = _Rows(path, added, head, time, EdgeCollector(path, list(lines)))
        for batch in _batches(path, file, head, columns, time):
            rows.read(batch, columns)
    return rows.capture()


@dataclass(frozen=True)
class _Time:
    """The column that holds the times."""

    index: int
    unit: str


def _time_column(path: Path, head: Head, added: Supplement) -> _Time | None:
    found = head.time_columns
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(head.columns[n] for n in found)
        raise EvidenceError(f"{path}: which of its columns is the time? {names}; rename the others")
    named, given = head.time_unit(found[0]), added.time_unit
    if named and given and UNITS[named.lower()] != UNITS[given]:
        raise EvidenceError(
            f"{path}: its times are in {named}, as their column says; leave out --time-unit {given}"
        )
    unit = named or given
    if unit is None:
        column = head.columns[found[0]]
        raise EvidenceError(f"{path}: the unit of column {column!r} is unknown; give --time-unit")
    _refuse_sigrok_periods(path, head, unit.lower())
    return _Time(found[0], unit.lower())


def _refuse_sigrok_periods(path: Path, head: Head, unit: str) -> None:
    """libsigrok counts its time column in whole units per sample, so that it runs slow or fast."""
    rate_hz = head.sample_rate_hz
    if rate_hz and any("libsigrok" in text for text in head.comments):
        period = Fraction(10 ** (9 - UNITS[unit]), rate_hz)
        if period.denominator != 1:
            raise EvidenceError(
                f"{path}: libsigrok wrote {int(period)} {unit} per sample for {float(period):.3f}, "
                "so its times are wrong; export without the time column, or save as .sr or VCD"
            )


def _batches(
    path: Path, file: BinaryIO, head: Head, columns: list[int], time: _Time | None
) -> Iterator[pa.RecordBatch]:
    names = [str(n) for n in range(len(head.columns))]
    types = {str(n): pa.uint8() for n in columns}
    if time:
        types[str(time.index)] = pa.string()
    file.seek(head.rows_at)
    try:
        yield from pyarrow.csv.open_csv(
            file,
            # One thread: only then do Arrow's errors name the row.
            pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=names),
            pyarrow.csv.ParseOptions(delimiter=head.separator),
            pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[]
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise EvidenceError(f"{path}{_placed(str(error), head)}") from error


def _placed(message: str, head: Head) -> str:
    """Arrow's words, with lines of the file for rows and the names of columns."""
    row = re.search(r"Row #(\d+): ", message)
    line = f":{int(row[1]) + head.line - 1}" if row else ""
    column = re.search(r"In CSV column #(\d+): ", message)
    name = f"column {head.columns[int(column[1])]!r}: " if column else ""
    words = re.sub(
        r"(In CSV column|Row) #\d+: |CSV (parse|conversion) error(:| to uint8:) ", "", message
    )
    words = words.encode("unicode_escape").decode("ascii")[:100]
    return f"{line}: {name}{words}; a level is 0 or 1, and every row has {len(head.columns)} cells"


def _levels(column: pa.UInt8Array) -> NDArray[np.uint8]:
    """A column as it lies in memory; Arrow's own way there imports pandas, which takes a second."""
    return np.frombuffer(column.buffers()[1], np.uint8, len(column), column.offset)


class _Rows:
    """Reads rows, block by block."""

    def __init__(
        self, path: Path, added: Supplement, head: Head, time: _Time | None, to: EdgeCollector
    ) -> None:
        self._path = path
        self._added = added
        self._head = head
        self._time = time
        self._to = to
        self._rate_hz = rate_of(path, added, head.sample_rate_hz)
        self._digits = Digits()
        self._count = 0
        self._first_ns = self._last_ns = 0
        self._last: NDArray[np.uint8] | None = None

    def read(self, batch: pa.RecordBatch, columns: list[int]) -> None:
        """Take the next rows."""
        if not batch.num_rows:
            return
        rows = np.stack([_levels(batch[str(n)]) for n in columns], axis=1)
        self._refuse_row(rows.max(axis=1) > 1, "a level is neither 0 nor 1")
        changed = self._changed(rows)
        times_ns = self._times_ns(batch, np.flatnonzero(changed.any(axis=1)))
        if self._count == 0:
            self._first_ns = self._last_ns = int(times_ns[0])
        self._refuse_row(np.diff(times_ns, prepend=self._last_ns) < 0, "time goes back")
        which, lines = np.nonzero(changed)
        self._to.add(Levels(times_ns[which], lines.astype(np.uint16), rows[which, lines]))
        self._last, self._last_ns = rows[-1], int(times_ns[-1])
        self._count += len(rows)

    def capture(self) -> Capture:
        """What all rows say together."""
        step_ns = Fraction(1)
        if self._time:
            step_ns = self._digits.step_ns(self._time.unit, self._last_ns)
        clock = clock_of(self._path, self._added, step_ns, self._head.sample_rate_hz)
        end_ns = end_of(self._path, self._added, self._last_ns)
        return self._to.capture(self._first_ns, end_ns, clock)

    def _changed(self, rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which cells differ from the row above; all of the first row."""
        above = np.empty_like(rows)
        above[1:] = rows[:-1]
        above[0] = UNKNOWN if self._last is None else self._last
        changed: NDArray[np.bool_] = rows != above
        return changed

    def _times_ns(self, batch: pa.RecordBatch, edges: NDArray[np.intp]) -> NDArray[np.int64]:
        """Time of every row; `edges` are the rows in which something moved."""
        if self._time:
            return self._read_times(batch[str(self._time.index)], self._time.unit, edges)
        if self._rate_hz is None:
            raise EvidenceError(
                f"{self._path}: has no column of times; if each row is a sample, give "
                "--sample-rate-hz, else name the column time_s, time_us, ..."
            )
        refuse_too_late(self._path, self._count + batch.num_rows, self._rate_hz)
        return sample_times_ns(self._count, np.arange(batch.num_rows), self._rate_hz)

    def _read_times(self, texts: pa.Array, unit: str, edges: NDArray[np.intp]) -> NDArray[np.int64]:
        if self._head.separator != ",":
            texts = pc.replace_substring(texts, ",", ".")
        try:
            times_ns = nanoseconds(texts, unit)
        except (ValueError, pa.ArrowException) as error:
            rows = f"rows {self._count + 1} to {self._count + len(texts)}"
            raise EvidenceError(f"{self._path}: {rows}: not a time: {error}") from error
        self._digits.note(texts.take(pa.array(edges)))
        return times_ns

    def _refuse_row(self, wrong: NDArray[np.bool_], what: str) -> None:
        if len(bad := np.flatnonzero(wrong)):
            row = self._count + int(bad[0])
            raise EvidenceError(f"{self._path}:{row + self._head.line}: {what}")
