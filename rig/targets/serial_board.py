"""A board behind a serial cable, and nothing else: log in, run commands, send files."""

import fcntl
import os
import struct
import termios
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import serial
from serial import rfc2217
from serial.urlhandler import protocol_socket

from rig import bench
from rig.errors import TargetError
from rig.targets.base import Power, Target
from rig.targets.console import Console, Port

READ_TIMEOUT_S = 0.1
_BY_ID = Path("/dev/serial/by-id")


class SerialBoard(Target):
    """A board that runs already, or that a power switch starts."""

    def __init__(self, facts: bench.Serial, power: Power | None = None) -> None:
        """Nothing is touched until `open`."""
        self._facts = facts
        self._power = power
        self._console: Console | None = None

    def open(self, files: Mapping[str, Path]) -> None:
        """Log in; with a power switch, the board boots afresh for it.

        A board without one may be in any state: at its login prompt, or in a shell in which
        a rig or a person left something running. That is interrupted.
        """
        facts, password = self._facts, self._password()
        self._console = Console(_open_port(facts.port, facts.baud))
        log_in = self._console.log_in_again
        if self._power:
            self._power.off()
            self._power.on()
            log_in = self._console.log_in
        log_in(facts.user, facts.boot_timeout_s, password)
        if facts.sudo:
            self._console.become_root()
        # What the kernel says on its console would stand in the middle of what a command says.
        self._console.run("dmesg -n 1")

    def close(self) -> None:
        """Log out and let go of the port; with a power switch, switch the board off."""
        if self._console:
            self._console.log_out()
            self._console.close()
            self._console = None
        if self._power:
            self._power.off()

    @property
    def power(self) -> Power | None:
        """The switch it was given."""
        return self._power

    def boot_again(self) -> None:
        """From a cut power to a shell, on a port that is opened afresh."""
        if self._console:
            self._console.close()
        self.open({})

    @property
    def shell(self) -> Console:
        """The shell; a port that vanished is opened again, and the board logged in to."""
        if self._console is None:
            raise TargetError(f"{self._facts.port} is not open")
        if self._console.is_broken:
            self._console.close()
            self.open({})
        return self._console

    def versions(self) -> dict[str, str]:
        """The library that drives the port."""
        return {"pyserial": version("pyserial")}

    def _password(self) -> str | None:
        name = self._facts.password_env
        if name is None:
            return None
        if name not in os.environ:
            raise TargetError(
                f"the environment variable {name}, which the bench file names as the password "
                f"of {self._facts.user!r}, is not set"
            )
        return os.environ[name]


class RawSocket(protocol_socket.Serial):
    """A port behind `socket://`: pyserial's own says 0 or 1 for whatever waits to be read."""

    @property
    def in_waiting(self) -> int:
        """Bytes that have come and were not read yet."""
        told = fcntl.ioctl(self.fileno(), termios.FIONREAD, struct.pack("i", 0))
        return int(struct.unpack("i", told)[0])


def _open_port(name: str, baud: int) -> Port:
    try:
        if name.startswith("socket://"):
            return RawSocket(name, baud, timeout=READ_TIMEOUT_S)
        if name.startswith("rfc2217://"):
            return rfc2217.Serial(name, baud, timeout=READ_TIMEOUT_S)
        return serial.Serial(name, baud, timeout=READ_TIMEOUT_S, exclusive=True)
    except (serial.SerialException, OSError, ValueError) as error:
        raise TargetError(
            f"cannot open the serial port {name}: {error}; {_advice(name)}"
        ) from error


def _advice(name: str) -> str:
    if not name.startswith("/"):
        return "look at what serves it there (ser2net, labgrid's exporter) and at its port's number"
    there = ", ".join(sorted(map(str, _BY_ID.glob("*")))) or "none"
    return (
        f"USB cables that are plugged in: {there}. A port that is there may be in use by another "
        "program (fuser says which), or its group (dialout) is not yours"
    )
