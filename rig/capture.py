"""The edge stream: what an observer saw, and how far it can be believed.

Every observer delivers a `Capture`, and nothing downstream looks at anything
else. All times are integer nanoseconds on the observer's own clock.

On disk a capture is three files: `capture.parquet` (one row per edge),
`capture.json` (the rest) and `capture.vcd`, which PulseView and GTKWave open.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from vcd import VCDWriter

from rig.errors import EvidenceError

EDGE_DTYPE = np.dtype(
    [("time_ns", "<i8"), ("line", "<u2"), ("level", "u1"), ("seqno", "<u4")],
)
"""One edge in 15 bytes; `line` is an index into `Capture.lines`."""

SCHEMA = "capture/1"

TABLE = pa.schema(
    [
        ("time_ns", pa.int64()),
        ("line", pa.dictionary(pa.int32(), pa.string())),
        ("level", pa.uint8()),
        ("seqno", pa.uint32()),
    ]
)
"""Columns of `capture.parquet`."""


class Edge(NamedTuple):
    """One level change of one line."""

    time_ns: int
    """On the observer's clock."""
    line: str
    level: int
    """The level after the edge: 0 or 1."""
    seqno: int
    """Counts the edges of this line from 0; a gap means that edges were lost."""


class ClockKind(StrEnum):
    """Where an observer's time stamps are made."""

    HARDWARE = "hardware"
    KERNEL = "kernel"
    HOST = "host"
    EMULATOR = "emulator"
    TIME_LAPSE = "time-lapse"
    """By an emulator that skips idle time: the stamps keep the order of edges and no more."""


@dataclass(frozen=True)
class Qualification:
    """When this observer's budget was measured against a reference (see rig.qualification)."""

    date: str
    """UTC, as ISO 8601."""
    age_days: float
    """At the time of the capture."""
    limit_days: float
    """An older one is not believed any more."""


@dataclass(frozen=True)
class Instant:
    """One moment on the observer's clock, as far as the rig knows it."""

    time_ns: int
    uncertainty_ns: int
    """Either way."""


@dataclass(frozen=True)
class Clock:
    """The observer's clock and its budget of uncertainty.

    Raises `EvidenceError` for a budget that would narrow a measurement.
    """

    kind: ClockKind
    resolution_ns: int
    """Step of the stamps."""
    accuracy_ppm: float
    """Largest error of the rate."""
    latency_ns: int
    """A stamp is off by 0 to this much, all to one side, as measured or as the instrument's
    data say."""
    qualification: Qualification | None = None
    """None: the budget was measured in this very run, or is what the instrument's data say."""

    def __post_init__(self) -> None:
        if self.resolution_ns < 1 or self.latency_ns < 0 or not 0 <= self.accuracy_ppm < 1e6:
            raise EvidenceError(
                f"clock: resolution {self.resolution_ns} ns (at least 1), latency "
                f"{self.latency_ns} ns (at least 0), accuracy {self.accuracy_ppm} ppm (0 to below "
                "1000000): out of range"
            )

    def interval_uncertainty_ns(self, interval_ns: int) -> int:
        """How far the distance of two stamps can be from the truth, rounded up.

        Each stamp is off by 0 to `latency_ns` and cut to `resolution_ns`, so the
        two errors cannot add up to more than one of each. A clock that is slow by
        the share p shows 1 - p of the true interval, hence the division.
        """
        slow = self.accuracy_ppm / 1e6
        stamps_ns = self.latency_ns + self.resolution_ns
        return int(np.ceil((stamps_ns + abs(interval_ns) * slow) / (1 - slow)))


@dataclass(frozen=True)
class ModeChange:
    """A line's function changed, seen by an observer that can see it."""

    time_ns: int
    line: str
    mode: str
    """`in`, `out`, or an alternate function (`alt0` to `alt5`)."""


@dataclass(frozen=True)
class Stall:
    """The observer's host did not run for a while, so the bench may have been late."""

    time_ns: int
    """When it was noticed, on the observer's clock."""
    late_ns: int
    cause: str
    """`heartbeat` (the rig was not scheduled) or `starved` (the emulator was not)."""


@dataclass(frozen=True)
class Heartbeat:
    """How regularly the observer's host ran during the capture."""

    beats: int
    worst_ns: int
    """The latest beat, whether it counts as a stall or not."""
    stalls: tuple[Stall, ...] = ()


@dataclass(frozen=True, eq=False)
class Capture:
    """The edges of one observation, complete between `start_ns` and `end_ns`.

    Raises `EvidenceError` when it contradicts itself: edges or modes out of time
    order or outside the window, unknown lines, levels other than 0 and 1, sequence
    numbers that do not rise, or more edges proven lost than `lost` admits.
    """

    lines: tuple[str, ...]
    edges: NDArray[np.void]
    """Array of `EDGE_DTYPE`, shape (n,), in time order, each line's seqno rising."""
    initial_levels: Mapping[str, int]
    """Level of every line at `start_ns`."""
    start_ns: int
    end_ns: int
    clock: Clock
    lost: int = 0
    """How many edges are known to be missing."""
    overrun: bool = False
    """The observer's buffer overflowed, so any number of edges may be missing."""
    initial_modes: Mapping[str, str] = field(default_factory=dict)
    """Function of every line at `start_ns`; empty if the observer cannot see it."""
    modes: tuple[ModeChange, ...] = ()
    heartbeat: Heartbeat | None = None
    """None for an observer that does not share its clock with a busy host."""
    commanded: Instant | None = None
    """When the run was started on the target; None if that is not known on this clock."""
    outlasts_run: bool = False
    """Whether the run was over when the capture was stopped; False if that is not known."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def is_complete(self) -> bool:
        """Whether every edge of the window is in `edges`."""
        return self.lost == 0 and not self.overrun

    @property
    def sees_modes(self) -> bool:
        """Whether the observer sees the lines' functions, not only their levels."""
        return bool(self.initial_modes)

    def of_line(self, line: str) -> NDArray[np.void]:
        """The edges of one line, in time order."""
        return _of_line(self.edges, self.lines.index(line), len(self.lines))

    def __iter__(self) -> Iterator[Edge]:
        for time_ns, line, level, seqno in self.edges.tolist():
            yield Edge(time_ns, self.lines[line], level, seqno)


def _of_line(edges: NDArray[np.void], line: int, lines: int) -> NDArray[np.void]:
    """The edges of one of so many lines; not a copy if there is only one."""
    if lines == 1:
        return edges
    mine: NDArray[np.void] = edges[edges["line"] == line]
    return mine


def edge_array(edges: Sequence[tuple[int, int, int, int]]) -> NDArray[np.void]:
    """Pack rows of (time_ns, line index, level, seqno)."""
    return np.array(edges, dtype=EDGE_DTYPE)


def named_edges(edges: NDArray[np.void], lines: Sequence[str]) -> list[Edge]:
    """Unpack an array of `EDGE_DTYPE`, with the names of the lines."""
    return [Edge(t, lines[line], level, seqno) for t, line, level, seqno in edges.tolist()]


def numbers_per_line(
    lines: NDArray[np.uint16], jumps: Sequence[tuple[int, int]] = ()
) -> NDArray[np.int64]:
    """Sequence numbers: each line's edges counted from 0, and from a jump's number at its row."""
    order = np.argsort(lines, kind="stable")  # puts each line's edges side by side
    place_of = np.empty(len(lines), np.int64)
    place_of[order] = np.arange(len(lines))
    begins = np.flatnonzero(np.diff(lines[order].astype(np.int64), prepend=-1))
    rows, numbers = np.array(jumps, np.int64).reshape(-1, 2).T
    counted_from = np.zeros(len(lines), np.int64)
    counted_from[place_of[rows]] = numbers
    anchors = np.zeros(len(lines), np.int64)
    for places in (begins, place_of[rows]):
        anchors[places] = places
    anchors = np.maximum.accumulate(anchors)
    return (counted_from[anchors] + np.arange(len(lines)) - anchors)[place_of]


def _jumps(edges: NDArray[np.void]) -> list[tuple[int, int]]:
    """Where a sequence number does not follow the one before on its line: (row, number)."""
    order = np.argsort(edges["line"], kind="stable")
    lines, seqnos = edges["line"][order], edges["seqno"][order].astype(np.int64)
    follows = np.append(-1, seqnos[:-1])
    follows[np.diff(lines.astype(np.int64), prepend=-1) != 0] = -1
    rows = np.sort(order[seqnos != follows + 1])
    return list(zip(rows.tolist(), edges["seqno"][rows].tolist(), strict=True))


def proven_lost(edges: NDArray[np.void], initial_levels: Sequence[int]) -> int:
    """How many edges must be missing, from the edges themselves.

    A gap in a line's sequence numbers counts what it skips; two equal levels in a
    row prove one. Both can be the trace of one loss, so the larger counts.
    `initial_levels` is in the order of the line indices.
    """
    lost = 0
    for line, initial in enumerate(initial_levels):
        of_line = _of_line(edges, line, len(initial_levels))
        if not len(of_line):
            continue
        levels = of_line["level"]
        repeats = int(np.count_nonzero(levels[1:] == levels[:-1])) + int(levels[0] == initial)
        gaps = int(of_line["seqno"][-1]) + 1 - len(of_line)
        lost += max(repeats, gaps)
    return lost


def _check(capture: Capture) -> None:
    _check_lines(capture)
    _check_edges(capture)
    _check_modes(capture)
    lost = proven_lost(capture.edges, [capture.initial_levels[name] for name in capture.lines])
    if lost > capture.lost:
        raise EvidenceError(f"capture: {lost} edges are proven lost, but it admits {capture.lost}")


def _check_lines(capture: Capture) -> None:
    names = set(capture.lines)
    if len(names) != len(capture.lines):
        raise EvidenceError(f"capture: two lines have one name: {', '.join(capture.lines)}")
    if set(capture.initial_levels) != names:
        raise EvidenceError("capture: initial levels and lines do not name the same lines")
    if not set(capture.initial_levels.values()) <= {0, 1}:
        raise EvidenceError("capture: an initial level is neither 0 nor 1")
    if capture.start_ns > capture.end_ns:
        raise EvidenceError("capture: end_ns is before start_ns")


def _check_edges(capture: Capture) -> None:
    edges, count = capture.edges, len(capture.lines)
    if edges.dtype != EDGE_DTYPE:
        raise EvidenceError(f"capture: edges have dtype {edges.dtype}, not EDGE_DTYPE")
    if np.any(edges["line"] >= count):
        raise EvidenceError(f"capture: an edge names line index >= {count}")
    if np.any(edges["level"] > 1):
        raise EvidenceError("capture: the level of an edge is neither 0 nor 1")
    _check_times(capture, "edge", edges["time_ns"])
    for name in capture.lines:
        # A number that comes again could fill a gap, and the loss would not show.
        seqnos = capture.of_line(name)["seqno"]
        if np.any(seqnos[1:] <= seqnos[:-1]):
            raise EvidenceError(f"capture: the sequence numbers of {name} do not rise")


def _check_modes(capture: Capture) -> None:
    if capture.initial_modes and set(capture.initial_modes) != set(capture.lines):
        raise EvidenceError("capture: initial modes and lines do not name the same lines")
    for change in capture.modes:
        if change.line not in capture.initial_modes:
            raise EvidenceError(f"capture: {change.line} changes to {change.mode} from nothing")
    _check_times(capture, "mode", np.array([c.time_ns for c in capture.modes], np.int64))


def _check_times(capture: Capture, what: str, times: NDArray[np.int64]) -> None:
    backwards = times[1:] < times[:-1]
    if np.any(backwards):
        raise EvidenceError(f"capture: time goes back at {what} {int(np.argmax(backwards)) + 1}")
    if len(times) and not capture.start_ns <= times[0] <= times[-1] <= capture.end_ns:
        raise EvidenceError(f"capture: a {what} lies outside start_ns..end_ns")


class _Meta(BaseModel):
    """`capture.json`: all of a capture but its edges, of which it has the number."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_: Literal["capture/1"] = Field(alias="schema")
    number_of_edges: int = Field(alias="edges")
    lines: tuple[str, ...]
    initial_levels: dict[str, int]
    start_ns: int
    end_ns: int
    clock: Clock
    lost: int
    overrun: bool
    initial_modes: dict[str, str]
    modes: tuple[ModeChange, ...]
    heartbeat: Heartbeat | None
    commanded: Instant | None
    outlasts_run: bool


_SHARED = _Meta.model_fields.keys() - {"schema_", "number_of_edges"}


def write_capture(folder: Path, capture: Capture) -> None:
    """Write `capture.parquet`, `capture.json` and `capture.vcd` into `folder`."""
    _write_edges(folder / "capture.parquet", capture)
    text = json.dumps(_meta(capture), indent=2, sort_keys=True) + "\n"
    (folder / "capture.json").write_text(text, encoding="utf-8")
    _write_vcd(folder / "capture.vcd", capture)


def read_capture(folder: Path) -> Capture:
    """Read what `write_capture` wrote.

    Raises `EvidenceError` if a file is missing, damaged or contradicts the other.
    """
    meta = _read_meta(folder / "capture.json")
    edges = _read_edges(folder / "capture.parquet", meta)
    try:
        return Capture(edges=edges, **{name: getattr(meta, name) for name in _SHARED})
    except EvidenceError as error:
        raise EvidenceError(f"{folder}: {error}") from error


def _write_edges(path: Path, capture: Capture) -> None:
    edges = capture.edges
    names = pa.array(capture.lines, pa.string())
    lines = pa.DictionaryArray.from_arrays(pa.array(edges["line"].astype(np.int32)), names)
    columns = [edges["time_ns"], lines, edges["level"], edges["seqno"]]
    pq.write_table(pa.table(columns, schema=TABLE), path)


def _meta(capture: Capture) -> dict[str, Any]:
    heartbeat, commanded = capture.heartbeat, capture.commanded
    return {
        "schema": SCHEMA,
        "lines": list(capture.lines),
        "initial_levels": dict(capture.initial_levels),
        "start_ns": capture.start_ns,
        "end_ns": capture.end_ns,
        "clock": asdict(capture.clock),
        "lost": capture.lost,
        "overrun": capture.overrun,
        "edges": len(capture.edges),
        "initial_modes": dict(capture.initial_modes),
        "modes": [asdict(change) for change in capture.modes],
        "heartbeat": asdict(heartbeat) if heartbeat else None,
        "commanded": asdict(commanded) if commanded else None,
        "outlasts_run": capture.outlasts_run,
    }


def _read_meta(path: Path) -> _Meta:
    try:
        return _Meta.model_validate_json(path.read_bytes())
    except (OSError, ValueError, EvidenceError) as error:
        raise EvidenceError(f"{path}: cannot be read: {error}") from error


def _read_edges(path: Path, meta: _Meta) -> NDArray[np.void]:
    try:
        with pq.ParquetFile(path) as file:
            _check_header(file, meta)
            return _edges_from(file, meta.lines)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise EvidenceError(f"{path}: cannot be read: {error}") from error


def _check_header(file: pq.ParquetFile, meta: _Meta) -> None:
    schema, rows = file.schema_arrow, file.metadata.num_rows
    if not schema.equals(TABLE):
        raise ValueError(f"its columns are {schema.to_string(show_schema_metadata=False)}")
    if rows != meta.number_of_edges:
        raise ValueError(f"it has {rows} edges, capture.json says {meta.number_of_edges}")


def _edges_from(file: pq.ParquetFile, lines: tuple[str, ...]) -> NDArray[np.void]:
    """Row group by row group, so that no edge is in memory more than twice."""
    edges, filled = np.empty(file.metadata.num_rows, EDGE_DTYPE), 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        _fill(edges[filled : filled + table.num_rows], table, lines)
        filled += table.num_rows
    return edges


def _fill(edges: NDArray[np.void], table: pa.Table, lines: tuple[str, ...]) -> None:
    if any(column.null_count for column in table.columns):
        raise ValueError("a value is missing")
    for column in ("time_ns", "level", "seqno"):
        edges[column] = table[column].to_numpy()
    position = {name: index for index, name in enumerate(lines)}
    encoded = table["line"].combine_chunks()
    codes = np.array([position[name] for name in encoded.dictionary.to_pylist()], np.uint16)
    edges["line"] = codes[encoded.indices.to_numpy()]


def _write_vcd(path: Path, capture: Capture) -> None:
    """Times in the file count from `start_ns`; its comment holds all that edges cannot say."""
    with (
        path.open("w", encoding="utf-8") as file,
        VCDWriter(file, timescale="1 ns", date="", comment=_sealed_text(capture)) as writer,
    ):
        levels = capture.initial_levels
        wires = [
            writer.register_var("target", name, "wire", size=1, init=levels[name])
            for name in capture.lines
        ]
        writer.flush()
        file.writelines(_vcd_changes(capture, [wire.ident for wire in wires]))
        writer.close(capture.end_ns - capture.start_ns)


def _vcd_changes(capture: Capture, codes: Sequence[str]) -> Iterator[str]:
    """Every edge, also one to the level that the line has already: it proves a loss."""
    last_ns = capture.start_ns
    for time_ns, line, level, _ in capture.edges.tolist():
        if time_ns != last_ns:
            yield f"#{time_ns - capture.start_ns}\n"
            last_ns = time_ns
        yield f"{level}{codes[line]}\n"


Seqno = Annotated[int, Field(ge=0, lt=2**32)]


class _Sealed(_Meta):
    """What the comment of `capture.vcd` holds, so that the file can be judged alone."""

    edges_sha256: str
    """Of the edges as an array of `EDGE_DTYPE`."""
    jumps: tuple[tuple[int, Seqno], ...]
    """Edges whose sequence number does not follow: (row, number)."""


def _sealed_text(capture: Capture) -> str:
    """One word without `$`: a reader of VCD may split it at blanks and looks for `$end`."""
    data = {
        **_meta(capture),
        "edges_sha256": _sha256_of(capture.edges),
        "jumps": _jumps(capture.edges),
    }
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return SCHEMA + text.replace(" ", "\\u0020").replace("$", "\\u0024")


def sealed_capture(text: str, edges: NDArray[np.void]) -> Capture:
    """A capture from its `capture.vcd`: the comment, and the edges as they stand there.

    Raises `EvidenceError` if they are not those that the comment was written for.
    """
    try:
        meta = _Sealed.model_validate_json(text.removeprefix(SCHEMA))
        if not all(0 <= row < len(edges) for row, _ in meta.jumps):
            raise ValueError("a jump lies outside of the edges")
    except (ValueError, EvidenceError) as error:
        raise EvidenceError(f"the comment that the rig wrote is damaged: {error}") from error
    edges["time_ns"] += meta.start_ns
    edges["seqno"] = numbers_per_line(edges["line"], meta.jumps)
    if _sha256_of(edges) != meta.edges_sha256:
        raise EvidenceError(
            f"its {len(edges)} edges are not the {meta.number_of_edges} that the rig wrote"
        )
    return Capture(edges=edges, **{name: getattr(meta, name) for name in _SHARED})


def _sha256_of(edges: NDArray[np.void]) -> str:
    return hashlib.sha256(np.ascontiguousarray(edges).data).hexdigest()
