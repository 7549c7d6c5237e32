"""A second board in QEMU: the machine `virt`, whose GPIO inputs can be driven from outside.

QEMU's Raspberry Pi has no GPIO inputs; `virt` has a PL061 with eight lines. The rest is the
second Pi of a lab: Debian's kernel with its own driver, Python, gpiozero and lgpio.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import fdt

from rig.errors import TargetError
from rig.identity import REPOSITORY
from rig.image import ensure_second_board, overlay
from rig.targets.emulated_board import EmulatedBoard
from rig.targets.qemu import QEMU, QTest

PI_REVISION = 0xA02082
"""A Raspberry Pi 3B (Raspberry Pi documentation, "Revision codes"): gpiozero wants to be on one."""

DUMP_TIMEOUT_S = 30
_MACHINE = ("-nic", "none", "-cpu", "cortex-a53", "-m", "512")
_ARGUMENTS = "console=ttyAMA0 quiet cryptomgr.notests rdinit=/init"


class SecondBoard(EmulatedBoard):
    """It watches; its `start` does not wait, so that both boards boot at once."""

    name = "the second board"

    def __init__(self, boot_timeout_s: float) -> None:
        """Nothing runs until `start` or `open`."""
        super().__init__()
        self._boot_timeout_s = boot_timeout_s
        self._inputs: tuple[QTest, str] | None = None

    def start(self, files: Mapping[str, Path]) -> None:
        """Switch it on with `files` in place, and do not wait until it has booted."""
        image = ensure_second_board(REPOSITORY / "build")
        initrd, dtb = self.emulator.folder / "initrd.gz", self.emulator.folder / "virt.dtb"
        initrd.write_bytes(image.initrd.read_bytes() + overlay(files))
        _write_device_tree(dtb)
        self.emulator.start(
            [
                *("-M", "virt", *_MACHINE, "-accel", "tcg,thread=single"),
                *("-chardev", "pty,id=con", "-serial", "chardev:con"),
                *("-kernel", str(image.kernel), "-dtb", str(dtb), "-initrd", str(initrd)),
                *("-append", _ARGUMENTS),
            ],
            trace_events=(),
        )
        self._open_console()
        self._inputs = self.emulator.qtest(lambda *_: None), self._gpio_chip()
        self.emulator.command("cont")

    def log_in(self) -> None:
        """Wait for its shell. Raises `TargetError` if it does not boot in time."""
        self.shell.log_in("root", self._boot_timeout_s)

    def open(self, files: Mapping[str, Path]) -> None:
        """Boot with `files` (path on the board -> file here) and log in."""
        self.start(files)
        self.log_in()

    def drive(self, line: int, level: int) -> None:
        """Set what an input of its chip sees."""
        if self._inputs is None:
            raise TargetError("the second board is switched off")
        qtest, chip = self._inputs
        qtest.set_input(chip, line, level)

    def close(self) -> None:
        """Cut the power; safe to call at any time."""
        if self._inputs:
            self._inputs[0].close()
            self._inputs = None
        super().close()

    def versions(self) -> dict[str, str]:
        """What it runs that matters to what it sees."""
        return dict(ensure_second_board(REPOSITORY / "build").versions)

    def _gpio_chip(self) -> str:
        """Where QEMU keeps the chip among the devices it made by itself."""
        folder = "/machine/unattached"
        for child in self.emulator.command("qom-list", path=folder):
            if child["type"] == "child<pl061>":
                return f"{folder}/{child['name']}"
        raise TargetError("QEMU's machine virt has no PL061")


def _write_device_tree(path: Path) -> None:
    """QEMU's own for this machine, with the revision by which gpiozero knows a Pi."""
    command = [QEMU, "-M", f"virt,dumpdtb={path}", *_MACHINE, "-display", "none"]
    try:
        subprocess.run(command, capture_output=True, check=True, timeout=DUMP_TIMEOUT_S)
    except FileNotFoundError as error:
        raise TargetError(f"{QEMU} is not installed; `make setup` installs it") from error
    except subprocess.SubprocessError as error:
        raise TargetError(f"QEMU did not write the device tree of virt: {error}") from error
    tree = fdt.parse_dtb(path.read_bytes())
    tree.set_property("linux,revision", PI_REVISION, "/system")
    path.write_bytes(tree.to_dtb(version=17))
