"""What stands above the rows of a CSV file: comments, names of columns, what separates them."""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rig.errors import EvidenceError
from rig.recordings.csv_times import UNITS
from rig.recordings.quantities import rate_in_text

MOST_BYTES = 1 << 20
"""Of comments and header together."""
SEPARATORS = (",", ";", "\t")

_COMMENTS = (";", "#", "%", "//")
_NUMBER = re.compile(r"\s*[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?\s*")
_TIME = re.compile(r"(?:time ?stamp|time|t)(?:[\s_]*[\[(]?\s*([a-zµμ]+)\s*[\])]?)?", re.IGNORECASE)
_TIME_BY_UNIT = re.compile(r"(?:milli|micro|nano)?seconds", re.IGNORECASE)


@dataclass(frozen=True)
class Head:
    """The columns of a CSV file and what its comments say."""

    columns: tuple[str, ...]
    separator: str
    rows_at: int
    """Where in the file the rows begin."""
    line: int
    """Line on which they begin, from 1."""
    comments: tuple[str, ...]

    @property
    def sample_rate_hz(self) -> int | None:
        """As sigrok writes it: `; Samplerate: 1 MHz`."""
        found = (re.fullmatch(r"\W*samplerate:(.*)", text, re.I) for text in self.comments)
        return next((rate_in_text(match[1]) for match in found if match), None)

    @property
    def time_columns(self) -> list[int]:
        """Which columns are times, by their names."""
        return [n for n, name in enumerate(self.columns) if _is_time(name)]

    def time_unit(self, column: int) -> str | None:
        """The unit that a column's name says, if it says one: a key of `UNITS`."""
        name = self.columns[column].strip().lower()
        match = _TIME.fullmatch(name)
        return match[1] if match else name


def _is_time(name: str) -> bool:
    match = _TIME.fullmatch(name.strip())
    if match:
        return match[1] is None or match[1].lower() in UNITS
    return bool(_TIME_BY_UNIT.fullmatch(name.strip()))


def read_head(path: Path, file: BinaryIO) -> Head:
    """Read up to the first row.

    Raises `EvidenceError` if there is no row, no header or more than one way to read it.
    """
    comments: list[str] = []
    rows: list[tuple[int, int, str]] = []
    while len(rows) < 2 and (data := file.readline(MOST_BYTES)):
        line = len(comments) + len(rows) + 1
        text = _decoded(f"{path}:{line}", data, first=line == 1)
        if not text.strip() or text.startswith(_COMMENTS):
            comments.append(text)
        else:
            rows.append((file.tell() - len(data), line, text))
        if file.tell() > MOST_BYTES:
            raise EvidenceError(f"{path}: no rows within its first {MOST_BYTES} bytes")
    if not rows:
        raise EvidenceError(f"{path}: has no rows")
    return _head(path, rows, comments)


def _decoded(where: str, data: bytes, *, first: bool) -> str:
    try:
        text = data.decode("utf-8-sig" if first else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{where}: not text in UTF-8: {error.reason}") from error
    if "\0" in text:
        raise EvidenceError(f"{where}: not text: a byte of value 0; UTF-16 is not read")
    return text


def _head(path: Path, rows: list[tuple[int, int, str]], comments: list[str]) -> Head:
    (at, line, first), *more = rows
    separator = _separator(path, [text for _, _, text in rows])
    cells = _cells(first, separator)
    channels = _sigrok_channels(comments)
    if all(_NUMBER.fullmatch(cell) for cell in cells):
        if len(channels) != len(cells):
            raise EvidenceError(
                f"{path}:{line}: the rows have no header; put one above them that names time and "
                "channels, as in time_s,led"
            )
        return Head(channels, separator, at, line, tuple(comments))
    if not more:
        raise EvidenceError(f"{path}:{line}: nothing stands below the header")
    at, line, _ = more[0]
    return Head(_named(path, cells, channels), separator, at, line, tuple(comments))


def _named(path: Path, cells: list[str], channels: tuple[str, ...]) -> tuple[str, ...]:
    """The columns' names; sigrok may write kinds (`logic`) instead, and names in a comment."""
    names = iter(channels)
    if cells.count("logic") == len(channels) > 0:
        cells = [next(names) if cell == "logic" else cell for cell in cells]
    cells = [cell.strip() for cell in cells]
    twice = sorted(cell for cell, count in Counter(cells).items() if count > 1)
    if twice:
        raise EvidenceError(f"{path}: two columns are called {', '.join(map(repr, twice))}")
    return tuple(cells)


def _sigrok_channels(comments: list[str]) -> tuple[str, ...]:
    found = (re.fullmatch(r"\W*channels \(.*?\):(.*)", text, re.I) for text in comments)
    return next((tuple(c.strip() for c in m[1].split(",")) for m in found if m), ())


def _separator(path: Path, rows: list[str]) -> str:
    """What splits header and first row into equally many cells."""
    counts = {s: {len(_cells(row, s)) for row in rows} for s in SEPARATORS}
    fitting = [s for s, found in counts.items() if len(found) == 1 and max(found) > 1]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and all(found == {1} for found in counts.values()):
        return ","
    what = "could be split in several ways" if fitting else "has not as many cells as the header"
    raise EvidenceError(
        f"{path}: its first row {what}: {rows[-1][:60]!r}; separate columns by one of "
        "comma, semicolon and tab"
    )


def _cells(row: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([row], delimiter=separator), [])
    except csv.Error:
        return []
