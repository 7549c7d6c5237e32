"""The unikernels of tender/tests/ on aarch64, run by the tender on a virtual Pi.

What tender/tests/tests.bats shows on x86_64, plus what needs a line to drive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from rig.bench import Bench
from rig.identity import REPOSITORY
from rig.session import DEPLOY_FOLDER, Session
from rig.targets.shell import Result

BUILT = REPOSITORY / "build" / "tender" / "aarch64"
LED_WORDS = "cycles=3 on_us=20000 off_us=30000"
GPIO = "/sys/class/gpio"


@dataclass(frozen=True)
class Board:
    """A virtual Pi on which the tender and every unikernel lie."""

    session: Session

    def shell(self, command: str) -> Result:
        """Run a shell command where the images lie."""
        return self.session.target.run(f"cd {DEPLOY_FOLDER}; {command}", timeout_s=60)

    def tender(self, words: str) -> Result:
        """Run the tender with `words`."""
        return self.shell(f"./tender {words}")

    def blink(self, words: str, options: str = "") -> Result:
        """Run test_led with `words` on the line of the bench."""
        line = self.session.bench.lines["led"]
        return self.tender(f"--led:led0={line} {options} -- test_led {words}")


@pytest.fixture(scope="module")
def board(bench: Bench) -> Iterator[Board]:
    images = {path.stem: path for path in BUILT.glob("test_*.hvt")}
    images["tender"] = BUILT / "solo5-hvt"
    session = Session.open(bench.model_copy(update={"images": images}))
    board = Board(session)
    board.shell("date -s '2026-01-01 00:00:00'")  # without a network it thinks it is 1970
    yield board
    session.close()


def assert_result(result: Result, status: int, *words: str) -> None:
    assert result.status == status, result.output
    for word in words:
        assert word in result.output


ENDINGS = (
    ("test_hello Hello_Solo5", 0, ("Solo5: memory 512 MiB", "SUCCESS", "Solo5: exit(0)")),
    ("test_hello", 1, ("expected 'Hello_Solo5'", "FAILURE")),
    ("--mem=2 test_hello Hello_Solo5", 0, ("Solo5: memory 2 MiB", "SUCCESS")),
    ("test_hello --solo5:loud x", 255, ("ABORT: unknown option at '--solo5:loud x'",)),
    ("test_time", 0, ("SUCCESS",)),
    ("test_globals", 0, ("SUCCESS",)),
    ("--mem=2 test_globals", 255, ("Solo5: ABORT: Not enough memory",)),
    ("test_tls", 0, ("SUCCESS",)),
    ("test_acquire", 0, ("SUCCESS",)),
    ("test_exit exit", 7, ("Solo5: exit(263)",)),
    ("test_exit abort", 255, ("Solo5: abort()",)),
    ("test_exception", 255, ("far=0x400000000", "Solo5: ABORT: Fatal trap")),
    ("test_exception stack", 255, ("sp=0x0", "Solo5: ABORT: Fatal trap")),
    ("test_exception --solo5:quiet", 255, ("Solo5: ABORT: Fatal trap",)),
    ("test_zeropage", 255, ("far=0x8", "Solo5: ABORT: Fatal trap")),
    ("test_notls", 255, ("Solo5: ABORT: Fatal trap",)),
    ("test_ssp", 255, ("Solo5: ABORT: Stack corruption detected",)),
)


@pytest.mark.parametrize(("command", "status", "words"), ENDINGS, ids=[e[0] for e in ENDINGS])
def test_unikernel_ends_as_it_should(
    board: Board, command: str, status: int, words: tuple[str, ...]
) -> None:
    assert_result(board.tender(command), status, *words)


ENDED_FROM_OUTSIDE = {
    "test_xnow": "host/guest translation fault",
    "test_rnow": "host/guest translation fault",
    "test_hypercall number-zero": "invalid guest hypercall: num=0",
    "test_hypercall number-free": "invalid guest hypercall: num=9",
    "test_hypercall number-beyond": "invalid guest mmio access: addr=0x100000100",
    "test_hypercall width": "invalid guest mmio access: addr=0x100000010 size=2",
    "test_hypercall direction": "invalid guest mmio access: addr=0x100000010",
    "test_hypercall alignment": "invalid guest mmio access: addr=0x100000014",
    "test_hypercall device": "invalid guest mmio access: addr=0x100010000",
    "test_hypercall arg-at-end": "invalid guest memory access: gpa=0x20000000 size=8",
    "test_hypercall arg-touches-end": "invalid guest memory access: gpa=0x1ffffff8 size=8",
    "test_hypercall puts-beyond": "invalid guest memory access: gpa=0x1ffffff8 size=9",
    "test_hypercall puts-wraps": "invalid guest memory access: gpa=0x1ffffff8",
    "test_hypercall puts-above-4-gib": "invalid guest memory access: gpa=0x1001",
    "test_hypercall out-in-constants": "invalid guest memory access",
    "test_hypercall out-in-page-table": "invalid guest memory access: gpa=0x2000",
    "test_hypercall out-in-boot-info": "invalid guest memory access: gpa=0x10000",
}


@pytest.mark.parametrize(("command", "words"), ENDED_FROM_OUTSIDE.items(), ids=ENDED_FROM_OUTSIDE)
def test_unikernel_that_oversteps_is_ended(board: Board, command: str, words: str) -> None:
    result = board.tender(command)

    assert_result(result, 1, f"solo5-hvt: {words}")
    assert "FAILURE" not in result.output


def test_quiet_unikernel_says_only_its_own(board: Board) -> None:
    result = board.tender("test_hello --solo5:quiet Hello_Solo5")

    assert_result(result, 0, "SUCCESS")
    assert "Solo5:" not in result.output


def test_handle_of_an_led_is_good_for_that_led_only(board: Board) -> None:
    line = board.session.bench.lines["led"]

    assert_result(board.tender(f"--led:led0={line} test_led_handle"), 0, "SUCCESS")


@dataclass(frozen=True)
class Record:
    """One line of test_led: a hypercall, and the unikernel's clock around it."""

    seq: int
    level: int
    deadline_ns: int
    before_ns: int
    after_ns: int


def records(output: str) -> list[Record]:
    lines = output.splitlines()
    found = [Record(*map(int, ln.split(",")[1:])) for ln in lines if ln.startswith("led,")]
    assert f"led-end,{len(found)}" in lines
    return found


@pytest.mark.parametrize("final", [0, 1])
def test_led_keeps_its_schedule_and_records_it(board: Board, final: int) -> None:
    result = board.blink(f"{LED_WORDS} final={final}")

    assert_result(result, 0, f"test_led: {LED_WORDS} final={final}\n", "led-begin,", "SUCCESS\n")
    found = records(result.output)
    assert [record.seq for record in found] == list(range(6 + final))
    assert [record.level for record in found] == [1, 0, 1, 0, 1, 0, 1][: 6 + final]
    start_ns = found[0].deadline_ns
    due_ns = [0, 20_000_000, 50_000_000, 70_000_000, 100_000_000, 120_000_000, 150_000_000]
    assert [r.deadline_ns - start_ns for r in found] == due_ns[: 6 + final]
    assert all(r.deadline_ns <= r.before_ns <= r.after_ns for r in found)
    assert all(first.after_ns <= second.before_ns for first, second in pairwise(found))


def test_led_takes_its_words_in_any_order(board: Board) -> None:
    result = board.blink("final=1 off_us=1 cycles=0 on_us=1000000000")

    assert_result(result, 0, "test_led: cycles=0 on_us=1000000000 off_us=1 final=1\n")
    assert [record.level for record in records(result.output)] == [1]


REFUSED = {
    "final=2": "bad word 'final=2'",
    "final=": "bad word 'final='",
    "final=-1": "bad word 'final=-1'",
    "final=1x": "bad word 'final=1x'",
    "final=0x1": "bad word 'final=0x1'",
    "finale=1": "bad word 'finale=1'",
    "final": "bad word 'final'",
    "=1": "bad word '=1'",
    "final=0 blink": "bad word 'blink'",
    "final=0 cycles=3": "bad word 'cycles=3'",
    "final=0 final=18446744073709551616": "bad word 'final=18446744073709551616'",
    "final=0 " + "x" * 100: "bad word '" + "x" * 63 + "'",
    "": "missing 'final'",
}


@pytest.mark.parametrize(("words", "message"), REFUSED.items(), ids=[w[:24] for w in REFUSED])
def test_led_refuses_words_by_name(board: Board, words: str, message: str) -> None:
    result = board.blink(f"{LED_WORDS} {words}")

    usage = "usage: cycles=N on_us=N off_us=N final=0|1"
    assert_result(result, 1, f"test_led: {message}; {usage}")
    assert "led-begin" not in result.output


def test_led_refuses_numbers_beyond_its_limits(board: Board) -> None:
    for word in ("cycles=1000001", "on_us=1000000001", "off_us=1000000001"):
        assert_result(board.blink(word), 1, f"bad word '{word}'", "cycles up to 1000000")


def test_led_refuses_more_records_than_memory_holds(board: Board) -> None:
    result = board.blink("cycles=100000 on_us=1 off_us=1 final=0", options="--mem=4")

    assert_result(result, 1, "test_led: 200000 records need", "fewer cycles or more --mem")
    assert "test_led: cycles=" not in result.output


def test_led_reports_the_hypercall_that_failed(board: Board) -> None:
    """Somebody unexports the line in mid-run, after some edges."""
    exported = f"ls {GPIO} | grep -E '^gpio[0-9]+$'"
    steal = f"sleep 1; {exported} | sed s/gpio// > {GPIO}/unexport"
    board.shell(f"({steal}) > /dev/null 2>&1 &")
    result = board.blink("cycles=100 on_us=100000 off_us=100000 final=0")

    assert result.status == 1, result.output
    assert "failed: 3\n" in result.output.split("test_led: led_set ", 1)[1]
    assert "SUCCESS" not in result.output
    assert "led-begin" not in result.output
