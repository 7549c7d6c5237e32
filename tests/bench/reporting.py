# SPDX-License-Identifier: ISC
"""Figure 11: a report over many edges, in a process of its own each time.

`python -m tests.bench.reporting` measures it alone; with a folder as its argument it is the
process that is measured.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from reports import write_report
from rig.capture import EDGE_DTYPE, Capture, Clock, ClockKind, Instant, ModeChange
from rig.cleanup import Chip, GpioState
from rig.evidence import EvidenceFolder, Image, RunRecord
from rig.expectation import Expectation
from tests.bench import apart
from tests.bench.figure import Figure, table
from tests.bench.measure import Runs

EDGES = 2_000_000
"""Of each run: the most that the unikernel can command."""
REPORTED = 5
"""How many such runs."""
MOST = {"s": 20.0, "MiB": 2048}
ON_NS, OFF_NS = 2_000_000, 3_000_000
STARTED_NS = 1_767_323_045 * 10**9
FIRST_NS = 50_000_000
"""The first edge, after the start."""


class Blink:
    """One good run of `edges` edges: what the observer saw, and what the guest says."""

    def __init__(self, edges: int) -> None:
        draw, number = np.random.default_rng(1), np.arange(edges, dtype=np.int64)
        due_ns = FIRST_NS + number // 2 * (ON_NS + OFF_NS) + number % 2 * ON_NS
        self.levels = 1 - number % 2
        self.deadlines_ns = due_ns
        self.before_ns = due_ns + draw.integers(10_000, 40_000, edges)
        to_pin_ns = 15_000 + draw.exponential(5_000, edges).astype(np.int64)
        self.after_ns = self.before_ns + to_pin_ns + 10_000
        self.pin_ns = self.before_ns + to_pin_ns

    def capture(self) -> Capture:
        """On a clock that runs 20 ppm faster and stamps within 5 µs."""
        count = len(self.pin_ns)
        rows = np.empty(count, EDGE_DTYPE)
        rows["time_ns"] = STARTED_NS + self.pin_ns + self.pin_ns // 50_000
        rows["line"], rows["level"], rows["seqno"] = 0, self.levels, np.arange(count)
        first_ns, last_ns = (int(rows["time_ns"][place]) for place in (0, -1))
        end_ns = last_ns + 2 * OFF_NS
        modes = (("out", first_ns - 1_000_000), ("in", end_ns - 1))
        return Capture(
            lines=("led",),
            edges=rows,
            initial_levels={"led": 0},
            start_ns=STARTED_NS,
            end_ns=end_ns,
            clock=Clock(ClockKind.KERNEL, 1, 50.0, 5_000),
            initial_modes={"led": "in"},
            modes=tuple(ModeChange(time_ns, "led", mode) for mode, time_ns in modes),
            commanded=Instant(STARTED_NS, 1_000),
            outlasts_run=True,
        )

    def console(self) -> str:
        """As the unikernel prints it."""
        columns = (self.levels, self.deadlines_ns, self.before_ns, self.after_ns)
        records = zip(*(column.tolist() for column in columns), strict=True)
        lines = [f"led,{n},{a},{b},{c},{d}" for n, (a, b, c, d) in enumerate(records)]
        begun_ns = FIRST_NS - 500_000
        return "\n".join((f"led-begin,{begun_ns}", *lines, f"led-end,{len(lines)}", "SUCCESS\n"))

    def record(self) -> RunRecord:
        """Its `run.json`."""
        image = Image(path="/opt/rig/x", source="x", sha256="7e" * 32, deploy_ns=10**7)
        return RunRecord(
            suite="Bench",
            test="A Long Run",
            bench="bench",
            bench_file="bench.yaml",
            bench_sha256="be" * 32,
            target={"board": "none"},
            images={"tender": image, "unikernel": image},
            command="none",
            expectation=Expectation(
                line="led",
                cycles=len(self.levels) // 2,
                on_ns=ON_NS,
                off_ns=OFF_NS,
                tolerance_ns=500_000,
            ),
            console_wanted=("SUCCESS",),
            exit_wanted=0,
            exit_status=0,
            started_ns=STARTED_NS,
            ended_ns=STARTED_NS + int(self.pin_ns[-1]) + 10**9,
            git_commit="unknown",
            tools={},
        )

    def seal(self, folder: Path, **fields: object) -> None:
        """Its evidence, with fields of `run.json` that differ."""
        state = GpioState(chips=(Chip(label="none", base=0, ngpio=1),), exports={}, holders=())
        record = self.record().model_copy(update=fields)
        with EvidenceFolder(folder) as evidence:
            evidence.seal(record, self.capture(), self.console(), state, state)


def make_results(folder: Path, edges: int, runs: int) -> None:
    """Seal one run, and link the others to it."""
    first = folder / "bench" / "run-1"
    Blink(edges).seal(first)
    for number in range(2, runs + 1):
        shutil.copytree(first, first.with_name(f"run-{number}"), copy_function=os.link)


def report(folder: Path) -> dict[str, float]:
    """The largest memory that a report on this folder takes.

    Raises `RuntimeError` if its verdict is not PASS: then it was not the usual work.
    """
    overall = write_report(folder).text.partition("Overall: ")[2]
    if not overall.startswith("PASS"):
        raise RuntimeError(f"a report on good runs says {overall.strip()}")
    return {"MiB": apart.largest_memory_mib()}


def reporting(runs: Runs, edges: int = EDGES, reported: int = REPORTED) -> list[Figure]:
    """Both numbers, from processes that do nothing else; the time is all that one waits."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        make_results(Path(name), edges, reported)
        samples = [_timed(name) for _ in runs]
    return apart.figures(11, f"report over {edges * reported:,} edges", samples, MOST)


def _timed(folder: str) -> dict[str, float]:
    started = time.perf_counter()
    measured = apart.measured_apart("tests.bench.reporting", folder)
    return measured | {"s": time.perf_counter() - started}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(report(Path(sys.argv[1]))))
    else:
        Console(width=150).print(table(reporting(Runs(6))))
