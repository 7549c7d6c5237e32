"""The wires between two virtual boards: what they carry, how late, and when one breaks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rig.errors import ObserverError, TargetError
from rig.observers.qemu import GPCLR0, GPFSEL0, GPIO_BASE, GPSET0
from rig.observers.two_boards import Wires
from rig.targets.qemu import Emulator
from rig.targets.second_board import SecondBoard

LED, OTHER = 25, 24
LATE_NS = 3_000_000


class FakeTarget:
    """QEMU's trace and register access, without QEMU."""

    def __init__(self, folder: Path) -> None:
        self.trace = folder / "trace"
        os.mkfifo(self.trace)
        self.on_start: list[Callable[[], None]] = []
        self.on_power_cut: list[Callable[[], None]] = []
        self.now_ns = 1_000_000_000_000
        self.closed = False

    def qtest(self, on_irq: object) -> FakeTarget:
        return self

    def write_register(self, address: int, value: int) -> None:
        seconds, micros = divmod(self.now_ns // 1000, 1_000_000)
        line = (
            f"1@{seconds}.{micros:06d}:memory_region_ops_write cpu 0 mr 0x0 addr {address:#x} "
            f"value {value:#x} size 4 name 'bcm2835_gpio'\n"
        )
        with self.trace.open("wb", buffering=0) as fifo:
            fifo.write(line.encode())

    def close(self) -> None:
        self.closed = True

    def write(self, offset: int, value: int) -> None:
        self.write_register(GPIO_BASE + offset, value)


class FakeBoard:
    def __init__(self) -> None:
        self.driven: list[tuple[int, int]] = []
        self.fails = ""

    def drive(self, line: int, level: int) -> None:
        if self.fails:
            raise TargetError(self.fails)
        self.driven.append((line, level))


@pytest.fixture
def target(tmp_path: Path) -> FakeTarget:
    return FakeTarget(tmp_path)


@pytest.fixture
def board() -> FakeBoard:
    return FakeBoard()


@pytest.fixture
def wires(target: FakeTarget, board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wires]:
    clock = SimpleNamespace(time_ns=lambda: target.now_ns + LATE_NS)
    monkeypatch.setattr("rig.observers.two_boards.time", clock)
    made = Wires(cast(Emulator, target), cast(SecondBoard, board), {LED: 5})
    for attach in target.on_start:
        attach()
    target.write(GPFSEL0 + 8, 1 << 3 * 5 | 1 << 3 * 4)
    yield made
    made.close()


def test_a_wire_carries_its_pin_and_no_other(
    wires: Wires, target: FakeTarget, board: FakeBoard
) -> None:
    for offset in (GPSET0, GPCLR0):
        target.write(offset, 1 << LED)
        target.write(offset, 1 << OTHER)
    wires.flush()
    assert board.driven == [(5, 1), (5, 0)]


def test_a_line_that_is_released_goes_dark(
    wires: Wires, target: FakeTarget, board: FakeBoard
) -> None:
    target.write(GPSET0, 1 << LED)
    target.write(GPFSEL0 + 8, 0)
    wires.flush()
    assert board.driven == [(5, 1), (5, 0)]


def test_the_worst_delay_is_told_once(wires: Wires, target: FakeTarget) -> None:
    target.write(GPSET0, 1 << LED)
    assert wires.flush() == LATE_NS
    assert wires.flush() == 0


def test_a_broken_wire_is_an_error_and_does_not_block_the_target(
    wires: Wires, target: FakeTarget, board: FakeBoard
) -> None:
    board.fails = "QEMU's qtest does not answer"
    for _ in range(3):
        target.write(GPSET0, 1 << LED)
        target.write(GPCLR0, 1 << LED)
    with pytest.raises(ObserverError, match="wires to the second board are broken: QEMU's qtest"):
        wires.flush()
    assert board.driven == []


def test_a_target_that_is_off_is_an_error(target: FakeTarget, board: FakeBoard) -> None:
    made = Wires(cast(Emulator, target), cast(SecondBoard, board), {LED: 5})
    with pytest.raises(ObserverError, match="switched off"):
        made.flush()
    made.close()
    made.close()


def test_to_close_them_lets_go_of_the_target(wires: Wires, target: FakeTarget) -> None:
    wires.close()
    assert target.closed
    cast(Any, wires).close()
