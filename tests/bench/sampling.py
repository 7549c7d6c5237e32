# SPDX-License-Identifier: ISC
"""The figures of logic analyzers: samples to edges, from files and live."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rig.identity import REPOSITORY
from rig.observers.sigrok_cli import PROGRAM, Stream
from rig.samples import EdgeFinder, find_edges
from tests.bench.figure import Figure
from tests.bench.measure import Runs
from tests.bench.samples import median, ratio

RATE_HZ = 24_000_000
CHANNELS = 8
LENGTH_S = 10
DENSE_SAMPLES = 20_000
LIVE_S = 4.0
WHERE = "recordings"
FROMFILE_MOST = 3.0
TIMING_LEAST = 500.0
LIVE_MOST_CORES = 0.5
PATIENCE_S = 120
NS_PER_S = 1e9
MEASUREMENTS = 4
"""How often `measured` goes through the runs."""


@dataclass(frozen=True)
class Recording:
    """A file of samples, one byte each, and what is in it."""

    name: str
    path: Path
    samples: int


def one_second() -> NDArray[np.uint8]:
    """An LED that blinks at 2 Hz, and seven lines from 100 Hz to 6.4 kHz."""
    packed = np.zeros(RATE_HZ, np.uint8)
    for channel, hz in enumerate((2, *(100 << n for n in range(CHANNELS - 1)))):
        period = np.repeat(np.array([0, 1 << channel], np.uint8), RATE_HZ // (2 * hz))
        packed |= np.tile(period, hz)
    return packed


def noise(samples: int) -> NDArray[np.uint8]:
    """Every channel changes at every second sample: as bad as it gets."""
    return np.random.default_rng(1).integers(0, 1 << CHANNELS, samples, dtype=np.uint8)


def measured(runs: Runs) -> Iterator[Figure]:
    """All figures of samples."""
    with tempfile.TemporaryDirectory(prefix="rig-bench-") as folder:
        second = one_second()
        whole = record(Path(folder, "whole"), "8 lines at 24 MHz", second, LENGTH_S)
        begin = record(Path(folder, "begin"), "its first second", second)
        dense = record(Path(folder, "dense"), "8 lines of noise", noise(DENSE_SAMPLES))
        yield from over_fromfile(whole, runs)
        yield from timing_over(begin, whole, runs, at_least=TIMING_LEAST)
        yield from timing_over(dense, dense, runs, at_least=None)
        yield from live(Path(folder), runs, LIVE_S)


def over_fromfile(recording: Recording, runs: Runs) -> list[Figure]:
    """Figure 7: from a file to edges, against from a file to memory."""
    edges_ns, memory_ns = [], []
    for _ in runs:
        edges_ns.append(_edges_ns(recording))
        memory_ns.append(_fromfile_ns(recording))
    what = f"{recording.name}: edges"
    over = ratio(edges_ns, memory_ns)
    return [
        Figure(7, WHERE, what, "ns/sample", median(edges_ns)),
        Figure(7, WHERE, "... over numpy.fromfile", "x", over, at_most=FROMFILE_MOST),
    ]


def timing_over(
    begin: Recording, whole: Recording, runs: Runs, at_least: float | None
) -> list[Figure]:
    """Figure 8: `sigrok-cli -P timing` of all channels of `begin`, over edges of `whole`."""
    what = f"{whole.name}: sigrok-cli -P timing"
    if shutil.which(PROGRAM) is None:
        return [Figure(8, WHERE, what, "", None, note=f"no {PROGRAM}")]
    timing_ns, edges_ns = [], []
    for _ in runs:
        timing_ns.append(_timing_ns(begin))
        edges_ns.append(_edges_ns(whole))
    over = ratio(timing_ns, edges_ns)
    return [
        Figure(8, WHERE, what, "ns/sample", median(timing_ns)),
        Figure(8, WHERE, "... over edges", "x", over, at_least=at_least),
    ]


def live(folder: Path, runs: Runs, length_s: float) -> list[Figure]:
    """Figure 9: what this process works for each second of samples, and how late it is."""
    with _producer(folder):
        takes = [_live_once(length_s) for _ in runs]
    cores, late_ms = zip(*takes, strict=True)
    what = "8 lines live at 24 MS/s: "
    return [
        Figure(9, WHERE, f"{what}cores in use", "", median(cores), at_most=LIVE_MOST_CORES),
        Figure(9, WHERE, f"{what}behind after {length_s:g} s", "ms", median(late_ms)),
    ]


def _live_once(length_s: float) -> tuple[float, float]:
    """CPU time for each second of samples, and by how many ms the newest are late."""
    stream = Stream([], EdgeFinder(RATE_HZ, 1, range(CHANNELS)))
    try:
        stream.wait_for(lambda: stream.finder.samples > 0, PATIENCE_S)
        first, before_s = stream.finder.samples, time.process_time()
        if not stream.wait_for(lambda: stream.newest_ns() > length_s * NS_PER_S, PATIENCE_S):
            raise RuntimeError(f"{PATIENCE_S} s were not enough for {length_s} s of samples")
        worked_s = time.process_time() - before_s
        return worked_s * RATE_HZ / (stream.finder.samples - first), stream.late_ns() / 1e6
    finally:
        stream.close()


def record(path: Path, name: str, samples: NDArray[np.uint8], times: int = 1) -> Recording:
    """Write `samples` into a file, over and over."""
    with path.open("wb") as file:
        for _ in range(times):
            samples.tofile(file)
    return Recording(name, path, times * len(samples))


def _edges_ns(recording: Recording) -> float:
    """Time for each sample, as of the next two."""
    before_s = time.perf_counter()
    with recording.path.open("rb", buffering=0) as stream:
        find_edges(stream, EdgeFinder(RATE_HZ, 1, range(CHANNELS)))
    return (time.perf_counter() - before_s) * NS_PER_S / recording.samples


def _fromfile_ns(recording: Recording) -> float:
    before_s = time.perf_counter()
    np.fromfile(recording.path, np.uint8)
    return (time.perf_counter() - before_s) * NS_PER_S / recording.samples


def _timing_ns(recording: Recording) -> float:
    """With its start, which is some 0.1 s."""
    before_s = time.perf_counter()
    subprocess.run(
        timing_command(recording),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=PATIENCE_S,
    )
    return (time.perf_counter() - before_s) * NS_PER_S / recording.samples


def timing_command(recording: Recording) -> list[str]:
    """One decoder for each channel, since `timing` takes one."""
    decoders = [f"timing:data={channel}" for channel in range(CHANNELS)]
    return [
        *(PROGRAM, "--input-file", str(recording.path)),
        *("--input-format", f"binary:numchannels={CHANNELS}:samplerate={RATE_HZ}"),
        *(word for decoder in decoders for word in ("--protocol-decoders", decoder)),
        *("--protocol-decoder-annotations", "timing=time"),
    ]


@contextmanager
def _producer(folder: Path) -> Iterator[None]:
    """Puts a `sigrok-cli` on the PATH that does nothing but send samples at their rate."""
    program, old = folder / PROGRAM, os.environ["PATH"]
    words = shlex.join([sys.executable, "-m", "tests.bench.producer"])
    program.write_text(f"#!/bin/sh\ncd {shlex.quote(str(REPOSITORY))} && exec {words}\n")
    program.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{old}"
    try:
        yield
    finally:
        os.environ["PATH"] = old
