# SPDX-License-Identifier: ISC
"""The virtual boards' boot files: kernel, device tree and initial RAM disk.

Kernel and device tree come from Debian's arm64 kernel package, unchanged. The RAM disk is
a static busybox and the few text files beside this module in `pi/`, laid out as they stand
in the guest. `python -m rig.image` makes all of it under `build/pi/<series>/`, together
with `image.json`, which says where each file came from and what its hash is.

The second board, which observes the first one, boots the same kernel; its RAM disk under
`build/pi/second-board/` holds Debian's Python and gpiozero besides (see `rig.second_disk`).
A virtual Pi with a network has `build/pi/<series>-network/` besides (see `rig.network_disk`).
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from rich.console import Console

from rig import cpio, network_disk, second_disk
from rig.debs import Archive, Package, read_files, sha256
from rig.errors import ImageError

KERNEL = "vmlinuz"
DTB = "bcm2837-rpi-3-b.dtb"
INITRD = "initrd.gz"
NETWORK = "network.gz"
RECORD = "image.json"

_KERNEL_PACKAGES = {"6.1": "linux-image-arm64", "6.12": "linux-image-6.12-arm64"}
"""Kernel series -> the package of Debian 12 that depends on its newest kernel."""

_BUSYBOX = "busybox-static"
SECOND_BOARD = "second-board"
_GUEST_FILES = Path(__file__).parent / "pi"
_FOLDERS = ("dev", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin")
_MOUNTED_OVER = ("/dev", "/proc", "/run", "/sys", "/tmp")  # by pi/init
_SPACE_NEEDED_BYTES = 250_000_000  # packages, package lists and the files made from them
_LOCK_TIMEOUT_S = 1800  # another run may be downloading over a slow line

_console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class BootImage:
    """The files that QEMU's `-kernel`, `-dtb` and `-initrd` take, and what they were made from."""

    kernel: Path
    dtb: Path
    initrd: Path
    series: str
    """The kernel's series, such as "6.1"."""
    versions: Mapping[str, str]
    """Debian package name -> version."""


@dataclass(frozen=True)
class SecondBoardImage:
    """The files that the second board boots from, and what they were made from."""

    kernel: Path
    initrd: Path
    versions: Mapping[str, str]
    """Package name -> version."""


@dataclass(frozen=True)
class _Plan:
    """One folder of `build/pi/`: what to fetch for it, and what to make of that."""

    name: str
    """Of the folder: a kernel's series, or the second board."""
    fetch: Callable[[Path], dict[str, Package]]
    """Gets the folder of the packages."""
    make: Callable[[Path, Mapping[str, Package]], dict[str, bytes]]
    """The same and the packages in it -> file name to contents."""


@dataclass(frozen=True)
class _Record:
    """What image.json holds."""

    series: str
    recipe: str
    packages: dict[str, Package]
    files: dict[str, str]


def ensure_image(series: str = "6.1", *, build_dir: Path = Path("build")) -> BootImage:
    """The boot image of a kernel `series`, made first when it is missing or not as recorded.

    Nothing is fetched when the packages are under `build_dir` already and their hashes agree.
    Raises ImageError (unknown series, no apt, no network, hash mismatch, no space).
    """
    if series not in _KERNEL_PACKAGES:
        known = ", ".join(_KERNEL_PACKAGES)
        raise ImageError(f"kernel series {series!r} is not known; there are: {known}")
    record = _ensure(_Plan(series, partial(_fetched, series), _extracted), build_dir)
    folder = build_dir / "pi" / series
    return BootImage(
        folder / KERNEL, folder / DTB, folder / INITRD, series, _versions(record.packages)
    )


def ensure_second_board(build_dir: Path = Path("build")) -> SecondBoardImage:
    """The boot image of the second board, made first when it is missing or not as recorded.

    Raises ImageError as `ensure_image` does.
    """
    kernel = ensure_image(build_dir=build_dir)
    record = _ensure(_Plan(SECOND_BOARD, _fetched_for_second, _second_disk), build_dir)
    initrd = build_dir / "pi" / SECOND_BOARD / INITRD
    versions = _versions(record.packages) | second_disk.wheel_versions()
    return SecondBoardImage(kernel.kernel, initrd, versions)


def ensure_network(series: str, build_dir: Path = Path("build")) -> Path:
    """What to append to the RAM disk of a kernel `series`, so that it has SSH over USB.

    Raises ImageError as `ensure_image` does.
    """
    ensure_image(series, build_dir=build_dir)
    plan = _Plan(f"{series}-network", partial(_fetched_network, series), _network)
    _ensure(plan, build_dir)
    return build_dir / "pi" / plan.name / NETWORK


def overlay(files: Mapping[str, Path]) -> bytes:
    """A compressed archive to append to the RAM disk: path on the target -> file on this machine.

    Files are executable, the folders above them are created. The bytes depend on nothing but
    paths and contents. Raises ImageError when a path is not absolute and plain, lies where the
    target mounts something over it, or when the file here is missing.
    """
    entries: list[cpio.Entry] = []
    for target, source in files.items():
        path = _checked_target(target)
        entries += [cpio.file(path, _contents(source, target)), *cpio.parents(path)]
    for path in {entry.path for entry in entries if stat.S_ISDIR(entry.mode)}:
        if f"/{path}" in files:
            raise ImageError(f"target path '/{path}': is a file and a folder of other files")
    return cpio.compressed(entries)


def _checked_target(target: str) -> str:
    path = PurePosixPath(target)
    plain = path.is_absolute() and str(path) == target and ".." not in path.parts and target != "/"
    if not plain:
        raise ImageError(f"target path {target!r}: must be absolute, such as /opt/led/solo5-hvt")
    hidden = [folder for folder in _MOUNTED_OVER if path.is_relative_to(folder)]
    if hidden:
        raise ImageError(f"target path {target!r}: the target mounts over {hidden[0]}; use /opt")
    return target.lstrip("/")


def _contents(source: Path, target: str) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise ImageError(f"{source}, to be put at {target}: {error.strerror}") from error


def _record_in(folder: Path) -> _Record | None:
    try:
        fields = json.loads((folder / RECORD).read_text())
        packages = {name: Package(**package) for name, package in fields["packages"].items()}
        return _Record(fields["series"], fields["recipe"], packages, fields["files"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        _console.print(f"image: {folder / RECORD} cannot be read; making the image again")
        return None


def _faults(folder: Path, record: _Record | None) -> list[str]:
    if record is None:
        return []
    faults = [
        f"{folder / name} is not as recorded"
        for name, recorded in record.files.items()
        if not (folder / name).exists() or sha256(folder / name) != recorded
    ]
    if record.recipe != _recipe():
        faults.append(f"{folder} was made by another version of this program")
    return faults


def _ensure(plan: _Plan, build_dir: Path) -> _Record:
    """What `plan` makes, as recorded; made first when it is missing or not as recorded."""
    folder = build_dir / "pi" / plan.name
    try:
        with _locked(build_dir / "pi"):
            record = _record_in(folder)
            faults = _faults(folder, record)
            for fault in faults:
                _console.print(f"image: {fault}; making it again")
            return record if record and not faults else _build(folder, plan, record)
    except OSError as error:
        raise ImageError(_disk_complaint(error, build_dir)) from error


def _versions(packages: Mapping[str, Package]) -> dict[str, str]:
    return {package.name: package.version for package in packages.values()}


def _build(folder: Path, plan: _Plan, record: _Record | None) -> _Record:
    _require_space(folder)
    debs = folder.parent / "debs"
    packages = _kept(debs, record) or plan.fetch(debs)
    with _step(f"unpacking packages, making the files of {plan.name}"):
        contents = plan.make(debs, packages)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    made = _Record(plan.name, _recipe(), packages, hashes)
    contents[RECORD] = (json.dumps(asdict(made), indent=2) + "\n").encode()
    _put(folder, contents)
    return made


def _kept(debs: Path, record: _Record | None) -> dict[str, Package] | None:
    """The recorded packages, if their files are still here and unharmed."""
    if record is None:
        return None
    for package in record.packages.values():
        deb = debs / f"{package.name}.deb"
        if not deb.exists() or sha256(deb) != package.sha256:
            return None
    return record.packages


def _fetched(series: str, debs: Path) -> dict[str, Package]:
    archive = _archive(debs)
    kernel = _kernel_of(series, archive.describe(_KERNEL_PACKAGES[series]))
    packages = {"kernel": archive.describe(kernel), "busybox": archive.describe(_BUSYBOX)}
    _download(archive, packages, debs)
    return packages


def _fetched_for_second(debs: Path) -> dict[str, Package]:
    archive = _archive(debs)
    packages = {name: archive.describe(name) for name in (_BUSYBOX, *second_disk.PACKAGES)}
    _download(archive, packages, debs)
    return packages


def _fetched_network(series: str, debs: Path) -> dict[str, Package]:
    archive = _archive(debs)
    kernel = _kernel_of(series, archive.describe(_KERNEL_PACKAGES[series]))
    names = {name: name for name in network_disk.PACKAGES} | {"kernel": kernel}
    packages = {key: archive.describe(name) for key, name in names.items()}
    _download(archive, packages, debs)
    return packages


def _archive(debs: Path) -> Archive:
    archive = Archive(debs.parent.parent / "apt")
    with _step("fetching Debian's arm64 package lists"):
        archive.update()
    return archive


def _download(archive: Archive, packages: Mapping[str, Package], debs: Path) -> None:
    for package in packages.values():
        with _step(f"fetching {package.name} ({package.size_bytes / 1e6:.1f} MB)"):
            archive.download(package, debs)


def _kernel_of(series: str, newest: Package) -> str:
    match = re.search(rf"linux-image-{re.escape(series)}\.\S+", newest.depends)
    if match is None:
        raise ImageError(
            f"{newest.name} {newest.version} here depends on {newest.depends!r}, not on a kernel "
            f"{series}: apt's sources are not those of Debian 12"
        )
    return match.group()


def _extracted(debs: Path, packages: Mapping[str, Package]) -> dict[str, bytes]:
    kernel = packages["kernel"].name
    release = kernel.removeprefix("linux-image-")
    vmlinuz, dtb = f"./boot/vmlinuz-{release}", f"./usr/lib/{kernel}/broadcom/{DTB}"
    files = read_files(debs / f"{kernel}.deb", (vmlinuz, dtb))
    busybox = read_files(debs / f"{_BUSYBOX}.deb", ("./bin/busybox",))["./bin/busybox"]
    return {KERNEL: files[vmlinuz], DTB: files[dtb], INITRD: _initrd(busybox)}


def _second_disk(debs: Path, packages: Mapping[str, Package]) -> dict[str, bytes]:
    """The virtual Pi's RAM disk, with Python and gpiozero, and a login on another port."""
    busybox = read_files(debs / f"{_BUSYBOX}.deb", ("./bin/busybox",))["./bin/busybox"]
    added = second_disk.files(debs, debs.parent / "wheels")
    own = {path: cpio.file(path, data, mode=mode) for path, (data, mode) in added.items()}
    return {INITRD: _initrd(busybox, own)}


def _network(debs: Path, packages: Mapping[str, Package]) -> dict[str, bytes]:
    return {NETWORK: cpio.compressed(network_disk.entries(debs, packages["kernel"].name))}


def _initrd(busybox: bytes, added: Mapping[str, cpio.Entry] | None = None) -> bytes:
    """`added` goes before what stands in `pi/` under the same path."""
    files = _guest_entries() | dict(added or {})
    entries = [cpio.file("bin/busybox", busybox), cpio.link("bin/sh", "busybox")]
    entries += [cpio.folder(path) for path in _FOLDERS] + list(files.values())
    entries += [parent for entry in entries for parent in cpio.parents(entry.path)]
    return cpio.compressed(entries)


def _guest_entries() -> dict[str, cpio.Entry]:
    entries = {}
    for source in _guest_files():
        path = source.relative_to(_GUEST_FILES).as_posix()
        mode = 0o755 if path == "init" else 0o644
        entries[path] = cpio.file(path, source.read_bytes(), mode=mode)
    return entries


def _guest_files() -> list[Path]:
    return sorted(path for path in _GUEST_FILES.rglob("*") if path.is_file())


def _recipe() -> str:
    """The hash of everything but the packages that decides what the image is."""
    names = ("image", "cpio", "debs", "second_disk", "network_disk", "wheels")
    programs = [Path(__file__).with_name(f"{name}.py") for name in names]
    sources = [*programs, *_guest_files(), *network_disk.guest_files()]
    return hashlib.sha256("".join(map(sha256, sources)).encode()).hexdigest()


def _put(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files, the record last: a run that is cut short leaves no valid record."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as work:
        for name, data in contents.items():
            made = Path(work) / name
            made.write_bytes(data)
            os.replace(made, folder / name)


def _require_space(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < _SPACE_NEEDED_BYTES:
        needed = _SPACE_NEEDED_BYTES // 1_000_000
        raise ImageError(f"{folder}: {free // 1_000_000} MB free, {needed} MB needed; make space")


def _disk_complaint(error: OSError, build_dir: Path) -> str:
    advice = "make space" if error.errno == errno.ENOSPC else "check who owns it"
    return f"{error.filename or build_dir}: {error.strerror or error}; {advice}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one run at a time works in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        deadline_s = time.monotonic() + _LOCK_TIMEOUT_S
        while not _try_lock(lock.fileno()):
            if time.monotonic() > deadline_s:
                raise ImageError(f"{folder} is in use by another run since {_LOCK_TIMEOUT_S} s")
            time.sleep(0.1)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Show that something longer is going on: a spinner on a terminal, a line elsewhere."""
    if not _console.is_terminal:
        _console.print(f"image: {what}")
    with _console.status(f"image: {what}"):
        yield


def main() -> int:
    """Make the images and print where their files are. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m rig.image", description=main.__doc__)
    parser.add_argument("--series", default="6.1", help="kernel series (default: %(default)s)")
    parser.add_argument(
        "--second-board", action="store_true", help="make the board that observes it, too"
    )
    parser.add_argument("--network", action="store_true", help="make its network, too")
    parser.add_argument("--build-dir", type=Path, default=Path("build"), metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        image = ensure_image(arguments.series, build_dir=arguments.build_dir)
        made = [image.kernel, image.dtb, image.initrd]
        if arguments.second_board:
            made.append(ensure_second_board(arguments.build_dir).initrd)
        if arguments.network:
            made.append(ensure_network(arguments.series, arguments.build_dir))
    except ImageError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as the shell says it; what was being written is gone
    for path in made:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
