# SPDX-License-Identifier: ISC
"""What the virtual Pi's RAM disk holds besides, if it has a network: drivers and an SSH server.

Debian's arm64 dropbear with OpenSSH's sftp server and the libraries of both, unpacked and not
installed, and the kernel's own modules for the USB network adapter that QEMU plugs in.
"""

from __future__ import annotations

import lzma
import re
from collections.abc import Collection
from pathlib import Path

from rig import cpio
from rig.debs import find_files
from rig.errors import ImageError

PACKAGES = (
    "dropbear-bin",
    "openssh-sftp-server",
    "libc6",
    "libcrypt1",
    "libtomcrypt1",
    "libtommath1",
    "libgmp10",
    "zlib1g",
)

_GUEST_FILES = Path(__file__).parent / "pi-network"

_PROGRAMS = {
    "./usr/sbin/dropbear": "usr/sbin/dropbear",
    "./usr/lib/openssh/sftp-server": "usr/lib/sftp-server",  # where dropbear looks for it
    "./lib/aarch64-linux-gnu/ld-linux-aarch64.so.1": "lib/ld-linux-aarch64.so.1",
}
"""Path in a package -> path in the RAM disk."""

_LIBRARIES = ("libc", "libcrypt", "libtomcrypt", "libtommath", "libgmp", "libz")
_LIBRARY = re.compile(
    rf"\./(?:usr/)?lib/aarch64-linux-gnu/((?:{'|'.join(_LIBRARIES)})\.so\.\d+)[.\d]*$"
)
_MODULES = (
    "usb-common",
    "usbcore",
    "udc-core",
    "phy-generic",
    "dwc2",
    "mii",
    "usbnet",
    "cdc_ether",
)
_MODULE = re.compile(rf".*/({'|'.join(_MODULES)}|roles)\.ko(\.xz)?$")
"""Linux 6.12 has `roles` built in."""


def entries(debs: Path, kernel: str) -> list[cpio.Entry]:
    """What to append to the RAM disk of the kernel of this package.

    Raises ImageError when a package lacks a file.
    """
    packed = [_packed(debs / f"{name}.deb") for name in PACKAGES]
    files = {path: data for found in packed for path, data in found.items()}
    files |= _modules(debs / f"{kernel}.deb")
    if missing := _missing(files):
        raise ImageError(f"{debs}: packages lack files of the network: {', '.join(missing)}")
    files |= {
        path.relative_to(_GUEST_FILES).as_posix(): path.read_bytes() for path in guest_files()
    }
    made = [cpio.file(path, data) for path, data in files.items()]
    return made + [parent for entry in made for parent in cpio.parents(entry.path)]


def _missing(files: Collection[str]) -> list[str]:
    wanted = [*_PROGRAMS.values(), *(f"lib/modules/{name}.ko" for name in _MODULES)]
    missing = [path for path in wanted if path not in files]
    stems = {Path(path).name.split(".")[0] for path in files}
    return missing + [f"{name}.so" for name in _LIBRARIES if name not in stems]


def guest_files() -> list[Path]:
    """The text files of the RAM disk."""
    return sorted(path for path in _GUEST_FILES.rglob("*") if path.is_file())


def _packed(deb: Path) -> dict[str, bytes]:
    return {_place(path): data for path, data in find_files(deb, _is_wanted).items()}


def _is_wanted(path: str) -> bool:
    return path in _PROGRAMS or _LIBRARY.match(path) is not None


def _place(path: str) -> str:
    """Libraries lie under the name by which a program asks for them."""
    match = _LIBRARY.match(path)
    return f"lib/aarch64-linux-gnu/{match[1]}" if match else _PROGRAMS[path]


def _modules(kernel: Path) -> dict[str, bytes]:
    """The kernel's modules, unpacked: busybox need not know how they were packed."""
    found = {}
    for path, data in find_files(kernel, lambda path: bool(_MODULE.match(path))).items():
        name = Path(path).name.removesuffix(".xz")
        found[f"lib/modules/{name}"] = lzma.decompress(data) if path.endswith(".xz") else data
    return found
