"""The budget of QEMU's stamps, held against references that do not know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from rig.bench import Bench
from rig.commands.qualify import ReferenceKind, make_reference
from rig.errors import TargetError
from rig.identity import REPOSITORY
from rig.observers.qemu import QemuObserver
from rig.qualification import Leg, analyse
from rig.reference import PROGRAM
from rig.session import Session, deployed_path

MS = 1_000_000
HOST_PPM = 500.0


@pytest.fixture(scope="module")
def board(bench: Bench) -> Iterator[Session]:
    """A virtual Pi with nothing on it but the reference."""
    program = REPOSITORY / "build" / "tender" / "aarch64" / PROGRAM
    bare = bench.model_copy(update={"images": {PROGRAM: program}})
    session = Session.open(bare, use_qualification=False)
    yield session
    session.close()


def played(board: Session, kind: ReferenceKind, edges: int, interval_ns: int) -> Leg:
    """How busy this machine is must decide nothing here, so a stall is not looked at."""
    reference = make_reference(board, "led", kind, HOST_PPM)
    board.observer.arm()
    sent = reference.play(edges, interval_ns)
    return Leg(sent, replace(board.observer.stop(), heartbeat=None), "led")


@pytest.mark.parametrize("kind", list(ReferenceKind))
@pytest.mark.parametrize(("edges", "interval_ns"), [(100, 10 * MS), (200, MS), (2000, 0)])
def test_no_edge_of_a_reference_is_lost_at_any_rate(
    board: Session, kind: ReferenceKind, edges: int, interval_ns: int
) -> None:
    leg = played(board, kind, edges, interval_ns)
    assert len(leg.sent) == edges
    assert leg.is_whole


@pytest.mark.parametrize("kind", list(ReferenceKind))
def test_the_trace_and_a_reference_agree_within_their_stated_uncertainty(
    board: Session, kind: ReferenceKind
) -> None:
    """The program on the target has its own clock and knows nothing of QEMU."""
    leg = played(board, kind, 200, 5 * MS)
    stamps, clock = leg.seen["time_ns"], leg.capture.clock
    span_ns = int(stamps[-1] - stamps[0])
    earliest, latest = stamps - leg.sent["after_ns"], stamps - leg.sent["before_ns"]
    apart_ns = int(np.max(earliest) - np.min(latest))
    assert apart_ns <= clock.interval_uncertainty_ns(span_ns)


def test_on_one_clock_every_stamp_lies_in_its_bracket(board: Session) -> None:
    leg = played(board, ReferenceKind.EMULATOR, 200, 2 * MS)
    room_ns = leg.capture.clock.resolution_ns
    assert np.all(leg.seen["time_ns"] >= leg.sent["before_ns"] - room_ns)
    assert np.all(leg.seen["time_ns"] <= leg.sent["after_ns"])


def test_the_interception_tells_of_the_same_edges_and_always_later(board: Session) -> None:
    """QEMU stamps a write before it carries it out; the budget rests on that."""
    observer = board.observer
    assert isinstance(observer, QemuObserver)
    leg = played(board, ReferenceKind.TARGET, 200, 2 * MS)
    told = observer._reported  # since it was armed: what came before it forgets
    delays = np.array(observer._reported_at) - leg.seen["time_ns"]
    assert [level for _, level in told] == leg.seen["level"].tolist()
    assert np.all(delays >= 0)
    assert np.max(delays) <= leg.capture.clock.latency_ns


def test_the_target_s_clock_runs_as_this_host_s(board: Session) -> None:
    leg = played(board, ReferenceKind.TARGET, 200, 10 * MS)
    facts = make_reference(board, "led", ReferenceKind.TARGET, HOST_PPM).facts
    analysis = analyse([leg], facts)
    assert abs(analysis.rate) <= analysis.rate_uncertainty + HOST_PPM / 1e6


def test_the_reference_leaves_the_line_as_it_was(board: Session) -> None:
    before = board.gpio_state()
    played(board, ReferenceKind.TARGET, 20, MS)
    played(board, ReferenceKind.EMULATOR, 20, MS)
    assert board.gpio_state() == before


def test_a_reference_that_is_ended_leaves_the_line_as_it_was(board: Session) -> None:
    before = board.gpio_state()
    program, number = deployed_path(PROGRAM), board.sysfs_number("led")
    command = f"{program} {number} 1000 1000000000 & sleep 2; kill $!; wait $!"
    result = board.target.run(f"({command}) 2>&1", timeout_s=60)
    assert (result.status, result.output) == (1, "reference: interrupted by signal 15\n")
    assert board.gpio_state() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("9999 20 0", "reference: cannot export line 9999: Invalid argument"),
        ("led 20 0", "reference: cannot export line led: Invalid argument"),
        ("483 many 0", "EDGES 'many': must be a number up to 1000000"),
        ("483 20 -1", "INTERVAL_NS '-1': must be a number up to 4000000000"),
        ("483 20", "usage: "),
    ],
)
def test_a_reference_that_cannot_run_says_why(board: Session, arguments: str, words: str) -> None:
    result = board.target.run(f"{deployed_path(PROGRAM)} {arguments} 2>&1")
    assert result.status in (1, 2)
    assert words in result.output


def test_a_line_that_somebody_holds_is_an_error_that_says_so(board: Session) -> None:
    number = board.sysfs_number("led")
    board.target.run(f"echo {number} > /sys/class/gpio/export")
    try:
        with pytest.raises(TargetError, match=f"cannot export line {number}: .*busy"):
            played(board, ReferenceKind.TARGET, 20, MS)
    finally:
        board.target.run(f"echo {number} > /sys/class/gpio/unexport")
        board.observer.stop()
