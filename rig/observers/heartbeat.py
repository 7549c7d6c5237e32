"""Whether the observer's host ran at all times, or stalled and made the bench late."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rig.capture import Heartbeat, Stall

PERIOD_NS = 5_000_000
STOP_TIMEOUT_S = 10
PROBE_EVERY = 10
"""Beats between two looks at how long the emulator waited for a CPU."""

SUSTAINED = 2 / 3
"""A thread that waited for more than this share of the time between two looks hardly ran: it
goes on being late, and what it waits next adds to that."""

Probe = Callable[[], Mapping[str, int]]
"""Cumulative nanoseconds that each thread of the emulator waited for a CPU."""


class Heart:
    """A thread that wants to run every 5 ms and notes when it could not.

    It sees a host that is overloaded, suspended or stalled by its own hypervisor.
    `probe` adds what a thread that mostly sleeps cannot see: an emulator that was
    ready to run and was not let.
    """

    def __init__(self, stall_ns: int, probe: Probe = dict) -> None:
        """A beat or a wait longer than `stall_ns` is a stall."""
        self._stall_ns = stall_ns
        self._probe = probe
        self._beats = 0
        self._worst_ns = 0
        self._stalls: list[Stall] = []
        self._last_ns = self._looked_ns = _now_ns()
        self._starved_ns: dict[str, int] = {}
        """How long each thread that hardly runs has waited since it last did."""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> Heartbeat:
        """Stop beating and tell how it went.

        A probe that failed or does not return has ended the beating early: a stall.
        """
        self._done.set()
        self._thread.join(timeout=STOP_TIMEOUT_S)
        self._note_gap()
        return Heartbeat(self._beats, self._worst_ns, tuple(self._stalls))

    def _beat(self) -> None:
        waited = self._probe()
        while not self._done.is_set():
            time.sleep(PERIOD_NS / 1e9)
            self._note_gap()
            self._beats += 1
            if self._beats % PROBE_EVERY == 0:
                waited = self._look(waited)
        self._look(waited)
        for starved_ns in self._starved_ns.values():
            self._note(starved_ns, "starved")

    def _note_gap(self) -> None:
        """From beat to beat, so that it makes no difference where the thread was held up."""
        now_ns = _now_ns()
        self._note(now_ns - self._last_ns - PERIOD_NS, "heartbeat")
        self._last_ns = now_ns

    def _look(self, before: Mapping[str, int]) -> Mapping[str, int]:
        now, began_ns = self._probe(), self._looked_ns
        self._looked_ns = _now_ns()
        hardly_ran_ns = SUSTAINED * (self._looked_ns - began_ns)
        for thread, total_ns in now.items():
            waited_ns = total_ns - before.get(thread, total_ns)
            starved_ns = self._starved_ns.pop(thread, 0) + waited_ns
            if waited_ns > hardly_ran_ns:
                self._starved_ns[thread] = starved_ns
            else:
                self._note(starved_ns, "starved")
        return now

    def _note(self, late_ns: int, cause: str) -> None:
        self._worst_ns = max(self._worst_ns, late_ns)
        if late_ns > self._stall_ns:
            self._stalls.append(Stall(time.time_ns(), late_ns, cause))


def _now_ns() -> int:
    """Of a clock that nobody can set and that goes on while the host sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def cpu_wait_of(pid: int) -> Probe:
    """A probe of one process, from the run-queue delay in /proc/PID/task/*/schedstat.

    Linux, Documentation/scheduler/sched-stats.rst: the second number is the time
    spent waiting on a run queue, in nanoseconds. A kernel without it gives nothing.
    """

    def probe() -> dict[str, int]:
        waited = {}
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                waited[path.parent.name] = int(path.read_text().split()[1])
            except OSError:  # a thread that has just ended
                continue
        return waited

    return probe
