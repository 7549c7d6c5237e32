"""Two runs on one board: the second is told who has it, and no lock outlives its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig import bench
from rig.errors import HoldError
from rig.lab.hold import Hold
from rig.lab.locks import Lock, boards_of

HOLDER = "import sys, rig.lab.locks as l; lock = l.Lock('pi:22', 'x'); print(flush=True); input()"


def test_a_board_in_use_is_refused_with_who_has_it_and_since_when() -> None:
    lock = Lock("test.local:22", "first")
    try:
        words = (
            rf"bench desk: test.local:22 is in use by process {os.getpid()}, which runs since 20"
        )
        with pytest.raises(HoldError, match=words):
            Lock("test.local:22", "desk")
        Lock("test.local:23", "desk").close()
    finally:
        lock.close()
    Lock("test.local:22", "desk").close()


def test_the_lock_of_a_run_that_was_killed_is_gone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(HoldError, match=f"in use by process {other.pid},.*{HOLDER[:20]}"):
            Lock("pi:22", "desk")
        other.send_signal(signal.SIGKILL)
    Lock("pi:22", "desk").close()


SSH = bench.Ssh(kind="ssh", host="pi3.local")


@pytest.mark.parametrize(
    ("target", "via", "boards"),
    [
        (SSH, None, ["pi3.local:22"]),
        (SSH, bench.Ssh(kind="ssh", host="second.local"), ["pi3.local:22", "second.local:22"]),
        (SSH, SSH, ["pi3.local:22"]),
        (bench.VirtualPi(kind="virtual-pi"), None, []),
        (bench.Serial(kind="serial", port="rfc2217://a:1"), None, ["rfc2217://a:1"]),
    ],
    ids=["ssh", "second Pi", "one board for both", "virtual", "serial port elsewhere"],
)
def test_what_a_run_must_have_for_itself(target: object, via: object, boards: list[str]) -> None:
    facts: Any = SimpleNamespace(target=target, observer=SimpleNamespace(via=via))
    assert boards_of(facts) == boards


def test_a_serial_port_is_known_whatever_it_is_called(tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    link.symlink_to("/dev/null")
    serial = bench.Serial.model_construct(kind="serial", port=str(link))
    facts: Any = SimpleNamespace(target=serial, observer=None)
    assert boards_of(facts) == ["/dev/null"]


def facts_of(*hosts: str) -> Any:
    target, via = (bench.Ssh(kind="ssh", host=host) for host in hosts)
    return SimpleNamespace(name="desk", lab=None, target=target, observer=SimpleNamespace(via=via))


def test_a_bench_of_which_one_board_is_in_use_locks_none() -> None:
    other = Lock("busy.local:22", "other")
    hold = Hold(facts_of("free.local", "busy.local"))
    try:
        with pytest.raises(HoldError, match=r"busy\.local:22 is in use"):
            hold.renew()
        Lock("free.local:22", "desk").close()
    finally:
        other.close()
    hold.renew()
    hold.check()
    hold.close()
    with pytest.raises(HoldError, match="desk is not held"):
        hold.check()
