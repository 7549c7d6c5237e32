"""`rig run`: suites on a bench, and what a shell completes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import cast

import pytest

from rig.cli import main
from rig.commands import run as module
from rig.commands.arguments import complete_bench, complete_suite
from rig.identity import REPOSITORY

BENCH = REPOSITORY / "benches" / "virtual.yaml"


def rig(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["rig", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return cast(int, ended.value.code)


@pytest.mark.parametrize(
    ("robots", "ours"), [(0, 0), (1, 1), (250, 1), (251, 4), (252, 4), (253, 130), (255, 4)]
)
def test_an_exit_status_of_robot_becomes_one_of_rig(
    monkeypatch: pytest.MonkeyPatch, robots: int, ours: int
) -> None:
    monkeypatch.setattr(module, "run_cli", lambda *_, **__: robots)
    assert rig(monkeypatch, "run", BENCH) == ours


def test_robot_is_told_bench_suites_and_tests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(module, "run_cli", lambda words, exit: told.append(words) or 0)
    suite = REPOSITORY / "robot" / "led.robot"
    rig(monkeypatch, "run", BENCH, suite, "--outputdir", tmp_path, "--test", "No Other Pin Moves")
    rig(monkeypatch, "run", BENCH)
    assert told[0] == [
        *("--variable", f"BENCH:{BENCH}", "--outputdir", str(tmp_path)),
        *("--test", "No Other Pin Moves", str(suite)),
    ]
    suites = sorted(map(str, (REPOSITORY / "robot").glob("*.robot")))
    assert len(suites) > 1
    assert told[1][-len(suites) :] == suites


def test_every_run_has_a_folder_of_its_own_for_robots_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(module, "run_cli", lambda words, exit: told.append(words) or 0)
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        rig(monkeypatch, "run", BENCH)
    folders = [words[words.index("--outputdir") + 1] for words in told]
    assert len(set(folders)) == 3
    assert all(re.match(r"results/robot/\d{8}T\d{6}Z-virtual", folder) for folder in folders)


def test_a_suite_really_runs_on_the_bench_that_was_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suite = tmp_path / "named.robot"
    suite.write_text(f"*** Test Cases ***\nNamed\n    Should Be Equal    ${{BENCH}}    {BENCH}\n")
    assert rig(monkeypatch, "run", BENCH, suite, "--outputdir", tmp_path / "out") == 0
    assert (tmp_path / "out" / "log.html").exists()


def test_a_suite_that_is_not_there_is_refused_before_robot_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "run_cli", lambda *_, **__: pytest.fail("started"))
    assert rig(monkeypatch, "run", BENCH, "robot/lamp.robot") == 2
    told = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "there is no suite robot/lamp.robot; robot/ has acceptance.robot," in told


def test_a_wrong_bench_file_is_trouble_before_robot_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "run_cli", lambda *_, **__: pytest.fail("started"))
    assert rig(monkeypatch, "run", tmp_path / "none.yaml") == 4


def test_bench_files_and_suites_complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("benches/a.yaml", "benches/b.yaml", "benches/notes.md", "robot/led.robot"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert complete_bench("") == ["benches/", "benches/a.yaml", "benches/b.yaml", "robot/"]
    assert complete_bench("benches/a") == ["benches/a.yaml"]
    assert complete_suite("robot/") == ["robot/led.robot"]
    assert complete_bench(f"{tmp_path}/benches/b") == [f"{tmp_path}/benches/b.yaml"]


def test_a_shell_really_gets_the_completion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("_RIG_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "rig doctor benches/virtual.")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert rig(monkeypatch) == 0
    assert capsys.readouterr().out.split() == ["benches/virtual.yaml"]
