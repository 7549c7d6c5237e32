"""What is right and what is wrong with a bench, found by using it: `rig doctor`.

Every check gives one row, and goes on where it can: a person wants all that is wrong at once.
What a row says is wrong, the suites would stumble over.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from rig.bench import LINES_OF_PI, Bench
from rig.cleanup import Chip, GpioState
from rig.errors import BenchError, TargetError
from rig.lab.hold import Hold
from rig.observers.base import Observer
from rig.observers.opening import make_observer
from rig.qualification import Record, age_days, path_of, read_record
from rig.session import checked_image, deployed_path, sha256_of
from rig.targets.base import MACHINE, Target
from rig.targets.linux import GPIO_CHIP, ask, find_chip, read_gpio_state
from rig.targets.opening import make_target
from rig.wiring import HEADER_PINS, drive, judge_wiring

SLOW_GOVERNORS = frozenset({"powersave"})
"""They keep the CPU at its lowest clock, whatever it has to do (Linux, admin-guide/pm/cpufreq)."""


class State(StrEnum):
    """How a row ends."""

    OK = "ok"
    WRONG = "WRONG"
    UNKNOWN = "not checked"
    """Something else that is wrong is in the way."""


@dataclass(frozen=True)
class Row:
    """One thing that a suite needs."""

    what: str
    state: State
    found: str
    remedy: str = ""
    """What to do about it; the text of an error has this in it."""


_T = TypeVar("_T")
Rows = Generator[Row, None, _T]
"""Rows as soon as they are known, and then what the next ones need of them."""


@dataclass(frozen=True)
class Lines:
    """The target's chip, and which lines of the bench are free."""

    chip: Chip
    free: frozenset[str]


def examine(bench: Bench, lines: Sequence[str]) -> Rows[None]:
    """Every row, as soon as it is known; `lines` are driven to see their wiring.

    Nothing else may use the bench meanwhile. The rows that are WRONG raise nothing. Whoever
    ends this early closes the generator, or the target stays up.
    """
    images = yield from _images(bench)
    with ExitStack() as open_things:
        try:
            hold = Hold.of(bench)
            open_things.callback(hold.close)
            bench = hold.bench
            target = make_target(bench)
            open_things.callback(target.close)
            observer = make_observer(bench, target)
            open_things.callback(observer.close)
            target.open(images)
        except BenchError as error:
            yield Row("target", State.WRONG, str(error))
            return
        yield Row("target", State.OK, f"{bench.target.kind}: it is up and has a shell")
        yield from examine_open(bench, target, observer, images, lines)


def examine_open(
    bench: Bench,
    target: Target,
    observer: Observer,
    images: Mapping[str, Path],
    lines: Sequence[str],
) -> Rows[None]:
    """The rows of a target that is up; `images` (path there -> file here) are deployed."""
    found = yield from _target_rows(bench, target, images)
    yield from _observer_rows(bench, observer, target, lines, found)


def _images(bench: Bench) -> Rows[dict[str, Path]]:
    """Returns those that can be deployed: path on the target -> file here."""
    good: dict[str, Path] = {}
    for name in bench.images:
        try:
            good[deployed_path(name)] = checked_image(bench, name)
        except BenchError as error:
            yield Row(f"image {name}", State.WRONG, str(error))
    if len(good) == len(bench.images):
        yield Row("images", State.OK, f"all {len(good)} are there, and for {MACHINE}")
    return good


def _target_rows(bench: Bench, target: Target, images: Mapping[str, Path]) -> Rows[Lines | None]:
    """Returns what may be driven; None if no line can be."""
    try:
        told = ask(target)
        yield from system_rows(told)
        gpio = read_gpio_state(target, {})
    except TargetError as error:
        yield Row("target's answers", State.WRONG, str(error))
        return None
    lines = yield from gpio_rows(gpio, told, bench.lines)
    yield from _deployed(target, images)
    return lines


def system_rows(told: Mapping[str, str]) -> Iterator[Row]:
    """Architecture, kernel, KVM, sysfs and CPU governor."""
    yield _architecture(told.get("machine", "nothing"))
    yield Row(
        "kernel", State.OK, f"{told.get('kernel')} on {told.get('board', 'an unknown board')}"
    )
    yield _kvm(told)
    yield _sysfs(told)
    yield _governor(told.get("governor", ""))


def _architecture(machine: str) -> Row:
    if machine == MACHINE:
        return Row("architecture", State.OK, machine)
    remedy = f"install a 64-bit system: tender and unikernels are for {MACHINE}"
    return Row("architecture", State.WRONG, f"uname -m says {machine}", remedy)


def _kvm(told: Mapping[str, str]) -> Row:
    if "kvm-usable" in told:
        return Row("KVM", State.OK, "/dev/kvm may be used")
    if "kvm" in told:
        remedy = "log in as root, or as somebody of the group that owns it (ls -l /dev/kvm)"
        return Row("KVM", State.WRONG, "/dev/kvm is there, but this user may not use it", remedy)
    remedy = (
        "a unikernel runs in KVM only: boot a 64-bit kernel with CONFIG_KVM at EL2, as the "
        "firmware of a Pi 3 does"
    )
    if "kvm-arm.mode=none" in told.get("arguments", ""):
        remedy = (
            "take kvm-arm.mode=none off the kernel's command line (on a Pi: "
            "/boot/firmware/cmdline.txt)"
        )
    return Row("KVM", State.WRONG, "there is no /dev/kvm", remedy)


def _sysfs(told: Mapping[str, str]) -> Row:
    other = told.get("character-devices", "no character device")
    if "sysfs-usable" in told:
        return Row("GPIO interface", State.OK, f"sysfs; also there: {other}")
    if "sysfs" in told:
        remedy = "log in as root, or as somebody of the group gpio"
        found = "/sys/class/gpio/export is there, but this user may not write to it"
        return Row("GPIO interface", State.WRONG, found, remedy)
    remedy = (
        "lines are exported, read and given back through /sys/class/gpio: boot a kernel with "
        "CONFIG_GPIO_SYSFS (Debian's and Raspberry Pi OS's have it)"
    )
    return Row("GPIO interface", State.WRONG, f"no sysfs GPIO ({other})", remedy)


def _governor(governors: str) -> Row:
    if not governors:
        return Row("CPU governor", State.OK, "none: the clock of this CPU does not change")
    slow = SLOW_GOVERNORS & set(governors.split())
    if not slow:
        return Row("CPU governor", State.OK, governors)
    remedy = (
        "the CPU stays at its lowest clock; as root there: echo performance | "
        "tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    )
    return Row("CPU governor", State.WRONG, governors, remedy)


def gpio_rows(
    gpio: GpioState, told: Mapping[str, str], lines: Mapping[str, int]
) -> Rows[Lines | None]:
    """The chip by its label, and who uses its lines. Returns `Lines`, or None."""
    try:
        chip = find_chip(gpio)
    except TargetError as error:
        state = State.WRONG if "sysfs" in told else State.UNKNOWN
        yield Row("GPIO chip", state, str(error), f"a Pi's kernel calls it {GPIO_CHIP}")
        return None
    users = _users(gpio)
    taken = {n - chip.base for n in users if 0 <= n - chip.base < LINES_OF_PI}
    yield Row("GPIO chip", State.OK, f"{chip.label}, base {chip.base}, {chip.ngpio} lines")
    yield Row("free lines", State.OK, _free(taken, chip))
    rows = {name: _line(name, line, chip, users) for name, line in lines.items()}
    yield from rows.values()
    return Lines(chip, frozenset(name for name, row in rows.items() if row.state is State.OK))


def _free(taken: set[int], chip: Chip) -> str:
    names = ", ".join(map(str, sorted(taken)))
    return f"{chip.ngpio - len(taken)} of {chip.ngpio}" + (f"; in use: {names}" if names else "")


def _users(gpio: GpioState) -> dict[int, str]:
    """By sysfs number: who has the line, as debugfs says, or that sysfs has it."""
    users = {number: f"exported ({export.direction})" for number, export in gpio.exports.items()}
    for holder in gpio.holders:
        number, _, name = holder.removeprefix("gpio-").partition(" ")
        if int(number) not in users:
            users[int(number)] = f"held by {name}"
    return users


def _line(name: str, line: int, chip: Chip, users: Mapping[int, str]) -> Row:
    number = chip.base + line
    where = f"{gpio_name(line)}, {number} in sysfs"
    if number not in users:
        return Row(f"line {name}", State.OK, f"{where}: free")
    remedy = f"end what uses it there; if nothing does: echo {number} > /sys/class/gpio/unexport"
    return Row(f"line {name}", State.WRONG, f"{where}: {users[number]}", remedy)


def gpio_name(line: int) -> str:
    """A line, and where to find it on the 40-pin header."""
    pin = HEADER_PINS.get(line)
    return f"GPIO {line}" + (f" (header pin {pin})" if pin else "")


def _deployed(target: Target, images: Mapping[str, Path]) -> Iterator[Row]:
    bad = {path: problem for path, file in images.items() if (problem := _put(target, file, path))}
    for path, problem in bad.items():
        yield Row(f"deployed {Path(path).name}", State.WRONG, problem)
    if not bad:
        yield Row("deployed", State.OK, f"{len(images)} images, each with its SHA-256")


def _put(target: Target, source: Path, path: str) -> str:
    """What is wrong with a file on the target after it was sent; empty if nothing is."""
    try:
        target.put(source, path)
        found, wanted = target.sha256(path), sha256_of(source)
    except TargetError as error:
        return str(error)
    if found == wanted:
        return ""
    return f"{path} reads as SHA-256 {found}, sent was {wanted}: look at the target's SD card"


def _observer_rows(
    bench: Bench, observer: Observer, target: Target, lines: Sequence[str], found: Lines | None
) -> Iterator[Row]:
    wirings = [f"wiring of {line}" for line in lines]
    try:
        observer.connect()
    except BenchError as error:
        yield Row("observer", State.WRONG, str(error))
        yield from (Row(what, State.UNKNOWN, "there is no observer") for what in wirings)
    else:
        yield Row("observer", State.OK, f"{bench.observer.kind}: connected")
        for line, what in zip(lines, wirings, strict=True):
            yield _wiring(what, bench, observer, target, line, found)
    yield qualification_row(bench)


def _wiring(
    what: str, bench: Bench, observer: Observer, target: Target, line: str, found: Lines | None
) -> Row:
    if found is None or line not in found.free:
        return Row(what, State.UNKNOWN, "the line cannot be driven, see above")
    seen_by = getattr(bench.observer, "wiring", {line: line})
    if line not in seen_by:
        remedy = f"wire it to the observer, and name its channel in observer.wiring.{line}"
        return Row(what, State.WRONG, "the observer does not watch this line", remedy)
    try:
        capture = drive(target, observer, found.chip.base + bench.lines[line])
    except BenchError as error:
        return Row(what, State.WRONG, str(error))
    problem, remedy = judge_wiring(capture, line, gpio_name(bench.lines[line]), seen_by)
    if problem:
        return Row(what, State.WRONG, problem, remedy)
    others = len(capture.lines) - 1
    return Row(what, State.OK, f"it moves as driven, and none of {others} others does")


def qualification_row(bench: Bench) -> Row:
    """Whether a stored budget is there, fits, and is young enough to be believed."""
    what, remedy = "qualification", f"measure anew: rig qualify {bench.file}"
    try:
        record = read_record(path_of(bench), bench)
    except BenchError as error:
        return Row(what, State.WRONG, str(error))
    if record is None:
        return Row(what, State.OK, "none: the budget is what the observer's own data say")
    return _aged(what, remedy, record, bench.observer.qualification_max_age_days)


def _aged(what: str, remedy: str, record: Record, limit_days: float) -> Row:
    age = age_days(record, datetime.now(UTC))
    found = f"of {record.date}, {max(0.0, age):.1f} days old; believed for {limit_days:g} days"
    if age <= limit_days:
        return Row(what, State.OK, found)
    return Row(what, State.WRONG, f"{found}: timing would be INCONCLUSIVE", remedy)
