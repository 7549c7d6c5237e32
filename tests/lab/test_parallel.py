"""Two runs at once: each has its own board, observer, folders and place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from robot.api import ExecutionResult

from rig.evidence import find_evidence, read_evidence
from rig.identity import REPOSITORY
from rig.verdict import Outcome
from tests.lab.labs import LoopbackLab, bench_in

TEST = "LED Ends On When Commanded"
SLOW_S = 400


def test_two_runs_at_once_on_two_places_do_not_touch_each_other(
    lab: LoopbackLab, tmp_path: Path
) -> None:
    """One bench file and one folder for both, as in a CI with one job per board."""
    bench = bench_in(tmp_path, lab.facts(tags={"sim": "yes"}, wait_s=SLOW_S))
    suite = REPOSITORY / "robot" / "led.robot"
    command = [Path(sys.executable).with_name("rig"), "run", bench.file, suite, "--test", TEST]
    runs = [
        subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    try:
        said = [run.communicate(timeout=SLOW_S)[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
    assert [run.returncode for run in runs] == [0, 0], "\n".join(said)
    evidence = [read_evidence(path) for path in find_evidence(tmp_path / "results")]
    assert {e.run.target["lab_place"] for e in evidence} == {"sim-1", "sim-2"}
    for one in evidence:
        assert one.judge().outcome is Outcome.PASS
        # Three blinks, on, and off when it is given back: its own and no others.
        assert len(one.capture.of_line("led")) == 8
    assert len(list((tmp_path / "results").glob("2*-lent*/report.html"))) == 2
    logs = [ExecutionResult(log).suite for log in tmp_path.glob("results/robot/*/output.xml")]
    first, second = sorted(logs, key=lambda suite: suite.start_time)
    assert second.start_time < first.end_time, "they did not run at once"
    assert lab.holders() == []
