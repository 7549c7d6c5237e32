"""What runs on the second Pi: gpiozero watches its pins, and this tells the rig.

The rig sends this one file there and starts it with `python3`; it needs nothing but gpiozero
and Python 3.9. Orders come in on standard input and answers go out on standard output, one
per line, so that a pipe, SSH and a serial console carry them alike:

    rig <number> <JSON> <CRC-32 of the JSON, 8 hexadecimal digits>

A line that does not look like this is somebody else's (a kernel message, a traceback), and a
line whose checksum is wrong was damaged on its way; both are skipped. Orders are

    {"do": "arm"}    start a capture      -> {"start_ns": ..., "levels": {"5": 0}}
    {"do": "beat"}   nothing, but the rig is still there; no answer
    {"do": "now"}    read the clock       -> {"now_ns": ...}
    {"do": "stop"}   end the capture      -> {"end_ns": ..., "levels": {...} or null if the
                                              lines still move, "seen": {"5": 4},
                                              "happened": {"5": 4} or null, "overrun": false}
    {"do": "bye"}    end

and the answer has the number of its order; an order that comes again is answered again, but
not carried out twice. Unasked, with the number 0, come `{"hello": ...}` once the lines are
claimed, `{"error": ...}` if they cannot be, and `{"first": n, "edges": [[ns, line, level]]}`:
the edges since the start of the capture, of which the first one is number n.

It ends, and gives the lines back, when its input ends, on a signal, and when nothing was heard
from the rig for `SILENCE_S`: a serial cable does not tell that the rig is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import select
import signal
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

SILENCE_S = 30.0
FLUSH_S = 0.05
"""Edges are sent this often."""
MOST_EDGES = 1_000_000
"""Of one capture; what comes after them is an overrun."""
QUIET_S = 0.02
"""The lines must hold still for so long, so that their level at the start is certain."""
SETTLE_S = 0.25
"""How late an edge may arrive from a source that does not count its edges."""
ARM_TIMEOUT_S = 3.0
LOOKS_AT_END = 10
DRAIN_TIMEOUT_S = 2.0
"""Within this time every edge that the kernel has counted must have arrived here."""
EDGES_PER_LINE = 50

REST_S = 0.01
"""How late a wait of this program may end."""

KERNEL_STEP_NS = 53
"""One period of the 19.2 MHz oscillator that drives the arch timer of a Pi 1 to 4."""
_NEVER = 1 << 63
PIGPIO_WRAP_US = 1 << 32
"""pigpio counts microseconds in 32 bits, and so starts anew every 71.6 minutes."""

_FRAME = re.compile(rb"rig (\d+) (\{.*\}) ([0-9a-f]{8})\s*$")


def frame(number: int, message: dict[str, Any]) -> bytes:
    """One line of the protocol."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return b"rig %d %s %08x\n" % (number, body, zlib.crc32(body))


def unframe(line: bytes) -> tuple[int, dict[str, Any]] | None:
    """Number and message of a line; None if it is no whole line of the protocol."""
    found = _FRAME.search(line)
    if found is None or zlib.crc32(found[2]) != int(found[3], 16):
        return None
    return int(found[1]), json.loads(found[2])


class SecondsClock:
    """Ticks of the factories that run on the Pi itself: seconds, as the kernel counts them.

    gpiozero makes a double of the kernel's nanoseconds. That costs less than 2 ns in the first
    97 days after the board was switched on, and 15 ns after three years.
    """

    kind = "kernel"

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    def resolution_ns(self) -> int:
        """Step of the stamps now."""
        return max(KERNEL_STEP_NS, math.ceil(math.ulp(self._factory.ticks()) * 1e9))

    def now_ns(self) -> int:
        """The factory's clock."""
        return self.stamp_ns(self._factory.ticks())

    def stamp_ns(self, ticks: float) -> int:
        """The stamp of an edge on that clock."""
        return round(ticks * 1e9)


class PigpioClock:
    """Ticks of pigpiod: 32 bits of microseconds, made one count that does not wrap."""

    kind = "hardware"

    def __init__(self, factory: Any, sample_us: int, host_s: Callable[[], float]) -> None:
        """`sample_us` is what pigpiod was started with; `host_s` any clock of this machine."""
        self._factory = factory
        self._sample_us = sample_us
        self._host_s = host_s
        self._began_s = host_s()
        self._began_us = factory.ticks()

    def resolution_ns(self) -> int:
        """pigpiod looks at the pins this often (`pigpiod -s`)."""
        return self._sample_us * 1000

    def now_ns(self) -> int:
        """The daemon's clock."""
        return self.stamp_ns(self._factory.ticks())

    def stamp_ns(self, ticks: int) -> int:
        """The stamp of an edge on that clock.

        How often the count has wrapped follows from this machine's clock, which is nowhere
        near half a round (36 minutes) wrong.
        """
        expected_us = self._began_us + (self._host_s() - self._began_s) * 1e6
        rounds: int = round((expected_us - ticks) / PIGPIO_WRAP_US)
        return (ticks + rounds * PIGPIO_WRAP_US) * 1000


class Kernel:
    """What the kernel knows about the lines that lgpio holds."""

    def __init__(self, lgpio: Any, handle: int, interrupts: str = "/proc/interrupts") -> None:
        """`handle` is lgpio's, of the open chip."""
        self._lgpio = lgpio
        self._handle = handle
        self._interrupts = interrupts

    def edges(self, lines: list[int]) -> dict[int, int] | None:
        """How many edges of each line it has served since power-on; None if it does not tell.

        lgpio drops what it cannot pass on in time, and tells nobody; an even number of lost
        edges leaves no trace in the levels. The kernel counts an interrupt for each all the same.
        """
        with open(self._interrupts) as table:
            counts = dict(filter(None, map(_edges_of_lg, table)))
        return {n: counts[n] for n in lines} if counts.keys() >= set(lines) else None

    def holder(self, line: int) -> str:
        """Who uses a line, as the end of a sentence."""
        try:
            *_, user = self._lgpio.gpio_get_line_info(self._handle, line)
        except self._lgpio.error:  # there is no such line
            return ""
        return f"; it is in use by {user!r}" if user else ""


_INTERRUPT = re.compile(r"\s*\d+:((?:\s+\d+)+)\s+(?:\S+\s+)?(\d+)\s+Edge\s+lg\s*$")


def _edges_of_lg(row: str) -> tuple[int, int] | None:
    """Line and count of one row, if lgpio holds it: ` 17:  20  9030000.pl061  5 Edge  lg`."""
    found = _INTERRUPT.match(row)
    return (int(found[2]), sum(map(int, found[1].split()))) if found else None


class Pins:
    """Lines of this Pi, watched through a gpiozero pin factory."""

    def __init__(
        self,
        factory: Any,
        clock: Any,
        lines: list[int],
        pull: str,
        kernel: Kernel | None = None,
    ) -> None:
        """Claim `lines`. Raises RuntimeError that names the line and who holds it."""
        self.clock = clock
        self._factory = factory
        self._kernel = kernel
        self._seen = dict.fromkeys(map(str, lines), 0)
        self._start_ns = _NEVER
        self._before: dict[int, int] | None = None
        self.edges: list[tuple[int, int, int]] = []
        """(time in ns, line, level) since the start of the capture, as they came in."""
        self.overrun = False
        self._handlers: list[Callable[[Any, int], None]] = []  # gpiozero's references are weak
        self._pins: dict[int, Any] = {}
        for line in lines:
            try:
                self._pins[line] = self._claim(line, pull)
            except Exception as error:
                holder = kernel.holder(line) if kernel else ""
                raise RuntimeError(f"GPIO {line}: {complaint(error)}{holder}") from error

    def _claim(self, line: int, pull: str) -> Any:
        pin = self._factory.pin(line)
        pin.function = "input"
        if pin.pull != pull:
            pin.pull = pull
        pin.bounce = None
        pin.edges = "both"

        def changed(ticks: Any, level: int) -> None:
            self._take(self.clock.stamp_ns(ticks), line, int(level))

        self._handlers.append(changed)
        pin.when_changed = changed
        return pin

    def _take(self, time_ns: int, line: int, level: int) -> None:
        if level > 1 or time_ns < self._start_ns:  # a watchdog's report, or before the capture
            return
        if len(self.edges) < MOST_EDGES:
            self.edges.append((time_ns, line, level))
            self._seen[str(line)] += 1
        else:
            self.overrun = True

    def start(self) -> dict[str, Any]:
        """Start a capture at a moment when nothing moves, so that every level is certain."""
        deadline_s = time.monotonic() + ARM_TIMEOUT_S
        while time.monotonic() < deadline_s:
            self.edges, self.overrun = [], False
            self._seen = dict.fromkeys(self._seen, 0)
            self._start_ns = self.clock.now_ns()
            self._before = self._count()
            levels = self._levels()
            time.sleep(QUIET_S)
            if not self.edges and self._count() == self._before:
                return {"start_ns": self._start_ns, "levels": levels}
        moving = sorted({line for _, line, _ in self.edges}) or list(self._pins)
        raise RuntimeError(
            f"GPIO {', '.join(map(str, moving))} never holds still, so its level at the start "
            "is not known: is it connected, do the boards share their ground, is there a pull?"
        )

    def stop(self) -> dict[str, Any]:
        """End the capture once everything that happened in it has arrived here."""
        end_ns = self.clock.now_ns()
        happened, levels = self._drain(), self._levels_at_rest()
        self._start_ns = _NEVER
        return {
            "end_ns": end_ns,
            "levels": levels,
            "seen": dict(self._seen),
            "happened": happened,
            "overrun": self.overrun,
        }

    def close(self) -> None:
        """Give the lines back."""
        self._factory.close()

    def _drain(self) -> dict[str, int] | None:
        """How many edges happened by the kernel's count; without one, wait as for the start."""
        counted, before = self._count(), self._before
        if counted is None or before is None:
            time.sleep(SETTLE_S)
            return None
        happened = {str(n): counted[n] - before[n] for n in self._pins}
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        while time.monotonic() < deadline_s:
            if all(self._seen[line] >= number for line, number in happened.items()):
                break
            time.sleep(0.005)
        return happened

    def _count(self) -> dict[int, int] | None:
        return self._kernel.edges(list(self._pins)) if self._kernel else None

    def _levels_at_rest(self) -> dict[str, int] | None:
        """What the last edges must have led to; None if the lines still move."""
        for _ in range(LOOKS_AT_END):
            seen, levels = dict(self._seen), self._levels()
            time.sleep(QUIET_S)
            if seen == self._seen:
                return levels
        return None

    def _levels(self) -> dict[str, int]:
        return {str(line): int(pin.state) for line, pin in self._pins.items()}


class Agent:
    """Reads orders, carries them out and sends what the pins do."""

    def __init__(self, orders: int, answers: int) -> None:
        """File descriptors to read from and to write to."""
        self._orders = orders
        self._answers = answers
        self._rest = b""
        self._sent = 0
        self._armed = False
        self._last: tuple[int, dict[str, Any]] = (0, {})

    def say(self, message: dict[str, Any], number: int = 0) -> None:
        """Send one line, all of it."""
        data = frame(number, message)
        while data:
            data = data[os.write(self._answers, data) :]

    def serve(self, pins: Pins) -> None:
        """Until the rig says bye, or is gone."""
        heard_s = time.monotonic()
        while time.monotonic() - heard_s < SILENCE_S:
            ready, _, _ = select.select([self._orders], [], [], FLUSH_S if self._armed else 1.0)
            if ready:
                data = os.read(self._orders, 1 << 16)
                if not data:
                    return
                heard_s = time.monotonic()
                if not self._obey(data, pins):
                    return
            self._flush(pins)

    def _obey(self, data: bytes, pins: Pins) -> bool:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for number, order in filter(None, map(unframe, lines)):
            if order["do"] == "bye":
                return False
            if order["do"] != "beat":
                self.say(self._answer_once(number, order["do"], pins), number)
        return True

    def _answer_once(self, number: int, order: str, pins: Pins) -> dict[str, Any]:
        if number != self._last[0]:
            try:
                self._last = number, self._answer(order, pins)
            except Exception as error:
                self._last = number, {"error": complaint(error)}
        return self._last[1]

    def _answer(self, order: str, pins: Pins) -> dict[str, Any]:
        if order == "now":
            return {"now_ns": pins.clock.now_ns()}
        self._flush(pins)
        if order == "arm":
            started = pins.start()
            self._sent, self._armed = 0, True
            return started
        stopped = pins.stop()
        self._flush(pins)
        self._armed = False
        return stopped

    def _flush(self, pins: Pins) -> None:
        while self._armed and self._sent < len(pins.edges):
            batch = pins.edges[self._sent : self._sent + EDGES_PER_LINE]
            self.say({"first": self._sent, "edges": batch})
            self._sent += len(batch)


def complaint(error: BaseException) -> str:
    """What went wrong, in one line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def rest_between_edges() -> None:
    """Let lgpio's thread, which wakes 2000 times a second to look around, sleep longer.

    Its stamps are the kernel's and an edge wakes it at once, so nothing else changes. The
    threads that are started after this inherit it (prctl(2), PR_SET_TIMERSLACK).
    """
    with contextlib.suppress(OSError), open("/proc/self/timerslack_ns", "w") as slack:
        slack.write(str(int(REST_S * 1e9)))


def open_lgpio(chip: int | None, lines: list[int], pull: str) -> tuple[Pins, dict[str, Any]]:
    """Pins of this Pi through the kernel's GPIO character device.

    The factory is named, so gpiozero cannot take another one in silence.
    """
    rest_between_edges()
    with _scratch_folder():
        import lgpio
        from gpiozero.pins.lgpio import LGPIOFactory
    try:
        factory = LGPIOFactory(chip=chip)
    except lgpio.error as error:
        chips = sorted(name for name in os.listdir("/dev") if name.startswith("gpiochip"))
        there = ", ".join(chips) or "none"
        raise RuntimeError(f"cannot open GPIO chip {chip}: {error}; there are: {there}") from error
    if chip not in (None, factory.chip):
        raise RuntimeError(
            f"this gpiozero opens GPIO chip {factory.chip} whatever it is asked for; "
            f"for chip {chip} it takes 2.0.1.post3 or newer"
        )
    pins = Pins(factory, SecondsClock(factory), lines, pull, Kernel(lgpio, factory._handle))
    return pins, {"factory": "lgpio", "chip": factory.chip}


@contextlib.contextmanager
def _scratch_folder() -> Iterator[None]:
    """lgpio leaves a FIFO in the working folder when it is imported, and never removes it."""
    os.environ.pop("LG_WD", None)
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def open_pigpio(
    host: str, port: int, sample_us: int, lines: list[int], pull: str
) -> tuple[Pins, dict[str, Any]]:
    """Pins of a Pi on which pigpiod runs."""
    from gpiozero.pins.pigpio import PiGPIOFactory

    factory = PiGPIOFactory(host=host, port=port)
    clock = PigpioClock(factory, sample_us, time.monotonic)
    pins = Pins(factory, clock, lines, pull)
    return pins, {"factory": "pigpio", "host": host, "port": port}


def main() -> int:
    """Claim the lines, say so, and serve the rig. Returns the exit status."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--lines", required=True, type=lambda text: [*map(int, text.split(","))])
    parser.add_argument("--pull", default="floating", choices=["floating", "up", "down"])
    parser.add_argument("--chip", type=int)
    parser.add_argument("--pigpio", metavar="HOST:PORT")
    parser.add_argument("--sample-us", type=int, default=5)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    agent = Agent(sys.stdin.fileno(), sys.stdout.fileno())
    try:
        if asked.pigpio:
            host, _, port = asked.pigpio.rpartition(":")
            opened = open_pigpio(host, int(port), asked.sample_us, asked.lines, asked.pull)
        else:
            opened = open_lgpio(asked.chip, asked.lines, asked.pull)
    except Exception as error:
        agent.say({"error": complaint(error)})
        return 1
    pins, told = opened
    try:
        agent.say({"hello": {**told, "clock": pins.clock.kind, **_about(pins)}})
        agent.serve(pins)
    finally:
        pins.close()
    return 0


def _about(pins: Pins) -> dict[str, Any]:
    return {
        "resolution_ns": pins.clock.resolution_ns(),
        "python": sys.version.split()[0],
        "kernel": os.uname().release,
    }


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        sys.exit(main())
