"""Block and network devices, and the vector unit, on the virtual Pi.

What tender/tests/tests.bats shows of them on x86_64, on aarch64. Debian's kernel has taps
in a module, which is taken from the package of the kernel that the Pi runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.bench import Bench
from rig.debs import read_files
from rig.identity import REPOSITORY
from rig.session import DEPLOY_FOLDER, Session
from rig.targets.shell import Result

BUILT = REPOSITORY / "build" / "tender" / "aarch64"
PI = REPOSITORY / "build" / "pi"
UNIKERNELS = ("fpu", "blk", "mft_maxdevices", "net", "net_2if", "net_mtu")
PINGS = 100


@dataclass(frozen=True)
class Board:
    """A virtual Pi on which the tender, these unikernels and the module for taps lie."""

    session: Session

    def shell(self, command: str) -> Result:
        """Run a shell command where the images lie."""
        return self.session.target.run(f"cd {DEPLOY_FOLDER}; {command}", timeout_s=120)

    def tender(self, words: str) -> Result:
        """Run the tender with `words`."""
        return self.shell(f"timeout 100 ./tender {words}")


@pytest.fixture(scope="module")
def board(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    images = {f"test_{name}": BUILT / f"test_{name}.hvt" for name in UNIKERNELS}
    images["tender"] = BUILT / "solo5-hvt"
    images["tun"] = tun_module(bench, tmp_path_factory.mktemp("tun"))
    session = Session.open(bench.model_copy(update={"images": images}))
    yield Board(session)
    session.close()


def tun_module(bench: Bench, folder: Path) -> Path:
    """The kernel's module for taps, from the package that the boot files come from."""
    record = json.loads((PI / bench.target.kernel / "image.json").read_text())
    package = record["packages"]["kernel"]["name"]
    release = package.removeprefix("linux-image-")
    name = f"./lib/modules/{release}/kernel/drivers/net/tun.ko"
    module = folder / "tun.ko"
    module.write_bytes(read_files(PI / "debs" / f"{package}.deb", [name])[name])
    return module


@pytest.fixture(scope="module")
def taps(board: Board) -> tuple[str, str]:
    """Two taps that are up, tap100 (10.0.0.1) and tap101 (10.1.0.1); nothing else is reached."""
    made = board.shell(
        "insmod ./tun && for n in 0 1; do tunctl -t tap10$n && "
        "ip addr add 10.$n.0.1/24 dev tap10$n && ip link set tap10$n up || exit; done"
    )
    assert made.status == 0, made.output
    return "tap100", "tap101"


def assert_result(result: Result, status: int, *words: str) -> None:
    assert result.status == status, result.output
    for word in words:
        assert word in result.output


def test_vector_unit_works_and_keeps_its_registers(board: Board) -> None:
    assert_result(board.tender("test_fpu"), 0, "SUCCESS")


@pytest.mark.parametrize("block_size", [512, 4096])
def test_blocks_keep_their_data(board: Board, block_size: int) -> None:
    board.shell("rm -f /tmp/disk; truncate -s 4M /tmp/disk")
    words = f"--block:storage=/tmp/disk --block-sector-size:storage={block_size} -- test_blk"

    assert_result(board.tender(words), 0, f"4194304 bytes in blocks of {block_size}", "SUCCESS")
    # Each word is its offset plus its place in the block, here that of the last block.
    last = board.shell(f"tail -c {block_size} /tmp/disk | od -An -t u8 -N 8")
    assert int(last.output) == 4 * 2**20 - block_size


def test_a_disk_that_is_not_whole_blocks_is_refused(board: Board) -> None:
    board.shell("rm -f /tmp/disk; truncate -s 6144 /tmp/disk")
    words = "--block:storage=/tmp/disk --block-sector-size:storage=4096 -- test_blk"

    assert_result(board.tender(words), 1, "Backing storage size must be block aligned")


def test_63_devices_are_told_apart(board: Board) -> None:
    board.shell("mkdir /tmp/disks; for i in $(seq 0 62); do truncate -s 4K /tmp/disks/$i; done")
    disks = "$(for i in $(seq 0 62); do echo --block:storage$i=/tmp/disks/$i; done)"

    assert_result(board.tender(f"{disks} -- test_mft_maxdevices"), 0, "SUCCESS")


def pinged(board: Board, words: str, *addresses: str) -> Result:
    """The tender's result, while the Pi pings `addresses` until it ends."""
    pings = " ".join(
        f"ping -i 0.01 {address} > /tmp/{address} & P=$P\\ $!;" for address in addresses
    )
    run = f"timeout 100 ./tender {words}; S=$?"
    return board.shell(f"P=; {pings} {run}; kill -INT $P; wait; cat /tmp/10.*; (exit $S)")


def answers(result: Result) -> list[int]:
    """How many answers each ping got."""
    return [int(count) for count in re.findall(r"(\d+) packets received", result.output)]


def test_pings_are_answered(board: Board, taps: tuple[str, str]) -> None:
    result = pinged(board, f"--net:service0={taps[0]} test_net limit={PINGS}", "10.0.0.2")

    assert_result(result, 0, f"test_net: {PINGS} pings answered", "SUCCESS")
    assert answers(result) == [PINGS]


def test_pings_are_answered_on_two_devices(board: Board, taps: tuple[str, str]) -> None:
    devices = f"--net:service0={taps[0]} --net:service1={taps[1]}"
    words = f"{devices} test_net_2if limit={PINGS}"
    result = pinged(board, words, "10.0.0.2", "10.1.0.2")

    assert_result(result, 0, "SUCCESS")
    assert all(count >= PINGS for count in answers(result)), result.output
    assert len(answers(result)) == 2


def test_the_unikernel_knows_the_mtu_of_its_tap(board: Board, taps: tuple[str, str]) -> None:
    board.shell(f"ip link set {taps[1]} mtu 9000")

    assert_result(board.tender(f"--net:service0={taps[1]} -- test_net_mtu"), 0, "MTU is 9000")


def test_a_tap_that_is_down_is_refused(board: Board, taps: tuple[str, str]) -> None:
    result = board.shell(
        f"ip link set {taps[1]} down; ./tender --net:service0={taps[1]} test_net_mtu; S=$?; "
        f"ip link set {taps[1]} up; (exit $S)"
    )

    assert_result(result, 1, f"interface '{taps[1]}' is down")
