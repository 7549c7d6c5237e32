# SPDX-License-Identifier: ISC
"""Write cpio archives (format "newc") as the Linux kernel unpacks them at boot.

The layout is the one of Documentation/driver-api/early-userspace/buffer-format.rst
in the kernel's source: a header of 110 ASCII characters, the name, the data, name
and data each padded to 4 bytes. Equal entries give equal bytes: names are sorted,
owners and times are zero.
"""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, order=True)
class Entry:
    """One file, folder or symbolic link; `mode` holds type and permissions as in `st_mode`."""

    path: str
    """Relative to the root, without a leading slash."""
    mode: int
    data: bytes = b""
    """The contents of a file, or what a symbolic link points to."""


def file(path: str, data: bytes, *, mode: int = 0o755) -> Entry:
    """A regular file at `path`."""
    return Entry(path, stat.S_IFREG | mode, data)


def folder(path: str) -> Entry:
    """A folder that everybody may read."""
    return Entry(path, stat.S_IFDIR | 0o755)


def link(path: str, points_to: str) -> Entry:
    """A symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, points_to.encode())


def parents(path: str) -> list[Entry]:
    """The folders above `path`: the kernel does not create them by itself."""
    return [folder(str(p)) for p in PurePosixPath(path).parents if str(p) != "."]


def compressed(entries: Iterable[Entry]) -> bytes:
    """The archive of `entries` (duplicates once), gzipped without name and time."""
    ordered = sorted(set(entries))
    members = [_member(number, entry) for number, entry in enumerate(ordered, start=1)]
    return gzip.compress(b"".join(members) + _member(0, Entry(_TRAILER, 0)), mtime=0)


def _member(inode: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    # inode, mode, uid, gid, nlink, mtime, filesize, 4 device numbers, namesize, checksum
    fields = (inode, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
