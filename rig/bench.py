"""A bench file: passive facts about one target, its observer and its wiring.

The whole file is validated before anything is touched. Whatever is unknown,
missing or inconsistent is refused with file, line, key and what is allowed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from rig.errors import BenchFileError
from rig.expectation import Milliseconds, TimingLimits, in_ns
from rig.facts_file import Facts, FactsFile, read_facts_file
from rig.load import Load
from rig.samples import MOST_RATE_HZ

LINES_OF_PI = 54
"""GPIO lines of the BCM2835 to BCM2837, numbered from 0 (BCM2835 ARM Peripherals, 6.1)."""

LINES_OF_SECOND_BOARD = (0, 1, 2, 4, 5, 6, 7)
"""Inputs of QEMU's PL061 on the machine virt; 3 is the power button."""

Line = Annotated[int, Field(strict=True, ge=0, lt=LINES_OF_PI)]
HeaderLine = Annotated[int, Field(strict=True, ge=0, le=27)]
"""GPIO on the 40-pin header."""
Chip = Annotated[int, Field(strict=True, ge=0)]
SigrokChannel = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")]
Seconds = Annotated[int, Field(strict=True, gt=0)]
Days = Annotated[int, Field(strict=True, gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Word = Annotated[str, Field(min_length=1)]


class Power(Facts):
    """Commands of this machine that switch a board's supply: of a switched hub, a smart plug."""

    switch_on: Annotated[tuple[Word, ...], Field(min_length=1)]
    """Program and arguments; no shell in between. It runs in the bench file's folder."""
    switch_off: Annotated[tuple[Word, ...], Field(min_length=1)]
    """Likewise; must succeed as well when the board is off."""
    off_ms: Annotated[int, Field(strict=True, ge=0)] = 2000
    """How long a board must be without power to boot afresh: until its capacitors are empty."""
    timeout_s: Seconds = 30
    """How long one of the commands may take."""


class VirtualPi(Facts):
    """A Raspberry Pi 3 in QEMU with Debian's own kernel."""

    kind: Literal["virtual-pi"]
    kernel: Literal["6.1", "6.12"] = "6.1"
    """Series of Debian's kernel to boot."""
    kernel_arguments: tuple[str, ...] = ()
    """Words to append to the kernel's command line."""
    network: bool = False
    """Whether it has a USB network adapter and an SSH server. Costs half a CPU."""
    time_lapse: bool = False
    """Whether QEMU skips the time in which the board is idle: hours of blinking take minutes,
    and no stamp of the observer says anything about time."""
    user: str = "root"
    boot_timeout_s: Seconds = 120


class SshLogin(Facts):
    """Where an SSH server is, and how it and we prove who we are. No password is ever sent."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(strict=True, gt=0, lt=65536)] = 22
    user: str = "root"
    key: Path | None = None
    """Private key, relative to the bench file; otherwise the agent's and those in ~/.ssh."""
    known_hosts: Path | None = None
    """File with the server's host key, relative to the bench file; otherwise
    ~/.ssh/known_hosts."""


class Ssh(SshLogin):
    """A board with an SSH server."""

    kind: Literal["ssh"]
    sudo: bool = False
    """Commands go through `sudo -n`, because `user` may not touch KVM and GPIO."""
    boot_timeout_s: Seconds = 120
    power: Power | None = None
    """How the board is switched on and off; without it, it is used as it is found."""


class Serial(Facts):
    """A board with a login on its serial console."""

    kind: Literal["serial"]
    port: Annotated[str, Field(pattern=r"^(/dev/|rfc2217://|socket://)")]
    """Best by its identity: /dev/serial/by-id/..., as the numbers of ttyUSB change.
    Or rfc2217://HOST:PORT of ser2net and its like, or socket://HOST:PORT for bare bytes."""
    baud: Annotated[int, Field(strict=True, gt=0)] = 115200
    user: str = "root"
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Environment variable that holds the password; it never stands in the file."""
    sudo: bool = False
    """The shell becomes root by `sudo -n`, because `user` may not touch KVM and GPIO."""
    boot_timeout_s: Seconds = 120
    power: Power | None = None
    """How the board is switched on and off; without it, it is used as it is found."""


class Lab(Facts):
    """The labgrid lab that lends this bench, or parts of it."""

    coordinator: Annotated[str, Field(pattern=r"^[^\s/]+$")] | None = None
    """HOST:PORT; otherwise what LG_COORDINATOR says, or 127.0.0.1:20408."""
    place: Word | None = None
    """The one place that will do."""
    tags: Annotated[dict[Word, Word], Field(min_length=1)] | None = None
    """Or any place that has all these tags."""
    wait_s: Seconds = 600
    """How long to wait for it while others have it."""

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.place is None) == (self.tags is None):
            raise ValueError("must have one of the keys place and tags, and not both")
        return self


class FromPlace(Facts):
    """What the facts of everything have in common that a place of the lab gives."""

    given: ClassVar[tuple[str, ...]]
    """The keys that the place gives."""
    resource: Word | None = None
    """Its name in the place, if the place has several of the kind."""

    @model_validator(mode="before")
    @classmethod
    def _given_by_the_place(cls, facts: Any) -> Any:
        if here := [key for key in cls.given if isinstance(facts, dict) and key in facts]:
            raise ValueError(f"{', '.join(here)} must not stand here: the lab's place gives it")
        return facts


class BoardFromPlace(FromPlace):
    """What the facts of such boards have in common."""

    sudo: bool = False
    """Work as root by `sudo -n`, because the user may not touch KVM and GPIO."""
    boot_timeout_s: Seconds = 120
    power: bool = False
    """The place has a power switch, too, and the board is to be switched with it."""


class LabSsh(BoardFromPlace):
    """A board with an SSH server: a NetworkService of the place."""

    given = ("host", "port", "user")
    kind: Literal["lab-ssh"]
    key: Path | None = None
    """Private key, relative to the bench file; otherwise the agent's and those in ~/.ssh."""
    known_hosts: Path | None = None
    """File with the server's host key, relative to the bench file; otherwise
    ~/.ssh/known_hosts."""


class LabSerial(BoardFromPlace):
    """A board with a login on its serial console: a serial port of the place."""

    given = ("port", "baud")
    kind: Literal["lab-serial"]
    user: str = "root"
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Environment variable that holds the password; it never stands in the file."""


class ObserverFacts(Facts):
    """What the facts of every observer have in common."""

    kind: str
    qualification_max_age_days: Days = 365
    """A stored qualification (see rig.qualification) is believed for so long."""


class QemuObserver(ObserverFacts):
    """QEMU's own view of the virtual Pi's pins."""

    kind: Literal["qemu"]


class WiredObserver(ObserverFacts):
    """What the facts of every observer that hangs on wires have in common."""

    wiring: Annotated[dict[Name, Any], Field(min_length=1)]
    """Line of this bench -> channel of the observer; the other lines it does not see."""

    @field_validator("wiring")
    @classmethod
    def _one_channel_each(cls, wiring: dict[str, Any]) -> dict[str, Any]:
        channels = list(wiring.values())
        twice = sorted({str(c) for c in channels if channels.count(c) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is wired to two lines")
        return wiring


class Local(Facts):
    """The rig runs on the second Pi itself."""

    kind: Literal["local"]
    chip: Chip | None = None
    """Number N of /dev/gpiochipN; without it, gpiozero takes the one of the header."""


class Pigpio(Facts):
    """pigpiod runs on the second Pi, with remote access allowed."""

    kind: Literal["pigpio"]
    host: str
    port: Annotated[int, Field(strict=True, gt=0, lt=65536)] = 8888
    sample_us: Literal[1, 2, 4, 5, 8, 10] = 5
    """How often it looks at the pins: what stands behind `pigpiod -s`."""


class SecondBoard(Facts):
    """A second virtual board in QEMU, wired to the virtual Pi."""

    kind: Literal["second-board"]
    boot_timeout_s: Seconds = 240


class GpiozeroObserver(WiredObserver):
    """A second Pi whose gpiozero watches the target's pins."""

    kind: Literal["gpiozero"]
    via: Annotated[
        Local | Pigpio | Ssh | Serial | SecondBoard | LabSsh | LabSerial,
        Field(discriminator="kind"),
    ]
    """`ssh`, `serial` and those of a lab reach the second Pi as they would reach a target."""
    wiring: Annotated[dict[Name, HeaderLine], Field(min_length=1)]
    """Line of this bench -> GPIO of the second Pi."""
    pull: Literal["floating", "up", "down"] = "floating"
    """Of the second Pi's inputs."""
    latency_us: Annotated[int, Field(strict=True, ge=0)]
    """A stamp is late by 0 to this much."""
    accuracy_ppm: Annotated[float, Field(ge=0, lt=1_000_000)]
    """Largest error of the rate of its clock."""

    @model_validator(mode="after")
    def _second_board_has_these(self) -> Self:
        wrong = set(self.wiring.values()) - set(LINES_OF_SECOND_BOARD)
        if isinstance(self.via, SecondBoard) and wrong:
            there = ", ".join(map(str, LINES_OF_SECOND_BOARD))
            raise ValueError(
                f"nothing can be wired to line {', '.join(map(str, sorted(wrong)))} of the second "
                f"board; it has: {there}"
            )
        return self


class Sampling(WiredObserver):
    """How a logic analyzer is to be used, wherever it is."""

    samplerate_hz: Annotated[int, Field(strict=True, gt=0, le=MOST_RATE_HZ)]
    accuracy_ppm: Annotated[float, Field(gt=0, lt=1_000_000)]
    """Largest error of its clock, from its data sheet."""
    config: tuple[str, ...] = ()
    """More settings, each as `sigrok-cli --config` takes it: a threshold voltage, say."""
    wiring: Annotated[dict[Name, SigrokChannel], Field(min_length=1)]
    """Line of this bench -> channel, as the analyzer's case and `sigrok-cli --scan` name it."""


class SigrokObserver(Sampling):
    """A logic analyzer that sigrok drives."""

    kind: Literal["sigrok"]
    driver: Annotated[str, Field(pattern=r"^[a-z0-9-]+(:[a-z_]+=[^:]+)*$")]
    """As `sigrok-cli --driver` takes it: `fx2lafw`, or `demo:analog_channels=0`."""
    connection: Annotated[str, Field(pattern=r"^[^:\s]+$")] | None = None
    """The driver's option `conn`, if there is more than one: `1.5` (bus.address) or `0925.3881`."""
    serial: str | None = None
    """Or its serial number, as `sigrok-cli --scan` shows it."""


class LabSigrok(FromPlace, Sampling):
    """A logic analyzer that a place of the lab exports."""

    given = ("driver", "connection", "serial")
    kind: Literal["lab-sigrok"]


class TimingRule(TimingLimits):
    """Limits that hold for some patterns and loads only; what it leaves out stays as it is."""

    loads: tuple[Load, ...] = tuple(Load)
    """Loads on the target for which it holds, all if left out."""
    up_to_ms: Milliseconds | None = None
    """Longest on-time or off-time, the shorter of the two, for which it holds; any if left out."""

    def fits(self, shortest_ns: int, load: Load) -> bool:
        """Whether it holds for a pattern whose shorter level takes `shortest_ns`."""
        short = self.up_to_ms is None or shortest_ns <= in_ns(self.up_to_ms)
        return short and load in self.loads


class Limits(TimingLimits):
    """What this bench can hold; a faster bench has tighter ones."""

    tolerance_ms: Milliseconds
    """Largest deviation of one on-time, off-time or period."""
    stall_ms: Milliseconds
    """A bench that did not run for longer than this cannot judge timing."""
    run_timeout_s: Seconds = 60
    """How much longer than its blinking one run may take."""
    release_ms: Milliseconds = 500
    """How long after the end of a run its line may still be driven, the time included in which
    the rig can say when that end was."""
    timing: tuple[TimingRule, ...] = ()
    """Other limits for some patterns and loads; of several that fit, the last one holds."""

    def limits_for(self, shortest_ns: int, load: Load) -> dict[str, Any]:
        """Fields of an `Expectation` for a pattern whose shorter level takes `shortest_ns`."""
        limits = self.limits_ns()
        for rule in self.timing:
            if rule.fits(shortest_ns, load):
                said = rule.limits_ns()
                limits |= {key: limit for key, limit in said.items() if limit != {}}
        return limits

    @property
    def release_ns(self) -> int:
        """`release_ms` in nanoseconds."""
        return in_ns(self.release_ms)

    @property
    def stall_ns(self) -> int:
        """`stall_ms` in nanoseconds."""
        return in_ns(self.stall_ms)

    @model_validator(mode="after")
    def _stall_below_tolerance(self) -> "Limits":
        if self.stall_ms >= self.tolerance_ms:
            raise ValueError(
                f"stall_ms ({self.stall_ms:g}) must be smaller than "
                f"tolerance_ms ({self.tolerance_ms:g})"
            )
        return self


class SoakLimits(Facts):
    """How much more memory may be held at the end of a soak than at its begin."""

    tender_growth_kib: Annotated[int, Field(strict=True, ge=0)] = 64
    """Of the tender, within one chunk."""
    rig_growth_kib: Annotated[int, Field(strict=True, ge=0)] = 8192
    """Of the rig, and of each process that it starts, by the trend over all chunks."""


class Bench(FactsFile):
    """One target with its observer and wiring."""

    name: Name
    lab: Lab | None = None
    """The lab that lends this bench; without it, the bench is at hand."""
    target: Annotated[VirtualPi | Ssh | Serial | LabSsh | LabSerial, Field(discriminator="kind")]
    observer: Annotated[
        QemuObserver | GpiozeroObserver | SigrokObserver | LabSigrok, Field(discriminator="kind")
    ]
    lines: Annotated[dict[Name, Line], Field(min_length=1)]
    """Name in suites and captures -> GPIO line of the target."""
    images: Annotated[dict[Name, Path], Field(min_length=1)]
    """Name in suites -> file to deploy, relative to the bench file."""
    limits: Limits
    soak: SoakLimits = SoakLimits()
    _asked: "Bench | None" = PrivateAttr(default=None)

    @field_validator("lines")
    @classmethod
    def _one_name_each(cls, lines: dict[str, int]) -> dict[str, int]:
        numbers = list(lines.values())
        twice = sorted({n for n in numbers if numbers.count(n) > 1})
        if twice:
            raise ValueError(f"GPIO line {', '.join(map(str, twice))} has two names")
        for name, number in lines.items():
            if (other := re.fullmatch(r"gpio(\d+)", name)) and int(other[1]) != number:
                raise ValueError(f"{name!r} is the name of another line than {number}")
        return lines

    @field_validator("target", "observer")
    @classmethod
    def _comes_from_somewhere(cls, facts: Facts, others: ValidationInfo) -> Facts:
        taken = [f for f in (facts, getattr(facts, "via", None)) if isinstance(f, FromPlace)]
        if taken and others.data.get("lab", True) is None:
            kind = getattr(taken[0], "kind", "")
            raise ValueError(f"kind {kind} needs the section lab, which names the place")
        return facts

    @field_validator("observer")
    @classmethod
    def _sees_this_target(cls, observer: ObserverFacts, others: ValidationInfo) -> ObserverFacts:
        kind = getattr(getattr(observer, "via", observer), "kind", None)
        target = others.data.get("target")
        if kind in ("qemu", "second-board") and target and target.kind != "virtual-pi":
            raise ValueError(
                f"kind {kind} sees a target of kind virtual-pi only, not {target.kind}"
            )
        if kind != "qemu" and getattr(target, "time_lapse", False):
            raise ValueError(
                "a target with time_lapse is seen by kind qemu only: another clock would not jump"
            )
        return observer

    @field_validator("lines")
    @classmethod
    def _wired_lines_exist(cls, lines: dict[str, int], others: ValidationInfo) -> dict[str, int]:
        strangers = set(getattr(others.data.get("observer"), "wiring", {})) - set(lines)
        if strangers:
            raise ValueError(
                f"observer.wiring: lines has no {', '.join(sorted(strangers))}; "
                f"there are: {', '.join(lines)}"
            )
        return lines

    def lent(self, place: str, given: Mapping[str, Facts]) -> "Bench":
        """The same bench, as a place of its lab lends it: with `given` in the place's stead."""
        lab = self.lab and self.lab.model_copy(update={"place": place})
        filled = self.model_copy(update={"lab": lab, **given})
        filled._asked = self.model_copy(update={"lab": lab})
        return filled

    @property
    def asked(self) -> "Bench":
        """What the file says of it, which stays the same when a lab gives other addresses."""
        return self._asked or self

    def line_names(self) -> tuple[str, ...]:
        """Every line of the target in order: its name here, or `gpioN`."""
        names = {number: name for name, number in self.lines.items()}
        return tuple(names.get(n, f"gpio{n}") for n in range(LINES_OF_PI))

    def image(self, name: str) -> Path:
        """The file of an image.

        Raises `BenchFileError` if the bench has no such image.
        """
        if name not in self.images:
            known = ", ".join(sorted(self.images))
            raise BenchFileError(f"{self.file}: images: there is no {name!r}; there are: {known}")
        return self.file.parent / self.images[name]


def load_bench(path: Path) -> Bench:
    """Read and validate a bench file.

    Raises `BenchFileError`, one line per fault: file, line, key, what is allowed.
    """
    return read_facts_file(path, Bench, BenchFileError)
