"""What a place gives goes into the bench; what it does not give is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.bench import Bench, Power, Serial, SigrokObserver, Ssh
from rig.errors import HoldError
from rig.lab.given import filled_in
from rig.lab.place import LABGRID, Place, Resource
from rig.qualification import identity_of, path_of
from tests.lab.labs import LoopbackLab, bench_in

WIRING = {"samplerate_hz": 1000000, "accuracy_ppm": 100, "wiring": {"led": "D0"}}


@pytest.fixture(scope="module")
def desk(lab: LoopbackLab) -> Iterator[Place]:
    place = lab.place(place="desk-a")
    yield place
    place.close()


def lent(lab: LoopbackLab, folder: Path, target: object, observer: object = None) -> Bench:
    sigrok = {"kind": "lab-sigrok", **WIRING}
    sections = {"target": target, "observer": observer or sigrok}
    return bench_in(folder, lab.facts(place="desk-a"), **sections)


def test_an_ssh_server_and_an_analyzer_come_from_the_place(
    lab: LoopbackLab, desk: Place, tmp_path: Path
) -> None:
    target = {"kind": "lab-ssh", "key": "key", "sudo": True, "boot_timeout_s": 9}
    given = filled_in(lent(lab, tmp_path, target), desk)
    assert given.target == Ssh(
        kind="ssh", host="127.0.0.1", port=2222, user="pi", key=Path("key"), sudo=True,
        boot_timeout_s=9,
    )  # fmt: skip
    assert given.observer == SigrokObserver.model_validate(
        {"kind": "sigrok", "driver": "demo", **WIRING}
    )


@pytest.mark.parametrize(
    ("resource", "port", "baud"),
    [("console", "rfc2217://127.0.0.1:4001", 9600), ("second", "socket://127.0.0.1:4002", 115200)],
)
def test_a_serial_port_comes_from_the_place_by_its_name(
    lab: LoopbackLab, desk: Place, tmp_path: Path, resource: str, port: str, baud: int
) -> None:
    target = {"kind": "lab-serial", "resource": resource, "user": "pi"}
    given = filled_in(lent(lab, tmp_path, target), desk)
    assert given.target == Serial(kind="serial", port=port, baud=baud, user="pi")


def test_a_second_pi_comes_from_the_place(lab: LoopbackLab, desk: Place, tmp_path: Path) -> None:
    observer = {
        "kind": "gpiozero", "via": {"kind": "lab-ssh"}, "wiring": {"led": 5}, "latency_us": 500,
        "accuracy_ppm": 100,
    }  # fmt: skip
    bench = lent(lab, tmp_path, {"kind": "lab-ssh"}, observer)
    given: Any = filled_in(bench, desk)
    assert given.observer.via == Ssh(kind="ssh", host="127.0.0.1", port=2222, user="pi")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"kind": "lab-serial"}, "2 resources of the kind NetworkSerialPort: name one of"),
        ({"kind": "lab-serial", "resource": "third"}, "gives no NetworkSerialPort called third"),
        ({"kind": "lab-ssh", "power": True}, "gives no NetworkPowerPort or .*, which power needs"),
    ],
    ids=["which one?", "no such name", "no power switch"],
)
def test_what_a_place_does_not_give_is_an_error_of_the_bench(
    lab: LoopbackLab, desk: Place, tmp_path: Path, target: object, words: str
) -> None:
    with pytest.raises(HoldError, match=words):
        filled_in(lent(lab, tmp_path, target), desk)


def test_a_place_without_a_board_says_what_it_gives(lab: LoopbackLab, tmp_path: Path) -> None:
    place = lab.place(place="mute")
    try:
        with pytest.raises(HoldError, match=r"mute gives no NetworkService, .* it gives: Sigrok"):
            filled_in(lent(lab, tmp_path, {"kind": "lab-ssh"}), place)
    finally:
        place.close()


class GivingPlace:
    """A place of these resources, for what no exporter on this machine can export."""

    name, coordinator, identity = "desk", "lab:20408", {"LG_USERNAME": "us"}

    def __init__(self, kind: str, *, needs_proxy: bool = False, **facts: Any) -> None:
        service = {"address": "pi3.local", "username": "pi"}
        self.resources = (
            Resource("ssh", "shelf", "NetworkService", service, needs_proxy),
            Resource("it", "shelf", kind, facts, False),
        )


def given_by(place: Any, lab: LoopbackLab, folder: Path, **target: object) -> Any:
    return filled_in(lent(lab, folder, {"kind": "lab-ssh", **target}), place)


def test_labgrid_drives_the_switch_for_whom_the_place_belongs_to(
    lab: LoopbackLab, tmp_path: Path
) -> None:
    place = GivingPlace("NetworkPowerPort")
    bench = lent(
        lab, tmp_path, {"kind": "lab-ssh", "power": True}, {"kind": "gpiozero", **GPIOZERO}
    )
    client = ("env", "LG_USERNAME=us", str(LABGRID / "labgrid-client"), "-x", "lab:20408")
    words = (*client, "-p", "desk", "power")
    given: Any = filled_in(bench, place)  # type: ignore[arg-type]
    assert given.target.power == Power(switch_on=(*words, "on"), switch_off=(*words, "off"))


GPIOZERO = {
    "via": {"kind": "local"}, "wiring": {"led": 5}, "latency_us": 500, "accuracy_ppm": 100
}  # fmt: skip


def test_an_analyzer_on_the_bus_of_this_machine_is_found_there(
    lab: LoopbackLab, tmp_path: Path
) -> None:
    usb = {"driver": "fx2lafw", "busnum": 1, "devnum": 5, "host": "localhost"}
    bench = given_by(GivingPlace("NetworkSigrokUSBDevice", **usb), lab, tmp_path)
    assert (bench.observer.driver, bench.observer.connection) == ("fx2lafw", "1.5")


def test_an_analyzer_of_another_machine_is_refused(lab: LoopbackLab, tmp_path: Path) -> None:
    usb = {"driver": "fx2lafw", "busnum": 1, "devnum": 5, "host": "shelf7"}
    with pytest.raises(HoldError, match="hangs on shelf7, and the rig reads only those"):
        given_by(GivingPlace("NetworkSigrokUSBDevice", **usb), lab, tmp_path)


def test_an_isolated_exporter_is_refused(lab: LoopbackLab, tmp_path: Path) -> None:
    with pytest.raises(HoldError, match="only be reached through its exporter shelf"):
        given_by(GivingPlace("SigrokDevice", needs_proxy=True, driver="demo"), lab, tmp_path)


def test_a_qualification_is_of_one_place_whatever_its_ports_are(
    lab: LoopbackLab, desk: Place, tmp_path: Path
) -> None:
    target = {"kind": "lab-serial", "resource": "console"}
    given = filled_in(lent(lab, tmp_path, target), desk)
    assert path_of(given) == tmp_path / "lent.desk-a.qualification.json"
    assert "rfc2217" not in str(identity_of(given))
    assert identity_of(given)["target.resource"] == "console"
