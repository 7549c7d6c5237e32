"""The second board for real: Debian's kernel, gpiozero, lgpio, and wires to the virtual Pi.

The virtual Pi's CPUs are stopped here, and its pins are moved through QEMU's register access:
what a booted one does is in robot/led.robot, which runs on benches/virtual-two-boards.yaml.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from rig.bench import GpiozeroObserver as Facts
from rig.bench import load_bench
from rig.capture import Capture, ClockKind
from rig.errors import ObserverError
from rig.identity import REPOSITORY
from rig.observers import gpiozero as module
from rig.observers.gpiozero import Budget, GpiozeroObserver, agent_on, talk_to_agent
from rig.observers.qemu import GPCLR0, GPFSEL0, GPIO_BASE, GPSET0
from rig.observers.two_boards import AGENT_PATH, TwoBoardsObserver, Wires
from rig.targets.console import Console
from rig.targets.qemu import Emulator
from rig.targets.second_board import SecondBoard
from rig.targets.virtual_pi import TRACE_EVENTS, VirtualPi

LED, NEIGHBOUR = 25, 24
SECOND = 1_000_000_000


@dataclass
class StoppedPi:
    """The virtual Pi's machine with its CPUs stopped."""

    emulator: Emulator
    wires: Wires | None = None
    """They have QEMU's only connection for register access."""

    def write(self, offset: int, value: int) -> None:
        assert self.wires
        assert self.wires._qtest
        self.wires._qtest.write_register(GPIO_BASE + offset, value)

    def drive(self, level: int, pin: int = LED) -> None:
        self.write(GPSET0 if level else GPCLR0, 1 << pin)

    def begin(self, wires: Wires) -> None:
        self.wires = wires
        self.emulator.start(("-M", "raspi3b"), TRACE_EVENTS)
        self.write(GPFSEL0 + 8, 1 << 3 * 5 | 1 << 3 * 4)


@pytest.fixture(scope="module")
def budget() -> Budget:
    """What the bench file says about this observer."""
    facts = load_bench(REPOSITORY / "benches" / "virtual-two-boards.yaml").observer
    assert isinstance(facts, Facts)
    return Budget(facts.accuracy_ppm, facts.latency_us * 1000)


@pytest.fixture(scope="module")
def pi() -> Iterator[StoppedPi]:
    stopped = StoppedPi(Emulator())
    yield stopped
    stopped.emulator.stop()


@pytest.fixture(scope="module")
def both(pi: StoppedPi, budget: Budget) -> Iterator[TwoBoardsObserver]:
    wiring = {"led": (LED, 5), "neighbour": (NEIGHBOUR, 6)}
    observer = TwoBoardsObserver(
        cast(VirtualPi, pi), wiring, budget, "floating", boot_timeout_s=300, stall_ns=5 * SECOND
    )
    pi.begin(observer.wires)
    observer.connect()
    yield observer
    observer.close()


@pytest.fixture
def second(both: TwoBoardsObserver, budget: Budget) -> Iterator[Callable[..., GpiozeroObserver]]:
    """Other agents on the board, while the one of the wires is closed."""
    both._gpiozero.close()
    made = []

    def start(*arguments: str, lines: dict[str, int] | None = None) -> GpiozeroObserver:
        observer = GpiozeroObserver(
            lambda more: talk_to_agent(both.board.shell, AGENT_PATH, [*arguments, *more]),
            lines or {"led": 5},
            budget,
        )
        made.append(observer)
        return observer

    yield start
    for observer in made:
        observer.close()
    both._gpiozero.connect()


def levels(capture: Capture, line: str = "led") -> list[int]:
    found: list[int] = capture.of_line(line)["level"].tolist()
    return found


def test_what_the_target_writes_the_other_kernel_stamps(
    pi: StoppedPi, both: TwoBoardsObserver, budget: Budget
) -> None:
    """Both views of one run agree within the uncertainty that the second one states."""
    both.arm()
    first = len(both.wires.trace.edges)
    for n in range(20):
        pi.drive(1 - n % 2)
        time.sleep(0.03)
    capture = both.stop()
    written = both.wires.trace.edges[first:]
    assert capture.is_complete
    assert levels(capture) == [level for _, _, level in written] == [1, 0] * 10
    assert (capture.clock.kind, capture.clock.latency_ns) == (ClockKind.KERNEL, budget.latency_ns)
    seen = capture.of_line("led")["time_ns"].tolist()
    for (a, b), ((c, *_), (d, *_)) in zip(pairwise(seen), pairwise(written), strict=True):
        assert abs((b - a) - (d - c)) <= capture.clock.interval_uncertainty_ns(b - a)


def test_a_wired_neighbour_is_seen_and_an_unwired_one_is_not(
    pi: StoppedPi, both: TwoBoardsObserver
) -> None:
    both.arm()
    for level in (1, 0):
        pi.drive(level, NEIGHBOUR)
        pi.drive(level, 23)
        time.sleep(0.05)
    capture = both.stop()
    assert capture.lines == ("led", "neighbour")
    assert (levels(capture), levels(capture, "neighbour")) == ([], [1, 0])


def test_a_line_that_is_high_at_the_start_is_seen_so(
    pi: StoppedPi, both: TwoBoardsObserver
) -> None:
    pi.drive(1)
    both.arm()
    pi.drive(0)
    capture = both.stop()
    assert capture.initial_levels == {"led": 1, "neighbour": 0}
    assert levels(capture) == [0]


def test_edges_faster_than_its_kernel_can_serve_them_are_known_to_be_lost(
    pi: StoppedPi, both: TwoBoardsObserver
) -> None:
    both.arm()
    for n in range(400):
        pi.drive(1 - n % 2)
    capture = both.stop()
    assert len(capture.edges) + capture.lost <= 400
    assert capture.is_complete == (levels(capture) == [1, 0] * 200)


def test_its_clock_is_known_to_the_rig(pi: StoppedPi, both: TwoBoardsObserver) -> None:
    both.arm()
    before = both.now()
    pi.drive(1)
    after = both.now()
    pi.drive(0)
    capture = both.stop()
    (stamp_ns, _) = capture.of_line("led")["time_ns"].tolist()
    assert before.time_ns - before.uncertainty_ns <= stamp_ns
    room_ns = capture.clock.latency_ns + capture.clock.resolution_ns
    assert stamp_ns <= after.time_ns + after.uncertainty_ns + room_ns


def test_a_wire_that_is_slower_than_its_budget_is_a_stall(
    pi: StoppedPi, both: TwoBoardsObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = both.board.drive

    def slowly(line: int, level: int) -> None:
        time.sleep(both._budget.latency_ns / 1e9)
        drive(line, level)

    monkeypatch.setattr(both.board, "drive", slowly)
    both.arm()
    pi.drive(1)
    pi.drive(0)
    capture = both.stop()
    assert levels(capture) == [1, 0]
    assert capture.heartbeat
    assert [stall.cause for stall in capture.heartbeat.stalls] == ["wire"]
    assert capture.start_ns <= capture.heartbeat.stalls[0].time_ns <= capture.end_ns


def test_the_lines_are_free_again_when_the_agent_is_closed(
    both: TwoBoardsObserver, second: Callable[..., GpiozeroObserver]
) -> None:
    holders = "cat /sys/kernel/debug/gpio"
    assert "lg" not in both.board.run(holders).output.split()
    observer = second()
    observer.connect()
    observer.arm()
    observer.close()
    assert "lg" not in both.board.run(holders).output.split()
    assert both.board.run("pidof python3; ls -A /tmp").output == ""


class RunningBoard(SecondBoard):
    """As a real second Pi is: it runs already, and stays on when the rig lets go."""

    def __init__(self, board: SecondBoard) -> None:
        self.board = board
        self.is_open = False

    @property
    def shell(self) -> Console:
        return self.board.shell

    def open(self, files: Mapping[str, Path]) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


def test_an_agent_is_sent_over_the_console_and_does_not_stay(
    pi: StoppedPi,
    both: TwoBoardsObserver,
    second: Callable[..., GpiozeroObserver],
    budget: Budget,
) -> None:
    board = RunningBoard(both.board)
    observer = GpiozeroObserver(agent_on(board), {"led": 5}, budget)
    observer.connect()
    observer.arm()
    for level in (1, 0):
        pi.drive(level)
        time.sleep(0.05)
    both.wires.flush()
    assert levels(observer.stop()) == [1, 0]
    assert board.is_open
    observer.close()
    assert not board.is_open
    assert both.board.run("pidof python3; ls -A /tmp").output == ""


def test_an_agent_that_dies_in_mid_run_is_an_error_and_a_new_one_starts(
    second: Callable[..., GpiozeroObserver],
) -> None:
    observer = second()
    observer.connect()
    observer.arm()
    observer._connected()._talk.write(b"\x1c")  # Ctrl-\, which the terminal makes SIGQUIT of
    with pytest.raises(ObserverError, match="it has ended"):
        observer.stop()
    observer.close()
    again = second()
    again.connect()
    again.arm()
    assert again.stop().is_complete


def test_a_line_in_use_is_refused_with_its_holder(
    both: TwoBoardsObserver, second: Callable[..., GpiozeroObserver]
) -> None:
    base = both.board.run("cat /sys/class/gpio/gpiochip*/base").output.strip()
    both.board.run(f"echo {int(base) + 5} > /sys/class/gpio/export")
    try:
        with pytest.raises(ObserverError, match=r"GPIO 5: .*busy.*; it is in use by 'sysfs'"):
            second().connect()
    finally:
        both.board.run(f"echo {int(base) + 5} > /sys/class/gpio/unexport")


def test_a_chip_that_is_not_there_is_refused_with_those_that_are(
    second: Callable[..., GpiozeroObserver],
) -> None:
    with pytest.raises(ObserverError, match=r"GPIO chip 3.*there are: gpiochip0"):
        second("--chip", "3").connect()


def test_a_board_that_does_not_boot_in_time_is_an_error_and_leaves_nothing(budget: Budget) -> None:
    stopped = StoppedPi(Emulator())
    observer = TwoBoardsObserver(
        cast(VirtualPi, stopped), {"led": (LED, 5)}, budget, "floating", 0.1, 5 * SECOND
    )
    try:
        stopped.begin(observer.wires)
        process = observer.board.emulator.pid
        with pytest.raises(ObserverError, match=r"the second board: no login prompt within 0\.1 s"):
            observer.connect()
    finally:
        observer.close()
        stopped.emulator.stop()
    assert not Path(f"/proc/{process}").exists()
    assert not observer.board.emulator.folder.exists()


def test_a_board_that_dies_in_mid_run_is_an_error_within_bounded_time(
    pi: StoppedPi, both: TwoBoardsObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this module: nothing is left of the board."""
    monkeypatch.setattr(module, "SILENCE_S", 1.0)
    both.arm()
    both.board.emulator.stop()
    with pytest.raises(ObserverError):
        both.stop()
    both.close()
    both.close()
