# SPDX-License-Identifier: ISC
"""Figure 10: reading and judging a large capture, in a process of its own each time.

`python -m tests.bench.judging` measures it alone; with a folder as its argument it is the
process that is measured.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from rig.capture import EDGE_DTYPE, Capture, Clock, ClockKind, read_capture, write_capture
from rig.expectation import Expectation
from rig.identity import REPOSITORY
from rig.verdict import Outcome, judge
from tests.bench.figure import Figure, table
from tests.bench.measure import Runs
from tests.bench.samples import median

EDGES = 10_000_000
SECONDS_MOST = 10.0
MEMORY_MOST_MIB = 1024
TIMEOUT_S = 300


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
    return {"s": seconds, "MiB": _largest_memory_mib()}


def _largest_memory_mib() -> float:
    """Of this program; getrusage also counts what its parent had when it was started."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def judging(runs: Runs, edges: int = EDGES) -> list[Figure]:
    """Both numbers, from processes that do nothing else."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        write_capture(Path(name), capture(edges))
        samples = [_in_a_process(name) for _ in runs]
    what = f"read and judge {edges:,} edges"
    where = "this machine"
    return [
        Figure(10, where, what, "s", median([s["s"] for s in samples]), at_most=SECONDS_MOST),
        Figure(
            *(10, where, f"memory to {what}", "MiB", median([s["MiB"] for s in samples])),
            at_most=MEMORY_MOST_MIB,
        ),
    ]


def _in_a_process(folder: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.judging", folder],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        raise RuntimeError(f"read and judge: status {done.returncode}: {done.stderr.strip()}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(read_and_judge(Path(sys.argv[1]))))
    else:
        Console(width=150).print(table(judging(Runs(6))))
