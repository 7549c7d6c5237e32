"""A second virtual board that observes the first one, and the wires between the two.

A wire is a thread: it reads the trace of what the target writes to its pins and sets the
inputs of the second board. That board knows nothing of the trace; what it sees, its kernel
stamps and its gpiozero reports.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from rig.capture import Capture, Edge, Heartbeat, Instant, Stall
from rig.errors import ObserverError, TargetError
from rig.observers.gpiozero import AGENT, Budget, GpiozeroObserver, talk_to_agent
from rig.observers.heartbeat import Heart, cpu_wait_of
from rig.observers.qemu import GPIO_BASE, MARKER, POWER_IS_CUT, TraceReader
from rig.targets.qemu import Emulator, QTest
from rig.targets.second_board import SecondBoard
from rig.targets.shell import Talk
from rig.targets.virtual_pi import VirtualPi

AGENT_PATH = "/opt/rig/agent.py"


class Wires:
    """From pins of the target to inputs of the second board."""

    def __init__(self, target: Emulator, board: SecondBoard, pins: Mapping[int, int]) -> None:
        """`pins`: GPIO of the target -> line of the board. Make it before power-on."""
        self._board = board
        self._pins = dict(pins)
        self._target = target
        self._qtest: QTest | None = None
        self._markers = 0
        self._broken = ""
        self._lock = threading.Lock()
        self._worst_ns = 0
        self.trace = TraceReader(target.trace, self._carry)
        target.on_start.append(self._attach)
        target.on_power_cut.append(self._lose_power)

    def flush(self) -> int:
        """Wait until all that the target has done so far has arrived at the other end.

        Returns the longest delay in ns since the last call: from QEMU's stamp of the write to
        the moment at which the second board's QEMU had taken the level. Raises
        `ObserverError` if a wire is broken.
        """
        if self._qtest is None:
            raise ObserverError("the target is switched off")
        self._markers += 1
        self._qtest.write_register(GPIO_BASE + MARKER, self._markers)
        self.trace.wait_for_mark(self._markers)
        if self._broken:
            raise ObserverError(f"the wires to the second board are broken: {self._broken}")
        with self._lock:
            worst_ns, self._worst_ns = self._worst_ns, 0
        return worst_ns

    def close(self) -> None:
        """Stop carrying; safe to call at any time."""
        if self._qtest:
            self._qtest.close()
            self._qtest = None
        self.trace.close()

    def _attach(self) -> None:
        self._qtest = self._target.qtest(lambda *_: None)

    def _lose_power(self) -> None:
        if self._qtest:
            self._qtest.write_register(*POWER_IS_CUT)

    def _carry(self, time_ns: int, pin: int, level: int) -> None:
        if pin not in self._pins or self._broken:
            return
        try:
            self._board.drive(self._pins[pin], level)
        except TargetError as error:
            self._broken = str(error)
        with self._lock:
            self._worst_ns = max(self._worst_ns, time.time_ns() - time_ns)


class TwoBoardsObserver:
    """The gpiozero observer of a virtual Pi. Make it before the target is powered on."""

    def __init__(
        self,
        target: VirtualPi,
        wiring: Mapping[str, tuple[int, int]],
        budget: Budget,
        pull: str,
        boot_timeout_s: float,
        stall_ns: int,
    ) -> None:
        """`wiring`: name -> GPIO of the target and of the second board."""
        self._target = target
        self._budget = budget
        self._stall_ns = stall_ns
        self._heart: Heart | None = None
        self._ahead_ns = 0
        self.board = SecondBoard(boot_timeout_s)
        target.emulator.on_start.append(self._power_on)
        self.wires = Wires(target.emulator, self.board, dict(wiring.values()))
        inputs = {name: line for name, (_, line) in wiring.items()}
        self._gpiozero = GpiozeroObserver(self._start_agent, inputs, budget, pull)

    def connect(self) -> None:
        """Wait for the second board, which boots while the target does, and start its agent."""
        try:
            self.board.log_in()
        except TargetError as error:
            raise ObserverError(f"the second board: {error}") from error
        self._gpiozero.connect()
        self.wires.flush()

    def arm(self) -> None:
        """Start a capture, and watch whether this machine keeps both boards running."""
        self.wires.flush()
        self._gpiozero.arm()
        self._ahead_ns = self._gpiozero.now().time_ns - time.time_ns()
        waits = [cpu_wait_of(e.pid) for e in (self._target.emulator, self.board.emulator)]
        self._heart = Heart(self._stall_ns, lambda: {k: v for w in waits for k, v in w().items()})

    def now(self) -> Instant:
        """The second board's clock."""
        return self._gpiozero.now()

    def peek(self, after: int = 0) -> list[Edge]:
        """What the second board has sent so far."""
        return self._gpiozero.peek(after)

    def stop(self) -> Capture:
        """End the capture and seal it; a wire that took longer than its budget is a stall."""
        if self._heart is None:
            raise ObserverError("the observer was not armed")
        heartbeat, self._heart = self._heart.stop(), None
        worst_ns = self.wires.flush()
        capture = self._gpiozero.stop()
        return replace(capture, heartbeat=self._on_its_clock(heartbeat, worst_ns, capture.end_ns))

    def functions(self) -> dict[str, str]:
        """Nothing: a wire does not show which way a pin is set."""
        return self._gpiozero.functions()

    def close(self) -> None:
        """Detach and switch the second board off; safe to call at any time."""
        if self._heart:
            self._heart.stop()
            self._heart = None
        self._gpiozero.close()
        self.wires.close()
        self.board.close()

    def _power_on(self) -> None:
        try:
            self.board.start({AGENT_PATH: AGENT})
        except TargetError as error:
            raise ObserverError(f"the second board: {error}") from error

    def _start_agent(self, arguments: list[str]) -> Talk:
        return talk_to_agent(self.board.shell, AGENT_PATH, ["--chip", "0", *arguments])

    def _on_its_clock(self, heartbeat: Heartbeat, wire_ns: int, end_ns: int) -> Heartbeat:
        stalls = [replace(s, time_ns=s.time_ns + self._ahead_ns) for s in heartbeat.stalls]
        if wire_ns > self._budget.latency_ns:
            stalls.append(Stall(end_ns, wire_ns, "wire"))
        return replace(heartbeat, stalls=tuple(stalls))
