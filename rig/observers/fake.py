"""An observer without hardware: it watches pins that a program moves, and fails as it is told.

For tests, and for trying out whatever reads captures. It ships with the rig because it is held
to the same contract as the observers of real pins, see docs/observers.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rig.capture import Capture, Clock, ClockKind, Edge, Instant, edge_array
from rig.errors import ObserverError

CLOCK = Clock(ClockKind.HARDWARE, resolution_ns=1000, accuracy_ppm=20.0, latency_ns=5000)
"""The budget that the fake claims, and keeps unless it is told to be late."""

Watcher = Callable[[int, str, int], None]
"""Gets time in nanoseconds, line and new level."""


class SimulatedPins:
    """Some lines, all low at first, and the time, which stands still unless it is moved."""

    def __init__(self, *lines: str) -> None:
        self.levels = dict.fromkeys(lines, 0)
        self.time_ns = 0
        self.watchers: list[Watcher] = []

    def wait(self, time_ns: int) -> None:
        """Let time pass."""
        self.time_ns += time_ns

    def drive(self, line: str, level: int) -> None:
        """Put a level on a line; whoever watches sees it if it is a change."""
        if self.levels[line] == level:
            return
        self.levels[line] = level
        for watcher in self.watchers:
            watcher(self.time_ns, line, level)


@dataclass
class Faults:
    """What goes wrong from now on; all may be switched at any time."""

    lose: int = 0
    """So many of the next edges are lost, and the observer notices."""
    forget: int = 0
    """So many of the next edges are lost, and the observer does not notice.

    No observer may do this; it is there so that a test can show that it would be caught.
    """
    late_ns: int = 0
    """Stamps are this much later than the edges, whatever the clock claims."""
    wrong_levels: bool = False
    """The initial levels are taken the wrong way round."""
    overrun: bool = False
    """The observer's buffer overflows."""
    silent: bool = False
    """Nothing comes from the instrument any more."""


class FakeObserver:
    """Watches `SimulatedPins` on their own clock."""

    def __init__(self, pins: SimulatedPins, clock: Clock = CLOCK) -> None:
        """Nothing is watched until `connect`."""
        self.faults = Faults()
        self._pins = pins
        self._clock = clock
        self._edges: list[tuple[int, int, int, int]] = []
        self._numbers: dict[str, int] = {}
        self._lost = 0
        self._initial: dict[str, int] | None = None
        self._start_ns = 0

    def connect(self) -> None:
        """Begin to watch."""
        self._pins.watchers.append(self._see)

    def arm(self) -> None:
        """Start a capture. Raises `ObserverError` if not connected, armed already or silent."""
        self._refuse_silence()
        if self._see not in self._pins.watchers:
            raise ObserverError("the fake observer is not connected")
        if self._initial is not None:
            raise ObserverError("the fake observer is armed already")
        wrong = int(self.faults.wrong_levels)
        self._initial = {line: level ^ wrong for line, level in self._pins.levels.items()}
        self._edges, self._numbers, self._lost = [], dict.fromkeys(self._initial, 0), 0
        self._start_ns = self._stamp(self._pins.time_ns)

    def now(self) -> Instant:
        """The pins' own time, as far as this clock resolves it."""
        return Instant(self._stamp(self._pins.time_ns), self._clock.resolution_ns)

    def peek(self, after: int = 0) -> list[Edge]:
        """See `Observer`."""
        self._refuse_silence()
        if self._initial is None:
            raise ObserverError("the fake observer was not armed")
        lines = list(self._initial)
        return [Edge(t, lines[line], level, n) for t, line, level, n in self._edges[after:]]

    def stop(self) -> Capture:
        """End the capture. Raises `ObserverError` if there is none, or if it is silent."""
        if self._initial is None:
            raise ObserverError("the fake observer was not armed")
        initial, self._initial = self._initial, None
        self._refuse_silence()
        last_ns = self._edges[-1][0] if self._edges else 0
        return Capture(
            lines=tuple(initial),
            edges=edge_array(self._edges),
            initial_levels=initial,
            start_ns=self._start_ns,
            end_ns=max(self._stamp(self._pins.time_ns), last_ns),
            clock=self._clock,
            lost=self._lost,
            overrun=self.faults.overrun,
        )

    def functions(self) -> dict[str, str]:
        """Simulated pins have levels only."""
        return {}

    def close(self) -> None:
        """Watch no more; safe to call at any time."""
        self._initial = None
        if self._see in self._pins.watchers:
            self._pins.watchers.remove(self._see)

    def _see(self, time_ns: int, line: str, level: int) -> None:
        if self._initial is None or self.faults.silent:
            return
        if self.faults.forget:
            self.faults.forget -= 1
            return
        number = self._numbers[line]
        self._numbers[line] += 1
        if self.faults.lose:
            self.faults.lose -= 1
            self._lost += 1
            return
        stamp_ns = self._stamp(time_ns + self.faults.late_ns)
        self._edges.append((stamp_ns, list(self._initial).index(line), level, number))

    def _stamp(self, time_ns: int) -> int:
        return time_ns // self._clock.resolution_ns * self._clock.resolution_ns

    def _refuse_silence(self) -> None:
        if self.faults.silent:
            raise ObserverError("the fake observer is silent: nothing comes from its instrument")
