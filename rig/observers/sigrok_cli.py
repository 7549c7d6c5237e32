"""The program `sigrok-cli`: what it finds, and one acquisition while it runs.

It is given no chance to outlive the rig: its own process group, which the kernel ends when
the rig is gone, and an end within bounded time in every other case.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rig.errors import ObserverError
from rig.samples import EdgeFinder, joined

PROGRAM = "sigrok-cli"
ANSWER_TIMEOUT_S = 20
"""Uploading an analyzer's firmware and its coming back on the bus take some seconds."""
END_TIMEOUT_S = 3
MOST_EDGES = 20_000_000
"""300 MB; a line with an LED on it makes some thousand."""

_DIE_WITH_THE_RIG = ("setpriv", "--pdeathsig", "KILL", "--")
_READ_BYTES = 1 << 20
_GATHER_S = 0.005
"""Between two reads, so that they are few and large; at 24 MB/s a pipe of 1 MiB fills in 40 ms."""
_DEVICE = re.compile(
    r"^[a-z0-9-]+(?::conn=(?P<connection>\S+))? - "
    r"(?P<name>.*?)with \d+ channels?: (?P<channels>.+)$"
)
_SERIAL = re.compile(r"\[S/N: (.*?)\]")


@dataclass(frozen=True)
class Device:
    """One device, as `sigrok-cli --scan` lists it."""

    line: str
    """What it printed, for people."""
    connection: str
    """Value of the driver's option `conn`; empty for a device that is on no bus."""
    serial: str
    """Empty if it has none."""
    channels: tuple[str, ...]
    """In order: the first has the lowest bit of a sample."""


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end. Raises `ObserverError` if it is missing or does not end."""
    try:
        return subprocess.run(
            [*_DIE_WITH_THE_RIG, _installed(), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_TIMEOUT_S,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        command = " ".join((PROGRAM, *arguments))
        raise ObserverError(f"{command}: no answer within {ANSWER_TIMEOUT_S} s") from error


def scan(driver: str) -> tuple[list[Device], str]:
    """The devices that a driver finds, and what it complained about.

    `driver` may have options, as in `fx2lafw:conn=1.5`.
    """
    done = run("--driver", driver, "--scan")
    lines = done.stdout.decode(errors="replace").splitlines()
    return [device for line in lines if (device := parse_device(line))], words_of(done.stderr)


def parse_device(line: str) -> Device | None:
    """One line of `--scan`; None if it tells of no device."""
    if not (found := _DEVICE.match(line)):
        return None
    serial = _SERIAL.search(found["name"])
    return Device(
        line=line,
        connection=found["connection"] or "",
        serial=serial[1] if serial else "",
        channels=tuple(found["channels"].split()),
    )


def words_of(stderr: bytes) -> str:
    """What it said last, in one line; empty if nothing."""
    lines = stderr[-2000:].decode(errors="replace").strip().splitlines()
    return "; ".join(line.strip() for line in lines[-4:])


class Stream:
    """One acquisition: samples come in and become edges until it is stopped."""

    def __init__(self, arguments: Sequence[str], finder: EdgeFinder) -> None:
        """Starts `sigrok-cli` with `arguments`, whose samples `finder` reads."""
        self.finder = finder
        self.ended = False
        """No samples come any more."""
        self.flooded = False
        """There are more edges than a run can have; the later ones are not kept."""
        self.arrived_ns = 0
        """When the newest samples came; on `host_ns`, as are the other times."""
        self._edges: list[NDArray[np.void]] = []
        self._number_of_edges = 0
        self._news = threading.Condition()
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        self._status: int | None = None
        self._closing = False
        self.launched_ns = host_ns()
        """Sample 0 was taken after this."""
        self.latest_start_ns = self.launched_ns + (1 << 62)
        """And before this, by the earliest arrival of any sample."""
        self._process = self._start(arguments)
        self._thread = threading.Thread(target=self._read, name="samples", daemon=True)
        self._thread.start()

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*_DIE_WITH_THE_RIG, _installed(), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._messages,
                bufsize=0,
                start_new_session=True,
            )
        except BaseException:
            self._messages.close()
            raise

    def wait_for(self, what: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `what` holds, or it never can; whether it does. Asked when samples came."""
        with self._news:
            self._news.wait_for(lambda: what() or self.ended or self.flooded, timeout_s)
            return what()

    def newest_ns(self) -> int:
        """When the newest sample was taken, counted from sample 0."""
        return self.finder.end_ns

    def late_ns(self) -> int:
        """How much later than the quickest the newest samples came.

        Samples that are missing make all that follow late, for good; a busy host makes
        some of them late, for a while.
        """
        return self.arrived_ns - self.newest_ns() - self.latest_start_ns

    def edges(self) -> tuple[NDArray[np.void], int]:
        """The edges so far, and the time of the newest sample that they come from."""
        with self._news:
            return joined(self._edges), self.newest_ns()

    def words(self) -> str:
        """What `sigrok-cli` complained about, in one line."""
        file = self._messages.fileno()
        # It writes at the place where a plain read would stop: the two have one position.
        return words_of(os.pread(file, os.fstat(file).st_size, 0))

    def close(self) -> int | None:
        """End the acquisition and the process, in order if that is possible; safe twice.

        Returns its exit status if it ended by itself or when asked to; None if it had to be
        killed.
        """
        if not self._closing:
            self._closing = True
            self._status = self._end_in_order()
            with contextlib.suppress(ProcessLookupError):  # what of the group has outlived it
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=END_TIMEOUT_S)
            self._thread.join(timeout=END_TIMEOUT_S)
            for file in (_file(self._process.stdin), _file(self._process.stdout), self._messages):
                file.close()
        return self._status

    def _end_in_order(self) -> int | None:
        """Any key ends a continuous acquisition, and lets go of the analyzer."""
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            os.write(_file(self._process.stdin).fileno(), b"\n")
        try:
            return self._process.wait(timeout=END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return None

    def _read(self) -> None:
        try:
            self._read_to_the_end(_file(self._process.stdout).fileno())
        finally:
            with self._news:
                self.ended = True
                self._news.notify_all()

    def _read_to_the_end(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):  # a user may have no more room for pipes
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _READ_BYTES)
        buffer = memoryview(bytearray(_READ_BYTES))
        with FileIO(descriptor, closefd=False) as samples:
            while size := samples.readinto(buffer):
                if not self._closing:
                    self._take(buffer[:size])
                    time.sleep(_GATHER_S)

    def _take(self, chunk: memoryview) -> None:
        arrived_ns = host_ns()
        with self._news:
            edges = self.finder.feed(chunk)
            self._keep(edges)
            self.arrived_ns = arrived_ns
            if self.finder.samples:
                start_ns = arrived_ns - self.newest_ns()
                self.latest_start_ns = min(self.latest_start_ns, start_ns)
            self._news.notify_all()

    def _keep(self, edges: NDArray[np.void]) -> None:
        self._number_of_edges += len(edges)
        self.flooded = self._number_of_edges > MOST_EDGES
        if len(edges) and not self.flooded:
            self._edges.append(edges)


def host_ns() -> int:
    """This host's time, on a clock that nobody can set and that goes on while it sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _installed() -> str:
    path = shutil.which(PROGRAM)
    if path is None:
        raise ObserverError(
            f"{PROGRAM} is not installed; on Debian: apt-get install sigrok-cli, and for "
            "analyzers with an FX2 also sigrok-firmware-fx2lafw"
        )
    return path


def _file(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ObserverError(f"{PROGRAM} has no pipe")
    return pipe
