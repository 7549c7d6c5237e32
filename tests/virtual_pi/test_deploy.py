"""Sends files to a virtual Pi by the ways that lead to real boards, and breaks the transfers.

One board for all: its serial console through the target kind `serial`, its SSH server through
`ssh`. Between the rig and the board is a wire that can be cut and can spoil bytes; what lies on
the board afterwards is looked at through the other way.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from rig import bench
from rig.errors import TargetError
from rig.identity import REPOSITORY
from rig.observers.qemu import TraceReader
from rig.targets import console
from rig.targets.base import Target
from rig.targets.linux import read_facts
from rig.targets.serial_board import SerialBoard
from rig.targets.ssh_board import SshBoard
from rig.targets.virtual_pi import VirtualPi
from tests.virtual_pi.ssh_keys import SshKeys
from tests.virtual_pi.wires import SerialWire, SshWire, Wire

FOLDER = "/opt/rig"
FILE = f"{FOLDER}/sent"
SIZE = 20_000
"""More than one window of the console."""
SLOW_S = 300
"""A board with a network takes longer to boot, and this host may be busy."""


@dataclass(frozen=True)
class Way:
    """One way to the board, the wire in it, and another way to look at the board."""

    target: Target
    wire: Wire
    other: Target

    def lies_there(self) -> str:
        """Names and hashes of all files in the folder, hidden ones too."""
        return self.other.run(f"cd {FOLDER} && find . -type f | xargs sha256sum", 60).output

    def once_past(self, size: int, then: str) -> None:
        """When so many bytes have gone to the board, `cut` the wire or `flip` a bit on it."""
        seen = 0

        def spoil(data: bytes) -> bytes:
            nonlocal seen
            seen += len(data)
            if seen < size:
                return data
            self.wire.to_board = bytes
            if then == "cut":
                self.wire.cut()
                return b""
            return data[:-1] + bytes([data[-1] ^ 1])

        self.wire.to_board = spoil


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Way]]:
    """Both ways to one board."""
    folder = tmp_path_factory.mktemp("keys")
    keys = SshKeys.made_in(folder)
    pi = VirtualPi(bench.VirtualPi(kind="virtual-pi", network=True, boot_timeout_s=SLOW_S))
    trace = TraceReader(pi.emulator.trace)
    pi.open(keys.files())
    pi.shell.close()
    cable, network = SerialWire(pi.shell.port_name), SshWire(pi.ssh_port)
    ssh = SshBoard(keys.facts(network.port).model_copy(update={"boot_timeout_s": SLOW_S}), folder)
    serial = SerialBoard(bench.Serial(kind="serial", port=cable.name, boot_timeout_s=SLOW_S))
    try:
        serial.open({})
        ssh.open({})
        yield {"serial": Way(serial, cable, ssh), "ssh": Way(ssh, network, serial)}
    finally:
        for part in (ssh, serial, cable, network, pi, trace):
            part.close()


@pytest.fixture(params=["serial", "ssh"])
def way(
    boards: dict[str, Way], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Way:
    """With an empty folder on the board."""
    monkeypatch.setattr(console, "ACKNOWLEDGE_TIMEOUT_S", 20)
    way = boards[request.param]
    way.other.run(f"umount {FOLDER}; rm -rf {FOLDER}; mkdir -p {FOLDER}")
    return way


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    path = tmp_path / "sent"
    path.write_bytes(Random(1).randbytes(SIZE))
    return path


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_board_is_identified_by_either_way(way: Way) -> None:
    facts = read_facts(way.target)
    assert facts["gpio_chip"] == "pinctrl-bcm2835"
    assert facts["machine"] == "aarch64"


def test_a_program_that_was_sent_can_be_started(way: Way, sent: Path) -> None:
    sent.write_text("#!/bin/sh\necho started\n")
    way.target.put(sent, FILE)
    assert way.target.run(FILE).output == "started\n"


def test_a_tender_arrives_and_starts(boards: dict[str, Way]) -> None:
    """Over SSH only: it is large, and the emulated console slow."""
    tender, target = REPOSITORY / "build" / "tender" / "aarch64" / "solo5-hvt", boards["ssh"].target
    target.put(tender, f"{FOLDER}/tender")
    assert "usage" in target.run(f"{FOLDER}/tender --help", 60).output.lower()
    assert target.sha256(f"{FOLDER}/tender") == hash_of(tender)


def test_only_what_changed_is_sent(way: Way, sent: Path) -> None:
    way.target.put(sent, FILE)
    inode = way.other.run(f"stat -c %i {FILE}").output
    way.target.put(sent, FILE)
    assert way.other.run(f"stat -c %i {FILE}").output == inode
    sent.write_bytes(sent.read_bytes() + b"more")
    way.target.put(sent, FILE)
    assert way.lies_there() == f"{hash_of(sent)}  ./sent\n"


@pytest.mark.parametrize("trouble", ["cut", "flip"])
def test_a_broken_transfer_is_tried_again_and_only_the_whole_file_is_installed(
    way: Way, sent: Path, trouble: str
) -> None:
    way.once_past(SIZE // 2, trouble)
    way.target.put(sent, FILE)
    assert way.wire.to_board is bytes, "nothing was broken"
    assert way.lies_there() == f"{hash_of(sent)}  ./sent\n"


def test_a_wire_that_is_always_bad_leaves_what_was_there_and_nothing_half(
    way: Way, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.target.put(sent, FILE)
    before, send = way.lies_there(), way.target.shell.send
    sent.write_bytes(Random(2).randbytes(SIZE))

    def send_over_a_bad_wire(data: bytes, path: str) -> None:
        way.once_past(SIZE // 2, "flip")
        send(data, path)

    monkeypatch.setattr(way.target.shell, "send", send_over_a_bad_wire)
    with pytest.raises(TargetError, match="did not reach the target in 3 attempts"):
        way.target.put(sent, FILE)
    assert way.lies_there() == before


def test_a_full_disk_is_told_and_leaves_what_was_there(way: Way, sent: Path) -> None:
    way.other.run(f"mount -t tmpfs -o size=16k none {FOLDER}; echo old > {FILE}")
    before = way.lies_there()
    with pytest.raises(TargetError, match=rf"no room for {SIZE} bytes in /opt/rig: .*none"):
        way.target.put(sent, FILE)
    assert way.lies_there() == before


def test_a_disk_that_fills_up_meanwhile_leaves_what_was_there(
    way: Way, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else takes the room that there was when the transfer began."""
    way.other.run(f"mount -t tmpfs -o size=48k none {FOLDER}; echo old > {FILE}")
    before, send = way.lies_there(), way.target.shell.send

    def send_late(data: bytes, path: str) -> None:
        way.other.run(f"head -c 36000 /dev/zero > {FOLDER}/other")
        try:
            send(data, path)
        finally:
            way.other.run(f"rm {FOLDER}/other")

    monkeypatch.setattr(way.target.shell, "send", send_late)
    with pytest.raises(TargetError):
        way.target.put(sent, FILE)
    assert way.lies_there() == before
    assert way.target.run("echo in order").output == "in order\n"


def test_what_a_rig_left_that_died_while_it_sent_goes_with_the_next_file(
    way: Way, sent: Path
) -> None:
    way.target.shell.send(b"half", f"{FOLDER}/.sent.rig-part")
    assert "rig-part" in way.lies_there()
    way.target.put(sent, FILE)
    assert way.lies_there() == f"{hash_of(sent)}  ./sent\n"


def test_a_command_ends_with_its_ssh_connection(boards: dict[str, Way]) -> None:
    way = boards["ssh"]
    threading.Timer(3, way.wire.cut).start()
    with pytest.raises(TargetError, match=r"the connection broke while .* ran; look at"):
        way.target.run("sleep 4321", 120)
    left = "n=0; while ps | grep -q '[s]leep 4321' && [ $n -lt 60 ]; do n=$((n + 1)); sleep 1; done"
    way.other.run(left, 90)
    assert "sleep 4321" not in way.other.run("ps | grep '[s]leep 4321'").output
    assert way.target.run("echo again", 60).output == "again\n"
