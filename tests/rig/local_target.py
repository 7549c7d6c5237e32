"""A target that is this machine, with names of its own for what the rig makes there."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from rig.targets.shell import Result


class LocalTarget:
    """Runs commands as a target would; nobody else's runs on this machine are touched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = f"rig{os.getpid()}"

    def run(self, command: str, timeout_s: float = 10) -> Result:
        names = {
            "/tmp/rig-run": str(self._folder / "run"),
            "/opt/rig/.rig-": f"{self._folder}/.{self._token}-",
            "rig-[l]oad": f"{self._token}-[l]oad",
            "rig-load": f"{self._token}-load",
        }
        for name, own in names.items():
            command = command.replace(name, own)
        done = subprocess.run(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
        now_ns = time.time_ns()
        return Result(done.returncode, done.stdout, now_ns, now_ns)

    def processes(self, word: str) -> list[str]:
        """The processes in whose command line this word is, but for this one's."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if word.encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                    found.append(path.parent.name)
            except OSError:
                continue
        return found

    @property
    def loads(self) -> list[str]:
        """The processes of loads."""
        return self.processes(f"{self._token}-load")
