"""Bench trouble on the virtual Pi: a bench error in bounded time, and the Robot run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rig.errors import BenchError
from rig.identity import REPOSITORY
from rig.session import Order, Session
from rig.verdict import Outcome

AT_MOST_S = 60
"""For what takes a few seconds: a run, its timeout of 5 s, and what is waited for in vain."""


def power_fails(pi: Session) -> str:
    """SIGKILL: as a board whose plug is pulled."""
    return f"kill -KILL {pi.target.emulator.pid}"


def target_hangs(pi: Session) -> str:
    """SIGSTOP: as a board that is there and does nothing."""
    return f"kill -STOP {pi.target.emulator.pid}"


@pytest.mark.parametrize("trouble", [power_fails, target_hangs])
def test_trouble_in_mid_run_is_a_bench_error_and_the_next_run_passes(
    fresh_pi: Session, blink: Order, tmp_path: Path, trouble: Callable[[Session], str]
) -> None:
    started = time.monotonic()
    strike = f"sleep 1; {trouble(fresh_pi)}"
    with subprocess.Popen(["sh", "-c", strike]), pytest.raises(BenchError):
        fresh_pi.run(replace(blink, timeout_s=5), tmp_path / "run")
    assert list(tmp_path.iterdir()) == [], "no evidence, so no verdict"
    again = fresh_pi.reopened()
    try:
        assert time.monotonic() - started < AT_MOST_S
        _, verdict = again.run(blink, tmp_path / "next")
    finally:
        again.close()
    assert verdict.outcome is Outcome.PASS, verdict.not_passed()


def test_serial_port_that_vanishes_is_a_bench_error(
    fresh_pi: Session, blink: Order, tmp_path: Path
) -> None:
    """Its descriptor begins to fail, as a USB cable's does that is unplugged."""
    port = fresh_pi.target.shell._port
    dead, other = os.pipe()
    os.close(other)
    started = time.monotonic()
    vanish = threading.Timer(1, lambda: os.dup2(dead, port.fileno()))
    vanish.start()
    with pytest.raises(BenchError):
        fresh_pi.run(replace(blink, timeout_s=10), tmp_path / "run")
    vanish.join()
    os.close(dead)
    assert time.monotonic() - started < AT_MOST_S
    assert list(tmp_path.iterdir()) == []


SUITE = """
*** Settings ***
Resource           {resource}
Library            Process
Suite Setup        Open Bench    {bench}
Suite Teardown     Close Bench

*** Test Cases ***
Power Fails
    ${{rig}} =    Get Library Instance    rig.keywords.RigLibrary
    ${{pid}} =    Evaluate    $rig._session.target.emulator.pid
    Start Process    sleep 1.5; kill -KILL ${{pid}}    shell=True
    Run LED Unikernel    cycles=20    on=200 ms    off=200 ms

Next Test
    ${{run}} =    Run LED Unikernel    cycles=2    on=200 ms    off=300 ms
    Verdict Should Be Pass    ${{run}}
"""


def test_robot_goes_on_with_the_next_test(tmp_path: Path) -> None:
    suite, out = tmp_path / "trouble.robot", tmp_path / "out"
    suite.write_text(
        SUITE.format(
            resource=REPOSITORY / "robot" / "resources" / "led.resource",
            bench=REPOSITORY / "benches" / "virtual.yaml",
        )
    )
    ended = subprocess.run(
        [Path(sys.executable).with_name("robot"), "--outputdir", out, suite],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 1, ended.stdout
    assert "it broke; bringing it up again" in ended.stdout
    tests = {
        test.get("name"): test.find("status")
        for test in ElementTree.parse(out / "output.xml").iter("test")
    }
    first, second = tests["Power Fails"], tests["Next Test"]
    assert first is not None
    assert second is not None
    assert (first.get("status"), second.get("status")) == ("FAIL", "PASS")
    assert (first.text or "").startswith("TargetError: "), "not a verdict on the LED"
    assert [path.name for path in tmp_path.glob("results/*/*/*")] == ["next-test"]
