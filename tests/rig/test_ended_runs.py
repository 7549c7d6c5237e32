"""Every ending is brought about with real processes, and what does not end is ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_target import LocalTarget

from rig.endings import ENDINGS, ON, EndedRun, Ending, ending_named
from rig.errors import TargetError

GUESTS = {
    "exit": "exit 0",
    "failure": "exit 7",
    "abort": "exit 255",
    "trap": "exit 255",
    "hypercall": "exit 1",
    "wait": "while :; do sleep 0.05; done",
    "spin": "while :; do :; done",
    "print": "trap - PIPE; while :; do echo on || exit 141; done",
}
TENDER = """\
#!/bin/bash
trap 'exit 1' INT TERM HUP QUIT
echo '{on}'
{guest}
"""
OVER = [name for name, how in ENDINGS.items() if not (how.cuts_power or how.breaks_deploy)]


@pytest.fixture
def target(tmp_path: Path) -> LocalTarget:
    return LocalTarget(tmp_path)


def tender(folder: Path, guest: str, on: str = ON) -> str:
    """A script in the tender's place; its name is in the command lines of all its processes."""
    path = folder / "tender"
    path.write_text(TENDER.format(on=on, guest=guest))
    path.chmod(0o755)
    return str(path)


def end(target: Any, command: str, how: Ending) -> tuple[int | None, str]:
    run = EndedRun(target)
    assert ON in run.start(command, how)
    run.wait(how.patience_s)
    if how.command:
        run.end(how.command)
    return run.collect()


@pytest.mark.parametrize("name", OVER)
def test_an_ending_gives_its_status_and_leaves_nothing(
    target: LocalTarget, tmp_path: Path, name: str
) -> None:
    how = ENDINGS[name]
    status, console = end(target, tender(tmp_path, GUESTS[how.guest]), how)
    assert status == how.status
    assert console.startswith(ON)
    assert list(tmp_path.glob("run*")) == []
    assert target.processes(str(tmp_path / "tender")) == []


def test_a_tender_that_does_not_end_is_killed_and_has_no_status(
    target: LocalTarget, tmp_path: Path
) -> None:
    command = tender(tmp_path, "trap '' TERM; while :; do sleep 0.05; done")
    run = EndedRun(target, limit_s=2)  # type: ignore[arg-type]
    run.start(command, ENDINGS["SIGTERM"])
    run.end(ENDINGS["SIGTERM"].command)
    assert run.collect()[0] is None
    assert target.processes(str(tmp_path / "tender")) == []
    assert list(tmp_path.glob("run*")) == []


def test_a_run_that_is_abandoned_leaves_nothing(target: LocalTarget, tmp_path: Path) -> None:
    run = EndedRun(target)  # type: ignore[arg-type]
    run.start(tender(tmp_path, GUESTS["wait"]), ENDINGS["SIGTERM"])
    run.abandon()
    assert target.processes(str(tmp_path / "tender")) == []
    assert list(tmp_path.glob("run*")) == []


def test_a_tender_that_ends_at_once_is_not_waited_for(target: LocalTarget, tmp_path: Path) -> None:
    run = EndedRun(target)  # type: ignore[arg-type]
    console = run.start(tender(tmp_path, "exit 3", on="no LED"), ENDINGS["SIGTERM"])
    assert console == "no LED\n"
    assert run.collect() == (3, "no LED\n")


def test_a_target_without_the_tools_is_an_error_of_the_bench(tmp_path: Path) -> None:
    class Bare(LocalTarget):
        def run(self, command: str, timeout_s: float = 10) -> Any:
            return super().run(f"PATH=/nowhere; {command}", timeout_s)

    with pytest.raises(TargetError, match="cannot run and end a tender there"):
        EndedRun(Bare(tmp_path)).start("tender", ENDINGS["SIGTERM"])  # type: ignore[arg-type]


def test_an_unknown_ending_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no ending 'SIGSTOP'; there are: the guest exits, "):
        ending_named("SIGSTOP")
