"""What a run on the virtual Pi finds out when something besides the LED goes wrong."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rig.capture import Instant
from rig.errors import BenchError, TargetError
from rig.evidence import find_evidence, read_evidence
from rig.session import Order, Session
from rig.verdict import TIMING_KINDS, Kind, Outcome
from tests.virtual_pi.conftest import preceded_by


def test_a_good_run_passes_and_its_evidence_judges_itself_again(
    pi: Session, blink: Order, tmp_path: Path
) -> None:
    _, verdict = pi.run(blink, tmp_path / "run")
    assert verdict.outcome is Outcome.PASS, verdict.not_passed()
    assert read_evidence(tmp_path / "run").judge() == verdict


def test_another_pin_that_moves_is_a_finding_that_names_it(
    pi: Session, blink: Order, tmp_path: Path
) -> None:
    number = pi.sysfs_number("led") - 8
    gpio = "/sys/class/gpio"
    shell = (
        f"sleep 1; echo {number} > {gpio}/export; echo out > {gpio}/gpio{number}/direction; "
        f"echo 1 > {gpio}/gpio{number}/value; echo {number} > {gpio}/unexport"
    )
    _, verdict = pi.run(preceded_by(shell, blink), tmp_path / "run")
    assert verdict.failing_kinds() == {Kind.FOREIGN}
    assert "gpio17" in verdict.of_kind(Kind.FOREIGN)[0].text


def test_another_pin_that_stays_exported_is_found_by_both_views(
    pi: Session, blink: Order, tmp_path: Path
) -> None:
    number = pi.sysfs_number("led") - 1
    gpio = "/sys/class/gpio"
    shell = f"sleep 1; echo {number} > {gpio}/export; echo out > {gpio}/gpio{number}/direction"
    evidence, verdict = pi.run(preceded_by(shell, blink), tmp_path / "run")
    pi.restore(evidence.before)
    assert verdict.failing_kinds() == {Kind.FOREIGN, Kind.CLEANUP}
    texts = " ".join(finding.text for finding in verdict.of_kind(Kind.CLEANUP))
    assert f"gpio{number}" in texts
    assert "pin functions: gpio24 was in" in texts
    assert pi.gpio_state() == evidence.before


def test_a_tender_that_is_killed_leaves_an_exit_status_that_fails(
    pi: Session, blink: Order, tmp_path: Path
) -> None:
    evidence, verdict = pi.run(preceded_by("sleep 1; killall tender", blink), tmp_path / "run")
    assert {Kind.EXIT_STATUS, Kind.COUNT, Kind.CONSOLE} <= verdict.failing_kinds()
    assert Kind.CLEANUP not in verdict.failing_kinds()
    assert evidence.run.exit_status == 1


def test_a_machine_that_stalls_makes_timing_inconclusive_and_is_repeated(
    pi: Session, blink: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole bench stops for 0.4 s: this process, which observes, and the emulator.

    It does so once, and soon after the first run was commanded, however long that took.
    """
    both = f"{os.getpid()} {pi.target.emulator.pid}"
    stall = f"sleep 0.5; kill -STOP {both}; sleep 0.4; kill -CONT {both}"
    stalls: list[subprocess.Popen[bytes]] = []
    now = pi.observer.now

    def now_and_stall_once() -> Instant | None:
        if not stalls:
            stalls.append(subprocess.Popen(["sh", "-c", stall]))
        return now()

    monkeypatch.setattr(pi.observer, "now", now_and_stall_once)
    evidence, _ = pi.run(blink, tmp_path / "run")
    assert [stalling.wait(timeout=30) for stalling in stalls] == [0]
    assert evidence.run.repeats >= 1
    spoiled = read_evidence(tmp_path / "run.spoiled-1").judge()
    assert spoiled.outcome is Outcome.INCONCLUSIVE
    assert spoiled.of_kind(Kind.STALL)
    assert {f.outcome for f in spoiled.of_kind(*TIMING_KINDS)} == {Outcome.INCONCLUSIVE}
    assert [path.name for path in find_evidence(tmp_path)] == ["run"]


def test_a_run_that_is_merely_wrong_is_not_repeated(
    pi: Session, blink: Order, tmp_path: Path
) -> None:
    wrong = replace(blink, expectation=blink.expectation.model_copy(update={"cycles": 5}))
    evidence, verdict = pi.run(wrong, tmp_path / "run")
    assert verdict.outcome is Outcome.FAIL
    assert evidence.run.repeats == 0


def test_a_command_that_hangs_is_a_bench_error_and_leaves_a_usable_bench(
    pi: Session, blink: Order, tmp_path: Path
) -> None:
    hanging = replace(blink, command="echo about to hang; sleep 1000", timeout_s=2)
    with pytest.raises(TargetError, match=r"(?s)within 2 s.*about to hang"):
        pi.run(hanging, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    _, verdict = pi.run(blink, tmp_path / "next")
    assert verdict.outcome is Outcome.PASS, verdict.not_passed()


def test_a_file_arrives_whole_over_the_console(pi: Session, tmp_path: Path) -> None:
    source = tmp_path / "bytes"
    source.write_bytes(bytes(range(256)) * 130)
    pi.target.put(source, "/tmp/put/bytes")
    compared = pi.target.run("ls -l /tmp/put; [ -x /tmp/put/bytes ]; echo $?")
    assert "33280" in compared.output
    assert compared.output.endswith("0\n")


def test_a_board_that_dies_in_mid_run_is_a_bench_error(
    fresh_pi: Session, blink: Order, tmp_path: Path
) -> None:
    kill = f"sleep 1; kill -KILL {fresh_pi.target.emulator.pid}"
    with subprocess.Popen(["sh", "-c", kill]), pytest.raises(BenchError):
        fresh_pi.run(blink, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
