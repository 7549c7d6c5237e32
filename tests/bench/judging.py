# SPDX-License-Identifier: ISC
"""Figure 10: reading and judging a large capture, in a process of its own each time.

`python -m tests.bench.judging` measures it alone; with a folder as its argument it is the
process that is measured.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from rig.capture import EDGE_DTYPE, Capture, Clock, ClockKind, read_capture, write_capture
from rig.expectation import Expectation
from rig.verdict import Outcome, judge
from tests.bench import apart
from tests.bench.figure import Figure, table
from tests.bench.measure import Runs

EDGES = 10_000_000
MOST = {"s": 10.0, "MiB": 1024}


def capture(edges: int) -> Capture:
    """A good blink of 2 us on and 3 us off, each edge late by up to 100 ns."""
    rows, number = np.empty(edges, EDGE_DTYPE), np.arange(edges, dtype=np.int64)
    late_ns = np.random.default_rng(1).integers(0, 100, edges)
    rows["time_ns"] = 1_000_000 + number // 2 * 5000 + number % 2 * 2000 + late_ns
    rows["line"], rows["level"], rows["seqno"] = 0, 1 - number % 2, number
    end_ns = int(rows["time_ns"][-1]) + 1_000_000
    clock = Clock(ClockKind.HARDWARE, resolution_ns=10, accuracy_ppm=1.0, latency_ns=0)
    return Capture(("led",), rows, {"led": 0}, 0, end_ns, clock)


def expectation(edges: int) -> Expectation:
    """With every limit set, so that nothing is left out."""
    return Expectation(
        line="led",
        cycles=edges // 2,
        on_ns=2000,
        off_ns=3000,
        tolerance_ns=150,
        percentiles_ns={"p99": 120},
        jitter_ns=400,
        duty_percent=1.0,
    )


def read_and_judge(folder: Path) -> dict[str, float]:
    """Seconds from the files to the verdict, and this process' largest memory.

    Raises `RuntimeError` if the verdict is not PASS: then it was not the usual work.
    """
    started = time.perf_counter()
    read = read_capture(folder)
    verdict = judge(read, expectation(len(read.edges)))
    seconds = time.perf_counter() - started
    if verdict.outcome is not Outcome.PASS:
        raise RuntimeError(f"a good capture is {verdict.outcome}: {verdict.not_passed()[0].text}")
    return {"s": seconds, "MiB": apart.largest_memory_mib()}


def judging(runs: Runs, edges: int = EDGES) -> list[Figure]:
    """Both numbers, from processes that do nothing else."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        write_capture(Path(name), capture(edges))
        samples = [apart.measured_apart("tests.bench.judging", name) for _ in runs]
    return apart.figures(10, f"read and judge {edges:,} edges", samples, MOST)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(read_and_judge(Path(sys.argv[1]))))
    else:
        Console(width=150).print(table(judging(Runs(6))))
