"""What every board in QEMU shares: its process, its serial console and its end."""

import serial

from rig.errors import TargetError
from rig.targets.base import Target
from rig.targets.console import Console
from rig.targets.qemu import Emulator


class EmulatedBoard(Target):
    """A board that is switched on by starting a process.

    Whoever starts it gives QEMU a console by `-chardev pty,id=con`.
    """

    name: str
    """In messages, as in "the virtual Pi is switched off"."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._console: Console | None = None
        self.emulator = Emulator()

    @property
    def shell(self) -> Console:
        """On the serial console."""
        if self._console is None:
            raise TargetError(f"{self.name} is switched off")
        return self._console

    def close(self) -> None:
        """Cut the power; safe to call at any time."""
        self.emulator.stop()
        if self._console:
            self._console.close()
            self._console = None

    def _open_console(self) -> None:
        """Opened while the CPUs are stopped, so that nothing of the boot is lost."""
        if self._console:
            self._console.close()
        devices = self.emulator.command("query-chardev")
        pty = next(d["filename"] for d in devices if d["label"] == "con").removeprefix("pty:")
        self._console = Console(serial.Serial(pty, 115200, timeout=0.1, exclusive=True))
