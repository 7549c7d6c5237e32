"""sigrok's session files (`.sr`) as captures.

A zip archive: `version`, `metadata` (one device, its sample rate and the names of its
channels) and the samples, `logic-1-1`, `logic-1-2`, ... The window reaches from the first
sample to the last.
"""

import configparser
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rig.capture import Capture
from rig.errors import EvidenceError
from rig.recordings.edges import refuse_too_many
from rig.recordings.quantities import rate_in_text, refuse_too_late
from rig.recordings.supplement import Supplement, chosen_lines, clock_of, end_of, rate_of
from rig.samples import EdgeFinder, joined

BLOCK_BYTES = 1 << 20
MOST_METADATA_BYTES = 1 << 20

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OSError,  # a place in the file that no file has
)
"""What Python's zipfile raises for archives that are damaged, cut off, encrypted or made up."""


def read_session(path: Path, added: Supplement) -> Capture:
    """Read a session file.

    Raises `EvidenceError` with the file and the part of it that is damaged or missing.
    """
    with _opened(path) as archive:
        device = _device(path, archive)
        lines = chosen_lines(path, list(device.bits), added)
        rate_hz = rate_of(path, added, device.sample_rate_hz)
        clock = clock_of(path, added, Fraction(1), rate_hz)
        assert rate_hz, "clock_of has refused a recording without one"
        bits = [device.bits[channel] for channel in lines.values()]
        finder = _finder(path, rate_hz, device.unit_bytes, bits)
        with closing(_blocks(path, archive, device.data)) as blocks:
            edges = _edges(path, finder, blocks, rate_hz)
    if not finder.samples or finder.rest:
        raise EvidenceError(
            f"{path}: {device.data}: is cut off: {finder.samples} samples of {device.unit_bytes} "
            f"bytes, then {len(finder.rest)} bytes"
        )
    levels = dict(zip(lines, finder.initial_levels, strict=True))
    return Capture(tuple(lines), edges, levels, 0, end_of(path, added, finder.end_ns), clock)


def _opened(path: Path) -> zipfile.ZipFile:
    with _damage_told(path, "the archive"):
        return zipfile.ZipFile(path)


def _finder(path: Path, rate_hz: int, unit_bytes: int, bits: list[int]) -> EdgeFinder:
    try:
        return EdgeFinder(rate_hz, unit_bytes, bits)
    except EvidenceError as error:
        raise EvidenceError(f"{path}: metadata: {error}") from error


@dataclass(frozen=True)
class _Device:
    """What recorded, as `metadata` tells."""

    data: str
    """Name of the samples in the archive."""
    sample_rate_hz: int | None
    unit_bytes: int
    bits: dict[str, int]
    """Name of each logic channel -> its bit in a sample."""


def _device(path: Path, archive: zipfile.ZipFile) -> _Device:
    sections = _metadata(path, archive)
    devices = [name for name in sections.sections() if name.startswith("device")]
    if len(devices) != 1:
        raise EvidenceError(f"{path}: metadata: has {len(devices)} devices; one is read")
    facts = sections[devices[0]]
    if "capturefile" not in facts:
        raise EvidenceError(f"{path}: metadata: no logic channels, only analog ones")
    bits = {
        facts[key]: int(key[5:]) - 1 for key in facts if re.fullmatch(r"probe[1-9]\d{0,3}", key)
    }
    if len(bits) < sum(key.startswith("probe") for key in facts):
        raise EvidenceError(f"{path}: metadata: two channels of one name, or one without a number")
    unit = facts.get("unitsize", "")
    if not re.fullmatch(r"\d{1,3}", unit):
        raise EvidenceError(f"{path}: metadata: unitsize {unit!r} is no number of bytes")
    return _Device(facts["capturefile"], _rate(path, facts), int(unit), bits)


def _rate(path: Path, facts: configparser.SectionProxy) -> int | None:
    if "samplerate" not in facts:
        return None
    rate_hz = rate_in_text(facts["samplerate"])
    if rate_hz is None:
        raise EvidenceError(
            f"{path}: metadata: samplerate {facts['samplerate']!r} is no whole number of Hz"
        )
    return rate_hz


def _metadata(path: Path, archive: zipfile.ZipFile) -> configparser.ConfigParser:
    if not {"version", "metadata"} <= set(archive.namelist()):
        raise EvidenceError(f"{path}: is a zip archive, but no sigrok session: no metadata in it")
    sections = configparser.ConfigParser(interpolation=None)
    with _damage_told(path, "metadata"), archive.open("metadata") as file:
        data = file.read(MOST_METADATA_BYTES + 1)
    if len(data) > MOST_METADATA_BYTES:
        raise EvidenceError(f"{path}: metadata: more than {MOST_METADATA_BYTES} bytes")
    try:
        sections.read_string(data.decode(), "metadata")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise EvidenceError(f"{path}: {_one_line(error)}") from error
    return sections


def _blocks(path: Path, archive: zipfile.ZipFile, name: str) -> Generator[bytes]:
    """The samples, from all parts in order."""
    for part in _parts(path, archive, name):
        with _damage_told(path, part), archive.open(part) as file:
            while block := file.read(BLOCK_BYTES):
                yield block


def _parts(path: Path, archive: zipfile.ZipFile, name: str) -> list[str]:
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise EvidenceError(f"{path}: holds two files of one name")
    found = [n for n in names if re.fullmatch(rf"{re.escape(name)}-[1-9]\d{{0,8}}", n)]
    wanted = [f"{name}-{number + 1}" for number in range(len(found))]
    if missing := sorted(set(wanted) - set(found)):
        raise EvidenceError(f"{path}: {missing[0]}: is missing")
    return wanted or [n for n in names if n == name]


def _edges(
    path: Path, finder: EdgeFinder, blocks: Iterator[bytes], rate_hz: int
) -> NDArray[np.void]:
    found, count = [], 0
    for block in blocks:
        refuse_too_late(path, finder.samples + len(block), rate_hz)
        edges = finder.feed(block)
        count += len(edges)
        refuse_too_many(path, count)
        if len(edges):
            found.append(edges)
    return joined(found)


@contextmanager
def _damage_told(path: Path, part: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise EvidenceError(f"{path}: {part}: damaged: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
