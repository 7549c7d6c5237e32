# SPDX-License-Identifier: ISC
"""The sum under `make test` must never look better than what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import run_all
from run_all import REPORTS, Count, counted, main

MAKEFILE = """
good:
	@echo 'ok 1 boots'; echo 'ok 2 blinks # skip no KVM'
bad:
	@echo 'ok 1 boots'; echo 'not ok 2 blinks'; exit 1
crashed:
	@echo 'ok 1 boots'; exit 139
lint:
	@echo all fine
dirty:
	@echo too long; exit 1
unit:
	@echo '<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1"/></testsuites>' \
	> results/tests/unit.xml; exit 1
robot:
	@echo '<testsuite tests="3" failures="0" errors="0" skipped="0"/>' > results/tests/robot.xml
hangs:
	@echo hanging; exec sleep 60
touches:
	@touch touched
waits answers:
	@mkfifo meeting 2> /dev/null || true; \
	if [ $@ = waits ]; then timeout 20 cat meeting > /dev/null; \
	else timeout 20 sh -c 'echo > meeting'; fi && echo 'ok 1 was met'
half:
	@echo '<testsuites><testsuite tests="5"' > results/tests/half.xml; exit 1
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAKEFLAGS", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "status", "last"),
    [
        ("good", 0, "1 passed, 0 failed, 1 skipped"),
        ("bad", 1, "1 passed, 1 failed"),
        ("crashed", 1, "1 passed, 1 failed"),
        ("lint", 0, "1 passed, 0 failed"),
        ("dirty", 1, "0 passed, 1 failed"),
        ("unit", 1, "2 passed, 2 failed, 1 skipped"),
        ("robot", 0, "3 passed, 0 failed"),
        ("half", 1, "0 passed, 1 failed"),
        ("no-such-target", 1, "0 passed, 1 failed"),
    ],
)
def test_target_counts_as_it_went(
    capfd: pytest.CaptureFixture[str], target: str, status: int, last: str
) -> None:
    assert main([target]) == status
    assert capfd.readouterr().out.splitlines()[-1] == last


def test_all_targets_run_and_the_sum_comes_last(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bad+unit+good"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-4:-1]] == ["bad", "unit", "good"]
    assert lines[-1] == "4 passed, 3 failed, 2 skipped"


def test_lanes_run_side_by_side_and_their_lines_can_be_told_apart(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["waits+good", "answers+bad"]) == 1  # each of the first two waits for the other
    lines = capfd.readouterr().out.splitlines()
    assert "waits             | ok 1 was met" in lines
    assert "answers           | ok 1 was met" in lines
    assert [line.split()[0] for line in lines[-5:-1]] == ["waits", "good", "answers", "bad"]
    assert lines[-1] == "4 passed, 1 failed, 1 skipped"


def test_ctrl_c_starts_nothing_more(project: Path) -> None:
    command = [sys.executable, run_all.__file__, "hangs+touches"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as lanes:
        assert lanes.stdout
        while b"hanging" not in lanes.stdout.readline():
            assert lanes.poll() is None
        os.killpg(lanes.pid, signal.SIGINT)
        assert lanes.wait(timeout=20) == 130
    assert not (project / "touched").exists()


def test_report_of_an_earlier_run_does_not_count(project: Path) -> None:
    REPORTS.mkdir(parents=True)
    (REPORTS / "dirty.xml").write_text('<testsuite tests="9" failures="0"/>')
    assert main(["dirty"]) == 1
    assert not (REPORTS / "dirty.xml").exists()


def test_failed_test_is_counted_once() -> None:
    assert counted(["not ok 1 a"], Path("none.xml"), 2) == Count(failed=1)


def test_failed_test_marked_as_skipped_is_still_a_failure() -> None:
    assert counted(["not ok 1 a # skip b"], Path("none.xml"), 1) == Count(failed=1)
