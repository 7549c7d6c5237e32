# SPDX-License-Identifier: ISC
"""Figures 12 and 13: what a history costs: a trend over many runs, and its part of a page.

`python -m tests.bench.trending` measures them alone.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from reports import write_report
from reports.figures import Figure as Name
from reports.history import History
from rig.identity import REPOSITORY
from tests.bench.figure import Figure, table
from tests.bench.measure import Runs
from tests.bench.reporting import Blink
from tests.bench.samples import certain, median
from tests.reports.pasts import commit, past_run

STORED = 1000
"""Runs in the history: of four tests, 25 of each in every release."""
PER_RELEASE = 100
TESTS = ("Blinks", "Ends On", "Is Released", "Says What It Did")
TREND_MOST_S = 2.0
PAGE_MOST_MB = 2.0
RUNS_OF_A_PAGE = 7
"""As many as robot/led.robot has: four that prove, three with a planted defect."""
EDGES_OF_A_RUN = 40
TIMEOUT_S = 60


def fill(location: Path, stored: int = STORED) -> None:
    """Every figure of every run, with a step half way in one of them."""
    draw = np.random.default_rng(1)
    runs = []
    for number in range(stored):
        values = draw.lognormal(5.7, 0.2, len(Name))
        medians: dict[Name, float | None] = dict(zip(Name, values.tolist(), strict=True))
        if number >= stored // 2:
            medians[Name.CALL_TO_PIN] = float(values[0]) * 2
        release = commit(number // PER_RELEASE)
        test = TESTS[number % len(TESTS)]
        runs.append(past_run(number, medians, test=test, git_commit=release))
    History(str(location)).add(runs)


def show(location: Path) -> float:
    """Seconds from the start of `rig report trend` until it has ended.

    Raises `RuntimeError` if it did not find the steps: then it was not the usual work.
    """
    rig = Path(sys.executable).with_name("rig")
    started = time.perf_counter()
    done = subprocess.run(
        [rig, "report", "trend", "--history", location],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if done.returncode or f"{len(TESTS)} changes" not in done.stdout:
        raise RuntimeError(f"rig report trend: status {done.returncode}: {done.stderr.strip()}")
    return seconds


def page_mb(folder: Path, history: str, runs: int) -> float:
    """The size of the page of so many runs, trend included."""
    blink = Blink(EDGES_OF_A_RUN)
    for number in range(runs):
        purpose = "proof" if number < len(TESTS) else "defect"
        blink.seal(folder / "bench" / f"run-{number}", test=f"Test {number}", purpose=purpose)
    return write_report(folder, history).html.stat().st_size / 1e6


def trending(runs: Runs, stored: int = STORED, runs_of_page: int = RUNS_OF_A_PAGE) -> list[Figure]:
    """Both figures."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        location = Path(name) / "history.sqlite"
        fill(location, stored)
        seconds = [show(location) for _ in runs]
        size = page_mb(Path(name) / "results", os.fspath(location), runs_of_page)
    return [
        Figure(
            *(12, "this machine", f"trend over {stored:,} stored runs", "s", median(seconds)),
            at_most=TREND_MOST_S,
        ),
        Figure(
            *(13, "any", "page of a normal run", "MB", certain(size)),
            at_most=PAGE_MOST_MB,
        ),
    ]


if __name__ == "__main__":
    Console(width=150).print(table(trending(Runs(8))))
