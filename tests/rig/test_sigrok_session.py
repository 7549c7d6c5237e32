"""Shows what sigrok's session files become, and which are refused."""

from __future__ import annotations

import subprocess
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from rig.capture import Capture
from rig.errors import EvidenceError
from rig.recordings import edges
from rig.recordings.opening import read_recording
from rig.recordings.sigrok_session import read_session
from rig.recordings.supplement import Supplement

BUDGET = Supplement(accuracy_ppm=50.0, latency_ns=0)
METADATA = """\
[global]
sigrok version=0.5.2

[device 1]
capturefile=logic-1
total probes=8
samplerate=24 MHz
total analog=0
probe1=led
probe5=D4
unitsize=1
"""
SAMPLES = bytes([0, 0, 1, 1, 17, 16, 0])
Files = Mapping[str, bytes | str]
GOOD: Files = {"version": "2", "metadata": METADATA, "logic-1-1": SAMPLES}


def made(folder: Path, files: Files, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "a.sr"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def rows(capture: Capture) -> list[tuple[int, str, int]]:
    return [(edge.time_ns, edge.line, edge.level) for edge in capture]


def refused(path: Path, added: Supplement = BUDGET) -> str:
    with pytest.raises(EvidenceError) as info:
        read_session(path, added)
    assert str(info.value).startswith(str(path))
    assert "\n" not in str(info.value)
    return str(info.value)


EDGES = [(83, "led", 1), (166, "D4", 1), (208, "led", 0), (250, "D4", 0)]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_samples_become_edges_at_their_exact_times(tmp_path: Path, method: int) -> None:
    capture = read_session(made(tmp_path, GOOD, method), BUDGET)
    assert rows(capture) == EDGES
    assert capture.initial_levels == {"led": 0, "D4": 0}
    assert (capture.start_ns, capture.end_ns, capture.clock.resolution_ns) == (0, 250, 43)
    assert capture.is_complete


@pytest.mark.parametrize("width", [1, 3, 20])
def test_samples_may_come_in_parts(tmp_path: Path, width: int) -> None:
    parts = {
        f"logic-1-{n + 1}": SAMPLES[at : at + width]
        for n, at in enumerate(range(0, len(SAMPLES), width))
    }
    files = dict(reversed({**GOOD, **parts}.items()))
    assert rows(read_session(made(tmp_path, files), BUDGET)) == EDGES


def test_samples_may_be_one_file_as_in_the_first_version(tmp_path: Path) -> None:
    files = {"version": "1", "metadata": METADATA, "logic-1": SAMPLES}
    assert rows(read_session(made(tmp_path, files), BUDGET)) == EDGES


def test_wide_samples_are_read(tmp_path: Path) -> None:
    metadata = METADATA.replace("unitsize=1", "unitsize=5").replace("probe5", "probe40")
    wide = b"".join((int(s & 1) | int(s >> 4 & 1) << 39).to_bytes(5, "little") for s in SAMPLES)
    files = {**GOOD, "metadata": metadata, "logic-1-1": wide}
    assert rows(read_session(made(tmp_path, files), BUDGET)) == EDGES


def test_wired_channels_alone_are_read(tmp_path: Path) -> None:
    capture = read_session(made(tmp_path, GOOD), replace(BUDGET, wiring={"lamp": "D4"}))
    assert rows(capture) == [(166, "lamp", 1), (250, "lamp", 0)]
    assert "has no channel 'D1' (led); there are: led, D4" in refused(
        made(tmp_path, GOOD), replace(BUDGET, wiring={"led": "D1"})
    )


def test_a_rate_that_is_not_in_the_file_is_asked_for(tmp_path: Path) -> None:
    files = {**GOOD, "metadata": METADATA.replace("samplerate=24 MHz\n", "")}
    assert "--sample-rate-hz" in refused(made(tmp_path, files))
    given = replace(BUDGET, sample_rate_hz=24_000_000)
    assert rows(read_session(made(tmp_path, files), given)) == EDGES


def changed(old: str, new: str) -> Files:
    assert old in METADATA
    return {**GOOD, "metadata": METADATA.replace(old, new)}


BAD: dict[str, tuple[Files, str]] = {
    "a zip of something else": ({"letter.txt": "hello"}, "no sigrok session"),
    "an empty zip": ({}, "no sigrok session"),
    "no metadata": ({"version": "2", "logic-1-1": SAMPLES}, "no sigrok session"),
    "rate 0": (changed("24 MHz", "0 Hz"), "a sample rate of 0 Hz; it must be above 0"),
    "rate of letters": (changed("24 MHz", "fast"), "metadata: samplerate 'fast' is no whole"),
    "rate of half a hertz": (changed("24 MHz", "0.5 Hz"), "is no whole number of Hz"),
    "rate beyond all": (changed("24 MHz", "99 GHz"), "a sample rate of 99000000000 Hz"),
    "no unit size": (changed("unitsize=1\n", ""), "metadata: unitsize '' is no number"),
    "unit size 0": (changed("unitsize=1", "unitsize=0"), "metadata: samples: 0 bytes each"),
    "unit size 99": (changed("unitsize=1", "unitsize=99"), "metadata: samples: 99 bytes each"),
    "channel outside": (changed("probe5", "probe9"), "metadata: samples: channel 8; a sample of 1"),
    "channel 0": (changed("probe5", "probe0"), "metadata: two channels of one name, or one w"),
    "one name twice": (changed("=D4", "=led"), "metadata: two channels of one name"),
    "one key twice": (changed("probe5", "probe1"), "metadata"),
    "no channels": (changed("probe1=led\nprobe5=D4\n", ""), "has 0 channels"),
    "analog alone": (changed("capturefile=logic-1\n", ""), "metadata: no logic channels"),
    "two devices": (changed("[global]", "[device 2]"), "metadata: has 2 devices"),
    "no device": (changed("[device 1]", "[thing]"), "metadata: has 0 devices"),
    "metadata of no kind": ({**GOOD, "metadata": "hello\n"}, "metadata"),
    "metadata of no text": ({**GOOD, "metadata": b"[global]\n\xff\xfe"}, "utf-8"),
    "metadata too long": ({**GOOD, "metadata": "#" * (2 << 20)}, "metadata: more than 1048576"),
    "no samples": ({"version": "2", "metadata": METADATA}, "logic-1: is cut off: 0 samples"),
    "empty samples": ({**GOOD, "logic-1-1": b""}, "logic-1: is cut off: 0 samples"),
    "half a sample": (changed("unitsize=1", "unitsize=2"), "3 samples of 2 bytes, then 1"),
    "a part missing": ({**GOOD, "logic-1-3": SAMPLES}, "logic-1-2: is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "words"), BAD.values(), ids=list(BAD))
def test_a_session_that_cannot_be_right_is_refused(
    tmp_path: Path, files: Files, words: str
) -> None:
    assert words in refused(made(tmp_path, files))


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path, GOOD)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("logic-1-1", SAMPLES)
    assert "holds two files of one name" in refused(path)


def test_samples_that_do_not_match_their_checksum_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path, GOOD, zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data.replace(SAMPLES, SAMPLES[:-1] + b"\x01"))
    assert "logic-1-1: damaged: Bad CRC-32" in refused(path)


@pytest.mark.parametrize(
    ("local", "central", "value", "words"),
    [
        pytest.param(8, 10, 97, "compression method", id="a compression nobody here knows"),
        pytest.param(6, 8, 1, "encrypted", id="encrypted"),
    ],
)
def test_an_archive_that_python_cannot_unpack_is_refused(
    tmp_path: Path, local: int, central: int, value: int, words: str
) -> None:
    """Offsets in the two headers of each file: PKWARE's APPNOTE.TXT, 4.3.7 and 4.3.12."""
    path = made(tmp_path, GOOD)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        start = data.rindex(signature)
        data[start + offset] = value
    path.write_bytes(data)
    assert words in refused(path)


@pytest.mark.parametrize("kept", [5, 30, 200, -30, -1])
def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    path = made(tmp_path, GOOD)
    path.write_bytes(path.read_bytes()[:kept])
    assert "the archive: damaged: File is not a zip file" in refused(path)


def test_an_archive_that_lost_its_first_bytes_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path, {"metadata": METADATA, **GOOD})
    path.write_bytes(path.read_bytes()[1:])
    assert "metadata: damaged: " in refused(path)


def test_more_edges_than_fit_into_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edges, "MOST_EDGES", 3)
    assert "more than 3 edges" in refused(made(tmp_path, GOOD))


def test_a_recording_longer_than_292_years_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rig.recordings.quantities.sample_time_ns", lambda n, rate_hz: 2**63)
    assert "7 samples at 24000000 Hz take more than 292 years" in refused(made(tmp_path, GOOD))


# Real files, from sigrok's own demo device


needs_sigrok = pytest.mark.skipif(which("sigrok-cli") is None, reason="sigrok-cli is missing")


@needs_sigrok
@pytest.mark.parametrize("rate_hz", [1_000_000, 24_000_000, 123_457])
def test_sigroks_three_formats_give_one_capture(tmp_path: Path, rate_hz: int) -> None:
    session, dump, table = (tmp_path / f"a.{suffix}" for suffix in ("sr", "vcd", "csv"))
    record(session, rate_hz, "D0,D1,D2")
    sigrok("-i", session, "-O", "vcd", "-o", dump)
    sigrok("-i", session, "-O", "csv", "-o", table)
    one, *others = (read_recording(path, BUDGET) for path in (session, dump, table))
    assert len(one.edges) > 500
    for other in others:
        assert other.lines == one.lines == ("D0", "D1", "D2")
        assert other.initial_levels == one.initial_levels
        for line in one.lines:
            mine, same = one.of_line(line), other.of_line(line)
            assert np.array_equal(mine[["level", "seqno"]], same[["level", "seqno"]])
            shift = np.abs(mine["time_ns"] - same["time_ns"])
            assert shift.max(initial=0) <= max(1, other.clock.resolution_ns - 10**9 // rate_hz)


@needs_sigrok
@pytest.mark.parametrize("channels", ["D0,D5", "D3=led", "D0=led"])
def test_a_vcd_in_which_sigrok_may_have_mixed_up_the_channels_is_refused(
    tmp_path: Path, channels: str
) -> None:
    session, dump = tmp_path / "a.sr", tmp_path / "a.vcd"
    record(session, 1_000_000, channels)
    sigrok("-i", session, "-O", "vcd", "-o", dump)
    assert read_recording(session, BUDGET).lines
    with pytest.raises(EvidenceError, match="under the names of others"):
        read_recording(dump, BUDGET)


def record(path: Path, rate_hz: int, channels: str) -> None:
    config = f"samplerate={rate_hz}"
    words = ("--config", config, "--channels", channels, "--samples", "1000", "-o", path)
    sigrok("--driver", "demo", *words)


def sigrok(*words: str | Path) -> None:
    subprocess.run(["sigrok-cli", *map(str, words)], timeout=60, check=True)
