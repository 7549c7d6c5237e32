"""`rig observe`: edges on the terminal while they come, and an end that is clean in every case."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from test_run_command import BENCH

from rig.capture import Edge
from rig.cli import main
from rig.commands import observe as module
from rig.commands.observe import MOST_LINES, Watch, lines_of, summary
from rig.errors import ObserverError, TargetError
from rig.observers.fake import FakeObserver, SimulatedPins
from rig.targets.shell import Result

MS = 1_000_000


class FakeTarget(SimpleNamespace):
    """Runs what a test gives it, and remembers whether it was opened and closed."""

    done: tuple[str, ...] = ()
    command: Callable[[], None] = staticmethod(lambda: None)

    def open(self, files: object) -> None:
        self.done += ("open",)

    def close(self) -> None:
        self.done += ("close",)

    def run(self, command: str, timeout_s: float) -> Result:
        self.command()
        return Result(7, "bye\n", 0, 0)


@pytest.fixture
def pins() -> SimulatedPins:
    return SimulatedPins("led", "gpio17")


@pytest.fixture
def observer(pins: SimulatedPins) -> FakeObserver:
    return FakeObserver(pins)


@pytest.fixture
def target(observer: FakeObserver, monkeypatch: pytest.MonkeyPatch) -> FakeTarget:
    """What the command finds on its bench."""
    target = FakeTarget()

    def session(_: object) -> Any:
        observer.connect()
        target.open({})
        return SimpleNamespace(target=target, observer=observer, close=target.close)

    monkeypatch.setattr(module, "make_target", lambda _: target)
    monkeypatch.setattr(module, "make_observer", lambda *_: observer)
    monkeypatch.setattr(module.Session, "open", session)
    return target


def blink(pins: SimulatedPins, times: int = 2) -> None:
    for _ in range(times):
        for level in (1, 0):
            pins.wait(250 * MS)
            pins.drive("led", level)


def observe(monkeypatch: pytest.MonkeyPatch, *more: object) -> int:
    monkeypatch.setattr(sys, "argv", ["rig", "observe", str(BENCH), *map(str, more)])
    with pytest.raises(SystemExit) as ended:
        main()
    return cast(int, ended.value.code)


def test_edges_are_told_while_the_capture_goes_on(
    pins: SimulatedPins, observer: FakeObserver
) -> None:
    told: list[str] = []
    came = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 4:
            came.set()

    observer.connect()
    with Watch(observer, tell) as watch:
        blink(pins)
        assert came.wait(30), "nothing was told before the end"
        blink(pins, 1)
    assert len(told) == len(watch.capture().edges) == 6
    assert told[1] == "    0.500000 s  led        0  after 250.000 ms (4 edges/s)"


def test_time_and_a_command_end_it_with_a_summary(
    target: FakeTarget,
    pins: SimulatedPins,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert observe(monkeypatch, "--seconds", 0.1) == 0
    assert target.done == ("open", "close")
    assert "0 edges" in capsys.readouterr().out
    target.command = lambda: blink(pins)
    assert observe(monkeypatch, "--run", "blink") == 0
    told = capsys.readouterr().out
    assert "At first: led 0" in told
    assert "bye\nIts exit status is 7." in told
    assert "1.000 s, 4 edges" in told
    assert "led             4 edges, 4/s, now 0" in told
    assert target.done[-1] == "close"


def test_ctrl_c_ends_it_cleanly(
    target: FakeTarget,
    pins: SimulatedPins,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(watch: Watch, seconds: float | None) -> None:
        assert seconds is None
        blink(pins)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Watch, "wait", interrupted)
    assert observe(monkeypatch) == 0
    assert "1.000 s, 4 edges" in capsys.readouterr().out
    assert target.done[-1] == "close"
    assert pins.watchers == []


def test_an_observer_that_goes_away_ends_it_as_trouble(
    target: FakeTarget,
    observer: FakeObserver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wait = Watch.wait

    def unplugged(watch: Watch, seconds: float | None) -> None:
        observer.faults.silent = True
        wait(watch, 30)

    monkeypatch.setattr(Watch, "wait", unplugged)
    assert observe(monkeypatch) == 4
    assert "silent" in capsys.readouterr().err
    assert target.done[-1] == "close"


def test_a_target_that_hangs_ends_it_as_trouble(
    target: FakeTarget, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hang() -> None:
        raise TargetError("no end of 'blink'")

    target.command = hang
    assert observe(monkeypatch, "--run", "blink") == 4
    assert "no end of 'blink'" in capsys.readouterr().err
    assert target.done[-1] == "close"


def test_lost_edges_are_told_and_make_it_inconclusive(
    target: FakeTarget,
    pins: SimulatedPins,
    observer: FakeObserver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def lossy() -> None:
        blink(pins)
        observer.faults.lose = 1
        blink(pins)

    target.command = lossy
    assert observe(monkeypatch, "--run", "blink") == 3
    assert "edges were lost: 1" in capsys.readouterr().out


def test_a_flood_of_edges_is_one_line_of_text() -> None:
    edges = [Edge(n * MS, "led", (n + 1) % 2, n) for n in range(MOST_LINES + 1)]
    edges.append(Edge(30 * MS, "gpio17", 1, 0))
    flood, other = lines_of(edges, 0, {})
    assert flood == "    0.020000 s  led        1  after 21 edges in 20.000 ms (1000 edges/s)"
    assert other.split() == ["0.030000", "s", "gpio17", "1"]


def test_lines_without_a_name_are_in_the_summary_only_if_they_moved(
    pins: SimulatedPins, observer: FakeObserver
) -> None:
    observer.connect()
    observer.arm()
    blink(pins)
    assert "gpio17" not in summary(observer.stop(), ["led"])


def test_a_watch_that_failed_gives_no_capture(observer: FakeObserver) -> None:
    observer.connect()
    watch = Watch(observer, lambda _: None)
    with pytest.raises(ObserverError, match="nothing was captured"):
        watch.capture()
