"""The contract of tests/rig/observer_contract.py, for the observers of emulated boards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import pytest

pytest.register_assert_rewrite("tests.rig.observer_contract")
from rig.observers.qemu import (  # noqa: E402
    GPCLR0,
    GPFSEL0,
    GPIO_BASE,
    GPSET0,
    PINS,
    QemuObserver,
)
from rig.targets.qemu import Emulator  # noqa: E402
from rig.targets.virtual_pi import TRACE_EVENTS, VirtualPi  # noqa: E402
from tests.rig.observer_contract import ObserverContract, Subject, Subjects  # noqa: E402

LED = 25
LINES = tuple("led" if pin == LED else f"gpio{pin}" for pin in range(PINS))
HOUR_NS = 3600 * 10**9
OUTPUT = 1 << 3 * (LED % 10)


@dataclass
class Board:
    """The virtual Pi's machine with its CPUs stopped: pins that nobody else drives."""

    emulator: Emulator


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


OBSERVERS = {"qemu": qemu}


@pytest.fixture(params=OBSERVERS.values(), ids=OBSERVERS)
def subjects(request: pytest.FixtureRequest) -> Subjects:
    made: Subjects = request.param
    return made


class TestEveryObserver(ObserverContract):
    """All of the contract, for all of them."""
