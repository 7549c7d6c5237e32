# SPDX-License-Identifier: ISC
"""Fetch Debian packages of another architecture without touching this machine's apt.

apt runs with its own state, cache and package database in a private folder; only
the machine's sources, keys and proxy settings are read. Packages are never
installed: single files are read out of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from rig.errors import ImageError

_UPDATE_TIMEOUT_S = 300
_DOWNLOAD_TIMEOUT_S = 1800
_QUERY_TIMEOUT_S = 60

# Read by apt after the machine's own configuration, so it has the last word.
_CONFIGURATION = """\
APT::Architecture "{architecture}";
#clear APT::Architectures;
APT::Architectures {{ "{architecture}"; }};
Dir::State "{state}";
Dir::State::lists "{state}/lists";
Dir::State::status "{state}/status";
Dir::Cache "{state}/cache";
// Hooks of the machine would act on the machine's own cache.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
// The folder belongs to whoever runs this; apt's user could not write to it.
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""


@dataclass(frozen=True)
class Package:
    """One binary package as the archive describes it."""

    name: str
    version: str
    sha256: str
    """Of the .deb file, in hexadecimal."""
    size_bytes: int
    depends: str = ""
    """The `Depends` field, verbatim."""


class Archive:
    """Debian's package archive, seen through apt with a private `state` folder."""

    def __init__(self, state: Path, *, architecture: str = "arm64") -> None:
        """Prepare `state`. Raises ImageError on a machine without apt."""
        for tool in ("apt-get", "apt-cache", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise ImageError(
                    f"{tool} not found: the virtual Pi's kernel comes from Debian's archive, "
                    "fetched with apt. Run this on Debian 12, or put a finished build/ folder here"
                )
        self._configuration = _prepare(state.resolve(), architecture)
        self._trouble = ""

    def update(self) -> None:
        """Fetch the package lists.

        A source that fails is not an error yet: the package wanted may come from another one.
        """
        try:
            self._apt("apt-get", "update", "--error-on=any", timeout_s=_UPDATE_TIMEOUT_S)
            self._trouble = ""
        except ImageError as error:
            self._trouble = f" ({error})"

    def describe(self, name: str) -> Package:
        """The newest version of package `name`. Raises ImageError when there is none."""
        try:
            text = self._apt("apt-cache", "show", "--no-all-versions", name)
            fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
            version, sha256, size = fields["Version"], fields["SHA256"], int(fields["Size"])
        except (ImageError, KeyError) as error:
            raise ImageError(
                f"package {name}: apt's sources here offer none{self._trouble}; they must be "
                "those of Debian 12, and the network must reach them"
            ) from error
        return Package(name, version, sha256, size, fields.get("Depends", ""))

    def download(self, package: Package, into: Path) -> Path:
        """The .deb of `package` in folder `into`, its hash compared with the archive's.

        Nothing is fetched when it is there already and agrees. Raises ImageError when it
        cannot be fetched or is not what the archive promised; then no file is left behind.
        """
        deb = into / f"{package.name}.deb"
        if deb.exists() and sha256(deb) == package.sha256:
            return deb
        into.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=into) as work:
            wanted = f"{package.name}={package.version}"
            self._apt("apt-get", "download", wanted, cwd=work, timeout_s=_DOWNLOAD_TIMEOUT_S)
            (fetched,) = Path(work).glob("*.deb")
            check(fetched, package)
            os.replace(fetched, deb)
        return deb

    def _apt(
        self, tool: str, *arguments: str, cwd: str | None = None, timeout_s: int = _QUERY_TIMEOUT_S
    ) -> str:
        command = [tool, "-q", "-c", str(self._configuration), *arguments]
        environment = os.environ | {"LC_ALL": "C"}
        what = f"{tool} {' '.join(arguments)}"
        try:
            done = subprocess.run(
                command, cwd=cwd, env=environment, timeout=timeout_s, text=True,
                stdin=subprocess.DEVNULL, capture_output=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ImageError(f"{what}: no answer within {timeout_s} s; check the network") from None
        if done.returncode != 0:
            raise ImageError(f"{what} failed: {_complaint(done.stderr)}")
        return done.stdout


def check(deb: Path, package: Package) -> None:
    """Raises ImageError, with both hashes, when `deb` is not the `package` of the archive."""
    found = sha256(deb)
    if found != package.sha256:
        raise ImageError(
            f"package {package.name} {package.version}: the fetched file has SHA-256 {found}, the "
            f"archive promises {package.sha256}. It was not used; try again, or check the mirror"
        )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_files(deb: Path, names: Collection[str]) -> dict[str, bytes]:
    """The contents of the files `names` (paths as in `dpkg-deb -c`, "./boot/...") in `deb`.

    Raises ImageError when one of them is not there or the package cannot be read.
    """
    found = find_files(deb, lambda name: name in names)
    absent = sorted(set(names) - set(found))
    if absent:
        raise ImageError(f"{deb}: has no {', '.join(absent)}; is it the package it is named after?")
    return found


def find_files(deb: Path, is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Path and contents of the regular files in `deb` that are wanted; links are left out.

    Raises ImageError when the package cannot be read.
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpack:
        assert unpack.stdout is not None  # because of stdout=PIPE
        try:
            return _pick(unpack.stdout, is_wanted)
        except tarfile.TarError as error:
            raise ImageError(f"{deb}: not a readable package ({error}); delete it") from error


def _pick(stream: IO[bytes], is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
    found = {}
    # A stream, read once: a kernel package unpacks to several hundred MB.
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            wanted = member.isreg() and is_wanted(member.name)
            content = tar.extractfile(member) if wanted else None
            if content is not None:
                found[member.name] = content.read()
    return found


def _prepare(state: Path, architecture: str) -> Path:
    for folder in (state / "lists/partial", state / "cache/archives/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    (state / "status").touch()  # the empty list of installed packages
    configuration = state / "apt.conf"
    configuration.write_text(_CONFIGURATION.format(state=state, architecture=architecture))
    return configuration


def _complaint(stderr: str) -> str:
    """What apt says went wrong, without its chatter."""
    lines = [line for line in stderr.splitlines() if line.startswith(("E:", "W:", "Err"))]
    return " / ".join(lines[-3:]) or stderr.strip()[-300:] or "no reason given"
