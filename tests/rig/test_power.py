"""A supply that is switched by commands: what they get wrong is said, and they end."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from rig.bench import Power
from rig.errors import TargetError
from rig.targets.power import CommandPower

LONG_S = 60


def switch(
    folder: Path, on: str = "echo on >> did", off: str = "echo off >> did", **more: Any
) -> CommandPower:
    shell = ("sh", "-c")
    facts = {"switch_on": (*shell, on), "switch_off": (*shell, off), "off_ms": 0} | more
    return CommandPower(Power.model_validate(facts), folder)


def test_the_commands_run_in_the_folder_of_the_bench_file(tmp_path: Path) -> None:
    power = switch(tmp_path)
    power.off()
    power.on()
    assert (tmp_path / "did").read_text() == "off\non\n"


def test_a_board_is_without_power_for_as_long_as_it_needs(tmp_path: Path) -> None:
    power = switch(tmp_path, off_ms=300)
    power.off()
    began = time.monotonic()
    power.on()
    assert time.monotonic() - began >= 0.29


@pytest.mark.parametrize("way", ["on", "off"])
def test_a_command_that_fails_says_what_it_said(tmp_path: Path, way: str) -> None:
    power = switch(tmp_path, **{way: "echo no hub at 1-1; exit 3"})
    words = (
        rf"power\.switch_{way}: `sh -c .*` gave 3; look at the switch.*; it said: no hub at 1-1$"
    )
    with pytest.raises(TargetError, match=words):
        getattr(power, way)()


def test_a_command_that_is_not_there_is_said(tmp_path: Path) -> None:
    power = CommandPower(Power(switch_on=("uhubctrl",), switch_off=("true",)), tmp_path)
    power.off()
    with pytest.raises(TargetError, match="`uhubctrl` cannot be started: No such file"):
        power.on()


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    power = switch(tmp_path, on="sleep 1000 & echo $! > child; wait", timeout_s=1)
    with pytest.raises(TargetError, match="did not end within 1 s; look at the switch"):
        power.on()
    child, deadline = int((tmp_path / "child").read_text()), time.monotonic() + LONG_S
    while runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_command_leaves_running_keeps_nobody_waiting(tmp_path: Path) -> None:
    began = time.monotonic()
    switch(tmp_path, on="setsid sleep 5 & echo $! > child").on()
    assert time.monotonic() - began < 5
    os.kill(int((tmp_path / "child").read_text()), 9)
