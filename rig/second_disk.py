# SPDX-License-Identifier: ISC
"""What the second board's RAM disk holds besides the virtual Pi's: Python and gpiozero.

Debian's arm64 Python and the libraries it needs, unpacked and not installed, and gpiozero
with lgpio from the Python Package Index. It is the second Pi's software, in an emulator.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.debs import find_files
from rig.errors import ImageError
from rig.wheels import Wheel, fetch_wheel, read_wheel

PACKAGES = (
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "libexpat1",
    "zlib1g",
)

WHEELS = (
    Wheel(  # 2.0.1 itself opens chip 0 whatever it is asked for
        "gpiozero==2.0.1.post3",
        "d491734803a9bc6036602e6b8bbd73fb25c33da88de0fcd11a40e890b8bc2d3b",
    ),
    Wheel(  # gpiozero imports it
        "colorzero==2.0",
        "0e60d743a6b8071498a56465f7719c96a5e92928f858bab1be2a0d606c9aa0f8",
    ),
    Wheel(  # gpiozero's way to the kernel's GPIO character device
        "lgpio==0.2.2.0",
        "a2f71fb95b149d8ac82c7c6bae70f054f6dc42a006ad35c90c7d8e54921fbcf4",
        "manylinux_2_34_aarch64",
    ),
)

SITE = "usr/lib/python3/dist-packages"
"""Where Debian's Python looks for packages that are not its own."""

_CACHE_TAG = "cpython-311"
_COMPILE_TIMEOUT_S = 300

_TTY = "ttyAMA0"
"""The serial port of QEMU's machine `virt`."""

_LIBRARY = re.compile(r"\./lib/aarch64-linux-gnu/((?:libc|libm|libz|libexpat)\.so\.\d+)[.\d]*$")
_LOADER = "./lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"
_NOT_NEEDED = re.compile(
    r"/(test|pydoc_data|unittest|asyncio|multiprocessing|xml|xmlrpc|http|wsgiref|lib2to3|curses"
    r"|sqlite3|dbm|venv|ensurepip|distutils|idlelib)/"
    r"|/lib-dynload/(_test|_codecs|_curses|_sqlite|_ssl|_dbm|_hashlib|nis|readline|xxlimited)"
)
"""Parts of Python's library that gpiozero does not touch: two thirds of its size."""


def files(debs: Path, wheels: Path) -> dict[str, tuple[bytes, int]]:
    """Path in the RAM disk -> contents and permissions.

    Raises ImageError when a wheel cannot be fetched or a package lacks a file.
    """
    found = {**_python(debs), **_libraries(debs)}
    for wheel in WHEELS:
        for path, data in read_wheel(fetch_wheel(wheel, wheels)).items():
            found[f"{SITE}/{path}"] = (data, 0o644)
    found |= {path: (data, 0o644) for path, data in _compiled(found).items()}
    found["etc/inittab"] = (
        f"{_TTY}::respawn:/sbin/getty -L 115200 {_TTY} vt100\n".encode(),
        0o644,
    )
    found["etc/hostname"] = (b"second\n", 0o644)
    return found


def wheel_versions() -> dict[str, str]:
    """Package name -> version of the wheels."""
    return dict(wheel.requirement.split("==") for wheel in WHEELS)


def _compiled(files: Mapping[str, tuple[bytes, int]]) -> dict[str, bytes]:
    """What Python would otherwise compile at each start of the board, which takes 15 s there.

    Only the same version of Python can do it; with another one the board starts later.
    """
    if sys.implementation.cache_tag != _CACHE_TAG:
        return {}
    with TemporaryDirectory() as work:
        for path, (source, _) in files.items():
            if path.endswith(".py"):
                (Path(work) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(work) / path).write_bytes(source)
        _compile_all(work)
        made = Path(work).rglob("*.pyc")
        return {path.relative_to(work).as_posix(): path.read_bytes() for path in made}


def _compile_all(folder: str) -> None:
    """Code beside its source, which Python takes without comparing the two.

    In a process of its own: compiled code tells which of its strings the compiler's process had
    interned, so in this one it would depend on what else has been imported.
    """
    command = [sys.executable, "-m", "compileall", "-qq", "-s", folder, "-p", "/"]
    command += ["--invalidation-mode", "unchecked-hash", folder]
    subprocess.run(command, check=False, timeout=_COMPILE_TIMEOUT_S)


def _python(debs: Path) -> dict[str, tuple[bytes, int]]:
    program = find_files(debs / "python3.11-minimal.deb", lambda p: p == "./usr/bin/python3.11")
    if not program:
        raise ImageError(f"{debs / 'python3.11-minimal.deb'}: has no ./usr/bin/python3.11")
    library: dict[str, bytes] = {}
    for name in ("libpython3.11-minimal", "libpython3.11-stdlib"):
        library |= find_files(debs / f"{name}.deb", _is_needed)
    found = {path.removeprefix("./"): (data, 0o644) for path, data in library.items()}
    return found | {"usr/bin/python3": (program["./usr/bin/python3.11"], 0o755)}


def _is_needed(path: str) -> bool:
    return path.startswith("./usr/lib/python3.11/") and not _NOT_NEEDED.search(path)


def _libraries(debs: Path) -> dict[str, tuple[bytes, int]]:
    """The shared libraries, each under the name by which a program asks for it."""
    found = {}
    for name in ("libc6", "libexpat1", "zlib1g"):
        for path, data in find_files(debs / f"{name}.deb", _is_library).items():
            match = _LIBRARY.match(path)
            place = f"lib/aarch64-linux-gnu/{match[1]}" if match else "lib/ld-linux-aarch64.so.1"
            found[place] = (data, 0o755)
    return found


def _is_library(path: str) -> bool:
    return path == _LOADER or _LIBRARY.match(path) is not None
