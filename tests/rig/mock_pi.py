"""A second Pi whose pins are gpiozero's own mock pins, with the real agent in a thread."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from typing import Any

from gpiozero.pins.mock import MockFactory

from rig.errors import TargetError
from rig.observers import agent
from rig.observers.gpiozero import Budget, GpiozeroObserver

WIRING = {"led": 5, "other": 6}
BUDGET = Budget(accuracy_ppm=100.0, latency_ns=50_000)


class MockKernel:
    """Counts what was driven, also what gpiozero does not get to see."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(WIRING.values(), 0)

    def edges(self, lines: list[int]) -> dict[int, int] | None:
        return {line: self.counts[line] for line in lines}

    def holder(self, line: int) -> str:
        return "; it is in use by 'somebody'"


class MockPi:
    """Drives the pins; its agent is started and ended by the observer."""

    def __init__(self, kernel: MockKernel | None = None) -> None:
        self.factory = MockFactory()
        self.kernel = kernel
        self.talk: PipeTalk | None = None
        self.observer = GpiozeroObserver(self.start, WIRING, BUDGET)

    def start(self, arguments: list[str]) -> PipeTalk:
        assert arguments == ["--lines", "5,6", "--pull", "floating"]
        kernel: Any = self.kernel
        clock = agent.SecondsClock(self.factory)
        pins = agent.Pins(self.factory, clock, list(WIRING.values()), "floating", kernel)
        self.talk = PipeTalk(pins)
        return self.talk

    def drive(self, level: int, line: str = "led") -> None:
        pin = self.factory.pin(WIRING[line])
        if pin.state == level:
            return
        if self.kernel:
            self.kernel.counts[WIRING[line]] += 1
        pin.drive_high() if level else pin.drive_low()

    def drive_unseen(self, level: int, line: str = "led") -> None:
        """As when lgpio's queue is full: the kernel counts, and nobody is told."""
        pin = self.factory.pin(WIRING[line])
        handler, pin.when_changed = pin.when_changed, None
        self.drive(level, line)
        pin.when_changed = handler


class PipeTalk:
    """The agent as a thread, spoken with through pipes. Its lines can be spoilt on their way."""

    def __init__(self, pins: agent.Pins) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self.spoil = lambda data: data
        self.agent = agent.Agent(orders, answers)
        self.thread = threading.Thread(target=self._serve, args=(pins, orders, answers))
        self.thread.start()

    def _serve(self, pins: agent.Pins, orders: int, answers: int) -> None:
        try:
            self.agent.say({"hello": {"clock": "kernel", "resolution_ns": 53}})
            self.agent.serve(pins)
        finally:
            pins.close()
            os.close(orders)
            os.close(answers)

    def write(self, data: bytes) -> None:
        os.write(self._orders, data)

    def read(self, timeout_s: float) -> bytes:
        ready, _, _ = select.select([self._answers], [], [], timeout_s)
        data = os.read(self._answers, 1 << 16) if ready else b""
        if ready and not data:
            raise TargetError("it has ended")
        return self.spoil(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._orders)
        self.thread.join(timeout=10)
        with contextlib.suppress(OSError):
            os.close(self._answers)
