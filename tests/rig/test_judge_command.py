"""Shows that `rig judge` gives the verdict of the run, offline, on folders and on files."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from blinks import good, one_on_time_long
from test_evidence import sealed

from rig.capture import Capture, write_capture
from rig.cli import Status, main
from rig.identity import REPOSITORY
from rig.verdict import Expectation, judge, to_json

YAML = """\
line: led
cycles: 10
on_ms: 200
off_ms: 300
tolerance_ms: 5
"""
BUDGET = ("--accuracy-ppm", "50", "--latency-ns", "0", "--sample-rate-hz", "1000000")


@pytest.fixture
def rig(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `rig judge` with these words; returns exit status, output and errors."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rig", "judge", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


Rig = Callable[..., tuple[int, str, str]]


@pytest.fixture
def yaml(tmp_path: Path) -> Path:
    path = tmp_path / "led.yaml"
    path.write_text(YAML)
    return path


def spoiled() -> Capture:
    scene = good()
    one_on_time_long(scene)
    return scene.capture()


def csv_of(capture: Capture, folder: Path) -> Path:
    """As Saleae would have written it, with a row at the end."""
    led, rows = 0, ["Time [s],D0,D1"]
    for time_ns, level in [(capture.start_ns, 0), *((e.time_ns, e.level) for e in capture)]:
        led = level
        rows.append(f"{(time_ns - capture.start_ns) / 10**9:.9f},{led},0")
    rows.append(f"{(capture.end_ns - capture.start_ns) / 10**9:.9f},{led},0")
    path = folder / "saleae.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_stored_run_gets_its_stored_verdict_byte_for_byte(tmp_path: Path, rig: Rig) -> None:
    evidence = sealed(tmp_path / "run")
    status, out, err = rig(evidence.folder, "--json")
    assert (status, err) == (Status.PASS, "")
    assert out == (evidence.folder / "verdict.json").read_text()
    assert rig(evidence.folder, "--json")[1] == out


@pytest.mark.parametrize("make", [lambda: good().capture(), spoiled], ids=["good", "spoiled"])
def test_our_own_vcd_gets_the_findings_of_its_folder(
    tmp_path: Path, rig: Rig, yaml: Path, make: Callable[[], Capture]
) -> None:
    capture = make()
    write_capture(tmp_path, capture)
    _, out, _ = rig(tmp_path / "capture.vcd", "--expect", yaml, "--json")
    expected = Expectation.model_validate(
        {"line": "led", "cycles": 10, "on_ns": 200_000_000, "off_ns": 300_000_000}
        | {"tolerance_ns": 5_000_000}
    )
    assert json.loads(out) == json.loads(json.dumps(to_json(judge(capture, expected))))


def test_a_foreign_recording_passes_when_it_is_good(tmp_path: Path, rig: Rig, yaml: Path) -> None:
    path = csv_of(good().capture(), tmp_path)
    status, out, err = rig(path, "--expect", yaml, "--line", "led=D0", *BUDGET)
    assert (status, err) == (Status.PASS, "")
    assert out.startswith(f"PASS: {path}\n  PASS: led was off before the run")
    assert "resolution of 1000 ns, an accuracy of 50 ppm and a latency of 0 ns (hardware)" in out


def test_a_foreign_recording_fails_when_it_is_bad(tmp_path: Path, rig: Rig, yaml: Path) -> None:
    path = csv_of(spoiled(), tmp_path)
    status, out, _ = rig(path, "--expect", yaml, "--line", "led=D0", *BUDGET)
    assert status == Status.FAIL
    lines = out.splitlines()
    assert lines[0] == f"FAIL: {path}"
    assert lines[1].startswith("  FAIL: led on-time: worst of 10 is 210.000 ms")
    outcomes = [line.split(":")[0].strip() for line in lines[1:-1]]
    assert outcomes == sorted(outcomes, key=["FAIL", "INCONCLUSIVE", "PASS", "not seen"].index)
    assert "  not seen: foreign-pin: no other line was observed" in lines


def test_an_instrument_too_coarse_for_the_tolerance_cannot_tell(
    tmp_path: Path, rig: Rig, yaml: Path
) -> None:
    path = csv_of(good().capture(), tmp_path)
    coarse = (*BUDGET[:-1], "50")
    status, out, _ = rig(path, "--expect", yaml, "--line", "led=D0", *coarse)
    assert status == Status.INCONCLUSIVE
    assert out.startswith(f"INCONCLUSIVE: {path}\n  INCONCLUSIVE: led ")


def test_another_expectation_can_be_held_against_a_stored_run(
    tmp_path: Path, rig: Rig, yaml: Path
) -> None:
    evidence = sealed(tmp_path / "run")
    assert rig(evidence.folder, "--expect", yaml)[0] == Status.PASS
    yaml.write_text(YAML.replace("on_ms: 200", "on_ms: 220"))
    status, out, err = rig(evidence.folder, "--expect", yaml)
    assert (status, err) == (Status.FAIL, "")
    assert "PASS: console says 'SUCCESS'" in out


def test_a_verdict_that_differs_from_the_stored_one_is_trouble(
    tmp_path: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("rig.evidence.judge_exit_status", lambda status, wanted: iter(()))
        evidence = sealed(tmp_path / "run")
    status, out, err = rig(evidence.folder)
    assert status == Status.TROUBLE
    assert out.startswith("PASS: ")
    assert err == f"rig: {evidence.folder}: verdict.json says something else\n"


def test_on_a_terminal_it_is_coloured_and_elsewhere_not(tmp_path: Path) -> None:
    evidence = sealed(tmp_path / "run")
    code = "from rig.cli import main; main()"
    command = [sys.executable, "-c", code, "judge", str(evidence.folder)]
    plain = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=60, check=True)
    assert b"\x1b[" not in plain.stdout
    host, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    subprocess.run(
        command, cwd=REPOSITORY, stdout=terminal, timeout=60, check=True, env=environment
    )
    os.close(terminal)
    assert b"\x1b[1;32mPASS" in os.read(host, 1 << 16)
    os.close(host)


def trouble(told: tuple[int, str, str]) -> str:
    """What was said to be wrong, in one line, with nothing that looks like a verdict."""
    status, out, err = told
    assert (status, out) == (Status.TROUBLE, "")
    assert err.startswith("rig: ")
    assert err.count("\n") == 1
    return err


def test_a_line_that_a_recording_does_not_have_is_asked_for(
    tmp_path: Path, rig: Rig, yaml: Path
) -> None:
    path = csv_of(good().capture(), tmp_path)
    assert "has no line 'led'; name its channel, as in --line led=D0 (there are: D0, D1)" in (
        trouble(rig(path, "--expect", yaml, *BUDGET))
    )
    words = (path, "--expect", yaml, "--line", "led=D7", *BUDGET)
    assert "has no channel 'D7' (led); there are: D0, D1" in trouble(rig(*words))


def test_a_run_whose_line_is_another_is_trouble(tmp_path: Path, rig: Rig, yaml: Path) -> None:
    yaml.write_text(YAML.replace("line: led", "line: gpio99"))
    evidence = sealed(tmp_path / "run")
    assert "no line 'gpio99'" in trouble(rig(evidence.folder, "--expect", yaml))


def test_a_damaged_run_is_trouble(tmp_path: Path, rig: Rig) -> None:
    evidence = sealed(tmp_path / "run")
    (evidence.folder / "console.log").write_text("SUCCESS, says the forger")
    assert "is not as it was sealed" in trouble(rig(evidence.folder))


def test_a_folder_above_runs_names_them(tmp_path: Path, rig: Rig) -> None:
    sealed(tmp_path / "suite" / "run")
    assert f"below it are {tmp_path / 'suite' / 'run'}" in trouble(rig(tmp_path))
    (tmp_path / "empty").mkdir()
    assert "nor is one below it" in trouble(rig(tmp_path / "empty"))


FILES = {
    "missing": ("none.vcd", None, "none.vcd: cannot be read: No such file"),
    "empty": ("a.vcd", b"", "a.vcd: is empty"),
    "CSV called VCD": ("a.vcd", b"time_s,led\n0,0\n", "is a CSV file, not VCD as its name says"),
    "VCD called CSV": ("a.csv", b"$date x $end\n", "is a VCD file, not CSV as its name says"),
    "zip called CSV": ("a.csv", b"PK\x03\x04", "is a sigrok session file, not CSV as its name"),
    "CSV called session": ("a.sr", b"time_s,led\n0,0\n", "is a CSV file, not sigrok session as"),
    "parquet": ("a.parquet", b"PAR1", "is Parquet; judge the evidence folder"),
    "program": ("a.bin", b"\x7fELF\0\0\0", "is none of VCD, sigrok session and CSV"),
}


@pytest.mark.parametrize(("name", "data", "words"), FILES.values(), ids=list(FILES))
def test_a_file_that_is_not_what_it_should_be_is_trouble(
    tmp_path: Path, rig: Rig, yaml: Path, name: str, data: bytes | None, words: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    assert words in trouble(rig(tmp_path / name, "--expect", yaml))


def test_a_recording_needs_an_expectation(tmp_path: Path, rig: Rig) -> None:
    path = csv_of(good().capture(), tmp_path)
    status, _, err = rig(path)
    assert status == 2
    assert "give --expect" in err


@pytest.mark.parametrize("words", [("--line", "led"), ("--line", "a=b", "--line", "a=c")])
def test_a_wiring_that_is_none_is_a_wrong_command_line(
    tmp_path: Path, rig: Rig, yaml: Path, words: tuple[str, ...]
) -> None:
    status, _, err = rig(tmp_path / "a.csv", "--expect", yaml, *words)
    assert status == 2
    assert "must be NAME=CHANNEL" in err


def test_a_stored_run_takes_no_options_of_recordings(tmp_path: Path, rig: Rig) -> None:
    evidence = sealed(tmp_path / "run")
    status, _, err = rig(evidence.folder, "--latency-ns", "5")
    assert status == 2
    assert "leave out all but" in err


def test_a_wrong_expectation_is_told_with_its_line(tmp_path: Path, rig: Rig, yaml: Path) -> None:
    yaml.write_text(YAML + "color: red\n")
    assert f"{yaml}:6: color: unknown key" in trouble(rig(tmp_path, "--expect", yaml))


def test_the_capture_of_a_run_is_judged_as_the_run_is(tmp_path: Path, rig: Rig, yaml: Path) -> None:
    evidence = sealed(tmp_path / "run")
    folder = json.loads(rig(evidence.folder, "--expect", yaml, "--json")[1])["findings"]
    file = json.loads(rig(evidence.folder / "capture.vcd", "--expect", yaml, "--json")[1])
    assert file["findings"] == folder[: len(file["findings"])]


def test_the_example_of_the_page_runs(
    tmp_path: Path, rig: Rig, yaml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (REPOSITORY / "docs" / "recordings.md").read_text()
    _, example = re.findall(r"^rig judge (.*)$", page, re.MULTILINE)
    csv_of(good().capture(), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert rig(*shlex.split(example))[0] == Status.PASS
