"""Shows when a run is repeated, what stays of it, and that a session ends what it began."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from blinks import LINES, START_NS, TEN_BLINKS, Defect, good, records, stalled, stuck_low
from references import record_for

from rig import session as module
from rig.aftermath import Aftermath
from rig.bench import Bench, Limits, QemuObserver, VirtualPi
from rig.capture import Capture, Edge, Instant, ModeChange
from rig.cleanup import Chip, Export, GpioState
from rig.errors import HoldError, ImageError, ObserverError, TargetError
from rig.evidence import Image, read_evidence
from rig.observers.qualified import QualifiedObserver
from rig.qualification import path_of, write_record
from rig.session import Order, Session, deployed_path, spoiled
from rig.targets.shell import Result
from rig.verdict import Finding, Kind, Outcome, Verdict

AARCH64, X86_64, RISC_V = 183, 62, 243
RECORDS = "".join(records())
CONSOLE = f"led-begin,1\n{RECORDS}led-end,20\nSUCCESS\n"
HEADER = Chip(label="pinctrl-bcm2835", base=458, ngpio=54)
COMMANDED = Instant(START_NS + 7, 4)
ORDER = Order(
    suite="Led",
    test="LED Blinks",
    command="/opt/rig/tender --led:led0=25 -- /opt/rig/test_led",
    tender="tender",
    unikernel="test_led",
    expectation=TEN_BLINKS,
    timeout_s=66,
)


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + machine.to_bytes(2, "little") + b"rest"


class FakePi:
    """A target that answers what its tests put in, and remembers what was asked of it."""

    def __init__(self, *_: object) -> None:
        self.asked: list[str] = []
        self.files: dict[str, bytes] = {}
        self.exports: dict[int, str] = {}
        self.leaves: dict[int, str] = {}
        """What the run exports and does not give back."""
        self.status = 0
        self.is_on = False
        self.fails: BaseException | None = None
        """Raised by the run."""

    def open(self, files: Mapping[str, Path]) -> None:
        self.is_on = True
        self.files |= {path: source.read_bytes() for path, source in files.items()}

    def close(self) -> None:
        self.is_on = False

    def versions(self) -> dict[str, str]:
        return {"qemu": "7.2"}

    def run(self, command: str, timeout_s: float = 10) -> Result:
        self.asked.append(command)
        if "state-end" in command:
            exports = [f"export,{n},{state}" for n, state in self.exports.items()]
            return self._said("chip,458,54,pinctrl-bcm2835", *exports, "state-end")
        if "/dev/kvm" in command:
            return self._said("machine,aarch64", "kernel,6.1.0", "board,Pi", "kvm,yes", "sysfs,yes")
        if command == ORDER.command:
            assert timeout_s == ORDER.timeout_s
            if self.fails:
                raise self.fails
            self.exports |= self.leaves
            return Result(self.status, CONSOLE, started_ns=1000, ended_ns=2000)
        return self._said()

    def sha256(self, path: str) -> str | None:
        return hashlib.sha256(self.files[path]).hexdigest() if path in self.files else None

    def put(self, source: Path, path: str) -> None:
        if self.sha256(path) != hashlib.sha256(source.read_bytes()).hexdigest():
            self.asked.append(f"put {path}")
            self.files[path] = source.read_bytes()

    def _said(self, *lines: str) -> Result:
        return Result(0, "".join(f"{line}\n" for line in lines), 0, 0)


class FakeObserver:
    """Gives these captures, one a run."""

    def __init__(self, *_: object) -> None:
        self.captures: Iterator[Capture] = iter(())
        self.is_connected = self.is_armed = self.is_closed = False
        self.stopped = 0

    def connect(self) -> None:
        self.is_connected = True

    def now(self) -> Instant:
        assert self.is_armed
        return COMMANDED

    def arm(self) -> None:
        assert not self.is_armed
        self.is_armed = True

    def stop(self) -> Capture:
        assert self.is_armed
        self.is_armed, self.stopped = False, self.stopped + 1
        return next(self.captures)

    def functions(self) -> dict[str, str]:
        return dict.fromkeys(LINES, "in")

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    images = {"tender": elf(AARCH64) + b"t", "test_led": elf(AARCH64) + b"l"}
    for name, data in images.items():
        (tmp_path / name).write_bytes(data)
    return Bench(
        name="desk",
        target=VirtualPi(kind="virtual-pi"),
        observer=QemuObserver(kind="qemu"),
        lines={"led": 25},
        images={name: Path(name) for name in images},
        limits=Limits(tolerance_ms=60, stall_ms=30),
        file=tmp_path / "desk.yaml",
        sha256="b" * 64,
    )


@pytest.fixture
def session(bench: Bench) -> Session:
    images = {
        name: Image(path=deployed_path(name), source=name, sha256="7" * 64) for name in bench.images
    }
    pi, observer = cast(Any, FakePi()), cast(Any, FakeObserver())
    return Session(bench, pi, observer, {"board": "Pi"}, images)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a run goes; its parent is where leftovers would be."""
    return tmp_path / "results" / "blinks"


def pi(session: Session) -> FakePi:
    return cast(FakePi, session.target)


def observer(session: Session) -> FakeObserver:
    return cast(FakeObserver, session.observer)


def fine(_: object) -> None:
    """Nothing is wrong."""


def lossy(scene: Any) -> None:
    scene.lost = 1


def both(*defects: Defect) -> Defect:
    def plant(scene: Any) -> None:
        for defect in defects:
            defect(scene)

    return plant


def captures(*defects: Defect) -> Iterator[Capture]:
    for defect in defects:
        scene = good()
        defect(scene)
        yield scene.capture()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.glob("*"))


# Whether a run is repeated.


@pytest.mark.parametrize(
    ("defects", "outcome", "repeats"),
    [
        ([fine], Outcome.PASS, 0),
        ([stalled, fine], Outcome.PASS, 1),
        ([stalled, stalled, fine], Outcome.PASS, 2),
        ([stalled, stalled, stalled, fine], Outcome.INCONCLUSIVE, 2),
        ([stalled, stuck_low, fine], Outcome.FAIL, 1),
        ([stuck_low, fine], Outcome.FAIL, 0),
        ([both(stalled, stuck_low), fine], Outcome.FAIL, 0),
        ([lossy, fine], Outcome.INCONCLUSIVE, 0),
    ],
    ids=[
        "good",
        "stalled-once",
        "stalled-twice",
        "always-stalled",
        "stalled-then-wrong",
        "wrong",
        "stalled-and-wrong",
        "incomplete",
    ],
)
def test_only_a_run_that_a_stall_spoiled_is_repeated_and_at_most_twice(
    session: Session, folder: Path, defects: list[Defect], outcome: Outcome, repeats: int
) -> None:
    observer(session).captures = captures(*defects)
    evidence, verdict = session.run(ORDER, folder)
    assert verdict.outcome is outcome
    assert evidence.run.repeats == repeats
    assert observer(session).stopped == pi(session).asked.count(ORDER.command) == repeats + 1
    spoilt = [f"{folder.name}.spoiled-{n}" for n in range(1, repeats + 1)]
    assert names(folder) == [folder.name, *spoilt]


def test_a_spoiled_run_keeps_its_evidence_beside_the_last(session: Session, folder: Path) -> None:
    observer(session).captures = captures(stalled, stalled, fine)
    session.run(ORDER, folder)
    for repeats, name in enumerate(["blinks.spoiled-1", "blinks.spoiled-2", "blinks"]):
        evidence = read_evidence(folder.with_name(name))
        assert evidence.run.repeats == repeats
        assert bool(evidence.judge().of_kind(Kind.STALL)) == (name != "blinks")


STALL = Finding(Kind.STALL, Outcome.INCONCLUSIVE, "stalled")
TIMING = Finding(Kind.ON_TIME, Outcome.INCONCLUSIVE, "too close")


@pytest.mark.parametrize(
    ("findings", "repeated"),
    [
        ([], False),
        ([STALL], True),
        ([STALL, TIMING], True),
        ([TIMING], False),
        ([STALL, Finding(Kind.COUNT, Outcome.FAIL, "too few")], False),
        ([STALL, Finding(Kind.COUNT, Outcome.PASS, "enough")], True),
    ],
)
def test_a_verdict_is_spoiled_by_a_stall_and_by_nothing_else(
    findings: list[Finding], repeated: bool
) -> None:
    assert spoiled(Verdict(tuple(findings))) is repeated


WRONG = Finding(Kind.CLEANUP, Outcome.FAIL, "left exported")


@pytest.mark.parametrize(
    ("findings", "repeated"),
    [
        ([WRONG], False),
        ([WRONG, STALL], False),
        ([WRONG, STALL, TIMING], True),
        ([WRONG, TIMING], False),
        ([STALL, TIMING], True),
    ],
    ids=["caught", "stalled", "stalled-in-part", "too-close", "stalled-and-not-caught"],
)
def test_a_planted_defect_is_tried_again_if_a_stall_left_a_part_of_it_open(
    findings: list[Finding], repeated: bool
) -> None:
    assert spoiled(Verdict(tuple(findings)), "defect") is repeated


def test_what_a_planted_defect_left_is_gone_before_it_is_tried_again(
    session: Session, folder: Path
) -> None:
    """Else the next tender finds a line that is somebody else's."""
    observer(session).captures = captures(stalled, fine)
    pi(session).leaves = {483: "out,0"}
    session.run(replace(ORDER, purpose="defect"), folder)
    runs = [command for command in pi(session).asked if "state-end" not in command]
    first, second = (n for n, command in enumerate(runs) if command == ORDER.command)
    assert "echo 483 > /sys/class/gpio/unexport" in runs[first:second]


# What a run leaves.


def test_a_run_records_what_was_ordered_and_what_came(session: Session, folder: Path) -> None:
    observer(session).captures = captures(fine)
    pi(session).status = 7
    order = replace(ORDER, purpose="defect", exit_wanted=7)
    evidence, verdict = session.run(order, folder)
    run = evidence.run
    assert verdict.outcome is Outcome.PASS
    assert (run.suite, run.test, run.purpose) == ("Led", "LED Blinks", "defect")
    assert (run.bench, run.bench_file, run.bench_sha256) == ("desk", "desk.yaml", "b" * 64)
    assert (run.command, run.expectation) == (ORDER.command, TEN_BLINKS)
    assert (run.exit_status, run.exit_wanted, run.console_wanted) == (7, 7, ("SUCCESS",))
    assert (run.started_ns, run.ended_ns) == (1000, 2000)
    assert (run.target, run.sysfs_number) == ({"board": "Pi"}, 458 + 25)
    assert {name: image.path for name, image in run.images.items()} == {
        "tender": "/opt/rig/tender",
        "unikernel": "/opt/rig/test_led",
    }
    assert run.tools["qemu"] == "7.2"
    assert evidence.console == CONSOLE


def test_the_capture_knows_when_the_run_was_commanded(session: Session, folder: Path) -> None:
    observer(session).captures = captures(fine)
    evidence, _ = session.run(ORDER, folder)
    assert evidence.capture.commanded == COMMANDED


def test_the_pins_are_looked_at_before_and_after(
    session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer(session).captures = captures(fine)
    pi(session).exports = {462: "in,1"}

    def run(command: str, timeout_s: float = 10) -> Result:
        if command == ORDER.command:
            pi(session).exports[483] = "out,0"
        return FakePi.run(pi(session), command, timeout_s)

    monkeypatch.setattr(session.target, "run", run)
    evidence, verdict = session.run(ORDER, folder)
    before = {462: Export(direction="in", value=1)}
    assert evidence.before == GpioState(
        chips=(HEADER,), exports=before, holders=(), functions=dict.fromkeys(LINES, "in")
    )
    assert evidence.after.exports == before | {483: Export(direction="out", value=0)}
    assert verdict.failing_kinds() == {Kind.CLEANUP}


@pytest.mark.parametrize("error", [TargetError("no end"), KeyboardInterrupt()], ids=repr)
def test_a_run_that_breaks_off_stops_the_observer_and_leaves_nothing(
    session: Session, folder: Path, error: BaseException
) -> None:
    observer(session).captures = captures(fine)
    pi(session).fails = error
    with pytest.raises(type(error)):
        session.run(ORDER, folder)
    assert (observer(session).stopped, observer(session).is_armed) == (1, False)
    assert names(folder) == []


@pytest.mark.parametrize("moment", ["arm", "stop"])
def test_an_observer_that_fails_leaves_nothing(
    session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def fail() -> None:
        raise ObserverError("the witnesses disagree")

    monkeypatch.setattr(session.observer, moment, fail)
    with pytest.raises(ObserverError):
        session.run(ORDER, folder)
    assert names(folder) == []


def test_what_was_exported_besides_is_unexported_and_what_was_there_stays(
    session: Session,
) -> None:
    pi(session).exports = {462: "in,1"}
    before = session.gpio_state()
    pi(session).exports |= {483: "out,1", 484: "in,0"}
    session.restore(before)
    assert {command for command in pi(session).asked if command.startswith("echo")} == {
        "echo 483 > /sys/class/gpio/unexport",
        "echo 484 > /sys/class/gpio/unexport",
    }


def test_a_line_has_the_number_that_the_targets_chip_gives_it(session: Session) -> None:
    assert session.sysfs_number("led") == 458 + 25


# Opening and closing.


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `Session.open` made: a fake Pi, with any `patches`, and a fake observer."""
    made: dict[str, Any] = {"patches": {}}

    def make_pi(*facts: object) -> FakePi:
        made["pi"] = FakePi(*facts)
        vars(made["pi"]).update(made["patches"])
        return cast(FakePi, made["pi"])

    def make_observer(*facts: object) -> FakeObserver:
        made["observer"], made["observer facts"] = FakeObserver(), facts
        return cast(FakeObserver, made["observer"])

    monkeypatch.setattr(module, "make_target", make_pi)
    monkeypatch.setattr(module, "make_observer", make_observer)
    return made


def test_a_session_boots_with_the_images_and_knows_their_hashes_and_how_long_it_took(
    bench: Bench, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic_ns=count(start=100, step=7).__next__)
    monkeypatch.setattr(module, "time", clock)
    session = Session.open(bench)
    assert made["pi"].is_on
    assert made["observer facts"] == (bench, made["pi"])
    assert made["observer"].is_connected
    assert session.facts["gpio_base"] == 458
    assert session.images == {
        name: Image(
            path=f"/opt/rig/{name}",
            source=name,
            sha256=hashlib.sha256(bench.image(name).read_bytes()).hexdigest(),
            deploy_ns=7,
        )
        for name in ("tender", "test_led")
    }
    assert not any(command.startswith("put") for command in made["pi"].asked)
    session.close()
    assert not made["pi"].is_on
    assert made["observer"].is_closed


def test_a_session_has_the_budget_that_was_stored_unless_it_is_to_be_measured(
    bench: Bench, made: dict[str, Any]
) -> None:
    write_record(path_of(bench), record_for(bench))
    session = Session.open(bench)
    assert isinstance(session.observer, QualifiedObserver)
    assert made["observer"].is_connected
    session.close()
    assert made["observer"].is_closed
    assert Session.open(bench, use_qualification=False).observer is made["observer"]


def test_an_image_that_did_not_come_with_the_boot_is_sent(
    bench: Bench, made: dict[str, Any]
) -> None:
    made["patches"] = {"open": lambda files: None}
    Session.open(bench)
    assert "put /opt/rig/tender" in made["pi"].asked
    assert made["pi"].files["/opt/rig/test_led"] == bench.image("test_led").read_bytes()


def fail(*_: object) -> None:
    raise TargetError("no login prompt")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt("pressed")


BROKEN: dict[str, tuple[str, Callable[..., None], str]] = {
    "does not boot": ("open", fail, "no login prompt"),
    "Ctrl-C at boot": ("open", interrupt, "pressed"),
    "has no facts": ("run", fail, "no login prompt"),
    "changes what it gets": (
        "sha256",
        cast(Any, lambda path: "0" * 64),
        "/opt/rig/tender on the target has SHA-256 0000.*tender has [0-9a-f]{64}",
    ),
}


@pytest.mark.parametrize(("name", "method", "words"), BROKEN.values(), ids=list(BROKEN))
def test_a_session_that_cannot_be_opened_is_shut_down_again(
    bench: Bench, made: dict[str, Any], name: str, method: Callable[..., None], words: str
) -> None:
    made["patches"] = {name: method}
    with pytest.raises((TargetError, KeyboardInterrupt), match=words):
        Session.open(bench)
    assert not made["pi"].is_on
    assert made["observer"].is_closed


IMAGES: Iterable[tuple[bytes | None, str]] = [
    (None, "No such file or directory; `make tender` builds the images"),
    (b"", "not an ELF file"),
    (b"#!/bin/sh\necho a long enough script\n", "not an ELF file"),
    (elf(AARCH64)[:19], "not an ELF file"),
    (elf(X86_64), "built for x86_64, the target is aarch64"),
    (elf(RISC_V), "built for machine 243, the target is aarch64"),
]


@pytest.mark.parametrize(
    ("data", "words"), IMAGES, ids=["missing", "empty", "script", "cut", "x86_64", "riscv"]
)
def test_an_image_that_cannot_run_is_refused_before_anything_starts(
    bench: Bench, made: dict[str, Any], data: bytes | None, words: str
) -> None:
    path = bench.image("test_led")
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        Session.open(bench)
    assert str(caught.value) == f"{bench.file}: images.test_led: {path}: {words}"
    assert "pi" not in made


# A bench that broke.


def test_what_broke_first_is_told_and_not_what_broke_because_of_it(
    session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead() -> Capture:
        raise ObserverError("nothing comes any more")

    pi(session).fails = TargetError("the port vanished")
    monkeypatch.setattr(observer(session), "stop", dead)
    with pytest.raises(TargetError, match="the port vanished"):
        session.run(ORDER, folder)
    assert names(folder) == []


class FakeHold:
    """A bench that its lab can take away, and lend anew."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.facts = bench, {"lab_place": "desk-a"}
        self.is_lost = self.is_closed = False
        self.renewed = 0

    def check(self) -> None:
        if self.is_lost:
            raise HoldError("its exporter has ended")

    def renew(self) -> None:
        self.renewed, self.is_lost = self.renewed + 1, False

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def hold(session: Session) -> FakeHold:
    session.hold = cast(Any, FakeHold(session.bench))
    return cast(FakeHold, session.hold)


@pytest.mark.parametrize("fails", [None, TargetError("the connection broke")])
def test_a_bench_that_is_lost_in_mid_run_is_what_is_told_and_leaves_no_evidence(
    session: Session, hold: FakeHold, folder: Path, fails: TargetError | None
) -> None:
    pi(session).fails, hold.is_lost = fails, True
    observer(session).captures = iter([cast(Capture, None)])
    with pytest.raises(HoldError, match="its exporter has ended"):
        session.run(ORDER, folder)
    assert names(folder) == []
    assert observer(session).stopped == 1


def test_a_ctrl_c_is_one_whatever_else_was_lost(session: Session, hold: FakeHold) -> None:
    hold.is_lost = True
    with pytest.raises(KeyboardInterrupt), session.held():
        raise KeyboardInterrupt


def test_a_lost_bench_is_lent_anew_when_it_is_reopened_and_given_back_at_the_end(
    session: Session, hold: FakeHold, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pi(session), "close", fail)
    hold.is_lost = True
    again = session.reopened()
    assert (hold.renewed, hold.is_closed) == (1, False)
    assert again.facts["lab_place"] == "desk-a"
    again.close()
    assert hold.is_closed


def test_a_bench_that_cannot_be_reopened_is_given_back(
    session: Session, hold: FakeHold, made: dict[str, Any]
) -> None:
    made["patches"] = {"open": fail}
    with pytest.raises(TargetError):
        session.reopened()
    assert hold.is_closed


def test_a_target_that_cannot_be_closed_does_not_keep_the_bench(
    session: Session, hold: FakeHold, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pi(session), "close", fail)
    with pytest.raises(TargetError):
        session.close()
    assert hold.is_closed


def test_a_reopened_bench_has_its_lines_free_and_keeps_its_first_state(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = FakePi()
    again.exports = {465: "in,0", 483: "out,1"}
    clean = GpioState(chips=(), exports={465: Export(direction="in", value=0)}, holders=())
    session.clean = clean
    monkeypatch.setattr(module, "make_target", lambda _: again)
    monkeypatch.setattr(module, "make_observer", lambda *_: FakeObserver())
    reopened = session.reopened()
    assert observer(session).is_closed
    assert [c for c in again.asked if "unexport" in c] == ["echo 483 > /sys/class/gpio/unexport"]
    assert reopened.clean == clean


def test_a_bench_that_does_not_come_up_again_is_closed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, watching = FakePi(), FakeObserver()
    monkeypatch.setattr(module, "make_target", lambda _: again)
    monkeypatch.setattr(module, "make_observer", lambda *_: watching)

    def refuse(self: Session, wanted: GpioState) -> None:
        raise TargetError("it is gone again")

    monkeypatch.setattr(Session, "restore", refuse)
    with pytest.raises(TargetError, match="gone again"):
        session.reopened()
    assert not again.is_on
    assert watching.is_closed


def test_a_target_that_cannot_be_closed_does_not_keep_the_observer(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck() -> None:
        raise TargetError("the switch does not answer")

    monkeypatch.setattr(pi(session), "close", stuck)
    with pytest.raises(TargetError):
        session.close()
    assert observer(session).is_closed


# Runs that are ended early.

ENDED = replace(
    ORDER,
    command="/opt/rig/tender -- /opt/rig/test_led_endings wait",
    expectation=Aftermath(line="led", edges=2, is_taken=True, release_ns=500_000_000),
    console_wanted=("the LED is on",),
    exit_wanted=None,
    ending="the power is cut",
)


class PowerPi(FakePi):
    """A board that can be switched, and that answers what runs leave."""

    def __init__(self) -> None:
        super().__init__()
        self.did: list[str] = []
        self.power: Any = SimpleNamespace(off=lambda: self.did.append("off"))

    def run(self, command: str, timeout_s: float = 10) -> Result:
        if "left-end" in command:
            return self._said("log-there", "log,[ 1.0] of this boot", "left-end")
        if "setsid" in command:
            self.did.append("start")
            return self._said("the LED is on")
        if "rm -f /tmp/rig-run" in command:
            self.did.append("abandon")
        return super().run(command, timeout_s)

    def boot_again(self) -> None:
        self.did.append("boot")


class WatchedObserver(FakeObserver):
    """One that has seen the LED go dark."""

    def now(self) -> Instant:
        return Instant(START_NS + 700_000_000, 1000)

    def peek(self, after: int = 0) -> list[Edge]:
        return [Edge(0, "led", 1, 0), Edge(1, "led", 0, 1)][after:]


@pytest.fixture
def switched(session: Session) -> Session:
    return replace(session, target=cast(Any, PowerPi()), observer=cast(Any, WatchedObserver()))


def blinked_once(scene: Any) -> None:
    scene.led = [(START_NS + 600_000_000, 1), (START_NS + 700_000_000, 0)]
    scene.modes = [
        ModeChange(START_NS + 500_000_000, "led", "out"),
        ModeChange(START_NS + 700_000_000, "led", "in"),
    ]


def test_a_power_cut_is_captured_until_the_led_is_dark_and_judged_after_the_boot(
    switched: Session, folder: Path
) -> None:
    observer(switched).captures = captures(blinked_once)
    evidence, verdict = switched.run(ENDED, folder)
    assert cast(PowerPi, switched.target).did == ["start", "off", "boot"]
    assert verdict.outcome is Outcome.PASS
    assert evidence.run.ending == "the power is cut"
    assert evidence.run.exit_status is None
    assert evidence.after.kernel_log is None
    assert read_evidence(folder).judge() == verdict


def test_a_led_that_stays_lit_after_an_ending_fails(switched: Session, folder: Path) -> None:
    def lit(scene: Any) -> None:
        blinked_once(scene)
        del scene.led[1], scene.modes[1]

    observer(switched).captures = captures(lit)
    _, verdict = switched.run(ENDED, folder)
    assert {Kind.COUNT, Kind.RELEASE} <= verdict.failing_kinds()


def test_a_target_without_a_switch_is_an_error_of_the_bench_and_nothing_is_left(
    switched: Session, folder: Path
) -> None:
    target = cast(PowerPi, switched.target)
    target.power = None
    observer(switched).captures = captures(fine)
    with pytest.raises(TargetError, match="nobody can switch the power of this target"):
        switched.run(ENDED, folder)
    assert target.did == ["start", "abandon"]
    assert (observer(switched).stopped, names(folder)) == (1, [])
