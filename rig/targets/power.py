"""A board's supply, switched by commands that the bench file names."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rig import bench
from rig.errors import TargetError

LONGEST_WORDS = 400


class CommandPower:
    """A switch, by programs of the operator's choosing: `uhubctl`, a smart plug's, a lab's."""

    def __init__(self, facts: bench.Power, folder: Path) -> None:
        """The commands run in `folder`."""
        self._facts = facts
        self._folder = folder
        self._off_since = 0.0

    def on(self) -> None:
        """Let the board have power, once it has been without for long enough."""
        time.sleep(max(0.0, self._off_since + self._facts.off_ms / 1000 - time.monotonic()))
        self._run("switch_on", self._facts.switch_on)

    def off(self) -> None:
        """Cut the power; safe to call when it is off."""
        self._run("switch_off", self._facts.switch_off)
        self._off_since = time.monotonic()

    def _run(self, key: str, command: Sequence[str]) -> None:
        """Raises `TargetError` if the command cannot be started, fails or does not end."""
        where = f"power.{key}: `{' '.join(command)}`"
        with tempfile.TemporaryFile() as words:
            try:
                status = self._status_of(command, words.fileno())
            except OSError as error:
                raise TargetError(f"{where} cannot be started: {error.strerror}") from error
            except subprocess.TimeoutExpired as error:
                timeout_s = self._facts.timeout_s
                raise TargetError(f"{where} did not end within {timeout_s} s{_LOOK_AT}") from error
            if status:
                words.seek(0)
                said = words.read()[-LONGEST_WORDS:].decode(errors="replace").strip()
                raise TargetError(f"{where} gave {status}{_LOOK_AT}; it said: {said or 'nothing'}")

    def _status_of(self, command: Sequence[str], words: int) -> int:
        """What it starts and leaves running may keep its output: so that is no pipe."""
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
        )
        try:
            return process.wait(self._facts.timeout_s)
        except BaseException:  # after a Ctrl-C here, too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


_LOOK_AT = "; look at the switch, its cable and its name in the command"
