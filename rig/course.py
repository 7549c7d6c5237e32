"""What one line did in one capture, taken apart once for all findings on it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rig.capture import Capture, ClockKind
from rig.expectation import Expectation


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of one line as plain arrays of one length, in time order."""

    times: NDArray[np.int64]
    levels: NDArray[np.uint8]
    seqnos: NDArray[np.uint32]

    @classmethod
    def of(cls, capture: Capture, line: str) -> Self:
        """Every edge of `line`, copied out of the capture's records once."""
        rows = capture.of_line(line)
        columns = (np.ascontiguousarray(rows[name]) for name in ("time_ns", "level", "seqno"))
        return cls(*columns)

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, part: slice | NDArray[np.int64]) -> "Edges":
        return Edges(self.times[part], self.levels[part], self.seqnos[part])


def is_steady(capture: Capture) -> bool:
    """Whether the observer's host ran all the time; a heart that never beat proves nothing."""
    heartbeat = capture.heartbeat
    return heartbeat is None or (heartbeat.beats > 0 and not heartbeat.stalls)


def keeps_time(capture: Capture) -> bool:
    """Whether the distance of two stamps says anything about the time between two edges."""
    return capture.clock.kind is not ClockKind.TIME_LAPSE


def is_outdated(capture: Capture) -> bool:
    """Whether the budget was measured longer ago than it is believed."""
    qualification = capture.clock.qualification
    return qualification is not None and not qualification.age_days <= qualification.limit_days


@dataclass(frozen=True)
class Pulse:
    """A level between two edges."""

    width_ns: int
    level: int
    seqno: int
    """Of the edge that starts it; `time_ns` is that edge's."""
    time_ns: int


@dataclass(frozen=True, eq=False)
class Course:
    """One line in one capture, beside what was expected of it."""

    capture: Capture
    expected: Expectation

    @cached_property
    def seen(self) -> Edges:
        """Every edge of the line."""
        return Edges.of(self.capture, self.expected.line)

    @cached_property
    def edges(self) -> Edges:
        """The edges that count: those left when glitches are taken out."""
        seen, before = self.seen, self.expected.initial_level
        kept = _settling(seen.times[before:], self.glitch_below_ns)
        return seen if kept is None else seen[np.concatenate((np.arange(before), kept + before))]

    @property
    def pattern(self) -> Edges:
        """Those of the commanded edges that came."""
        before = self.expected.initial_level
        return self.edges[before : before + self.expected.commanded]

    @property
    def glitch_below_ns(self) -> int:
        """A pulse measured shorter than this is surely shorter than the smallest that counts.

        No pulse is, where times are not believed: a target that catches up after a stall
        squeezes the pulses that it was told to make.
        """
        smallest_ns = self.expected.smallest_pulse_ns
        capture = self.capture
        if not is_steady(capture) or is_outdated(capture) or not keeps_time(capture):
            return 0
        return smallest_ns - self.capture.clock.interval_uncertainty_ns(smallest_ns)

    @cached_property
    def shortest_pulse(self) -> Pulse | None:
        """Of all that were seen since the line was taken; None if there was none."""
        seen = self.seen[self.expected.initial_level :]
        if len(seen) < 2:
            return None
        widths = np.diff(seen.times)
        n = int(np.argmin(widths))
        return Pulse(int(widths[n]), int(seen.levels[n]), int(seen.seqnos[n]), int(seen.times[n]))

    @property
    def glitches(self) -> int:
        """How many pulses were taken out."""
        return (len(self.seen) - len(self.edges)) // 2

    @cached_property
    def let_go_ns(self) -> int | None:
        """When the line first stopped being an output; None if that was not seen."""
        changes = (c for c in self.capture.modes if c.line == self.expected.line)
        return next((c.time_ns for c in changes if c.mode != "out"), None)

    @property
    def is_over(self) -> bool:
        """Whether the target was done with the line within the capture."""
        return self.capture.outlasts_run or self.let_go_ns is not None

    @property
    def level_at_end(self) -> int:
        """Of the line, when the capture ended."""
        if len(self.seen):
            return int(self.seen.levels[-1])
        return self.capture.initial_levels[self.expected.line]

    @cached_property
    def is_cut_short(self) -> bool:
        """Whether the capture ends where the next commanded edge could still have come."""
        if self.is_over or len(self.pattern) >= self.expected.commanded:
            return False
        return self.capture.end_ns <= self._next_due_ns

    @property
    def awaits_edges(self) -> bool:
        """The same, the edge of the release included."""
        released = len(self.edges) >= self.expected.edges
        complete = len(self.pattern) == self.expected.commanded
        return self.is_cut_short or (complete and not released and not self.is_over)

    @property
    def _next_due_ns(self) -> int:
        """The latest time at which a good line would have shown its next edge."""
        expected, clock = self.expected, self.capture.clock
        if not len(self.pattern):
            return self._first_due_ns
        nominal_ns = expected.on_ns if self.pattern.levels[-1] else expected.off_ns
        wait_ns = nominal_ns + expected.tolerance_of(nominal_ns)
        return int(self.pattern.times[-1]) + wait_ns + clock.interval_uncertainty_ns(wait_ns)

    @property
    def _first_due_ns(self) -> int:
        """Where nothing limits the start, a window as long as the pattern must show some of it."""
        expected, clock, commanded = self.expected, self.capture.clock, self.capture.commanded
        limit_ns = expected.start_latency_ns
        wait_ns = expected.duration_ns if commanded is None or limit_ns is None else limit_ns
        wait_ns += clock.interval_uncertainty_ns(wait_ns)
        if commanded is None:
            return self.capture.start_ns + wait_ns
        return commanded.time_ns + commanded.uncertainty_ns + wait_ns


def _settling(times: NDArray[np.int64], shortest_ns: int) -> NDArray[np.int64] | None:
    """Indices of the edges that remain without pulses below `shortest_ns`; None: all do.

    Edges that follow each other faster are one chain. An even number of them leads back to
    the level before, so none remains; an odd number is one edge that bounced, and it counts
    from where it began.
    """
    gaps = np.diff(times) >= shortest_ns
    if gaps.all():
        return None
    firsts = np.concatenate(([0], np.flatnonzero(gaps) + 1))
    lengths = np.diff(firsts, append=len(times))
    settled: NDArray[np.int64] = firsts[lengths % 2 == 1]
    return settled
