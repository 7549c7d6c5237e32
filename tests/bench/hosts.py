# SPDX-License-Identifier: ISC
"""Where the bench runs its programs: on this machine and on the virtual Pi."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rig.bench import load_bench
from rig.capture import Capture
from rig.identity import REPOSITORY
from rig.session import DEPLOY_FOLDER, Session

BUILD = REPOSITORY / "build" / "tender"
LINE = 25
MARKER = 27
"""Holds 1 while a command runs; the observer of the virtual Pi watches it."""


class Host(Protocol):
    """A machine that runs the bench's programs."""

    @property
    def name(self) -> str:
        """As the table has it."""

    @property
    def tender(self) -> str:
        """The tender as it is, which `stamps` and `reopens` differ from in one thing each."""

    def program(self, name: str) -> str:
        """Path of a program or guest there."""

    def run(self, command: str, timeout_s: float) -> str:
        """Run a shell command and return what it printed. Raises `RuntimeError`."""


@dataclass(frozen=True)
class ThisMachine:
    """It has KVM but no GPIO: sysfs is played by files in memory, in `folder`."""

    folder: Path
    name: str = "x86_64"
    tender: str = "solo5-hvt-plain"

    def program(self, name: str) -> str:
        """As built for x86_64."""
        built = BUILD / "x86_64"
        return str(built / name if (built / name).exists() else built / "bench" / name)

    def run(self, command: str, timeout_s: float) -> str:
        """In `folder`, where the tenders look for gpio/."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: status {done.returncode}: {done.stderr.strip()}")
        return done.stdout


@dataclass(frozen=True)
class Pi:
    """The virtual Pi of a session."""

    session: Session
    name: str = "virtual Pi"
    tender: str = "solo5-hvt"

    def program(self, name: str) -> str:
        """As deployed."""
        return f"{DEPLOY_FOLDER}/{name}"

    def run(self, command: str, timeout_s: float) -> str:
        """In /tmp, which is in memory."""
        result = self.session.target.run(f"cd /tmp; {command}", timeout_s)
        if result.status:
            raise RuntimeError(f"{command}: status {result.status}: {result.output.strip()}")
        return result.output

    def number(self, line: int) -> int:
        """Of a line, in sysfs."""
        return self.session.sysfs_number("led") - LINE + line

    def export_marker(self) -> str:
        """Returns the path of its value."""
        number = self.number(MARKER)
        folder = f"/sys/class/gpio/gpio{number}"
        self.run(f"echo {number} > /sys/class/gpio/export; echo out > {folder}/direction", 10)
        return f"{folder}/value"

    def watch(self, command: str, timeout_s: float) -> tuple[str, Capture]:
        """Run a command while the observer watches the pins."""
        self.session.observer.arm()
        try:
            output = self.run(command, timeout_s)
        finally:
            capture = self.session.observer.stop()
        return output, capture


def why_no_kvm() -> str:
    """Why this machine cannot run guests; empty if it can."""
    machine = os.uname().machine
    if machine != "x86_64":
        return f"this machine is {machine}, not x86_64"
    minimal = BUILD / "x86_64" / "bench" / "minimal_kvm"
    done = subprocess.run([minimal], capture_output=True, text=True, timeout=60)
    return done.stderr.strip() or (f"minimal_kvm: {done.returncode}" if done.returncode else "")


@contextmanager
def this_machine() -> Iterator[ThisMachine]:
    """With a folder that looks like sysfs with one exported line."""
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=shm if shm.is_dir() else None))
    try:
        _make_gpio(folder)
        yield ThisMachine(folder)
    finally:
        shutil.rmtree(folder)


def _make_gpio(folder: Path) -> None:
    chip, line = folder / "gpio" / "gpiochip0", folder / "gpio" / f"gpio{LINE}"
    for made in (chip, line, folder / "records"):
        made.mkdir(parents=True)
    facts = {"label": "pinctrl-bcm2835\n", "base": "0\n", "ngpio": "54\n"}
    for name, text in facts.items():
        (chip / name).write_text(text)
    for path in ("gpio25/direction", "gpio25/value", "export", "unexport"):
        (folder / "gpio" / path).touch()


IMAGES = ("solo5-hvt", "test_hello.hvt")
BENCH_IMAGES = (
    *("solo5-hvt-stamps", "solo5-hvt-reopens", "bench_guest.hvt"),
    *("minimal_kvm", "native_led", "race", "resident"),
)


@contextmanager
def virtual_pi() -> Iterator[Pi]:
    """A virtual Pi with all that the bench needs on it. Raises `BenchError`."""
    built = BUILD / "aarch64"
    images = {name: built / name for name in IMAGES}
    images |= {name: built / "bench" / name for name in BENCH_IMAGES}
    bench = load_bench(REPOSITORY / "benches" / "virtual.yaml")
    with_images = bench.model_copy(update={"images": images})
    session = Session.open(with_images)
    try:
        yield Pi(session)
    finally:
        session.close()


def command(*words: str | int) -> str:
    """The words as a shell wants them."""
    return shlex.join(str(word) for word in words)
