"""Signals whose edges are known, to qualify an observer with."""

import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rig.errors import TargetError
from rig.observers.qemu import QemuObserver
from rig.qualification import REFERENCE_DTYPE, ReferenceFacts
from rig.targets.base import Target

PROGRAM = "reference"
"""Name of the image that `TargetReference` runs; its source is tender/tools/reference.c."""

_GOLDEN = 2654435769
"""2^32 over the golden ratio: its multiples fill the circle evenly."""


class Reference(Protocol):
    """Switches the line under observation, and knows when it did."""

    facts: ReferenceFacts

    def play(self, edges: int, interval_ns: int) -> NDArray[np.void]:
        """Make an even number of edges, starting and ending low; 0 ns is as fast as it goes.

        Intervals spread evenly from 3/4 to 5/4 of `interval_ns`, so that no two of them hit an
        observer's own clock alike. Returns an array of `REFERENCE_DTYPE`, shape (edges,).
        Raises `BenchError`.
        """


def gap_ns(interval_ns: int, edge: int) -> int:
    """The time from the edge before, as in tender/tools/reference.c."""
    return interval_ns // 4 * 3 + (interval_ns // 2 * (edge * _GOLDEN & 0xFFFFFFFF) >> 32)


class EmulatorReference:
    """Writes to the virtual Pi's GPIO registers from outside, between two looks at the clock."""

    def __init__(self, observer: QemuObserver, line: str, accuracy_ppm: float) -> None:
        """`line` is free on the target; `observer` has the way to the registers."""
        self.facts = ReferenceFacts(
            kind="emulator",
            clock="CLOCK_REALTIME of this host",
            shares_clock=True,
            accuracy_ppm=accuracy_ppm,
        )
        self._observer = observer
        self._line = line

    def play(self, edges: int, interval_ns: int) -> NDArray[np.void]:
        """See `Reference`."""
        self._observer.select(self._line, "out")
        try:
            return self._switch(edges, interval_ns)
        finally:
            self._observer.drive(self._line, 0)
            self._observer.select(self._line, "in")

    def _switch(self, edges: int, interval_ns: int) -> NDArray[np.void]:
        made = np.empty(edges, REFERENCE_DTYPE)
        due_ns = time.monotonic_ns()
        for edge in range(edges):
            due_ns += gap_ns(interval_ns, edge)
            time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            level = 1 - edge % 2
            made[edge] = (*self._observer.drive(self._line, level), level)
        return made


class TargetReference:
    """A program on the target switches the line through sysfs, by the target's own clock."""

    def __init__(self, target: Target, program: str, number: int, accuracy_ppm: float) -> None:
        """`program` is where it lies on the target, `number` the line's in its sysfs."""
        self.facts = ReferenceFacts(
            kind="target",
            clock="CLOCK_MONOTONIC_RAW of the target",
            shares_clock=False,
            accuracy_ppm=accuracy_ppm,
        )
        self._target = target
        self._command = f"{program} {number}"

    def play(self, edges: int, interval_ns: int) -> NDArray[np.void]:
        """See `Reference`."""
        timeout_s = 60 + 2 * edges * interval_ns / 1e9
        result = self._target.run(f"{self._command} {edges} {interval_ns} 2>&1", timeout_s)
        if result.status:
            raise TargetError(f"the reference on the target: {result.output.strip()}")
        return parse_edges(result.output, edges)


def parse_edges(text: str, edges: int) -> NDArray[np.void]:
    """What tender/tools/reference.c prints. Raises `TargetError` if it is not that."""
    rows = [line.split(",") for line in text.splitlines() if line]
    try:
        made = np.array([(int(b), int(a), int(level)) for level, b, a in rows], REFERENCE_DTYPE)
    except (ValueError, OverflowError) as error:
        raise TargetError(f"the reference on the target printed {text[:80]!r}: {error}") from error
    in_order = np.all(made["before_ns"] <= made["after_ns"]) and np.all(
        made["after_ns"][:-1] <= made["before_ns"][1:]
    )
    if len(made) != edges or not in_order:
        raise TargetError(
            f"the reference on the target told of {len(made)} edges, {edges} were ordered"
            f"{'' if in_order else '; their times are not in order'}"
        )
    return made
