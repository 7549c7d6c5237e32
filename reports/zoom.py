# SPDX-License-Identifier: ISC
"""What the page's script needs to zoom into the waveform of one run."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.closeups import spot_of
from reports.lanes import zero_ns
from reports.load import Run
from reports.tables import plural
from rig.course import Edges

MOST_EDGES = 1000
"""Of a longer run so many are on the page, around the first finding: they are its weight."""


@dataclass(frozen=True)
class Waveform:
    """The edges of one line, in ns after `zero_ns`, and what was commanded."""

    steps_ns: str
    """The first edge, then from each edge to the next, with blanks between."""
    first: int
    """Which edge of the line the first one is, counted from 0."""
    level: int
    """What it takes."""
    mark_ns: int
    """Where to begin."""
    late_ns: int
    """An edge's stamp is late by 0 to this."""
    on_ns: int
    off_ns: int
    commanded: int
    """How many edges were commanded, the first of them at 0."""
    caption: str


def waveform(run: Run) -> Waveform | None:
    """That of the LED's line; None if it never moved."""
    capture, expected = run.evidence.capture, run.pattern
    edges = Edges.of(capture, expected.line)
    if not len(edges):
        return None
    times_ns = edges.times - zero_ns(run)
    spots = (spot_of(run, finding) for finding in run.verdict.not_passed())
    mark_ns = next((spot.edge_ns for spot in spots if spot), 0)
    begin = _begin(times_ns, mark_ns)
    shown = times_ns[begin : begin + MOST_EDGES]
    steps_ns = np.diff(shown, prepend=0)
    return Waveform(
        steps_ns=" ".join(map(str, steps_ns.tolist())),
        first=begin,
        level=int(edges.levels[begin]),
        mark_ns=mark_ns,
        late_ns=capture.clock.latency_ns + capture.clock.resolution_ns,
        on_ns=expected.on_ns,
        off_ns=expected.off_ns,
        commanded=expected.commanded,
        caption=_caption(begin, len(shown), len(edges)),
    )


def _begin(times_ns: NDArray[np.int64], mark_ns: int) -> int:
    """The first of the edges that are shown, so that the marked one is in their middle."""
    marked = int(np.searchsorted(times_ns, mark_ns))
    return max(0, min(marked - MOST_EDGES // 2, len(times_ns) - MOST_EDGES))


def _caption(begin: int, shown: int, count: int) -> str:
    if shown == count:
        return plural(count, "edge")
    return f"edges {begin:,} to {begin + shown - 1:,} of {count:,}"
