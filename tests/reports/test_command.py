from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Made, ResultsFolder

from reports import write_report
from rig.commands.status import Status


def test_a_report_is_written_into_the_results_and_printed(
    results: ResultsFolder, rig: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    results.add("Blinks")
    assert rig("report", str(results.path)) == 0

    out = capsys.readouterr().out
    assert (results.path / "report.html").read_text().startswith("<!doctype html>")
    assert (results.path / "summary.csv").read_text().startswith("run,suite,test,bench,")
    assert out == write_report(results.path).text
    assert out.endswith(f"Report: {results.path / 'report.html'}\n")


def test_a_failed_led_is_still_a_report(results: ResultsFolder, rig: Callable[..., int]) -> None:
    results.add("Stays Dark", Made(missing=20))

    assert rig("report", str(results.path)) == 0


def test_the_folder_of_all_results_gives_a_report_on_the_newest(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-virtual", "20260102T000000Z-virtual"):
        ResultsFolder(tmp_path / name).add("Blinks")

    assert write_report(tmp_path).html == tmp_path / "20260102T000000Z-virtual" / "report.html"
    assert not list(tmp_path.glob("20260101*/report.html"))


def test_without_evidence_nothing_is_written(
    tmp_path: Path, rig: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rig("report", str(tmp_path)) == Status.TROUBLE

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"rig: {tmp_path}: holds no evidence")
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_leaves_no_draft(
    results: ResultsFolder, rig: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    results.add("Blinks")
    (results.path / "report.html").mkdir()

    assert rig("report", str(results.path)) == Status.TROUBLE

    assert "report.html" in capsys.readouterr().err
    assert sorted(path.name for path in results.path.iterdir()) == ["led", "report.html"]


def test_a_reader_of_the_old_report_never_sees_half_of_a_new_one(results: ResultsFolder) -> None:
    results.add("Blinks")
    old = results.path / "old.html"
    old.hardlink_to(write_report(results.path).html)
    before = old.read_text()

    results.add("Blinks Again")
    write_report(results.path)

    assert old.read_text() == before


def test_what_is_wrong_with_the_command_line_is_said(
    rig: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rig("reprot") == 2
    assert "reprot" in capsys.readouterr().err


def test_evidence_is_never_touched(results: ResultsFolder) -> None:
    results.add("Blinks")
    evidence = {path: path.read_bytes() for path in results.path.rglob("*") if path.is_file()}

    write_report(results.path)

    assert {path: path.read_bytes() for path in evidence} == evidence


def test_the_word_write_need_not_be_said(
    results: ResultsFolder, rig: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    results.add("Blinks")
    assert rig("report", "write", str(results.path)) == 0
    named = capsys.readouterr().out
    assert rig("report", str(results.path)) == 0
    assert capsys.readouterr().out == named


def test_help_on_the_report_lists_what_else_there_is(
    rig: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rig("report", "--help") == 0
    assert "write" in capsys.readouterr().out
