# SPDX-License-Identifier: ISC
"""What is measured in a process of its own, which does nothing else: seconds and memory."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rig.identity import REPOSITORY
from tests.bench.figure import Figure
from tests.bench.samples import median

TIMEOUT_S = 300


def measured_apart(module: str, folder: str) -> dict[str, float]:
    """What `python -m MODULE FOLDER` measured of itself and printed, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, folder],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        raise RuntimeError(f"{module}: status {done.returncode}: {done.stderr.strip()}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def largest_memory_mib() -> float:
    """Of this program; getrusage also counts what its parent had when it was started."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def figures(
    number: int,
    what: str,
    samples: Sequence[dict[str, float]],
    most: dict[str, float],
) -> list[Figure]:
    """A row each for seconds (`s`) and memory (`MiB`), with the `most` they may be."""
    names = {"s": what, "MiB": f"memory to {what}"}
    return [
        Figure(
            *(number, "this machine", name, unit, median([sample[unit] for sample in samples])),
            at_most=most[unit],
        )
        for unit, name in names.items()
    ]
