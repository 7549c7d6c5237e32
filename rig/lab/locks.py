"""One run at a time on a board: locks that end with the process that holds them.

A lock is a socket with a name in the kernel's abstract namespace (unix(7)): no file that could
stay behind, and the kernel takes it away however its holder ends. It holds on this machine only;
where runs come from several, a labgrid lab keeps them apart.
"""

import contextlib
import errno
import os
import socket
import struct
from datetime import datetime
from pathlib import Path

from rig import bench
from rig.errors import HoldError

_PREFIX = "\0unikernel-led-rig "
_LONGEST_NAME = 107
"""Bytes in an address of a Unix socket, less the zero that makes it abstract."""
_ANSWER_TIMEOUT_S = 2


class Lock:
    """The lock of one board. Opened at once or not at all."""

    def __init__(self, board: str, bench_name: str) -> None:
        """Raises `HoldError`, which says who has it, if somebody has."""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.bind(_address(board))
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            if error.errno != errno.EADDRINUSE:
                raise HoldError(f"bench {bench_name}: cannot lock {board}: {error}") from error
            raise HoldError(
                f"bench {bench_name}: {board} is in use by {_holder(board)}; wait for its end, "
                "or end it"
            ) from error

    def close(self) -> None:
        """Let the next one have the board."""
        self._socket.close()


def boards_of(facts: bench.Bench) -> list[str]:
    """What a run on this bench must have for itself; a virtual board is made for each run.

    An analyzer, and a line of a second Pi, refuse a second user by themselves.
    """
    ways = [facts.target, getattr(facts.observer, "via", None)]
    return list(dict.fromkeys(name for way in ways if (name := _name(way))))


def _name(way: object) -> str | None:
    match way:
        case bench.Ssh():
            return f"{way.host}:{way.port}"
        case bench.Serial():
            return os.path.realpath(way.port) if way.port.startswith("/") else way.port
    return None


def _address(board: str) -> bytes:
    return f"{_PREFIX}{board}".encode()[:_LONGEST_NAME]


def _holder(board: str) -> str:
    """Process, since when it runs, and its command line, as far as the kernel tells."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(_ANSWER_TIMEOUT_S)
        asking.connect(_address(board))
        told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return _described(struct.unpack("3i", told)[0])
    return "a process that has just ended"


def _described(pid: int) -> str:
    folder = Path(f"/proc/{pid}")
    try:
        since = datetime.fromtimestamp(started_at(pid)).isoformat(" ", "seconds")
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return f"process {pid}"
    return f"process {pid}, which runs since {since}: {command.strip()[:200]}"


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot: field 22 of its stat file, proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19])


def started_at(pid: int) -> float:
    """When a process started, in seconds of this machine's wall clock."""
    lines = Path("/proc/stat").read_text().splitlines()
    boot_s = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return boot_s + start_ticks(pid) / os.sysconf("SC_CLK_TCK")
