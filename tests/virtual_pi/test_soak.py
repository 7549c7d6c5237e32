"""A rig that is killed in mid-soak loses the chunk that it was at, and no more."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from rig.evidence import PARTIAL
from rig.identity import REPOSITORY
from rig.soak import RECORD, SoakRecord, read_record
from rig.verdict import Outcome

BENCH = REPOSITORY / "benches" / "virtual-time-lapse.yaml"
SUITE = REPOSITORY / "robot" / "soak.robot"
CHUNK, CHUNKS = 40, 4
LIMIT_S = 240


def robot(folder: Path, *variables: str) -> list[str]:
    sizes = (f"BENCH:{BENCH}", f"CYCLES:{CHUNK * CHUNKS}", f"CHUNK:{CHUNK}", *variables)
    options = [word for variable in sizes for word in ("--variable", variable)]
    return [sys.executable, "-m", "robot", "--outputdir", str(folder), *options, str(SUITE)]


def killed_in_mid_chunk(folder: Path, chunks: int) -> Path:
    """A soak whose rig is killed in the chunk after so many; its results folder."""
    with (folder / "log").open("wb") as log:
        rig = subprocess.Popen(robot(folder), cwd=folder, stdout=log, stderr=log)
    children: list[psutil.Process] = []
    try:
        results = _wait_for_chunk(folder, chunks, rig)
        children = psutil.Process(rig.pid).children(recursive=True)
    finally:
        rig.send_signal(signal.SIGKILL)
        rig.wait(timeout=10)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    return results


def _wait_for_chunk(folder: Path, chunks: int, rig: "subprocess.Popen[bytes]") -> Path:
    """Until `chunks` are recorded and the next has begun."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and rig.poll() is None:
        for path in folder.glob(f"results/*/{RECORD}"):
            begun = [*path.parent.glob(f"soak/chunk-{chunks + 1:05d}{PARTIAL}")]
            if begun and len(read_record(path.parent).chunks) == chunks:
                return path.parent
        time.sleep(0.01)
    raise AssertionError((folder / "log").read_text())


def resumed(folder: Path, results: Path) -> SoakRecord:
    command = robot(folder, f"RESUME:{results}")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stdout
    return read_record(results)


def test_a_killed_soak_goes_on_and_loses_the_last_chunk_at_most(tmp_path: Path) -> None:
    results = killed_in_mid_chunk(tmp_path, chunks=2)
    before = read_record(results)

    after = resumed(tmp_path, results)

    assert after.chunks[:2] == before.chunks
    assert after.cycles == CHUNK * CHUNKS
    assert {chunk.outcome for chunk in after.chunks} == {Outcome.PASS}
    assert after.time_lapse
    folders = sorted(path.name for path in (results / "soak").iterdir())
    assert folders == [f"chunk-{n:05d}" for n in range(1, CHUNKS + 1)]
    pids = {usage.pid for chunk in after.chunks for usage in chunk.rig if usage.process == "rig"}
    assert len(pids) == 2
    assert os.listdir(tmp_path / "results") == [results.name]
