"""What every target can do, however it is reached and switched."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from rig.targets.shell import Result, Shell

MACHINE = "aarch64"
"""What the images of a bench must be built for: `uname -m` of a 64-bit Pi."""


class Power(Protocol):
    """A switch between a board and its supply."""

    def on(self) -> None:
        """Let the board have power."""

    def off(self) -> None:
        """Cut the power; safe to call when it is off."""


class Target(ABC):
    """A board with a shell: opened once, used, closed in every ending.

    Whatever does not work raises `TargetError`, which says what to look at: the bench is at
    fault, not the LED. Every wait is bounded.
    """

    @abstractmethod
    def open(self, files: Mapping[str, Path]) -> None:
        """From whatever state to a shell.

        `files` (path on the target -> file here) are what will be deployed. A target that can
        may start with them in place; the others leave them to `put`.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the board, and switch it off where there is a switch; safe at any time."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What this way to a board is made of, for the record: program -> version."""

    @property
    def power(self) -> Power | None:
        """The switch between the board and its supply; None if nobody can switch it."""
        return None

    def boot_again(self) -> None:
        """From a cut power to a shell, with whatever the board keeps on its disk."""
        self.open({})

    @property
    @abstractmethod
    def shell(self) -> Shell:
        """The shell on the board. Raises `TargetError` if the target is not open."""

    def run(self, command: str, timeout_s: float = 10) -> Result:
        """Run a shell command to its end; see `Shell.run`."""
        return self.shell.run(command, timeout_s)

    def put(self, source: Path, target: str) -> None:
        """Copy a file onto the target unless it is there already; see `Shell.put`."""
        self.shell.put(source, target)

    def sha256(self, target: str) -> str | None:
        """SHA-256 of a file as the target computes it; None if there is no such file."""
        return self.shell.sha256(target)
