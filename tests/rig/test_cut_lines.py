"""A session whose line to the board is cut in mid-run: a bench error, and then it goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from boards import LONG_S
from ssh_server import SshServer
from test_serial_board import SHELL, Made, plugged  # noqa: F401 (a fixture)
from test_session import HEADER, ORDER, FakeObserver, captures, fine
from test_session import bench as bench_of_session  # noqa: F401 (a fixture)
from test_ssh import server, wait_for  # noqa: F401 (a fixture)

from rig import session as module
from rig.bench import Bench, Ssh
from rig.cleanup import GpioState
from rig.errors import TargetError
from rig.session import Session
from rig.targets.base import Target
from rig.targets.ssh_board import SshBoard

FREE_PINS = GpioState(chips=(HEADER,), exports={}, holders=())


@dataclass
class Way:
    """A line to a board, how to cut it, and how to have it again."""

    target: Callable[[], Target]
    cut: Callable[[], None]
    complaint: str


@pytest.fixture
def over_ssh(server: SshServer) -> Way:  # noqa: F811
    facts = Ssh.model_validate(server.login.model_dump() | {"kind": "ssh", "boot_timeout_s": 30})
    return Way(lambda: SshBoard(facts, server.folder), server.cut, "the connection broke")


@pytest.fixture
def over_serial(plugged: Made) -> Way:  # noqa: F811
    def unplug() -> None:
        plugged.boards[0].unplug()  # type: ignore[attr-defined]

    return Way(lambda: plugged(SHELL), unplug, "broke")


@pytest.mark.parametrize("way", ["over_ssh", "over_serial"])
def test_a_line_that_is_cut_gives_no_verdict_and_the_next_run_works(
    way: str,
    bench_of_session: Bench,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    line: Way = request.getfixturevalue(way)
    begun, results = tmp_path / "begun", tmp_path / "results"
    monkeypatch.setattr(module, "read_gpio_state", lambda *_: FREE_PINS)
    monkeypatch.setattr(module, "read_facts", lambda _: {"board": "this machine"})
    monkeypatch.setattr(module, "make_target", lambda _: line.target())
    monkeypatch.setattr(module, "make_observer", lambda *_: watching())
    monkeypatch.setattr(module, "DEPLOY_FOLDER", str(tmp_path / "deployed"))
    session = Session.open(bench_of_session)

    def strike() -> None:
        wait_for(begun.exists)
        line.cut()

    threading.Thread(target=strike).start()
    started = time.monotonic()
    endless = replace(ORDER, command=f"touch {begun}; sleep 600", timeout_s=300)
    with pytest.raises(TargetError, match=line.complaint):
        session.run(endless, results / "run")
    assert time.monotonic() - started < LONG_S
    assert not results.exists()
    again = session.reopened()
    try:
        evidence, _ = again.run(replace(ORDER, command="echo back"), results / "run")
    finally:
        again.close()
    assert (evidence.folder / "console.log").read_text() == "back\n"


def watching() -> Any:
    observer = FakeObserver()
    observer.captures = captures(fine)
    return observer
