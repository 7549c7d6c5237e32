"""Shows that a host or an emulator that did not run is noticed, and a quiet one not blamed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from rig.capture import Heartbeat
from rig.observers import heartbeat as module
from rig.observers.heartbeat import Heart, cpu_wait_of

LONG_S = 60
NEVER_NS = 3600 * 10**9
"""Longer than any machine that runs these tests stalls by itself."""

MS = 1_000_000


class FakeProbe:
    """Tells these waits one after the other, then the last for ever."""

    def __init__(self, *waits: Mapping[str, int]) -> None:
        self._waits = list(waits)
        self._told_all = threading.Event()

    def __call__(self) -> Mapping[str, int]:
        if len(self._waits) == 1:
            self._told_all.set()
            return self._waits[0]
        return self._waits.pop(0)

    def heard(self, stall_ns: int) -> Heartbeat:
        """A heart that has heard everything."""
        heart = Heart(stall_ns, self)
        assert self._told_all.wait(LONG_S)
        return heart.stop()


def starved_ns(heartbeat: Heartbeat) -> list[int]:
    return [stall.late_ns for stall in heartbeat.stalls if stall.cause == "starved"]


BEATING = """
import sys
from rig.observers.heartbeat import Heart
heart = Heart(stall_ns=300_000_000)
print("beating", flush=True)
sys.stdin.readline()
heartbeat = heart.stop()
print(heartbeat.worst_ns, *(stall.late_ns for stall in heartbeat.stalls))
"""


def test_a_process_that_was_stopped_has_stalled() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BEATING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.4)
        os.kill(process.pid, signal.SIGCONT)
        told, _ = process.communicate("stop\n", timeout=LONG_S)
    worst_ns, *late_ns = map(int, told.split())
    assert max(late_ns) == worst_ns
    assert worst_ns > 390 * MS


def test_a_host_that_slept_has_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    probe, slept_ns, clock_gettime_ns = FakeProbe({}, {}), 0, time.clock_gettime_ns

    def clock(number: int) -> int:
        return clock_gettime_ns(number) + (slept_ns if number == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime_ns", clock)
    heart = Heart(NEVER_NS, probe)
    slept_ns = 2 * NEVER_NS
    (stall,) = heart.stop().stalls
    assert stall.cause == "heartbeat"
    assert NEVER_NS < stall.late_ns < 3 * NEVER_NS


def test_a_steady_host_has_not_stalled() -> None:
    began_ns = time.monotonic_ns()
    heartbeat = FakeProbe({"1": 5}, {"1": 5}).heard(NEVER_NS)
    assert heartbeat.stalls == ()
    assert heartbeat.beats >= module.PROBE_EVERY
    assert heartbeat.beats * module.PERIOD_NS <= time.monotonic_ns() - began_ns
    assert 0 < heartbeat.worst_ns < NEVER_NS


def test_an_emulator_that_was_ready_and_did_not_run_has_stalled() -> None:
    heartbeat = FakeProbe({"1": 5, "2": 5}, {"1": 5, "2": 31 * MS + 5}).heard(30 * MS)
    assert starved_ns(heartbeat) == [31 * MS]


def test_many_short_waits_are_no_stall() -> None:
    heartbeat = FakeProbe({"1": 0}, {"1": 20 * MS}, {"1": 40 * MS}, {"1": 60 * MS}).heard(30 * MS)
    assert starved_ns(heartbeat) == []


class HardlyRuns:
    """Waits for nine tenths of the time for 600 ms, and then never again."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self._began_ns = self._last_ns = time.monotonic_ns()
        self._waited_ns = 0

    def __call__(self) -> Mapping[str, int]:
        now_ns = time.monotonic_ns()
        if now_ns - self._began_ns > 600 * MS:
            self.is_over.set()
        else:
            self._waited_ns += (now_ns - self._last_ns) * 9 // 10
        self._last_ns = now_ns
        return {"1": self._waited_ns}


def test_an_emulator_that_hardly_ran_for_long_has_stalled() -> None:
    """As on a host with ten times more to do than it can: no single wait is long."""
    probe = HardlyRuns()
    heart = Heart(200 * MS, probe)
    assert probe.is_over.wait(LONG_S)
    late_ns = starved_ns(heart.stop())
    assert late_ns
    assert sum(late_ns) <= 540 * MS


def test_an_emulator_that_hardly_runs_at_the_end_has_stalled() -> None:
    heart = Heart(200 * MS, HardlyRuns())
    time.sleep(0.4)
    assert max(starved_ns(heart.stop())) > 200 * MS


def test_a_thread_that_has_just_begun_has_not_waited() -> None:
    assert starved_ns(FakeProbe({}, {"1": NEVER_NS}).heard(1)) == []


def test_a_wait_just_before_the_end_is_seen() -> None:
    began, waits = threading.Event(), {"1": 5}

    def probe() -> Mapping[str, int]:
        began.set()
        return dict(waits)

    heart = Heart(NEVER_NS, probe)
    assert began.wait(LONG_S)
    time.sleep(0.01)  # the first look may still be under way
    waits["1"] += 2 * NEVER_NS
    assert starved_ns(heart.stop()) == [2 * NEVER_NS]


def test_the_worst_is_kept_though_it_is_no_stall() -> None:
    waits = ({"1": 0}, {"1": NEVER_NS // 2}, {"1": NEVER_NS // 2 + 1})
    heartbeat = FakeProbe(*waits).heard(NEVER_NS)
    assert heartbeat.worst_ns == NEVER_NS // 2 + 1  # one after the other, it was late by both
    assert heartbeat.stalls == ()


def test_a_probe_that_does_not_return_is_a_stall_and_does_not_hold_the_rig(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.1)
    free = threading.Event()
    heart = Heart(50 * MS, lambda: {"1": int(free.wait(LONG_S))})
    (stall,) = heart.stop().stalls
    assert 90 * MS < stall.late_ns < LONG_S * 10**9
    free.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_probe_that_fails_is_a_stall() -> None:
    asked = threading.Event()

    def probe() -> Mapping[str, int]:
        asked.set()
        raise RuntimeError("no such process")

    heart = Heart(50 * MS, probe)
    assert asked.wait(LONG_S)
    time.sleep(0.06)
    assert [stall.cause for stall in heart.stop().stalls] == ["heartbeat"]


def test_nothing_is_left_running() -> None:
    before = set(threading.enumerate())
    FakeProbe({}, {}).heard(NEVER_NS)
    assert set(threading.enumerate()) == before


def schedstat(thread: str) -> list[int]:
    return [int(word) for word in Path(f"/proc/self/task/{thread}/schedstat").read_text().split()]


schedstats = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="this kernel has no /proc/PID/schedstat"
)


@schedstats
def test_the_wait_of_every_thread_is_what_the_kernel_counts() -> None:
    mine = str(os.getpid())
    before = schedstat(mine)
    waited = cpu_wait_of(os.getpid())()
    assert before[1] <= waited[mine] <= schedstat(mine)[1]
    assert set(waited) == set(os.listdir("/proc/self/task"))


def test_a_process_that_is_gone_has_no_threads() -> None:
    process = subprocess.Popen(["true"])
    process.wait(LONG_S)
    assert cpu_wait_of(process.pid)() == {}


@schedstats
def test_a_thread_that_ends_while_it_is_asked_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = [Path(f"/proc/self/task/{name}/schedstat") for name in (os.getpid(), "ended")]
    monkeypatch.setattr(Path, "glob", lambda *_: threads)
    assert set(cpu_wait_of(os.getpid())()) == {str(os.getpid())}
