"""Shows that nothing a file can hold ends in anything but a capture or an `EvidenceError`."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from blinks import good
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_csv import SALEAE, SAMPLES
from test_sigrok_session import GOOD, made
from test_vcd import BLINK, WIDE

from rig.capture import write_capture
from rig.errors import EvidenceError
from rig.identity import REPOSITORY
from rig.recordings.csv_rows import read_csv
from rig.recordings.opening import read_recording
from rig.recordings.sigrok_session import read_session
from rig.recordings.supplement import Supplement
from rig.recordings.vcd import read_vcd

BUDGET = Supplement(accuracy_ppm=50.0, latency_ns=0, sample_rate_hz=10**9)
RATELESS = Supplement(accuracy_ppm=50.0, latency_ns=0)
PIECES = [b"\0", b"\n", b"#", b"$end", b"$comment ", b"b1 ", b"x!", b" ", b",", b";", b'"', b"e99"]
PIECES += [b"-", b".", b"\xff", b"9" * 30, b"1e-99999999999", b"$dumpoff", b"[9]", b"nan"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def seeds(folder: Path) -> list[bytes]:
    write_capture(folder, good().capture())
    text = [BLINK, WIDE + '#0\nb0 b\n0bb\n0!\n0"\n#5\n', SALEAE, SAMPLES]
    own = (folder / "capture.vcd").read_bytes()
    sessions = [made(folder, GOOD, method).read_bytes() for method in (0, zipfile.ZIP_DEFLATED)]
    return [*(t.encode() for t in text), own, *sessions]


def survives(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    for read in (read_recording, read_vcd, read_csv, read_session):
        for added in (RATELESS, BUDGET, Supplement(wiring={"led": "led"})):
            with contextlib.suppress(EvidenceError):
                read(path, added)


@given(data=st.binary(max_size=300))
@example(data=b"$enddefinitions $end\n$enddefinitions $end\n")
@example(data=b"$comment $enddefinitions $end\n")
@settings(max_examples=200)
def test_random_bytes(folder: Path, data: bytes) -> None:
    survives(folder / "random", data)


@given(data=st.data())
@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_good_files_with_a_few_bytes_changed(
    folder: Path, seeds: list[bytes], data: st.DataObject
) -> None:
    changed = data.draw(st.sampled_from(seeds))
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(changed)))
        end = begin + data.draw(st.integers(0, 20))
        piece = data.draw(st.sampled_from(PIECES) | st.binary(max_size=3))
        changed = changed[:begin] + piece + changed[end:]
    survives(folder / "changed", changed)


@given(data=st.data())
@settings(max_examples=200)
def test_good_files_cut_off(folder: Path, seeds: list[bytes], data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(seeds))
    survives(folder / "cut", whole[: data.draw(st.integers(0, len(whole)))])


# Files that are larger than the memory

MOST_MEMORY_BYTES = 400 << 20
"""Python, NumPy and Arrow take most of it."""

READ = """
import re, sys
from pathlib import Path
from rig.errors import EvidenceError
from rig.recordings.opening import read_recording
from rig.recordings.supplement import Supplement
added = Supplement(accuracy_ppm=50.0, latency_ns=0, sample_rate_hz=10**6)
try:
    print(len(read_recording(Path(sys.argv[1]), added).edges), "edges")
except EvidenceError as error:
    print(error)
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
"""


def read_apart(path: Path) -> tuple[str, int]:
    """What another process says of the file, and the most memory that it had.

    Its `ru_maxrss` would be that of the process it was started from, if that is larger.
    """
    command = [sys.executable, "-c", READ, str(path)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=True
    )
    words, memory = done.stdout.splitlines()
    return words, int(memory)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        pytest.param(BLINK, "not VCD: a line of more than 4194304 bytes", id="VCD"),
        pytest.param(SALEAE + "9,0,0\n" * 1000, "a level is 0 or 1", id="CSV"),
        pytest.param("", "is none of VCD", id="nothing"),
        pytest.param("$var", "not a whole VCD file", id="declarations"),
    ],
)
def test_ten_gigabytes_of_nothing_are_refused_in_little_memory(
    tmp_path: Path, start: str, words: str
) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(start.encode())
        file.truncate(10 << 30)
    said, memory = read_apart(path)
    path.unlink()
    assert words in said
    assert memory < MOST_MEMORY_BYTES


def vcd(path: Path, size: int) -> None:
    path.write_bytes(BLINK.encode() + b"#400\n" * (size // 5))


def csv(path: Path, size: int) -> None:
    path.write_bytes(b"led\n1\n" + b"0\n" * (size // 2))


def session(path: Path, size: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in GOOD.items():
            archive.writestr(
                name, str(data).replace("24 MHz", "1 MHz") if name == "metadata" else data
            )
        with archive.open("logic-1-2", "w") as file:
            for _ in range(size // (1 << 20)):
                file.write(bytes(1 << 20))


@pytest.mark.parametrize(
    ("make", "size", "more", "words"),
    [
        pytest.param(vcd, 96 << 20, 80 << 20, "3 edges", id="VCD"),
        # Arrow's blocks are of rows, here of two bytes; it has some of them at a time.
        pytest.param(csv, 96 << 20, 280 << 20, "1 edges", id="CSV"),
        pytest.param(session, 1 << 30, 150 << 20, "4 edges", id="session"),
    ],
)
def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, make: object, size: int, more: int, words: str
) -> None:
    assert callable(make)
    make(small := tmp_path / "small", 1 << 20)
    make(large := tmp_path / "large", size)
    said, little = read_apart(small)
    again, memory = read_apart(large)
    large.unlink()
    assert words in said
    assert words in again
    assert memory < little + more
