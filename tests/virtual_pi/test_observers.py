"""The contract of tests/rig/observer_contract.py, for the observers of emulated boards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pytest

pytest.register_assert_rewrite("tests.rig.observer_contract")
from rig.bench import GpiozeroObserver as GpiozeroFacts  # noqa: E402
from rig.bench import load_bench  # noqa: E402
from rig.capture import Clock, ClockKind  # noqa: E402
from rig.identity import REPOSITORY  # noqa: E402
from rig.observers.gpiozero import Budget  # noqa: E402
from rig.observers.qemu import (  # noqa: E402
    CLOCK_ACCURACY_PPM,
    GPCLR0,
    GPFSEL0,
    GPIO_BASE,
    GPSET0,
    PINS,
    RESOLUTION_NS,
    QemuObserver,
)
from rig.observers.two_boards import TwoBoardsObserver  # noqa: E402
from rig.targets.qemu import Emulator  # noqa: E402
from rig.targets.virtual_pi import TRACE_EVENTS, VirtualPi  # noqa: E402
from tests.rig.observer_contract import ObserverContract, Subject, Subjects, levels  # noqa: E402

LED = 25
LINES = tuple("led" if pin == LED else f"gpio{pin}" for pin in range(PINS))
HOUR_NS = 3600 * 10**9
OUTPUT = 1 << 3 * (LED % 10)


@dataclass
class Board:
    """The virtual Pi's machine with its CPUs stopped: pins that nobody else drives."""

    emulator: Emulator
    time_lapse: bool = False


@contextmanager
def qemu() -> Iterator[Subject]:
    """QEMU's own view of the pins, moved through QEMU's register access."""
    emulator = Emulator()
    observer = QemuObserver(cast(VirtualPi, Board(emulator)), LINES, HOUR_NS)
    try:
        emulator.start(("-M", "raspi3b"), TRACE_EVENTS)
        write(observer, GPFSEL0 + LED // 10 * 4, OUTPUT)
        yield Subject(
            observer,
            "led",
            lambda level: write(observer, GPSET0 if level else GPCLR0, 1 << LED),
            lambda: lose_next_write(observer),
        )
    finally:
        emulator.stop()
        observer.close()


def write(observer: QemuObserver, offset: int, value: int) -> None:
    observer._connected().write_register(GPIO_BASE + offset, value)


def lose_next_write(observer: QemuObserver) -> None:
    """As if QEMU had not traced it."""
    take, trace = observer._trace._take, observer._trace

    def forget(time_ns: int, offset: int, value: int) -> None:
        trace._take = take  # type: ignore[method-assign]

    trace._take = forget  # type: ignore[method-assign]


@contextmanager
def powered_two_boards() -> Iterator[Subject]:
    """A second virtual board, booted and connected, that watches a virtual Pi's pins."""
    bench = load_bench(REPOSITORY / "benches" / "virtual-two-boards.yaml")
    assert isinstance(bench.observer, GpiozeroFacts)
    budget = Budget(bench.observer.accuracy_ppm, bench.observer.latency_us * 1000)
    emulator, wiring = Emulator(), {"led": (LED, bench.observer.wiring["led"])}
    observer = TwoBoardsObserver(
        cast(VirtualPi, Board(emulator)), wiring, budget, "floating", 300, bench.limits.stall_ns
    )
    wires = observer.wires

    def write(offset: int, value: int) -> None:
        assert wires._qtest
        wires._qtest.write_register(GPIO_BASE + offset, value)

    def drive(level: int) -> None:
        """Returns when the second board's CPU has run since, so that its kernel knows."""
        write(GPSET0 if level else GPCLR0, 1 << LED)
        wires.flush()
        observer.now()

    try:
        emulator.start(("-M", "raspi3b"), TRACE_EVENTS)
        write(GPFSEL0 + LED // 10 * 4, OUTPUT)
        observer.connect()
        yield Subject(observer, "led", drive, wait=lambda: None)
    finally:
        emulator.stop()
        observer.close()


OBSERVERS = {"qemu": qemu}


@pytest.fixture(params=OBSERVERS.values(), ids=OBSERVERS)
def subjects(request: pytest.FixtureRequest) -> Subjects:
    made: Subjects = request.param
    return made


class TestEveryObserver(ObserverContract):
    """All of the contract, for all of them."""


class Kept:
    """An observer that stays connected, because it takes half a minute to become so."""

    def __init__(self, observer: TwoBoardsObserver) -> None:
        self.arm, self.now, self.stop = observer.arm, observer.now, observer.stop
        self.functions, self.peek = observer.functions, observer.peek

    def connect(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def two_boards() -> Iterator[Subject]:
    with powered_two_boards() as subject:
        yield subject


class TestTwoBoards(ObserverContract):
    """The contract but for connecting and closing: tests/rig has that for the same agent."""

    test_to_arm_what_is_not_connected_is_an_error_of_the_bench = None  # type: ignore[assignment]
    test_nothing_is_left_however_it_is_closed = None  # type: ignore[assignment]

    @pytest.fixture
    def subject(self, two_boards: Subject) -> Subject:  # type: ignore[override]
        observer = two_boards.observer
        assert isinstance(observer, TwoBoardsObserver)
        return replace(two_boards, observer=Kept(observer))


def test_two_views_of_one_run_agree_within_what_both_state(two_boards: Subject) -> None:
    """QEMU's trace on one side; wire, kernel, lgpio and gpiozero on the other.

    The trace drives the wire, so this is about times, not about edges that the trace missed.
    The offset between their clocks is not known, so what must fit is every interval.
    """
    observer, drive = two_boards.observer, two_boards.driven()
    assert isinstance(observer, TwoBoardsObserver)
    trace = observer.wires.trace
    first = len(trace.edges)
    observer.arm()
    for number in range(40):
        drive(1 - number % 2)
    capture = observer.stop()
    written, delays_ns = trace.edges[first:], trace.read_delays[first:]
    assert levels(capture, "led") == [level for _, _, level in written]
    apart_ns = np.ptp(
        capture.of_line("led")["time_ns"] - np.array([stamp for stamp, _, _ in written])
    )
    trace_clock = Clock(ClockKind.EMULATOR, RESOLUTION_NS, CLOCK_ACCURACY_PPM, max(delays_ns))
    span_ns = written[-1][0] - written[0][0]
    room_ns = sum(c.interval_uncertainty_ns(span_ns) for c in (trace_clock, capture.clock))
    assert capture.heartbeat is not None
    assert apart_ns <= room_ns or capture.heartbeat.stalls, "a bench that is too slow says so"
