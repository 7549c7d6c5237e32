# SPDX-License-Identifier: ISC
"""Fetch Python packages for another machine: the wheel named here, and no other.

pip only downloads; nothing is installed and nothing of the package runs on this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.debs import sha256
from rig.errors import ImageError

_TIMEOUT_S = 600


@dataclass(frozen=True)
class Wheel:
    """One wheel as the Python Package Index has it."""

    requirement: str
    """For pip: `name==version`."""
    sha256: str
    platform: str = "any"
    """The wheel's platform tag (PEP 600), of the machine where it is to run."""

    def file(self, folder: Path) -> Path:
        """Where this wheel is kept in `folder`."""
        return folder / f"{self.requirement.replace('==', '-')}.whl"


def fetch_wheel(wheel: Wheel, into: Path) -> Path:
    """The file of `wheel` in folder `into`, downloaded unless it is there already.

    Raises ImageError when it cannot be fetched or is not the file that is named here; then
    no file is left behind.
    """
    kept = wheel.file(into)
    if kept.exists() and sha256(kept) == wheel.sha256:
        return kept
    into.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=into) as work:
        _pip_download(wheel, work)
        (fetched,) = Path(work).iterdir()
        if (found := sha256(fetched)) != wheel.sha256:
            raise ImageError(
                f"{fetched.name}: the fetched file has SHA-256 {found}, expected {wheel.sha256}. "
                "It was not used; try again, or check the package index"
            )
        os.replace(fetched, kept)
    return kept


def read_wheel(path: Path) -> dict[str, bytes]:
    """The files of a wheel, by their path below site-packages."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}
    except zipfile.BadZipFile as error:
        raise ImageError(f"{path}: not a readable wheel ({error}); delete it") from error


def _pip_download(wheel: Wheel, into: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--python-version", "311", "--dest", into]
    command += ["--platform", wheel.platform, wheel.requirement]
    what = f"pip download {wheel.requirement}"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise ImageError(f"{what}: no answer within {_TIMEOUT_S} s; check the network") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise ImageError(f"{what} failed: {' / '.join(said) or done.stderr.strip()[-300:]}")
