"""What takes long says so, and what is quick says nothing."""

import time

import pytest

from rig.commands import progress as module
from rig.commands.progress import progress


def test_long_work_says_what_it_is_and_how_long_it_has_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "FIRST_S", 0.01)
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    told = ""
    with progress("doctor: looking"):
        deadline = time.monotonic() + 30
        while told.count("doctor: looking ... 0 s\n") < 2 and time.monotonic() < deadline:
            told += capsys.readouterr().err
            time.sleep(0.01)
    assert told.count("doctor: looking ... 0 s\n") >= 2
    capsys.readouterr()
    time.sleep(0.05)
    assert capsys.readouterr().err == "", "it must be silent when the work is done"


def test_quick_work_is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "FIRST_S", 3600.0)
    with progress("quick"):
        pass
    assert capsys.readouterr().err == ""
