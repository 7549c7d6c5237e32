"""`rig qualify` from its command line to its file, with simulated pins; and its references."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from references import MS, SimulatedReference

from rig.bench import Bench, load_bench
from rig.capture import Capture, Heartbeat, Stall
from rig.cli import main
from rig.commands import qualify as module
from rig.commands.qualify import ReferenceKind, make_reference
from rig.errors import BenchError, BenchFileError, TargetError
from rig.identity import REPOSITORY
from rig.observers.fake import FakeObserver, SimulatedPins
from rig.observers.qemu import QemuObserver
from rig.qualification import path_of, read_record
from rig.reference import EmulatorReference, TargetReference, gap_ns, parse_edges
from rig.session import Session
from rig.targets.base import Target
from rig.targets.shell import Result


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "desk.yaml").write_text((REPOSITORY / "benches" / "virtual.yaml").read_text())
    return load_bench(tmp_path / "desk.yaml")


@pytest.fixture
def observer(monkeypatch: pytest.MonkeyPatch) -> FakeObserver:
    """What the command finds on its bench."""
    pins = SimulatedPins("led")
    fake = FakeObserver(pins)

    @contextmanager
    def session(bench: Bench) -> Iterator[Session]:
        fake.connect()
        yield cast(Session, SimpleNamespace(bench=bench, observer=fake))
        fake.close()

    monkeypatch.setattr(module, "_session", session)
    monkeypatch.setattr(module, "make_reference", lambda *_: SimulatedReference(pins))
    return fake


def rig(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["rig", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_good_observer_gets_a_budget_beside_its_bench_file(
    bench: Bench,
    observer: FakeObserver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rig(monkeypatch, "qualify", bench.file, "--edges", 21) == 0
    told = capsys.readouterr()
    assert [line.split()[1:4] for line in told.out.splitlines()[1:8]] == [["22", "22", "0"]] * 7
    assert "leg 7 of 7: 22 edges at full speed" in told.err
    assert f"{path_of(bench)}, believed for 365 days" in told.out
    record = read_record(path_of(bench), bench)
    assert record is not None
    assert record.budget.latency_ns <= 1000


def test_a_qualification_of_another_bench_is_refused_before_anything_is_touched(
    bench: Bench, observer: FakeObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig(monkeypatch, "qualify", bench.file, "--edges", 20) == 0
    bench.file.write_text(bench.file.read_text().replace("led: 25", "led: 24"))
    with pytest.raises(BenchFileError, match=r"lines\.led was 25, is 24"):
        Session.open(load_bench(bench.file))


def test_an_observer_that_loses_edges_is_an_error_and_leaves_no_file(
    bench: Bench,
    observer: FakeObserver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    observer.faults.forget = 6
    assert rig(monkeypatch, "qualify", bench.file, "--edges", 20) == 4
    assert "of 20 edges at 5/s the observer saw 14 on led" in capsys.readouterr().err
    assert not path_of(bench).exists()


def test_a_slow_leg_has_as_many_edges_as_fit_into_its_time(
    bench: Bench, observer: FakeObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig(monkeypatch, "qualify", bench.file, "--edges", 1000) == 0
    record = read_record(path_of(bench), bench)
    assert record is not None
    assert [leg.sent for leg in record.legs] == [200, 800, 1000, 1000, 1000, 1000, 1000]


@pytest.mark.parametrize(("stalls", "used"), [(2, 40), (3, 20)])
def test_a_leg_in_which_this_host_stalled_is_repeated_at_most_twice(
    bench: Bench, observer: FakeObserver, monkeypatch: pytest.MonkeyPatch, stalls: int, used: int
) -> None:
    stop, left = observer.stop, iter(range(stalls))
    stall = Heartbeat(9, 300 * MS, (Stall(0, 300 * MS, "heartbeat"),))

    def stop_stalled() -> Capture:
        return replace(stop(), heartbeat=None if next(left, None) is None else stall)

    monkeypatch.setattr(module, "INTERVALS_NS", (50 * MS, 10 * MS))
    monkeypatch.setattr(observer, "stop", stop_stalled)
    assert rig(monkeypatch, "qualify", bench.file, "--edges", 20) == 0
    record = read_record(path_of(bench), bench)
    assert record is not None
    assert record.edges == used


def test_a_reference_that_is_too_poor_decides_nothing_and_keeps_the_old_file(
    bench: Bench,
    observer: FakeObserver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path_of(bench).write_text("what was measured before")
    analyse = module.analyse
    monkeypatch.setattr(module, "analyse", lambda *a: _with_problem(analyse(*a), "too poor"))
    assert rig(monkeypatch, "qualify", bench.file, "--edges", 20) == 3
    assert "No budget: too poor" in capsys.readouterr().out
    assert path_of(bench).read_text() == "what was measured before"


def _with_problem(analysis: Any, problem: str) -> Any:
    return SimpleNamespace(legs=analysis.legs, problem=problem)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--edges", 5), "Input should be greater than or equal to 20"),
        (("--line", "lamp"), "has no line 'lamp', but: led"),
        (("--reference", "sun"), "'sun' is not one of 'emulator', 'target'"),
        (("--reference-ppm", -1), "Input should be greater than or equal to 0"),
    ],
)
def test_a_wrong_command_line_is_told(
    bench: Bench,
    observer: FakeObserver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    words: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert rig(monkeypatch, "qualify", bench.file, *arguments) == 2
    assert words in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_bench_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert rig(monkeypatch, "qualify", tmp_path / "desk.yaml") == 4
    assert "No such file" in capsys.readouterr().err


# The references.


class FakeTarget:
    """Answers as tender/tools/reference.c does."""

    def __init__(self, status: int = 0, output: str = "1,100,110\n0,200,215\n") -> None:
        self.result = Result(status, output, 0, 1)
        self.commands: list[str] = []

    def run(self, command: str, timeout_s: float = 10) -> Result:
        self.commands.append(command)
        return self.result


def reference_on(target: FakeTarget) -> TargetReference:
    return TargetReference(cast(Target, target), "/opt/rig/reference", 537, 50.0)


def test_the_reference_on_the_target_is_run_and_read() -> None:
    target = FakeTarget()
    made = reference_on(target).play(2, 10 * MS)
    assert target.commands == ["/opt/rig/reference 537 2 10000000 2>&1"]
    assert made.tolist() == [(100, 110, 1), (200, 215, 0)]


def test_a_reference_that_fails_is_an_error_with_its_words() -> None:
    target = FakeTarget(1, "reference: cannot export line 537: Device or resource busy\n")
    with pytest.raises(TargetError, match="cannot export line 537: Device or resource busy"):
        reference_on(target).play(2, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "told of 0 edges, 2 were ordered"),
        ("1,100,110\n", "told of 1 edges"),
        ("1,100,110\n0,105,115\n", "not in order"),
        ("1,110,100\n0,205,215\n", "not in order"),
        ("1,100\n0,200,215\n", "printed '1,100"),
        ("kernel panic\n", "printed 'kernel panic"),
        ("1,100,99999999999999999999\n0,1,2\n", "printed '1,100"),
    ],
)
def test_what_the_reference_may_not_print(text: str, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        parse_edges(text, 2)


def test_intervals_spread_evenly_around_what_was_ordered() -> None:
    gaps = np.array([gap_ns(10 * MS, edge) for edge in range(1000)])
    assert (gaps.min() // 10_000, gaps.max() // 10_000) == (750, 1249)
    assert abs(gaps.mean() - 10 * MS) < 10_000
    assert len(set(gaps.tolist())) == 1000
    assert {gap_ns(0, edge) for edge in range(10)} == {0}


def a_session(observer: object) -> Session:
    facts = SimpleNamespace(file="desk.yaml", observer=SimpleNamespace(kind="sigrok"))
    parts = SimpleNamespace(
        observer=observer, target=FakeTarget(), bench=facts, sysfs_number=lambda line: 483
    )
    return cast(Session, parts)


def test_the_emulator_is_the_reference_where_it_can_be() -> None:
    virtual = a_session(QemuObserver.__new__(QemuObserver))
    assert isinstance(make_reference(virtual, "led", None, 1.0), EmulatorReference)
    target = make_reference(virtual, "led", ReferenceKind.TARGET, 1.0)
    assert isinstance(target, TargetReference)
    assert target.facts.accuracy_ppm == 1.0
    real = a_session(object())
    assert isinstance(make_reference(real, "led", None, 1.0), TargetReference)
    with pytest.raises(BenchError, match=r"only for observer\.kind qemu, not sigrok; use --ref"):
        make_reference(real, "led", ReferenceKind.EMULATOR, 1.0)


def test_what_is_stored_is_json_for_anybody(
    bench: Bench, observer: FakeObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rig(monkeypatch, "qualify", bench.file, "--edges", 20) == 0
    stored = json.loads(path_of(bench).read_text())
    assert stored["schema"] == "qualification/1"
    assert stored["identity"]["observer.kind"] == "qemu"
    assert stored["reference"]["kind"] == "simulated"
    assert len(stored["legs"]) == 7
