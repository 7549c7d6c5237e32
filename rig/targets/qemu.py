"""One QEMU process: started stopped, driven through QMP and qtest, ended for sure.

Nothing here knows what the machine is. The process dies with the rig, however
the rig ends, and is out of reach of a terminal's Ctrl-C so that the rig can end
it in order.
"""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

from rig.errors import TargetError

QEMU = "qemu-system-aarch64"
START_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 10
_PREFIX = "rig-qemu-"


class Emulator:
    """A QEMU process and the private folder of its sockets."""

    def __init__(self) -> None:
        """Makes the folder; `start` makes the process."""
        _sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self.trace = self.folder / "trace"
        """A FIFO; somebody must read it before and while QEMU runs."""
        os.mkfifo(self.trace)
        self.on_start: list[Callable[[], None]] = []
        """Called when QEMU answers and before its first instruction."""
        self.on_power_cut: list[Callable[[], None]] = []
        """Called when the power is cut: nothing runs any more, and nothing is reset yet."""
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: QEMUMonitorProtocol | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, arguments: Sequence[str], trace_events: Sequence[str]) -> None:
        """Start QEMU with its CPUs stopped.

        Raises `TargetError` if QEMU is missing or refuses the arguments.
        """
        if not shutil.which(QEMU):
            raise TargetError(f"{QEMU} is not installed; `make setup` installs it")
        with (self.folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_die_with_the_rig(), QEMU, *self._own_arguments(trace_events), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._qmp = self._connect_qmp()
        for attach in self.on_start:
            attach()

    def command(self, name: str, **arguments: object) -> Any:
        """Run one QMP command and return its answer. Raises `TargetError`."""
        if self._qmp is None:
            raise TargetError("QEMU is not running")
        try:
            return self._qmp.cmd(name, **arguments)
        except (QMPError, OSError, EOFError) as error:
            raise TargetError(f"QMP {name}: {error}{self._last_words()}") from error

    def cut_power(self) -> None:
        """Stop the machine for good and reset it; the QMP command `cont` starts it afresh."""
        self.command("stop")
        for tell in self.on_power_cut:
            tell()
        if self._qmp:
            self._qmp.clear_events()
        self.command("system_reset")
        self._wait_for_event("RESET")

    def qtest(self, on_irq: Callable[[int, int], None]) -> "QTest":
        """A connection to the qtest socket; `on_irq` gets (output number, level)."""
        return QTest(self.folder / "qtest", on_irq)

    def stop(self) -> None:
        """End the process and remove the folder; safe to call at any time."""
        if self._process:
            _end(self._process)
            self._process = None
        if self._qmp:
            with contextlib.suppress(QMPError, OSError, EOFError):  # its peer has just died
                self._qmp.close()
            self._qmp = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_for_event(self, name: str) -> None:
        """The reset is carried out after its command was answered."""
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while self._qmp and (left_s := deadline - time.monotonic()) > 0:
            with contextlib.suppress(asyncio.TimeoutError):
                event = self._qmp.pull_event(wait=left_s)
                if event and event["event"] == name:
                    return
        raise TargetError(f"QEMU does not tell of its {name} within {ANSWER_TIMEOUT_S} s")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or not self.is_running:
            raise TargetError(f"QEMU is not running{self._last_words()}")
        return self._process

    def _own_arguments(self, trace_events: Sequence[str]) -> list[str]:
        events = [word for event in trace_events for word in ("-trace", event)]
        # Whatever opens the trace waits until somebody reads it, and nobody does without events.
        trace = ["-msg", "timestamp=on", *events, "-D", str(self.trace)] if events else []
        return [
            *("-S", "-display", "none", "-monitor", "none"),
            *("-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"),
            *("-qtest", f"unix:{self.folder}/qtest,server=on,wait=off", "-qtest-log", "none"),
            *trace,
        ]

    def _connect_qmp(self) -> QEMUMonitorProtocol:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            self._running()
            if qmp := _connected(self.folder / "qmp"):
                return qmp
            time.sleep(0.01)
        raise TargetError(f"QEMU does not answer within {START_TIMEOUT_S} s{self._last_words()}")

    def _last_words(self) -> str:
        log = self.folder / "qemu.log"
        words = log.read_text(errors="replace").strip() if log.exists() else ""
        return f"; QEMU said: {words[-500:]}" if words else ""


class QTest:
    """QEMU's register access from outside, and its interception of output lines."""

    def __init__(self, path: Path, on_irq: Callable[[int, int], None]) -> None:
        """Connects to the socket at `path`."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._socket.connect(str(path))
        self._socket.settimeout(None)
        self._on_irq = on_irq
        self._answers: Queue[str] = Queue()
        self._lock = threading.Lock()
        threading.Thread(target=self._read, name="qtest", daemon=True).start()

    def read_register(self, address: int) -> int:
        """Read 32 bits of the machine's physical memory map."""
        return int(self._ask(f"readl {address:#x}"), 16)

    def write_register(self, address: int, value: int) -> None:
        """Write 32 bits into the machine's physical memory map."""
        self._ask(f"writel {address:#x} {value:#x}")

    def intercept_outputs(self, device: str) -> None:
        """Report every change that `device` makes on its output lines."""
        self._ask(f"irq_intercept_out {device}")

    def set_input(self, device: str, number: int, level: int) -> None:
        """Drive an input line of `device`, a path as `qom-list` gives it."""
        self._ask(f"set_irq_in {device} unnamed-gpio-in {number} {level}")

    def close(self) -> None:
        """Disconnect; the reading thread ends with the connection."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _ask(self, line: str) -> str:
        try:
            with self._lock:
                self._socket.sendall(line.encode() + b"\n")
                answer = self._answers.get(timeout=ANSWER_TIMEOUT_S)
        except (Empty, OSError) as error:
            raise TargetError(f"QEMU's qtest does not answer {line!r}") from error
        if not answer.startswith("OK"):
            raise TargetError(f"QEMU's qtest answers {line!r} with {answer!r}")
        return answer.removeprefix("OK").strip() or "0"

    def _read(self) -> None:
        # A QEMU that dies resets the connection; whoever asks then need not wait for an answer.
        with contextlib.suppress(OSError), self._socket.makefile() as lines:
            for line in lines:
                if event := re.match(r"IRQ (raise|lower) (\d+)", line):
                    self._on_irq(int(event[2]), int(event[1] == "raise"))
                else:
                    self._answers.put(line.strip())
        self._answers.put("the end of its connection")


def _connected(path: Path) -> QEMUMonitorProtocol | None:
    """A connection to QEMU's monitor, or None if it does not listen yet."""
    if not path.exists():
        return None
    qmp = QEMUMonitorProtocol(str(path))
    qmp.settimeout(ANSWER_TIMEOUT_S)
    try:
        qmp.connect()
    except (QMPError, OSError):
        qmp.close()
        return None
    return qmp


def _sweep() -> None:
    """Remove folders of rigs that were killed and could not do it themselves."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}[0-9]*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _die_with_the_rig() -> list[str]:
    """The kernel kills the process when the rig's thread that started it is gone."""
    return ["setpriv", "--pdeathsig", "KILL", "--"]


def _end(process: subprocess.Popen[bytes]) -> None:
    """QEMU can ignore SIGTERM while it writes where nobody reads."""
    process.terminate()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)
