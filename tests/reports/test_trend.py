import re
import shlex
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from conftest import Made, ResultsFolder
from pasts import BEGAN_NS, commit, past_of, past_run, seal

from reports import write_report
from reports.changes import LEAST
from reports.figures import Figure
from reports.history import DEFAULT, FACTS, RUNS, History, Record
from reports.trend import Trend, read_trend
from reports.trend_table import to_text
from rig.commands.status import Status
from rig.identity import REPOSITORY

Rig = Callable[..., int]
Capture = pytest.CaptureFixture[str]


def stepped(count: int = 40, step: float = 30.0) -> list[float]:
    """About 100 us, and more from the middle on."""
    values = np.random.default_rng(1).normal(100, 5, count)
    values[count // 2 :] += step
    return [float(value) for value in values]


def trend_of(path: Path, records: list[Record], **wanted: Any) -> Trend:
    History(str(path)).add(records)
    return read_trend(History(str(path)), wanted.pop("tags", {}), **wanted)


def test_a_step_is_told_with_its_release_and_what_changed_with_it(
    history: Path, golden: Callable[[str, str], None]
) -> None:
    figures = [Figure.CALL_TO_PIN, Figure.ON_ERROR]
    quiet = np.random.default_rng(2).normal(0, 5, 40)
    records = [
        past_run(
            number,
            dict(zip(figures, (float(late), float(error)), strict=True)),
            {"qemu": "7.2.22" if number < 20 else "8.0.0", "python": "3.11.2"},
            git_commit=commit(number // 5),
            tender="7e" * 32 if number < 20 else "8f" * 32,
        )
        for number, (late, error) in enumerate(zip(stepped(), quiet, strict=True))
    ]
    records.append(past_run(40, {Figure.CALL_TO_PIN: 900.0}, stalls=1))
    records += [past_run(50 + n, {Figure.PERIOD: 5e5}, test="Ends On") for n in range(3)]

    text = to_text(trend_of(history, records, tags={commit(4): "v1.2"}), shows_releases=True)

    golden("trend.txt", text)
    assert "with v1.2 (050505050505), 2026-01-02, run 21 of 40" in text
    assert "changed too: tender, qemu (7.2.22 to 8.0.0)" in " ".join(text.split())


@pytest.mark.parametrize(
    "other",
    [
        {"bench": "desk"},
        {"board": "Raspberry Pi 4"},
        {"kernel": "6.12"},
        {"clock": "hardware"},
        {"test": "Ends On"},
        {"line": "lamp"},
        {"cycles": 20},
        {"on_ns": 1},
        {"off_ns": 1},
        {"final_level": 1},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_not_alike_shares_no_series(history: Path, other: dict[str, Any]) -> None:
    """Together they would show a step."""
    records = [
        past_run(n, {Figure.PERIOD: float(value)}, **(other if n >= 20 else {}))
        for n, value in enumerate(stepped(step=1000))
    ]
    trend = trend_of(history, records)
    assert [len(series.table) for series in trend.series] == [20, 20]
    assert trend.changed == ()


def test_runs_are_in_the_order_of_their_releases(history: Path) -> None:
    """An old release that runs once more is no change back."""
    records = past_of(stepped(), per_release=20)
    again = past_run(60, {Figure.CALL_TO_PIN: 101.0}, git_commit=records[0].run["git_commit"])
    (series,) = trend_of(history, [*records, again]).series
    assert [level.first for level in series.levels] == [0, 21]
    assert [release.runs for release in series.releases] == [21, 20]


@pytest.mark.parametrize("bad", [{"stalls": 1}, {"is_complete": False}])
def test_runs_that_the_bench_spoiled_are_left_out_and_counted(
    history: Path, bad: dict[str, Any]
) -> None:
    """They would be a change: trouble of the bench is none of the target."""
    records = past_of(stepped(step=0)[:20])
    records += [past_run(30 + n, {Figure.CALL_TO_PIN: 900.0}, **bad) for n in range(20)]
    trend = trend_of(history, records)
    assert trend.changed == ()
    assert trend.left_out == 20
    assert "20 runs left out" in to_text(trend)


def test_planted_defects_have_no_part_in_it(history: Path) -> None:
    records = past_of(stepped(step=0)[:20])
    records += [past_run(30 + n, {Figure.CALL_TO_PIN: 900.0}, purpose="defect") for n in range(20)]
    (series,) = trend_of(history, records).series
    assert len(series.table) == 20


def test_a_change_within_one_release_says_so(history: Path) -> None:
    text = to_text(trend_of(history, past_of(stepped(), per_release=40)))
    assert "within 010101010101, 2026-01-02, run 21 of 40" in text


def test_a_change_that_the_observer_could_not_see_for_sure_says_so(history: Path) -> None:
    values = [100 + value / 50 for value in stepped()]
    assert "less than the observer can be off, 4.0 us" in to_text(
        trend_of(history, past_of(values))
    )


def test_too_few_runs_are_told_apart_from_no_change(history: Path) -> None:
    few, enough = 2 * LEAST - 1, 2 * LEAST
    values = stepped(step=0)
    records = past_of(values[:few])
    records += [
        past_run(100 + n, {Figure.PERIOD: value}) for n, value in enumerate(values[:enough])
    ]
    lines = to_text(trend_of(history, records)).splitlines()
    ends = {line.split("  ")[2].strip(): line[-1] for line in lines if " us " in line}
    assert ends == {"call to pin": "-", "period": "~"}


def test_the_share_of_an_error_is_not_told(history: Path) -> None:
    text = to_text(trend_of(history, past_of(stepped(), Figure.ON_ERROR)))
    assert "+29.5" in text
    assert "%)" not in text.split("~ no change")[0]


def test_what_is_wanted_is_chosen_on_the_command_line(
    history: Path, rig: Rig, capsys: Capture
) -> None:
    both = {Figure.PERIOD: 5.0, Figure.JITTER: 1.0}
    History(str(history)).add(
        [past_run(n, both, bench="desk" if n < 3 else "virtual") for n in range(30)]
    )

    assert rig("report", "trend") == 0
    assert "30 runs of 1 release, 2026-01-02 to 2026-01-03" in capsys.readouterr().out
    assert rig("report", "trend", "--bench", "desk", "--figure", "jitter") == 0
    out = capsys.readouterr().out
    assert "3 runs of 1 release" in out
    assert "period " not in out
    assert rig("report", "trend", "--since", "2026-01-03") == 0
    assert "9 runs of 1 release" in capsys.readouterr().out


def test_what_is_not_there_is_trouble_and_says_so(rig: Rig, history: Path, capsys: Capture) -> None:
    assert rig("report", "trend") == Status.TROUBLE
    assert "there is none yet" in capsys.readouterr().err
    History(str(history)).add(past_of([1.0]))
    assert rig("report", "trend", "--bench", "nowhere") == Status.TROUBLE
    assert "holds no run that fits" in capsys.readouterr().err


def test_an_unknown_figure_is_told_what_there_is(rig: Rig, capsys: Capture) -> None:
    assert rig("report", "trend", "--figure", "lateness") == 2
    assert "edge lateness" in capsys.readouterr().err


def test_no_history_is_kept_if_its_place_is_empty(
    results: ResultsFolder,
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    history: Path,
) -> None:
    results.add("Blinks")
    monkeypatch.setenv("RIG_HISTORY", "")
    assert rig("report", "write", str(results.path)) == 0
    assert rig("report", "trend") == 2
    assert "no history is kept" in capsys.readouterr().err
    assert not history.exists()


def test_a_history_is_made_again_from_the_evidence(
    results: ResultsFolder, rig: Rig, capsys: Capture, history: Path
) -> None:
    results.add("Blinks")
    assert rig("report", str(results.path)) == 0
    before = History(str(history)).read()
    history.unlink()
    capsys.readouterr()

    assert rig("report", "store", str(results.path)) == 0
    assert f"1 runs, 1 of them new in {history}" in capsys.readouterr().out
    after = History(str(history)).read()
    assert after.runs.equals(before.runs)
    assert after.figures.equals(before.figures)


def test_damaged_evidence_is_told_and_all_else_is_stored(
    results: ResultsFolder, rig: Rig, capsys: Capture, history: Path
) -> None:
    results.add("Blinks")
    (results.add("Blinks Again") / "console.log").write_text("forged")
    assert rig("report", "store", str(results.path)) == Status.TROUBLE
    assert (
        "not stored: led/02-blinks-again: console.log is not as it was" in capsys.readouterr().out
    )
    assert len(History(str(history)).read().runs) == 1


def test_trouble_with_the_history_is_one_line_beside_the_report(
    results: ResultsFolder, rig: Rig, capsys: Capture, history: Path
) -> None:
    results.add("Blinks")
    history.write_text("no database")
    assert rig("report", str(results.path)) == 0
    told = capsys.readouterr()
    assert "Overall: PASS" in told.out
    assert told.err.count("rig: history") == 1


def test_the_page_shows_the_trend_of_its_own_runs_only(
    results: ResultsFolder, history: Path
) -> None:
    results.add("Blinks", Made(record={"test": "Blinks"}))
    History(str(history)).add([past_run(n, {Figure.PERIOD: 5e5}) for n in range(3)])
    History(str(history)).add(
        [past_run(9 + n, {Figure.PERIOD: 5e5}, test="Somebody Else") for n in range(3)]
    )

    page = write_report(results.path, str(history)).html.read_text()

    assert 'id="trend"' in page
    assert "4 runs of 2 releases" in page
    assert "Somebody Else" not in page


def test_without_a_history_the_page_is_the_same_byte_for_byte(
    results: ResultsFolder, history: Path
) -> None:
    results.add("Blinks")
    before = write_report(results.path).html.read_bytes()
    write_report(results.path, str(history))
    assert write_report(results.path).html.read_bytes() == before
    assert b'id="trend"' not in before


def test_the_same_past_gives_the_same_page(history: Path, rig: Rig, tmp_path: Path) -> None:
    History(str(history)).add(past_of(stepped(), per_release=10))
    pages = [tmp_path / "one.html", tmp_path / "two.html"]
    for page in pages:
        assert rig("report", "trend", "--html", str(page)) == 0
    first, second = (page.read_bytes() for page in pages)
    assert first == second
    assert b"<svg" in first
    assert b"http" not in first.replace(b"http://www.w3.org", b"")


def test_the_first_run_says_when_it_began(history: Path) -> None:
    (series,) = trend_of(history, past_of([1.0, 2.0])).series
    assert series.levels[0].started_ns == BEGAN_NS
    assert series.table["seal"].iloc[0] == seal(0)


DOCS = (REPOSITORY / "docs" / "history.md").read_text()


def test_the_documented_commands_work(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RIG_HISTORY")
    History(DEFAULT).add(past_of([1.0]))
    commands = re.findall(r"^    rig (report trend[^#\n]*)", DOCS, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert rig(*shlex.split(command)) == 0


def test_the_documented_program_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    History(DEFAULT).add(past_of([1.0, 2.0]))
    program = DOCS.split("    import pandas as pd")[1].split("\n\n##")[0]
    exec(dedent("    import pandas as pd" + program))
    assert "call to pin" in capsys.readouterr().out


def test_every_column_is_documented() -> None:
    rows = DOCS.split("## What is in it")[1]
    missing = [
        column.name for table in (RUNS, FACTS) for column in table.columns
        if f"`{column.name}`" not in rows
    ]  # fmt: skip
    assert missing == []
