"""The agent of the second Pi over SSH: sent, started, spoken with, cut off, and gone again.

The server is on loopback, its shell this machine's, and the pins of its `python3` gpiozero's mock
pins, of which GPIO 5 blinks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from mock_pi import BUDGET
from ssh_server import SshServer

from rig.bench import Ssh
from rig.errors import ObserverError
from rig.observers.gpiozero import GpiozeroObserver, agent_on
from rig.targets.ssh_board import SshBoard

BLINKING = """\
import os, runpy, sys, threading, time
from gpiozero.pins.mock import MockFactory

open({alive!r}, "w").write(str(os.getpid()))
agent = runpy.run_path(sys.argv[1], run_name="agent")
factory = MockFactory()

def blink():
    pin = factory.pin(5)
    while True:
        time.sleep(0.1)
        pin.drive_low() if pin.state else pin.drive_high()

def open_mock(chip, lines, pull):
    pins = agent["Pins"](factory, agent["SecondsClock"](factory), lines, pull)
    threading.Thread(target=blink, daemon=True).start()
    return pins, {{"factory": "mock", "chip": chip}}

agent["main"].__globals__["open_lgpio"] = open_mock
sys.argv = sys.argv[1:]
sys.exit(agent["main"]())
"""


@pytest.fixture
def alive(tmp_path: Path) -> Path:
    """Holds the number of the agent's process."""
    return tmp_path / "alive"


@pytest.fixture
def server(tmp_path: Path, alive: Path) -> Iterator[SshServer]:
    for name in ("ssh", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "blinking.py").write_text(BLINKING.format(alive=str(alive)))
    python = tmp_path / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/blinking.py "$@"\n')
    python.chmod(0o755)
    server = SshServer(tmp_path / "ssh")
    server.path = f"{tmp_path}/bin:{server.path}"
    yield server
    server.close()


@pytest.fixture
def observer(server: SshServer) -> Iterator[GpiozeroObserver]:
    facts = Ssh(kind="ssh", **server.login.model_dump())
    made = GpiozeroObserver(agent_on(SshBoard(facts, server.folder)), {"led": 5}, BUDGET)
    yield made
    made.close()


def ends(process: str, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not Path(f"/proc/{process}").exists()


def test_edges_come_over_ssh_and_nothing_of_the_agent_stays(
    observer: GpiozeroObserver, alive: Path
) -> None:
    observer.connect()
    observer.arm()
    time.sleep(0.5)
    capture = observer.stop()
    levels = [edge.level for edge in capture]
    assert capture.is_complete
    assert len(levels) >= 2
    assert all(a != b for a, b in pairwise(levels))
    process = alive.read_text()
    (sent,) = Path("/proc", process, "cmdline").read_bytes().split(b"\0")[2:3]
    assert Path(sent.decode()).exists()
    observer.close()
    assert ends(process)
    assert not Path(sent.decode()).exists()


def test_a_connection_that_is_cut_is_an_error_and_ends_the_agent(
    observer: GpiozeroObserver, server: SshServer, alive: Path
) -> None:
    observer.connect()
    observer.arm()
    server.cut()
    with pytest.raises(ObserverError, match=r"second Pi: .*connection"):
        observer.stop()
    assert ends(alive.read_text())


def test_a_board_that_nobody_can_log_in_to_is_an_error(
    observer: GpiozeroObserver, server: SshServer
) -> None:
    server.know(server.user_key)
    with pytest.raises(ObserverError, match=r"the second Pi: .*the host key is not the one"):
        observer.connect()
