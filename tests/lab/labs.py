"""A labgrid lab on loopback: a real coordinator, real exporters, and people who use its client."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rig.bench import Bench, Lab, load_bench
from rig.identity import REPOSITORY
from rig.lab.place import LABGRID, Place

LONG_S = 60
"""For what takes seconds; this machine may be busy."""

LIMITS = {"tolerance_ms": 190, "stall_ms": 180, "run_timeout_s": 120}
"""As far as the pulses of the suites allow: what is shown here is who ran where."""

BARE = ("bare", "sim-1", "sim-2")
"""Places that give nothing: who has one, may do what only so many may do at once."""

Resources = Mapping[str, Mapping[str, Any]]
"""Name in an exporter's file -> its facts."""

HOLDER = """
import sys
from rig.bench import Lab
from rig.lab.place import Place
place = Place(Lab.model_validate_json(sys.argv[1]))
print(place.name, place._keeper.pid, flush=True)
sys.stdin.read()
"""
"""A run of the rig that holds a place until it is ended."""


class LoopbackLab:
    """Its places are there from the start; each has what the exporter's group of its name has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._logs: dict[str, Path] = {}

    def start(self, places: Mapping[str, Mapping[str, str]], port: int = 0) -> None:
        """The coordinator, with places: name -> tags."""
        match = {"exporter": "*", "cls": "*", "name": None, "rename": None}
        known = {
            name: {
                "tags": dict(tags),
                "matches": [{**match, "group": name}] if name not in BARE else [],
            }
            for name, tags in places.items()
        }
        (self.folder / "places.yaml").write_text(yaml.safe_dump(known))
        said = self._run("coordinator", "labgrid-coordinator", "-l", f"127.0.0.1:{port}")
        self.address = "127.0.0.1:" + self._wait_for(said, r"listening on .*:(\d+)")

    def export(self, exporter: str, groups: Mapping[str, Resources]) -> None:
        file = self.folder / f"{exporter}.yaml"
        file.write_text(json.dumps(groups))  # YAML, but without the anchors that labgrid trips over
        said = self._run(
            exporter, "labgrid-exporter", "-c", self.address, "--name", exporter,
            "--hostname", "127.0.0.1", file,
        )  # fmt: skip
        last = list(groups)[-1]
        self._wait_for(said, f"(add resource {last}/{list(groups[last])[-1]})")

    def kill(self, name: str) -> None:
        """Without a chance to say good-bye."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        for name in list(self._processes):
            self.kill(name)

    def facts(self, **facts: Any) -> Lab:
        return Lab.model_validate({"coordinator": self.address, "wait_s": LONG_S} | facts)

    def place(self, **facts: Any) -> Place:
        return Place(self.facts(**facts))

    def client(self, *words: str, user: str = "bob") -> str:
        """What a person types."""
        return subprocess.run(
            [LABGRID / "labgrid-client", "-x", self.address, *words],
            env={**os.environ, "LG_USERNAME": user, "LG_HOSTNAME": "desk7"},
            capture_output=True, text=True, timeout=LONG_S, check=True,
        ).stdout  # fmt: skip

    def holders(self) -> list[str]:
        """Places that are acquired."""
        rows = [line.split() for line in self.client("who").splitlines()[1:]]
        return sorted(row[2] for row in rows)

    def wait_until(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONG_S
        while not what():
            assert time.monotonic() < deadline, self.client("-v", "places")
            time.sleep(0.1)

    def _run(self, name: str, program: str, *words: object) -> Path:
        log = self.folder / f"{name}.log"
        with log.open("w") as file:
            self._processes[name] = subprocess.Popen(
                [LABGRID / program, *map(str, words)],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file, text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        return log

    def _wait_for(self, log: Path, pattern: str) -> str:
        deadline = time.monotonic() + LONG_S
        while not (found := re.search(pattern, log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return found[1]


class DistantRun:
    """Another run of the rig, which holds a place of the lab."""

    def __init__(self, lab: Lab) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, lab.model_dump_json()],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        self.place, keeper = self.process.stdout.readline().split()
        self.keeper = int(keeper)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def kill_keeper(self) -> None:
        os.kill(self.keeper, signal.SIGKILL)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def bench_in(folder: Path, lab: Lab, **sections: Any) -> Bench:
    """benches/virtual.yaml, lent by this lab and with these sections changed."""
    virtual = yaml.safe_load((REPOSITORY / "benches" / "virtual.yaml").read_text())
    images = {name: str(REPOSITORY / "benches" / path) for name, path in virtual["images"].items()}
    facts = json.loads(lab.model_dump_json(exclude_none=True))
    path = folder / f"{sections.get('name', 'lent')}.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                **virtual,
                "name": "lent",
                "images": images,
                "lab": facts,
                "limits": LIMITS,
                **sections,
            }
        )
    )
    return load_bench(path)
