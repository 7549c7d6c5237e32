"""A place of a labgrid lab, held by a program of labgrid's own virtual environment."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import IO, Any

from rig import bench
from rig.errors import HoldError
from rig.identity import REPOSITORY
from rig.lab.locks import start_ticks

LABGRID = REPOSITORY / ".venv-labgrid" / "bin"
KEEPER = Path(__file__).with_name("keeper.py")
COORDINATOR = "127.0.0.1:20408"
"""labgrid's own default."""
REACH_TIMEOUT_S = 60
"""To start the keeper, to reach the coordinator and to acquire what it allocates."""
GIVE_BACK_TIMEOUT_S = 30


@dataclass(frozen=True)
class Resource:
    """Something that the place gives."""

    name: str
    exporter: str
    kind: str
    """labgrid's class of it."""
    facts: dict[str, Any]
    """As the exporter tells them: host, port, ..."""
    needs_proxy: bool
    """It is to be reached through its exporter only."""


class Place:
    """A place that is ours from when it was made until it is closed."""

    def __init__(self, lab: bench.Lab) -> None:
        """Waits for the place as long as the facts say, and tells what it waits for.

        Raises `HoldError` if it cannot be had.
        """
        self.coordinator = lab.coordinator or os.environ.get("LG_COORDINATOR", COORDINATOR)
        self.name = ""
        self.resources: tuple[Resource, ...] = ()
        self.identity = {"LG_HOSTNAME": socket.gethostname(), "LG_USERNAME": _our_name()}
        """How labgrid's programs know that the place is ours."""
        self._news = threading.Condition()
        self._trouble = ""
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        self._keeper = self._start(lab)
        self._listener = threading.Thread(target=self._listen, name="place", daemon=True)
        self._listener.start()
        try:
            self._wait_until_held(lab.wait_s + REACH_TIMEOUT_S)
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Raises `HoldError` if the place, or something in it, is ours no more."""
        with self._news:
            if self._trouble:
                raise HoldError(f"lab: {self._trouble}")

    def close(self) -> None:
        """Give the place back; safe to call at any time.

        Raises `HoldError` if that cannot be done in time; the next run does it then.
        """
        keeper, given_back = self._keeper, True
        if keeper.stdin and not keeper.stdin.closed:
            keeper.stdin.close()
            try:
                keeper.wait(GIVE_BACK_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                given_back = False
                keeper.kill()
                keeper.wait()
            self._listener.join()
            _pipe(keeper.stdout).close()
            self._words.close()
        if not given_back:
            raise HoldError(
                f"lab: place {self.name} was not given back within {GIVE_BACK_TIMEOUT_S} s; look "
                f"at the coordinator at {self.coordinator}: labgrid-client -p {self.name} show"
            )

    def _start(self, lab: bench.Lab) -> subprocess.Popen[bytes]:
        python = LABGRID / "python"
        if not python.exists():
            self._words.close()
            raise HoldError(f"labgrid is not installed in {LABGRID.parent}; `make lab` does it")
        order = {
            "coordinator": self.coordinator,
            "place": lab.place,
            "tags": lab.tags,
            "wait_s": lab.wait_s,
        }
        return subprocess.Popen(
            [python, KEEPER, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            env={**os.environ, **self.identity},
            start_new_session=True,  # a Ctrl-C is for the rig, which then gives the place back
        )

    def _listen(self) -> None:
        for line in _pipe(self._keeper.stdout):
            told = json.loads(line)
            with self._news:
                self._take(told.pop("is"), told)
                self._news.notify_all()
        with self._news:
            self._trouble = self._trouble or self._last_words()
            self._news.notify_all()

    def _take(self, what: str, told: dict[str, Any]) -> None:
        if what == "held":
            self.resources = tuple(Resource(**resource) for resource in told["resources"])
            self.name = told["place"]
        elif what == "waiting":
            # Robot Framework keeps what is printed; whoever waits wants to know for what.
            print(f"waiting for the lab: {told['why']}", file=sys.__stderr__, flush=True)
        else:
            self._trouble = told["why"]

    def _wait_until_held(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        with self._news:
            while not self.name and not self._trouble:
                if (left_s := deadline - time.monotonic()) <= 0:
                    raise HoldError(
                        f"lab: nothing came of the coordinator at {self.coordinator} within "
                        f"{timeout_s:g} s; labgrid-client reservations says who waits"
                    )
                self._news.wait(left_s)
        self.check()

    def _last_words(self) -> str:
        self._words.seek(0)
        said = self._words.read()[-500:].decode(errors="replace").strip()
        return f"the program that holds the place has ended: {said or 'it does not say why'}"


def _our_name() -> str:
    """Of this run in the lab; see `rig.lab.keeper.Holder`."""
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text()
    where = hashlib.sha256(f"{kernel}{os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:8]
    return f"{getuser()}+rig.{os.getpid()}.{start_ticks(os.getpid())}.{where}"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise HoldError("the program that holds the place has no pipe")
    return pipe
