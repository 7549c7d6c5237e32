"""From levels at times to edges, block by block."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rig.capture import EDGE_DTYPE, Capture, Clock, numbers_per_line
from rig.errors import EvidenceError
from rig.samples import joined

MOST_EDGES = 20_000_000
"""What a machine of 1 GiB can hold and judge; 15 bytes each, and as much again to work on."""

UNKNOWN = 2
"""In place of a level: neither high nor low."""
BEFORE = int(np.iinfo(np.int64).min)
"""Time of levels that stand before the first time."""


def refuse_too_many(path: Path, edges: int) -> None:
    """Raises `EvidenceError` for more than `MOST_EDGES`."""
    if edges > MOST_EDGES:
        raise EvidenceError(
            f"{path}: has more than {MOST_EDGES} edges; cut it, or name with --line the channels "
            "that matter"
        )


@dataclass(frozen=True)
class Levels:
    """What one block of a recording says about its lines, in its order; arrays of one length."""

    times_ns: NDArray[np.int64]
    """Never falling, over all blocks."""
    lines: NDArray[np.uint16]
    """Index into the lines of the capture."""
    levels: NDArray[np.uint8]
    """0, 1 or `UNKNOWN`."""


class LevelLostError(Exception):
    """A line is unknown after it was known; `index` is where in the block."""

    def __init__(self, line: str, index: int) -> None:
        super().__init__(line, index)
        self.line, self.index = line, index


class EdgeCollector:
    """Gathers the edges of a recording.

    A level that a line has already is no edge, for recordings hold states. In a recording
    of edges (`repeats_count`) it is one, and proves that another is missing.
    """

    def __init__(self, path: Path, lines: Sequence[str], *, repeats_count: bool = False) -> None:
        self.lines = tuple(lines)
        self._path = path
        self._repeats_count = repeats_count
        self._level = np.full(len(lines), UNKNOWN, np.uint8)
        self._initial = np.full(len(lines), UNKNOWN, np.uint8)
        self._first_said_ns: list[int | None] = [None] * len(lines)
        self._known_since_ns = np.full(len(lines), BEFORE, np.int64)
        self._blocks: list[NDArray[np.void]] = []
        self._count = 0

    def add(self, said: Levels) -> None:
        """Take the next block.

        Raises `LevelLostError`, and `EvidenceError` for more than `MOST_EDGES` edges.
        """
        # Stable: puts the levels of each line side by side and leaves them in time order.
        order = np.argsort(said.lines, kind="stable")
        lines, levels, times_ns = said.lines[order], said.levels[order], said.times_ns[order]
        firsts = np.flatnonzero(np.diff(lines, prepend=np.uint16(len(self.lines))))
        before = np.empty_like(levels)
        before[1:] = levels[:-1]
        before[firsts] = self._level[lines[firsts]]
        known = before != UNKNOWN
        self._refuse_lost(order[known & (levels == UNKNOWN)], said)
        self._note_first_said(lines[firsts], times_ns[firsts])
        self._note_known(~known & (levels != UNKNOWN), lines, levels, times_ns)
        self._level[lines] = levels  # of a line that comes more than once, the last stays
        is_edge = np.empty(len(order), np.bool_)
        is_edge[order] = known if self._repeats_count else known & (levels != before)
        self._keep(said, np.flatnonzero(is_edge))

    def capture(self, start_ns: int, end_ns: int, clock: Clock) -> Capture:
        """The capture from when every line is known; `start_ns` is the recording's first time.

        Raises `EvidenceError` for a line of which that cannot be said.
        """
        for line, name in enumerate(self.lines):
            self._refuse_silent(line, name, start_ns)
        start_ns = max(start_ns, *self._known_since_ns.tolist())
        edges = self.edges()
        early = edges["time_ns"] < start_ns
        initial = self._initial.copy()
        initial[edges["line"][early]] = edges["level"][early]
        kept = edges[~early]
        kept["seqno"] = numbers_per_line(kept["line"])
        levels = dict(zip(self.lines, initial.tolist(), strict=True))
        return Capture(self.lines, kept, levels, start_ns, end_ns, clock)

    def edges(self) -> NDArray[np.void]:
        """All edges so far, without their sequence numbers."""
        return joined(self._blocks)

    def _refuse_lost(self, lost: NDArray[np.intp], said: Levels) -> None:
        if len(lost):
            index = int(lost.min())
            raise LevelLostError(self.lines[int(said.lines[index])], index)

    def _note_first_said(self, lines: NDArray[np.uint16], times_ns: NDArray[np.int64]) -> None:
        for line, time_ns in zip(lines.tolist(), times_ns.tolist(), strict=True):
            if self._first_said_ns[line] is None:
                self._first_said_ns[line] = time_ns

    def _note_known(
        self,
        becomes: NDArray[np.bool_],
        lines: NDArray[np.uint16],
        levels: NDArray[np.uint8],
        times_ns: NDArray[np.int64],
    ) -> None:
        self._initial[lines[becomes]] = levels[becomes]
        self._known_since_ns[lines[becomes]] = times_ns[becomes]

    def _keep(self, said: Levels, which: NDArray[np.intp]) -> None:
        self._count += len(which)
        refuse_too_many(self._path, self._count)
        block = np.zeros(len(which), EDGE_DTYPE)
        block["time_ns"] = said.times_ns[which]
        block["line"] = said.lines[which]
        block["level"] = said.levels[which]
        self._blocks.append(block)

    def _refuse_silent(self, line: int, name: str, start_ns: int) -> None:
        said_ns = self._first_said_ns[line]
        if said_ns is None or self._level[line] == UNKNOWN:
            raise EvidenceError(
                f"{self._path}: {name} is never high or low; name with --line the channels "
                "that matter"
            )
        if said_ns > start_ns:
            raise EvidenceError(
                f"{self._path}: nothing says what {name} was before {said_ns} ns; a recording "
                "must begin with the level of every line"
            )
