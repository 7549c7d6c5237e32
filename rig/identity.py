"""Which rig this is: its commit and the tools it runs with, for the record."""

import importlib.metadata
import platform
import subprocess
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
"""Where this rig lies, with the images that it builds."""

_PACKAGES = ("robotframework", "pyserial", "qemu.qmp", "pandas", "numpy", "pyarrow")


@cache
def git_commit() -> str:
    """Commit of this repository, `-dirty` if the tree has changes, or `unknown`."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return told.stdout.strip() or "unknown"


@cache
def release_tags() -> dict[str, str]:
    """The tags of this repository, by the commit they name; none if git cannot tell."""
    named = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname:short)"
    command = ["git", "for-each-ref", f"--format={named}", "refs/tags"]
    try:
        told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split(" ", 1) for line in told.stdout.splitlines())


@cache
def tool_versions() -> dict[str, str]:
    """Versions of Python and of the packages that measure or judge."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **packages}
