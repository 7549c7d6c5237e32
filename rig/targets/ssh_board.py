"""A board with an SSH server."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from rig import bench
from rig.errors import TargetError
from rig.targets.base import Power, Target
from rig.targets.ssh import SshShell


class SshBoard(Target):
    """A board that runs already, or that a power switch starts."""

    def __init__(self, facts: bench.Ssh, folder: Path, power: Power | None = None) -> None:
        """Paths of `facts` are relative to `folder`. Nothing is touched until `open`."""
        self._facts = facts
        self._power = power
        self._shell = SshShell(facts, folder, sudo=facts.sudo)
        self._is_open = False

    def open(self, files: Mapping[str, Path]) -> None:
        """Log in; with a power switch, the board boots afresh for it."""
        if self._power:
            self._power.off()
            self._power.on()
        self._shell.connect(self._facts.boot_timeout_s)
        self._is_open = True

    def close(self) -> None:
        """End the connection; with a power switch, switch the board off."""
        self._is_open = False
        self._shell.close()
        if self._power:
            self._power.off()

    @property
    def power(self) -> Power | None:
        """The switch it was given."""
        return self._power

    @property
    def shell(self) -> SshShell:
        """The shell over SSH."""
        if not self._is_open:
            raise TargetError(f"{self._facts.host} is not connected")
        return self._shell

    def versions(self) -> dict[str, str]:
        """Of the library and of the server at the other end."""
        return {"paramiko": version("paramiko"), "ssh-server": self._shell.server}
