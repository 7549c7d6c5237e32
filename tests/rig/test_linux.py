"""Shows what a target's sysfs and debugfs become, and what a target that lacks something is told.

The commands run in a real shell here, over a tree of files as the virtual Pi's
kernels 6.1 and 6.12 showed them, and one of a Pi with its LED driver.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast

import pytest

from rig.cleanup import Chip, Export, GpioState
from rig.errors import TargetError
from rig.targets.console import Console
from rig.targets.linux import find_chip, read_facts, read_gpio_state, read_leftovers
from rig.targets.shell import Result

HEADER = Chip(label="pinctrl-bcm2835", base=458, ngpio=54)
EXPANDER = Chip(label="raspberrypi-exp-gpio", base=450, ngpio=8)
HEADER_6_12 = Chip(label="pinctrl-bcm2835", base=512, ngpio=54)
EXPANDER_6_12 = Chip(label="raspberrypi-exp-gpio", base=566, ngpio=8)

DEBUG_6_1 = """\
gpiochip1: GPIOs 450-457, parent: platform/soc:firmware:gpio, raspberrypi-exp-gpio, can sleep:
 gpio-450 (BT_ON               )
 gpio-452 (STATUS_LED          |ACT                 ) out lo ACTIVE LOW

gpiochip0: GPIOs 458-511, parent: platform/3f200000.gpio, pinctrl-bcm2835:
 gpio-458 (ID_SDA              )
 gpio-482 (GPIO24              |a door, say         ) in  hi IRQ
 gpio-483 (GPIO25              |sysfs               ) out hi
 gpio-484 (                    |no name             ) out lo
"""
DEBUG_6_12 = """\
gpiochip0: GPIOs 512-565, parent: platform/3f200000.gpio, pinctrl-bcm2835:
 gpio-536 (GPIO24              )
 gpio-537 (GPIO25              |sysfs               ) out hi
"""


class Target:
    """A shell that sees another /sys, /proc and /dev."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.add("proc/device-tree/model", "Raspberry Pi 3 Model B\0")
        self.add("sys/class/gpio/export", "")
        self.add("sys/class/gpio/unexport", "")
        (root / "dev").mkdir()
        (root / "dev/kvm").symlink_to("/dev/null")

    def add(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def add_chip(self, chip: Chip) -> None:
        folder = f"sys/class/gpio/gpiochip{chip.base}"
        for name in ("base", "ngpio", "label"):
            self.add(f"{folder}/{name}", f"{getattr(chip, name)}\n")

    def export(self, number: int, direction: str, value: str) -> None:
        self.add(f"sys/class/gpio/gpio{number}/direction", direction + "\n")
        self.add(f"sys/class/gpio/gpio{number}/value", value + "\n")

    def run(self, command: str, timeout_s: float = 10) -> Result:
        for folder in ("/sys/", "/proc/", "/dev/", "/tmp/rig-"):
            command = command.replace(folder, f"{self.root}{folder}")
        shell = subprocess.run(
            ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return Result(shell.returncode, shell.stdout, 0, 0)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    target = Target(tmp_path)
    target.add_chip(HEADER)
    target.add_chip(EXPANDER)
    return target


def state_of(target: Target) -> GpioState:
    return read_gpio_state(cast(Console, target), {"led": "in"})


def facts_of(target: Target) -> dict[str, str | int]:
    return read_facts(cast(Console, target))


def test_a_quiet_target_has_chips_and_nothing_else(target: Target) -> None:
    assert state_of(target) == GpioState(
        chips=(EXPANDER, HEADER), exports={}, holders=(), functions={"led": "in"}
    )


def test_what_is_exported_or_held_is_seen(target: Target) -> None:
    target.export(483, "out", "1")
    target.export(9, "in", "0")
    target.add("sys/kernel/debug/gpio", DEBUG_6_1)
    state = state_of(target)
    assert state.exports == {
        483: Export(direction="out", value=1),
        9: Export(direction="in", value=0),
    }
    assert state.holders == (
        "gpio-452 (ACT)",
        "gpio-482 (a door, say)",
        "gpio-483 (sysfs)",
        "gpio-484 (no name)",
    )


def test_linux_6_12_counts_from_512(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.add_chip(HEADER_6_12)
    target.add_chip(EXPANDER_6_12)
    target.export(537, "out", "1")
    target.add("sys/kernel/debug/gpio", DEBUG_6_12)
    state = state_of(target)
    assert find_chip(state) == HEADER_6_12
    assert state.exports == {537: Export(direction="out", value=1)}
    assert state.holders == ("gpio-537 (sysfs)",)


def test_a_line_that_goes_while_it_is_read_is_an_error_of_the_bench(target: Target) -> None:
    target.export(483, "out", "")
    with pytest.raises(TargetError, match=r"cannot read the GPIO state of the target: .*'483'"):
        state_of(target)


@pytest.mark.parametrize("said", ["", "sh: syntax error\n", "chip,458,54,pinctrl-bcm2835\n"])
def test_half_a_state_is_none(target: Target, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(target, "run", lambda _: Result(0, said, 0, 0))
    with pytest.raises(TargetError, match="cannot read the GPIO state of the target"):
        state_of(target)


def test_a_target_tells_what_it_is(target: Target) -> None:
    uname = [subprocess.check_output(["uname", f"-{x}"], text=True).strip() for x in "mr"]
    assert facts_of(target) == {
        "machine": uname[0],
        "kernel": uname[1],
        "board": "Raspberry Pi 3 Model B",
        "gpio_chip": "pinctrl-bcm2835",
        "gpio_base": 458,
    }


def test_a_target_without_kvm_is_told_what_kvm_needs(target: Target) -> None:
    (target.root / "dev/kvm").unlink()
    with pytest.raises(TargetError, match=r"kernel \S+ has no /dev/kvm: .*CONFIG_KVM.* EL2"):
        facts_of(target)


def test_a_target_without_sysfs_gpio_is_told_what_it_needs(target: Target) -> None:
    (target.root / "sys/class/gpio/export").unlink()
    with pytest.raises(TargetError, match=r"kernel \S+ has no .*/export; .*CONFIG_GPIO_SYSFS"):
        facts_of(target)


def test_a_target_without_any_chip_says_so(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"no GPIO chip labelled pinctrl-bcm2835; it has: none$"):
        facts_of(Target(tmp_path))


def test_another_board_is_answered_with_the_chips_it_has(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.add_chip(EXPANDER)
    target.add_chip(Chip(label="pinctrl-bcm2711", base=512, ngpio=58))
    with pytest.raises(TargetError, match=r"it has: raspberrypi-exp-gpio, pinctrl-bcm2711$"):
        facts_of(target)


@pytest.mark.parametrize("other", [{"ngpio": 58}, {"label": "pinctrl-bcm2711"}])
def test_a_chip_is_found_by_its_name_and_its_lines(other: dict[str, object]) -> None:
    chip = HEADER.model_copy(update=other)
    with pytest.raises(TargetError, match=f"it has: {chip.label}$"):
        find_chip(GpioState(chips=(chip,), exports={}, holders=()))


# What runs leave beside the pins.


def leftovers_of(target: Target) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    return read_leftovers(cast(Console, target))


def link(target: Target, path: str, leads_to: str) -> None:
    (target.root / path).parent.mkdir(parents=True, exist_ok=True)
    (target.root / path).symlink_to(leads_to)


def test_processes_of_runs_are_seen_and_others_are_not(target: Target) -> None:
    link(target, "proc/12/exe", "/opt/rig/tender")
    link(target, "proc/13/exe", "/memfd:led-guard (deleted)")
    link(target, "proc/14/exe", "/usr/bin/opt")
    assert leftovers_of(target)[0] == (
        "process 12: /opt/rig/tender",
        "process 13: /memfd:led-guard (deleted)",
    )


def test_files_that_somebody_holds_open_are_seen(target: Target) -> None:
    value = "/sys/devices/platform/soc/3f200000.gpio/gpiochip0/gpio/gpio483/value"
    link(target, "proc/12/fd/1", "/tmp/out")
    link(target, "proc/12/fd/5", "anon_inode:kvm-vcpu:0")
    link(target, "proc/12/fd/7", value)
    link(target, "proc/13/fd/3", "/run/solo5-hvt/gpio483")
    assert leftovers_of(target)[0] == (
        f"open in process 12: {value}",
        "open in process 12: anon_inode:kvm-vcpu:0",
        "open in process 13: /run/solo5-hvt/gpio483",
    )


def test_loads_are_seen_by_their_name(target: Target) -> None:
    target.add("proc/12/cmdline", "sh\0-c\0while :; do :; done\0rig-load\0")
    target.add("proc/13/cmdline", "sh\0-c\0while :; do :; done\0")
    assert leftovers_of(target)[0] == ("process 12: a load",)


def test_a_target_that_does_not_answer_whole_is_an_error_of_the_bench() -> None:
    class Mute:
        def run(self, command: str, timeout_s: float = 10) -> Result:
            return Result(0, "left,file /run/solo5-hvt/gpio483\n", 0, 0)

    with pytest.raises(TargetError, match="cannot read what is left on the target"):
        read_leftovers(Mute())


@pytest.mark.parametrize(
    ("said", "log"),
    [
        ("left-end\n", None),
        ("log-there\nleft-end\n", ()),
        ("log-there\nlog,[ 1.0] Oops, again\nleft-end\n", ("[ 1.0] Oops, again",)),
    ],
)
def test_a_log_that_cannot_be_read_is_told_from_an_empty_one(
    said: str, log: tuple[str, ...] | None
) -> None:
    class Told:
        def run(self, command: str, timeout_s: float = 10) -> Result:
            return Result(0, said, 0, 0)

    assert read_leftovers(Told()) == ((), log)
