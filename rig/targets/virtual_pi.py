"""A Raspberry Pi 3 in QEMU: stock raspi3b, Debian's kernel, its real GPIO driver and KVM."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rig import bench
from rig.identity import REPOSITORY
from rig.image import ensure_image, ensure_network, overlay
from rig.targets.base import Power
from rig.targets.emulated_board import EmulatedBoard
from rig.targets.qemu import QEMU, Emulator

TRACE_EVENTS = ("memory_region_ops_write",)
"""What the observer of this board reads (see rig.observers.qemu)."""

_ARGUMENTS = "console=ttyS1,115200 quiet cryptomgr.notests rdinit=/init"
"""On mainline kernels the mini UART is ttyS1; the crypto self-tests cost a second."""


_NETWORK = (
    *("-device", "usb-net,netdev=net"),
    *("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"),
)
"""Nothing but this host reaches it, on a port that is free, and it reaches nobody."""


_TIME_LAPSE = (
    *("-icount", "shift=1,sleep=off"),
    *("-global", "bcm2837.enabled-cpus=1"),
)
"""Time is counted in instructions of the only CPU, and jumps to the next timer when it idles."""
_SMALL_CACHE = ",tb-size=32"
"""MiB of translated code, which a boot fills. By default it grows for hours of a soak, and what
QEMU notes of each piece with it: that could not be told from a leak."""


class _Plug:
    """The virtual Pi's switch: RAM and pins are lost, what it booted from is not."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def on(self) -> None:
        """Let it boot."""
        self._emulator.command("cont")

    def off(self) -> None:
        """Cut the power."""
        self._emulator.cut_power()


class VirtualPi(EmulatedBoard):
    """The board of the virtual bench.

    What is deployed at power-on lies in its initial RAM disk: the stand-in for
    writing the SD card. Later files go through the console, as on a real board.
    """

    name = "the virtual Pi"

    def __init__(self, facts: bench.VirtualPi) -> None:
        """Nothing runs until `open`."""
        super().__init__()
        self._facts = facts
        self._plug = _Plug(self.emulator)

    def open(self, files: Mapping[str, Path]) -> None:
        """Boot with `files` (path on the target -> file here) and log in.

        Raises `TargetError` if that takes longer than `boot_timeout_s`.
        """
        build, facts = REPOSITORY / "build", self._facts
        image = ensure_image(facts.kernel, build_dir=build)
        network = ensure_network(facts.kernel, build).read_bytes() if facts.network else b""
        initrd = self.emulator.folder / "initrd.gz"
        initrd.write_bytes(image.initrd.read_bytes() + network + overlay(files))
        self.emulator.start(self._arguments(image.kernel, image.dtb, initrd), TRACE_EVENTS)
        self.boot_again()

    @property
    def power(self) -> Power:
        """Always there."""
        return self._plug

    def boot_again(self) -> None:
        """From a machine that is stopped at its first instruction to a shell."""
        self._open_console()
        self._plug.on()
        self.shell.log_in(self._facts.user, self._facts.boot_timeout_s)

    @property
    def time_lapse(self) -> bool:
        """Whether it skips the time in which it is idle."""
        return self._facts.time_lapse

    @property
    def ssh_port(self) -> int:
        """TCP port of this host that leads to its SSH server; it needs `network`."""
        told = self.emulator.command("human-monitor-command", **{"command-line": "info usernet"})
        return int(re.findall(r"HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)", told)[0])

    def versions(self) -> dict[str, str]:
        """What this bench is made of, for the record."""
        told = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True)
        return {"qemu": told.stdout.splitlines()[0].removeprefix("QEMU emulator version ")}

    def _arguments(self, kernel: Path, dtb: Path, initrd: Path) -> list[str]:
        """MTTCG would let the parked cores starve the boot core; one thread takes seconds."""
        lapse = self._facts.time_lapse
        one_cpu = ("maxcpus=1",) if lapse else ()  # or the others would spin for ever
        words = " ".join((_ARGUMENTS, *one_cpu, *self._facts.kernel_arguments))
        return [
            *("-M", "raspi3b", "-accel", f"tcg,thread=single{_SMALL_CACHE if lapse else ''}"),
            *("-serial", "null"),
            *("-chardev", "pty,id=con", "-serial", "chardev:con"),
            *("-kernel", str(kernel), "-dtb", str(dtb), "-initrd", str(initrd)),
            *("-append", words),
            *(_NETWORK if self._facts.network else ()),
            *(_TIME_LAPSE if lapse else ()),
        ]
