"""QEMU's own view of the virtual Pi's 54 pins: three witnesses that must agree.

1. The timestamped trace of every write to the GPIO block, run through a model of
   its registers. It knows nothing of what the guest claims, sees direction and
   release, and is the capture.
2. QEMU's interception of the block's output lines. It misses some edges by
   design (see `GpioModel.apply`), so the model predicts what it must report.
3. The registers, read live before and after.

A disagreement that the model does not predict is an `ObserverError`: the bench
is wrong, and nothing can be said about the target.

QEMU stamps a write just before it carries it out, so a stamp is never late: it is
early, by as long as QEMU then takes. That is bounded in every capture anew, edge by
edge: what tells of the edge (the interception; the line of the trace where there is
none) comes after it, and the stamp came before.
"""

import contextlib
import os
import re
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rig.capture import (
    Capture,
    Clock,
    ClockKind,
    Edge,
    Instant,
    ModeChange,
    edge_array,
    named_edges,
)
from rig.errors import ObserverError
from rig.observers.heartbeat import Heart, cpu_wait_of
from rig.targets.qemu import QTest
from rig.targets.virtual_pi import VirtualPi

# BCM2835 ARM Peripherals, 6.1: offsets in the GPIO block, here at the BCM2837's address.
GPIO_BASE = 0x3F200000
GPFSEL0, GPSET0, GPCLR0, GPLEV0 = 0x00, 0x1C, 0x28, 0x34
MARKER = 0x24
"""A reserved offset: a write there does nothing and shows in the trace."""
POWER_CUT = 0x30
"""Another one: written when the board loses its power, which is no write of its own."""
POWER_IS_CUT = (GPIO_BASE + POWER_CUT, 1)
PINS = 54
MODES = ("in", "out", "alt5", "alt4", "alt0", "alt1", "alt2", "alt3")
"""Meaning of the three function-select bits."""

ANSWER_TIMEOUT_S = 10
QUALIFYING_MARKERS = 40
CLOCK_ACCURACY_PPM = 500.0
"""What Linux takes an oscillator for that nobody has measured (`tolerance` in adjtimex(2))."""
RESOLUTION_NS = 1000
"""QEMU's trace has microseconds, cut off."""
CLOCK_STEP_LIMIT_NS = 5_000_000
CLOCK_READINGS = 5
SLEW_PPM = 500
"""Linux slews a clock by at most this much at a time daemon's wish (adjtimex(2))."""

_WRITE = re.compile(
    rb"@(\d+)\.(\d{6}):memory_region_ops_write .* addr (0x[0-9a-f]+) value (0x[0-9a-f]+) "
    rb"size 4 name 'bcm2835_gpio'"
)


@dataclass
class GpioModel:
    """Function and output latch of every pin, as the writes so far have left them."""

    functions: list[int] = field(default_factory=lambda: [0] * PINS)
    latches: list[int] = field(default_factory=lambda: [0] * PINS)
    lines: list[int] = field(default_factory=lambda: [0] * PINS)
    """QEMU's output lines, which follow a pin only while it is written as an output."""

    def level(self, pin: int) -> int:
        """What an LED with a resistor to ground shows: only an output is ever on."""
        return self.latches[pin] if self.mode(pin) == "out" else 0

    def mode(self, pin: int) -> str:
        """The pin's function."""
        return MODES[self.functions[pin]]

    def apply(self, offset: int, value: int) -> list[tuple[int, int]]:
        """Carry out one write; returns what QEMU's interception must report.

        QEMU's device drives a line only when a set or clear register changes the
        latch of a pin that is an output at that moment, and reports it only if the
        line changes. So setting the latch before the direction goes unseen.
        """
        if GPFSEL0 <= offset < GPFSEL0 + 6 * 4:
            self._select((offset - GPFSEL0) // 4 * 10, value)
        if offset in (GPSET0, GPSET0 + 4):
            return self._latch((offset - GPSET0) * 8, value, 1)
        if offset in (GPCLR0, GPCLR0 + 4):
            return self._latch((offset - GPCLR0) * 8, value, 0)
        return []

    def lose_power(self) -> list[tuple[int, int]]:
        """Every pin becomes an input. QEMU resets its registers, but drives no line and reports
        nothing.
        """
        self.functions = [0] * PINS
        self.latches = [0] * PINS
        return []

    def _select(self, first: int, value: int) -> None:
        for pin in range(first, min(first + 10, PINS)):
            self.functions[pin] = value >> 3 * (pin - first) & 7

    def _latch(self, first: int, value: int, level: int) -> list[tuple[int, int]]:
        reports = []
        for pin in range(first, min(first + 32, PINS)):
            if not value >> (pin - first) & 1 or self.latches[pin] == level:
                continue
            self.latches[pin] = level
            if self.mode(pin) == "out" and self.lines[pin] != level:
                self.lines[pin] = level
                reports.append((pin, level))
        return reports


@dataclass(frozen=True)
class Mark:
    """The stream at the moment of one marker: all before it has been seen."""

    time_ns: int
    edges: int
    modes: int
    reports: int
    levels: tuple[int, ...]
    functions: tuple[int, ...]
    latches: tuple[int, ...]


class TraceReader:
    """Reads the trace from its FIFO and keeps edges, mode changes and predictions."""

    def __init__(
        self, fifo: Path, on_edge: Callable[[int, int, int], None] = lambda *_: None
    ) -> None:
        """Starts reading at once; QEMU waits at its start until somebody does.

        `on_edge` gets every edge, as in `edges`, in the reading thread; it must not raise.
        """
        self._on_edge = on_edge
        self.model = GpioModel()
        self.edges: list[tuple[int, int, int]] = []
        """(time_ns, pin, level), since the last `forget`; so for all that follow."""
        self.modes: list[tuple[int, int, str]] = []
        self.reports: list[tuple[int, int]] = []
        """What the interception must have reported."""
        self.report_stamps: list[int] = []
        """When, by the trace, for each of `reports`."""
        self.read_delays: list[int] = []
        """How long after its stamp the line of each of `edges` was read."""
        self._marks: dict[int, Mark] = {}
        self._marked = threading.Condition()
        self._closing = False
        self._read_ns = 0
        # Opened for both, the FIFO neither blocks here nor ends when QEMU does.
        self._fifo = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._read, name="trace", daemon=True)
        self._thread.start()

    def wait_for_mark(self, number: int) -> Mark:
        """The stream at marker `number`. Raises `ObserverError` if it does not come."""
        with self._marked:
            if not self._marked.wait_for(lambda: number in self._marks, ANSWER_TIMEOUT_S):
                raise ObserverError(f"QEMU's trace is silent: marker {number} did not arrive")
            return self._marks.pop(number)

    def forget(self, mark: Mark) -> Mark:
        """Drop all that came before `mark`, so that no memory grows from capture to capture.

        Returns the same mark, counted from here. No other mark may be on its way.
        """
        for of_edges in (self.edges, self.read_delays):
            del of_edges[: mark.edges]
        for of_reports in (self.reports, self.report_stamps):
            del of_reports[: mark.reports]
        del self.modes[: mark.modes]
        return replace(mark, edges=0, modes=0, reports=0)

    def close(self) -> None:
        """Stop reading; safe to call at any time."""
        if self._closing:
            return
        self._closing = True
        with contextlib.suppress(BlockingIOError):  # full, so the thread is awake
            os.write(self._fifo, b"\n")
        self._thread.join(timeout=5)
        os.close(self._fifo)

    def _read(self) -> None:
        rest = b""
        while not self._closing:
            select.select([self._fifo], [], [])
            *lines, rest = (rest + os.read(self._fifo, 1 << 16)).split(b"\n")
            self._read_ns = time.time_ns()
            for line in lines:
                if found := _WRITE.search(line):
                    seconds, micros, address, value = found.groups()
                    time_ns = int(seconds) * 1_000_000_000 + int(micros) * 1000
                    self._take(time_ns, int(address, 16) - GPIO_BASE, int(value, 16))

    def _take(self, time_ns: int, offset: int, value: int) -> None:
        if offset == MARKER:
            self._mark(time_ns, value)
            return
        model = self.model
        before = [(model.level(pin), model.functions[pin]) for pin in range(PINS)]
        reports = model.lose_power() if offset == POWER_CUT else model.apply(offset, value)
        self.report_stamps += [time_ns] * len(reports)
        self.reports += reports
        for pin, (level, function) in enumerate(before):
            # A board without power gives up what it drove; no other pin moves by that.
            is_seen = offset != POWER_CUT or MODES[function] == "out"
            if model.functions[pin] != function and is_seen:
                self.modes.append((time_ns, pin, model.mode(pin)))
            if model.level(pin) != level:
                self.read_delays.append(self._read_ns - time_ns)
                self.edges.append((time_ns, pin, model.level(pin)))
                self._on_edge(time_ns, pin, model.level(pin))

    def _mark(self, time_ns: int, number: int) -> None:
        model = self.model
        mark = Mark(
            time_ns,
            len(self.edges),
            len(self.modes),
            len(self.reports),
            tuple(model.level(pin) for pin in range(PINS)),
            tuple(model.functions),
            tuple(model.latches),
        )
        with self._marked:
            self._marks[number] = mark
            self._marked.notify_all()


class QemuObserver:
    """The observer of a virtual Pi. Make it before the board is powered on."""

    def __init__(self, board: VirtualPi, lines: tuple[str, ...], stall_ns: int) -> None:
        """`lines` names all 54 pins in order; a longer pause than `stall_ns` is a stall."""
        self._board = board
        self._lines = lines
        self._stall_ns = stall_ns
        self._trace = TraceReader(board.emulator.trace)
        self._qtest: QTest | None = None
        self._reported: list[tuple[int, int]] = []
        self._reported_at: list[int] = []
        self._markers = 0
        self._heart: Heart | None = None
        self._start: Mark | None = None
        self._latency_ns = 0
        self._clock_offset_ns = 0
        self._clock_kind = ClockKind.TIME_LAPSE if board.time_lapse else ClockKind.EMULATOR
        board.emulator.on_start.append(self._open_qtest)
        board.emulator.on_power_cut.append(lambda: self._connected().write_register(*POWER_IS_CUT))

    def connect(self) -> None:
        """Check that the witnesses agree; QEMU's channels were opened at power-on."""
        self._agreed_mark()

    def now(self) -> Instant:
        """QEMU stamps the trace with this host's clock."""
        return Instant(time.time_ns(), 0)

    def arm(self) -> None:
        """Start a capture: qualify the stamps, take the initial levels, start the heartbeat.

        Raises `ObserverError` if the witnesses disagree before anything has happened.
        """
        if self._heart is not None:
            raise ObserverError("the observer is armed already")
        self._latency_ns = max(self._mark()[1] for _ in range(QUALIFYING_MARKERS))
        self._start = self._forget_before(self._agreed_mark())
        self._clock_offset_ns = _clock_offset_ns()
        self._heart = Heart(self._stall_ns, cpu_wait_of(self._board.emulator.pid))

    def peek(self, after: int = 0) -> list[Edge]:
        """What the trace has told so far; the other witnesses are asked at the end."""
        if self._start is None or self._heart is None:
            raise ObserverError("the observer was not armed")
        if not self._board.emulator.is_running:
            raise ObserverError("QEMU has ended")
        edges = _numbered(self._trace.edges[self._start.edges :])
        return named_edges(edges[after:], self._lines)

    def stop(self) -> Capture:
        """End the capture and seal it.

        Raises `ObserverError` if the witnesses disagree, or if the host's clock was set.
        """
        if self._start is None or self._heart is None:
            raise ObserverError("the observer was not armed")
        heartbeat = self._heart.stop()
        self._heart = None
        end = self._agreed_mark()
        stepped_ns = abs(_clock_offset_ns() - self._clock_offset_ns)
        if (
            stepped_ns
            > CLOCK_STEP_LIMIT_NS + (end.time_ns - self._start.time_ns) * SLEW_PPM // 10**6
        ):
            raise ObserverError(
                f"this host's clock jumped by {stepped_ns} ns during the capture: it was set, "
                "or the host slept"
            )
        start, names = self._start, self._lines
        latency_ns = max(self._latency_ns, self._worst_delay_ns(start, end)) + stepped_ns
        return Capture(
            lines=names,
            edges=_numbered(self._trace.edges[start.edges : end.edges]),
            initial_levels=dict(zip(names, start.levels, strict=True)),
            start_ns=start.time_ns,
            end_ns=end.time_ns,
            clock=Clock(self._clock_kind, RESOLUTION_NS, CLOCK_ACCURACY_PPM, latency_ns),
            initial_modes=_named_modes(names, start.functions),
            modes=tuple(
                ModeChange(time_ns, names[pin], mode)
                for time_ns, pin, mode in self._trace.modes[start.modes : end.modes]
            ),
            heartbeat=heartbeat,
        )

    def functions(self) -> dict[str, str]:
        """Every line's function, read from the registers now."""
        return _named_modes(self._lines, self._read_functions())

    def select(self, line: str, mode: str) -> None:
        """Give a line that the target does not use a function, as the target would."""
        pin = self._lines.index(line)
        offset, shift = GPFSEL0 + pin // 10 * 4, 3 * (pin % 10)
        others = self._connected().read_register(GPIO_BASE + offset) & ~(7 << shift)
        self._write(offset, others | MODES.index(mode) << shift)

    def drive(self, line: str, level: int) -> tuple[int, int]:
        """Switch an output; returns this host's CLOCK_REALTIME just before and just after."""
        pin = self._lines.index(line)
        return self._write((GPSET0 if level else GPCLR0) + pin // 32 * 4, 1 << pin % 32)

    def close(self) -> None:
        """Detach; safe to call at any time."""
        if self._heart:
            self._heart.stop()
            self._heart = None
        if self._qtest:
            self._qtest.close()
            self._qtest = None
        self._trace.close()

    def _open_qtest(self) -> None:
        self._qtest = self._board.emulator.qtest(self._note_report)
        self._qtest.intercept_outputs("/machine/soc/peripherals/gpio")

    def _note_report(self, pin: int, level: int) -> None:
        """Called by the qtest thread, the time first: whoever finds a report finds its time."""
        self._reported_at.append(time.time_ns())
        self._reported.append((pin, level))

    def _write(self, offset: int, value: int) -> tuple[int, int]:
        """Write a register; the host's time before it was asked for and after it was done."""
        asked_ns = time.time_ns()
        self._connected().write_register(GPIO_BASE + offset, value)
        return asked_ns, time.time_ns()

    def _worst_delay_ns(self, start: Mark, end: Mark) -> int:
        """By how much the stamps of a capture's edges can be early, at most."""
        window = slice(start.reports, end.reports)
        stamps, arrivals = self._trace.report_stamps[window], self._reported_at[window]
        reported = (told - stamp for stamp, told in zip(stamps, arrivals, strict=True))
        read = self._trace.read_delays[start.edges : end.edges]
        return max([0, *reported, *read])

    def _forget_before(self, mark: Mark) -> Mark:
        """Whoever looks at edges must not have an older mark."""
        del self._reported[: mark.reports], self._reported_at[: mark.reports]
        return self._trace.forget(mark)

    def _mark(self) -> tuple[Mark, int]:
        """Send one marker; returns where the stream is, and how early the stamp can be."""
        self._markers += 1
        _, done_ns = self._write(MARKER, self._markers)
        mark = self._trace.wait_for_mark(self._markers)
        return mark, max(0, done_ns - mark.time_ns)

    def _agreed_mark(self) -> Mark:
        """A marker at which all three witnesses say the same.

        The registers are read after the marker, so a target that switches a pin in
        between gets two more chances to hold still.
        """
        for attempt in range(3):
            mark, _ = self._mark()
            complaint = self._disagreement(mark)
            if not complaint:
                return mark
            if attempt == 2:
                raise ObserverError(f"the witnesses of the pins disagree: {complaint}")
        raise AssertionError("unreachable")

    def _disagreement(self, mark: Mark) -> str:
        """What the second and third witness say against the first; empty if nothing."""
        predicted, reported = self._trace.reports[: mark.reports], self._reported
        if predicted != reported[: len(predicted)] or len(reported) > len(predicted):
            return f"interception {reported[-6:]} (pin, level), trace {predicted[-6:]}"
        functions, latches = self._read_functions(), self._read_latches()
        for pin, name in enumerate(self._lines):
            if functions[pin] != mark.functions[pin]:
                modes = MODES[functions[pin]], MODES[mark.functions[pin]]
                return f"{name} is {modes[0]!r} in its register, {modes[1]!r} by the trace"
            if latches[pin] != mark.latches[pin]:
                return f"{name} is {latches[pin]} in its register, {mark.latches[pin]} by the trace"
        return ""

    def _read_functions(self) -> tuple[int, ...]:
        words = [self._connected().read_register(GPIO_BASE + GPFSEL0 + 4 * n) for n in range(6)]
        return tuple(words[pin // 10] >> 3 * (pin % 10) & 7 for pin in range(PINS))

    def _read_latches(self) -> tuple[int, ...]:
        """QEMU keeps a released pin's latch in GPLEV, unlike hardware."""
        words = [self._connected().read_register(GPIO_BASE + GPLEV0 + 4 * n) for n in range(2)]
        return tuple(words[pin // 32] >> (pin % 32) & 1 for pin in range(PINS))

    def _connected(self) -> QTest:
        if self._qtest is None:
            raise ObserverError("the observer is not connected")
        return self._qtest


def _numbered(edges: list[tuple[int, int, int]]) -> NDArray[np.void]:
    counts = [0] * PINS
    rows = []
    for time_ns, pin, level in edges:
        rows.append((time_ns, pin, level, counts[pin]))
        counts[pin] += 1
    return edge_array(rows)


def _named_modes(names: tuple[str, ...], functions: tuple[int, ...]) -> dict[str, str]:
    return {name: MODES[code] for name, code in zip(names, functions, strict=True)}


def _clock_offset_ns() -> int:
    """Between the clock of the stamps and one that nobody can set; read again if interrupted."""
    readings = []
    for _ in range(CLOCK_READINGS):
        before_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        stamp_ns = time.time_ns()
        took_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - before_ns
        readings.append((took_ns, stamp_ns - before_ns))
    return min(readings)[1]
