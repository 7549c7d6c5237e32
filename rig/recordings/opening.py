"""From a file to its reader, by what is in it and not by its name alone."""

from collections.abc import Callable
from pathlib import Path

from rig.capture import Capture
from rig.errors import EvidenceError
from rig.recordings.csv_rows import read_csv
from rig.recordings.sigrok_session import read_session
from rig.recordings.supplement import Supplement
from rig.recordings.vcd import read_vcd

Reader = Callable[[Path, Supplement], Capture]

READERS: dict[str, Reader] = {"VCD": read_vcd, "CSV": read_csv, "sigrok session": read_session}
"""By kind of file."""
_KIND_OF_SUFFIX = {".vcd": "VCD", ".sr": "sigrok session", ".csv": "CSV", ".tsv": "CSV"}


def read_recording(path: Path, added: Supplement) -> Capture:
    """Read a recording of any kind.

    Raises `EvidenceError` if it is none, is not what its name says, is damaged, or does
    not say what a capture must say.
    """
    try:
        with path.open("rb") as file:
            kind = _kind_of(path, file.read(4096))
        promised = _KIND_OF_SUFFIX.get(path.suffix.lower(), kind)
        if promised != kind:
            raise EvidenceError(f"{path}: is a {kind} file, not {promised} as its name says")
        return READERS[kind](path, added)
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read: {error.strerror or error}") from error


def _kind_of(path: Path, start: bytes) -> str:
    if not start:
        raise EvidenceError(f"{path}: is empty")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "sigrok session"
    if start.startswith(b"PAR1"):
        raise EvidenceError(f"{path}: is Parquet; judge the evidence folder that it belongs to")
    if start.lstrip().startswith(b"$"):
        return "VCD"
    if b"\0" in start:
        raise EvidenceError(f"{path}: is none of VCD, sigrok session and CSV")
    return "CSV"
