"""`rig doctor`: each thing that can be wrong with a bench is a WRONG row that says what to do."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from references import record_for

from rig import doctor as module
from rig.bench import Bench, load_bench
from rig.cli import main
from rig.commands.doctor import text_of
from rig.doctor import Row, State, examine
from rig.errors import HoldError, ObserverError, TargetError
from rig.identity import REPOSITORY
from rig.lab.hold import Hold
from rig.observers.fake import FakeObserver, SimulatedPins
from rig.qualification import path_of, write_record
from rig.targets.shell import Result
from rig.wiring import PULSES

LED = 458 + 25
ELF = b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + (183).to_bytes(2, "little")
TOLD = {
    "machine": "aarch64",
    "kernel": "6.1.0",
    "board": "Raspberry Pi 3",
    "arguments": "quiet",
    "kvm": "there",
    "kvm-usable": "yes",
    "sysfs": "there",
    "sysfs-usable": "yes",
    "character-devices": "/dev/gpiochip0",
}


class FakePi:
    """A target whose answers a test may change, and whose `led` moves simulated pins."""

    def __init__(self, pins: SimulatedPins) -> None:
        self.pins = pins
        self.told = dict(TOLD)
        self.state = ["chip,458,54,pinctrl-bcm2835"]
        self.files: dict[str, str] = {}
        self.rots = self.refuses = self.is_on = False
        self.drive: Callable[[SimulatedPins, int], None] = lambda pins, level: pins.drive(
            "led", level
        )
        self.boots: Exception | None = None
        self.driven: list[str] = []

    def open(self, files: Mapping[str, Path]) -> None:
        self.is_on = True
        if self.boots:
            raise self.boots

    def close(self) -> None:
        self.is_on = False

    def run(self, command: str, timeout_s: float = 10) -> Result:
        if "scaling_governor" in command:
            return self._said(*(f"{key},{value}" for key, value in self.told.items()))
        if "state-end" in command:
            return self._said(*self.state, "state-end")
        assert "export" in command
        self.driven.append(command)
        for pulse in range(2 * PULSES):
            self.pins.wait(1_000_000)
            self.drive(self.pins, 1 - pulse % 2)
        return replace(self._said("no such line"), status=1) if self.refuses else self._said()

    def put(self, source: Path, path: str) -> None:
        self.files[path] = hashlib.sha256(source.read_bytes()).hexdigest()

    def sha256(self, path: str) -> str | None:
        return "0" * 64 if self.rots else self.files[path]

    def _said(self, *lines: str) -> Result:
        return Result(0, "".join(f"{line}\n" for line in lines), 0, 0)


@pytest.fixture
def pi() -> FakePi:
    return FakePi(SimulatedPins("led", "gpio17"))


@pytest.fixture
def observer(pi: FakePi) -> FakeObserver:
    return FakeObserver(pi.pins)


@pytest.fixture
def bench(
    tmp_path: Path, pi: FakePi, observer: FakeObserver, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """A bench file whose target and observer are the fakes."""
    text = (REPOSITORY / "benches" / "virtual.yaml").read_text()
    path = tmp_path / "desk.yaml"
    text = text.replace("led: 25 ", "led: 25\n  gpio17: 17").replace("../build", "build")
    path.write_text(text)
    bench = load_bench(path)
    for image in bench.images:
        bench.image(image).parent.mkdir(parents=True, exist_ok=True)
        bench.image(image).write_bytes(ELF)
    monkeypatch.setattr(module, "make_target", lambda _: pi)
    monkeypatch.setattr(module, "make_observer", lambda *_: observer)
    return bench


def wrong(bench: Bench, line: str = "led") -> dict[str, Row]:
    """The rows that are not all right."""
    rows = list(examine(bench, [line]))
    assert rows
    return {row.what: row for row in rows if row.state is not State.OK}


def test_a_bench_that_is_all_right_has_no_wrong_row_and_is_let_go(bench: Bench, pi: FakePi) -> None:
    assert wrong(bench) == {}
    assert len(pi.driven) == 1
    assert not pi.is_on


# What is wrong with the target.


def test_a_bench_that_somebody_else_has_is_said_and_not_touched(
    bench: Bench, pi: FakePi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> Hold:
        raise HoldError("pi3.local:22 is in use by process 7")

    monkeypatch.setattr(Hold, "of", refuse)
    assert wrong(bench)["target"].found == "pi3.local:22 is in use by process 7"
    assert not pi.is_on


TARGET_FAULTS = [
    ({"machine": "armv7l"}, "architecture", "64-bit"),
    ({"kvm": "", "kvm-usable": ""}, "KVM", "CONFIG_KVM at EL2"),
    (
        {"kvm": "", "kvm-usable": "", "arguments": "quiet kvm-arm.mode=none"},
        "KVM",
        "take kvm-arm.mode=none off",
    ),
    ({"kvm-usable": ""}, "KVM", "group that owns it"),
    ({"sysfs": "", "sysfs-usable": ""}, "GPIO interface", "CONFIG_GPIO_SYSFS"),
    ({"sysfs-usable": ""}, "GPIO interface", "group gpio"),
    ({"governor": "powersave"}, "CPU governor", "echo performance"),
    ({"governor": "performance powersave"}, "CPU governor", "echo performance"),
]


@pytest.mark.parametrize(("told", "what", "remedy"), TARGET_FAULTS)
def test_what_the_target_lacks_is_one_wrong_row_with_a_remedy(
    bench: Bench, pi: FakePi, told: dict[str, str], what: str, remedy: str
) -> None:
    pi.told |= told
    rows = wrong(bench)
    assert {what} == set(rows)
    assert rows[what].state is State.WRONG
    assert remedy in rows[what].remedy


@pytest.mark.parametrize("governor", ["performance", "ondemand", "schedutil"])
def test_a_governor_that_lets_the_cpu_speed_up_is_all_right(
    bench: Bench, pi: FakePi, governor: str
) -> None:
    pi.told |= {"governor": governor}
    assert wrong(bench) == {}


def test_another_gpio_chip_is_named_and_nothing_is_driven(bench: Bench, pi: FakePi) -> None:
    pi.state = ["chip,0,54,pinctrl-bcm2711"]
    rows = wrong(bench)
    assert "pinctrl-bcm2711" in rows["GPIO chip"].found
    assert rows["wiring of led"].state is State.UNKNOWN
    assert pi.driven == []


@pytest.mark.parametrize(
    ("state", "user"),
    [
        (f"export,{LED},out,1", "exported (out)"),
        (f"holder,{LED},heater", "held by (heater)"),
    ],
)
def test_a_line_that_somebody_else_has_is_wrong_and_not_driven(
    bench: Bench, pi: FakePi, state: str, user: str
) -> None:
    pi.state.append(state)
    rows = wrong(bench)
    assert f"GPIO 25 (header pin 22), {LED} in sysfs: {user}" in rows["line led"].found
    assert rows["wiring of led"].state is State.UNKNOWN
    assert pi.driven == []
    assert f"echo {LED} > /sys/class/gpio/unexport" in rows["line led"].remedy


def test_a_target_that_does_not_come_up_is_the_only_row_and_is_let_go(
    bench: Bench, pi: FakePi
) -> None:
    pi.boots = TargetError("no login prompt within 120 s")
    rows = wrong(bench)
    assert {k: v.found for k, v in rows.items()} == {"target": "no login prompt within 120 s"}
    assert not pi.is_on


def test_a_target_whose_answers_make_no_sense_is_wrong(bench: Bench, pi: FakePi) -> None:
    pi.state = ["chip,what"]
    assert "cannot read the GPIO state" in wrong(bench)["target's answers"].found


# Images.


@pytest.mark.parametrize(
    ("data", "problem"), [(None, "make tender"), (b"no ELF", "not an ELF file")]
)
def test_an_image_that_cannot_run_there_is_wrong(
    bench: Bench, data: bytes | None, problem: str
) -> None:
    path = bench.image("test_led")
    path.unlink()
    if data:
        path.write_bytes(data)
    rows = wrong(bench)
    assert set(rows) == {"image test_led"}
    assert problem in rows["image test_led"].found


def test_an_image_that_reads_other_than_it_was_sent_is_wrong(bench: Bench, pi: FakePi) -> None:
    pi.rots = True
    assert "SD card" in wrong(bench)["deployed tender"].found


# The observer and its wiring.


def test_an_observer_that_is_not_there_is_wrong_and_the_wiring_unknown(
    bench: Bench, observer: FakeObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise ObserverError("no analyzer is plugged in")

    monkeypatch.setattr(observer, "connect", absent)
    rows = wrong(bench)
    assert rows["observer"].found == "no analyzer is plugged in"
    assert rows["wiring of led"].state is State.UNKNOWN


def test_an_observer_that_falls_silent_is_wrong(bench: Bench, observer: FakeObserver) -> None:
    observer.faults.silent = True
    assert "silent" in wrong(bench)["wiring of led"].found


def nothing(pins: SimulatedPins, level: int) -> None:
    """A wire that is not there."""


def elsewhere(pins: SimulatedPins, level: int) -> None:
    pins.drive("gpio17", level)


def both(pins: SimulatedPins, level: int) -> None:
    pins.drive("led", level)
    pins.drive("gpio17", level)


def inverted(pins: SimulatedPins, level: int) -> None:
    pins.drive("led", 1 - level)


def bouncing(pins: SimulatedPins, level: int) -> None:
    for bounce in (level, 1 - level, level):
        pins.drive("led", bounce)


@pytest.mark.parametrize(
    ("wire", "problem", "remedy"),
    [
        (nothing, "nothing moved", "look at the wire from GPIO 25 (header pin 22)"),
        (elsewhere, "what moved is gpio17", "move the wire from GPIO 25"),
        (both, "also moved: gpio17", "short"),
        (inverted, "wrong way round", "inverts"),
        (bouncing, f"moved {6 * PULSES} times", "loose contact"),
    ],
)
def test_wrong_wiring_is_told_by_what_moves(
    bench: Bench, pi: FakePi, wire: Callable[[SimulatedPins, int], None], problem: str, remedy: str
) -> None:
    pi.pins.levels["led"] = int(wire is inverted)
    pi.drive = wire
    row = wrong(bench)["wiring of led"]
    assert row.state is State.WRONG
    assert problem in row.found
    assert remedy in row.remedy


def test_edges_that_were_lost_make_the_wiring_wrong(bench: Bench, observer: FakeObserver) -> None:
    observer.faults.lose = 1
    assert "edges were lost" in wrong(bench)["wiring of led"].found


def test_a_line_that_cannot_be_driven_says_why(bench: Bench, pi: FakePi) -> None:
    pi.refuses = True
    assert "no such line" in wrong(bench)["wiring of led"].found


def test_a_line_that_the_observer_does_not_watch_is_wrong_and_not_driven(
    bench: Bench, pi: FakePi
) -> None:
    observer = cast(Any, bench.observer.model_copy())
    object.__setattr__(observer, "wiring", {"gpio17": 0})
    rows = wrong(bench.model_copy(update={"observer": observer}))
    assert "does not watch" in rows["wiring of led"].found
    assert pi.driven == []


# Its qualification.


@pytest.mark.parametrize(("days", "is_old"), [(364, False), (366, True)])
def test_a_qualification_is_wrong_when_it_is_old(bench: Bench, days: int, is_old: bool) -> None:
    made = datetime.now(UTC) - timedelta(days=days)
    record = record_for(bench)
    date = made.strftime("%Y-%m-%dT%H:%M:%SZ")
    write_record(path_of(bench), record.model_copy(update={"date": date}))
    rows = wrong(bench)
    assert ("qualification" in rows) is is_old
    if is_old:
        assert "rig qualify" in rows["qualification"].remedy


def test_a_qualification_that_cannot_be_read_is_wrong(bench: Bench) -> None:
    path_of(bench).write_text("junk")
    assert path_of(bench).name in wrong(bench)["qualification"].found


# The command.


def doctor(bench: Bench, monkeypatch: pytest.MonkeyPatch, *more: str) -> int:
    monkeypatch.setattr(sys, "argv", ["rig", "doctor", str(bench.file), *more])
    with pytest.raises(SystemExit) as ended:
        main()
    return cast(int, ended.value.code)


def test_exit_status_is_0_only_if_a_suite_may_start(
    bench: Bench, pi: FakePi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(bench, monkeypatch) == 0
    assert "a suite may start" in capsys.readouterr().out
    pi.told |= {"governor": "powersave"}
    assert doctor(bench, monkeypatch) == 4
    told = capsys.readouterr()
    assert "WRONG        CPU governor      powersave" in told.out
    assert "1 wrong" in told.err


def test_every_line_that_is_named_is_driven(
    bench: Bench, pi: FakePi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(bench, monkeypatch, "--line", "led", "--line", "gpio17") == 4
    assert len(pi.driven) == 2
    assert "wiring of gpio17" in capsys.readouterr().out
    assert doctor(bench, monkeypatch, "--line", "lamp") == 2
    assert "but: led, gpio17" in " ".join(capsys.readouterr().err.replace("│", "").split())


def test_a_row_says_what_to_do_below_it() -> None:
    text = text_of(Row("KVM", State.WRONG, "there is no /dev/kvm", "boot another kernel"))
    assert [line.split("  ")[-1].strip() for line in text.splitlines()] == [
        "there is no /dev/kvm",
        "-> boot another kernel",
    ]
