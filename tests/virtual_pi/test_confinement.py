"""A hostile guest on the virtual Pi, while the observer watches every pin.

What the guest does stands in tender/tests/test_hostile/cases, for x86_64 as well.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import hostile
from rig.bench import Bench
from rig.capture import Capture
from rig.hostile import BAD_LED_CALLS, BAD_LED_POINTERS, BLINK, EINVAL, listed, numbers
from rig.identity import REPOSITORY
from rig.session import DEPLOY_FOLDER, Session
from rig.targets.base import MACHINE

BUILT = REPOSITORY / "build" / "tender" / "aarch64"
DEFECTS = ("opens-a-file", "writes-elsewhere")
SCRIPT = "/tmp/hostile"
MANY_RUNS_S = 600
STALL = "hrtimer: interrupt took"
"""The kernel says so, once, when the emulated board got no time from a busy host."""


@pytest.fixture(scope="module")
def board(bench: Bench) -> Iterator[Session]:
    images = {path.stem: path for path in BUILT.glob("test_*.hvt")}
    images["tender"] = BUILT / "solo5-hvt"
    images |= {name: BUILT / "defects" / name / "solo5-hvt" for name in DEFECTS}
    session = Session.open(bench.model_copy(update={"images": images}))
    yield session
    session.close()


def grant(board: Session) -> str:
    """The options and the guest of a tender that grants the line of the bench."""
    return f"--led:led0={board.bench.lines['led']} test_hostile_led"


def kernel_log(board: Session) -> list[str]:
    lines = board.target.run("dmesg").output.splitlines()
    return [line for line in lines if STALL not in line]


def run_cases(board: Session, options: str, cases: list[str], tmp_path: Path) -> list[str]:
    """Run the tender once for each case; returns what was not as it should be."""
    script = tmp_path / "script"
    script.write_text(hostile.script(DEPLOY_FOLDER, "tender", options, cases))
    board.target.put(script, SCRIPT)
    result = board.target.run(f"sh {SCRIPT}", timeout_s=MANY_RUNS_S)
    *wrong, last = result.output.splitlines()
    assert (result.status == 0) == (last == hostile.promise(cases)) == (not wrong), result.output
    return wrong


def run_observed(
    board: Session, options: str, cases: list[str], tmp_path: Path
) -> tuple[list[str], Capture]:
    """The same, with all pins watched and the kernel's log compared."""
    log = kernel_log(board)
    board.observer.arm()
    try:
        wrong = run_cases(board, options, cases, tmp_path)
    finally:
        capture = board.observer.stop()
    assert kernel_log(board) == log
    return wrong, capture


def test_guest_without_devices_moves_no_pin(board: Session, tmp_path: Path) -> None:
    before = board.gpio_state()
    wrong, capture = run_observed(
        board, "test_hostile", numbers(led=False) + listed(MACHINE), tmp_path
    )
    assert wrong == []
    assert list(capture) == []
    assert capture.modes == ()
    assert board.gpio_state() == before


def test_guest_with_an_led_moves_its_line_only(board: Session, tmp_path: Path) -> None:
    before = board.gpio_state()
    cases = [BLINK, *numbers(led=True), *BAD_LED_POINTERS]
    wrong, capture = run_observed(board, grant(board), cases, tmp_path)
    assert wrong == []
    assert [(edge.line, edge.level) for edge in capture] == [("led", 1), ("led", 0)]
    assert {change.line for change in capture.modes} == {"led"}
    assert board.gpio_state() == before


def test_led_that_is_not_the_guests_is_refused(board: Session, tmp_path: Path) -> None:
    board.observer.arm()
    result = board.target.run(
        f"cd {DEPLOY_FOLDER}; ./tender {grant(board)} --solo5:quiet {' '.join(BAD_LED_CALLS)}",
        timeout_s=60,
    )
    capture = board.observer.stop()
    answers = [line.split() for line in result.output.splitlines() if line.startswith("call 24")]
    assert [int(words[-1], 16) >> 32 for words in answers] == [EINVAL] * len(BAD_LED_CALLS)
    assert result.output.endswith("SUCCESS\n")
    assert list(capture) == []


def test_observer_of_this_test_sees_a_pin_that_is_nobodys(board: Session, tmp_path: Path) -> None:
    """The check above can fail: here something else moves a pin meanwhile."""
    number = board.sysfs_number("led") - 8
    gpio = "/sys/class/gpio"
    board.observer.arm()
    board.target.run(
        f"echo {number} > {gpio}/export; echo high > {gpio}/gpio{number}/direction; "
        f"echo {number} > {gpio}/unexport"
    )
    capture = board.observer.stop()
    assert {edge.line for edge in capture} == {"gpio17"}


@pytest.mark.parametrize("name", DEFECTS)
def test_undeclared_call_ends_the_tender(board: Session, name: str) -> None:
    result = board.target.run(
        f"cd {DEPLOY_FOLDER}; ./{name} test_hostile call 1 arg 0", timeout_s=60
    )
    assert result.status == 159, result.output
    assert "SUCCESS" not in result.output
