"""Benches lent by a lab, and switched by commands, on a virtual Pi: to the verdict."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig import bench as facts
from rig import session as module
from rig.bench import Bench, load_bench
from rig.errors import HoldError, TargetError
from rig.identity import REPOSITORY
from rig.observers.qemu import QemuObserver
from rig.session import Order, Session, checked_image, deployed_path
from rig.targets.opening import make_board
from rig.targets.virtual_pi import VirtualPi
from rig.verdict import Outcome
from tests.lab.labs import LIMITS, LoopbackLab, bench_in
from tests.lab.servers import SerialServer, SmartPlug
from tests.virtual_pi.conftest import blink as order_of
from tests.virtual_pi.ssh_keys import SshKeys

SLOW_S = 300
PUT = """
import sys, urllib.request
urllib.request.urlopen(urllib.request.Request(sys.argv[1], sys.argv[2].encode(), method="PUT"))
"""


def virtual_bench() -> Bench:
    virtual = load_bench(REPOSITORY / "benches" / "virtual.yaml")
    return virtual.model_copy(update={"limits": facts.Limits.model_validate(LIMITS)})


class Kept:
    """An observer that outlives the sessions on its board."""

    def __init__(self, observer: QemuObserver) -> None:
        self._observer = observer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._observer, name)

    def connect(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Desk:
    """A board of the lab, off until somebody switches it on."""

    plug: SmartPlug
    console: SerialServer
    keys: Path
    observer: Kept


@pytest.fixture(scope="module")
def desk(lab: LoopbackLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Booted with the images in place: to send them is another test's."""
    virtual = virtual_bench()
    folder = tmp_path_factory.mktemp("keys")
    keys = SshKeys.made_in(folder)
    images = {deployed_path(name): checked_image(virtual, name) for name in virtual.images}
    pi = VirtualPi(facts.VirtualPi(kind="virtual-pi", network=True, boot_timeout_s=SLOW_S))
    observer = QemuObserver(pi, virtual.line_names(), virtual.limits.stall_ns)
    parts: list[Any] = [observer, pi]
    try:
        pi.open({**keys.files(), **images})
        observer.connect()
        pi.shell.close()
        parts += [plug := SmartPlug(pi), console := SerialServer(pi.shell.port_name)]
        ssh = keys.facts(pi.ssh_port)
        lab.export("cellar", {"desk-pi": exported(plug, console, ssh.port)})
        yield Desk(plug, console, folder, Kept(observer))
    finally:
        for part in reversed(parts):
            part.close()


def exported(plug: SmartPlug, console: SerialServer, ssh_port: int) -> dict[str, dict[str, Any]]:
    serial = {"cls": "NetworkSerialPort", "host": "127.0.0.1", "speed": 115200}
    return {
        "console": {**serial, "port": console.rfc2217},
        "raw": {**serial, "port": console.raw, "protocol": "raw"},
        "NetworkService": {"address": "127.0.0.1", "port": ssh_port, "username": "root"},
        "NetworkPowerPort": {"model": "rest", "host": plug.url, "index": 0},
    }


def lent(lab: LoopbackLab, folder: Path, **target: Any) -> Bench:
    """A bench whose pins are seen by whatever the test puts there."""
    observer = {
        "kind": "gpiozero", "via": {"kind": "local"}, "wiring": {"led": 5}, "latency_us": 500,
        "accuracy_ppm": 100,
    }  # fmt: skip
    whole = {"boot_timeout_s": SLOW_S, "power": True} | target
    return bench_in(folder, lab.facts(tags={"kind": "virtual"}), target=whole, observer=observer)


@pytest.fixture
def seen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(module, "make_observer", lambda *_: desk.observer)
    desk.plug.did.clear()
    return desk


blink = pytest.fixture(order_of.__wrapped__)


@pytest.fixture
def bench() -> Bench:
    return virtual_bench()


@pytest.mark.parametrize(
    "way",
    [
        {"kind": "lab-serial", "resource": "console"},
        {"kind": "lab-serial", "resource": "raw"},
        {"kind": "lab-ssh", "key": "key", "known_hosts": "known_hosts"},
    ],
    ids=["serial, RFC 2217", "serial, bare bytes", "ssh"],
)
def test_a_lent_board_is_reserved_switched_run_and_given_back(
    lab: LoopbackLab, seen: Desk, blink: Order, tmp_path: Path, way: dict[str, Any]
) -> None:
    session = Session.open(lent(lab, seen.keys, **way))
    try:
        assert seen.plug.did == ["off", "on"]
        assert lab.holders() == ["desk-pi"]
        evidence, verdict = session.run(blink, tmp_path / "run")
        assert verdict.outcome is Outcome.PASS, verdict.not_passed()
        assert evidence.run.target["lab_place"] == "desk-pi"
    finally:
        session.close()
    assert seen.plug.did == ["off", "on", "off"]
    assert lab.holders() == []


def test_a_place_that_is_lost_in_mid_run_leaves_no_verdict(
    lab: LoopbackLab, seen: Desk, blink: Order, tmp_path: Path
) -> None:
    facts = {"kind": "lab-serial", "resource": "console"}
    session = Session.open(lent(lab, seen.keys, **facts))
    run, exporter = session.target.run, [None]

    def run_meanwhile(command: str, timeout_s: float = 10) -> Any:
        if command == blink.command and exporter:
            exporter.pop()
            lab.kill("cellar")
        return run(command, timeout_s)

    session.target.run = run_meanwhile  # type: ignore[method-assign]
    try:
        with pytest.raises(HoldError, match=r"place desk-pi: cellar/desk-pi/.* is gone"):
            session.run(blink, tmp_path / "run")
        assert not (tmp_path / "run").exists()
    finally:
        with pytest.raises(TargetError, match=r"power\.switch_off: .* gave 1"):
            session.close()  # nobody may switch what is not theirs
    assert lab.holders() == []


def switched(desk: Desk, **facts_: Any) -> facts.Serial:
    """The same board, as a bench without a lab has it: the plug's own client switches it."""
    put = [sys.executable, "-c", PUT, desk.plug.url]
    power = {"switch_on": [*put, "1"], "switch_off": [*put, "0"], "off_ms": 0}
    port = f"rfc2217://127.0.0.1:{desk.console.rfc2217}"
    return facts.Serial.model_validate(
        {"kind": "serial", "port": port, "power": power, "boot_timeout_s": SLOW_S} | facts_
    )


def test_commands_of_the_bench_file_switch_a_board(seen: Desk) -> None:
    board = make_board(switched(seen), seen.keys)
    try:
        board.open({})
        assert seen.plug.did == ["off", "on"]
        assert float(board.run("cat /proc/uptime").output.split()[0]) < SLOW_S
    finally:
        board.close()
    assert seen.plug.did == ["off", "on", "off"]


def test_a_board_that_does_not_come_up_is_told_within_its_time(seen: Desk) -> None:
    seen.plug.is_stuck = True
    board = make_board(switched(seen, boot_timeout_s=2), seen.keys)
    try:
        with pytest.raises(TargetError, match="no login prompt within 2 s"):
            board.open({})
    finally:
        seen.plug.is_stuck = False
        board.close()
