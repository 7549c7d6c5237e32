"""A shell on a target, over whatever line: commands, and files that arrive whole or not at all."""

import contextlib
import hashlib
import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rig.errors import TargetError

MOST_ATTEMPTS = 3
"""So often a file is sent before the line is said to be bad."""

_PART = ".rig-part"
"""Ends the temporary name of a file on its way."""
_HASH_TIMEOUT_S = 60


def part_of(target: str) -> str:
    """The temporary name of a file on its way to `target`."""
    return str(Path(target).with_name(f".{Path(target).name}{_PART}"))


class BrokenLineError(TargetError):
    """The line to a target failed, or what arrived is not what was sent; trying again may help."""


@dataclass(frozen=True)
class Result:
    """What one command did."""

    status: int
    output: str
    """Standard output and standard error, in the order in which they were written."""
    started_ns: int
    """CLOCK_REALTIME of this host just before the command was sent."""
    ended_ns: int
    """... and after its status had arrived."""


class Talk(Protocol):
    """A program on the target that is spoken with while it runs.

    What breaks in between is a `TargetError`. Every wait is bounded.
    """

    def write(self, data: bytes) -> None:
        """To its standard input."""

    def read(self, timeout_s: float) -> bytes:
        """What has come from its standard output; empty if nothing did within `timeout_s`."""

    def close(self) -> None:
        """End the program; safe to call at any time."""


class Shell(ABC):
    """A POSIX shell that runs one command at a time. What does not work is a `TargetError`."""

    @abstractmethod
    def run(self, command: str, timeout_s: float = 10) -> Result:
        """Run a shell command to its end, in a shell of its own and with nothing to read.

        A command that does not end in time is ended, as it is by a Ctrl-C at the rig.
        """

    def talk(self, command: str) -> Talk:
        """Start a program to speak with; nothing else may be run until it is closed."""
        raise TargetError(f"no program can be spoken with over a {type(self).__name__} yet")

    @abstractmethod
    def send(self, data: bytes, path: str) -> None:
        """Write `data` into a file of a folder that is there, over whatever is in it.

        Raises `BrokenLineError` if the line failed, any other `TargetError` if the
        target refused. Whoever calls this compares what has arrived.
        """

    def put(self, source: Path, target: str) -> None:
        """Copy a file onto the target, executable, unless it lies there already.

        It is sent under a temporary name, compared by its SHA-256 and only then renamed, so
        that nothing is ever half installed. A transfer that broke is tried again.
        """
        data, folder = source.read_bytes(), str(Path(target).parent)
        self.make_folder(folder)
        if self.sha256(target) == hashlib.sha256(data).hexdigest():
            return
        for _ in range(MOST_ATTEMPTS):
            try:
                self._install(data, target)
                return
            except BrokenLineError as error:
                last = error
        tried = f"{source} did not reach the target in {MOST_ATTEMPTS} attempts"
        raise TargetError(f"{tried}; at last: {last}") from last

    def sha256(self, target: str) -> str | None:
        """SHA-256 of a file as the target computes it; None if there is no such file."""
        result = self.run(f"sha256sum {shlex.quote(target)}", timeout_s=_HASH_TIMEOUT_S)
        return result.output.split()[0].lstrip("\\") if result.status == 0 else None

    def make_folder(self, path: str) -> None:
        """A folder to put files into, without what a rig that died has left there half sent."""
        folder = shlex.quote(path)
        self.must(f"mkdir -p {folder} && rm -f {folder}/.*{_PART}")

    def must(self, command: str) -> str:
        """Run a command that has to succeed, and return what it said."""
        result = self.run(command, timeout_s=60)
        if result.status:
            raise TargetError(f"{command!r} gave {result.status}: {result.output.strip()}")
        return result.output

    def _install(self, data: bytes, target: str) -> None:
        part = part_of(target)
        name = shlex.quote(part)
        try:
            self._try_room(len(data), part)
            self.send(data, part)
            found, wanted = self.sha256(part), hashlib.sha256(data).hexdigest()
            if found != wanted:
                raise BrokenLineError(
                    f"it arrived damaged: SHA-256 on the target is {found}, was {wanted}"
                )
            self.must(f"chmod 755 {name} && mv -f {name} {shlex.quote(target)}")
        except BaseException:
            with contextlib.suppress(TargetError):
                self.run(f"rm -f {name}")
            raise

    def _try_room(self, size: int, path: str) -> None:
        """So that a full disk is told as such, and before anything is sent."""
        name, folder = shlex.quote(path), Path(path).parent
        took = self.run(f"head -c {size} /dev/zero > {name} && rm {name}", timeout_s=60)
        if took.status:
            left = self.run(f"df -k {shlex.quote(str(folder))} | tail -n 1").output
            said = " ".join(f"{took.output} {left}".split())
            raise TargetError(f"no room for {size} bytes in {folder}: {said}")
