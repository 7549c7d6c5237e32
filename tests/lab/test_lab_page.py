"""What docs/lab.md tells people to do makes a place that benches/lab-place.yaml can use."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import yaml

from rig.bench import load_bench
from rig.identity import REPOSITORY
from rig.lab.given import filled_in
from rig.lab.place import LABGRID
from tests.lab.labs import LONG_S, LoopbackLab

PAGE = (REPOSITORY / "docs" / "lab.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page_make_a_place_for_the_example(frail_lab: LoopbackLab) -> None:
    lab = frail_lab  # not everybody's: the place that it gets would be one more of a Pi 3
    exported = yaml.safe_load(blocks("yaml")[0])
    del exported["pi3-01"]["console"]  # a cable that is not there
    lab.export("shelf", exported)
    commands = next(block for block in blocks("sh") if " create" in block)
    done = subprocess.run(
        ["bash", "-ec", commands.replace("lab.example:20408", lab.address)],
        env={**os.environ, "PATH": f"{LABGRID}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=LONG_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    bench = load_bench(REPOSITORY / "benches" / "lab-place.yaml")
    assert bench.lab
    place = lab.place(tags=bench.lab.tags)
    try:
        given: Any = filled_in(bench, place)
    finally:
        place.close()
    assert (given.target.host, given.target.user) == ("pi3-01.lab", "root")
    assert given.observer.via.host == "watch-01.lab"
    assert given.target.power.switch_on[-4:] == ("-p", "pi3-01", "power", "on")


def test_every_command_of_the_page_exists() -> None:
    said = {line.split()[0] for block in blocks("sh") for line in block.splitlines() if line}
    named = {word for word in said if word.startswith("labgrid-")}
    assert named == {"labgrid-coordinator", "labgrid-exporter", "labgrid-client"}
    assert [name for name in named if not (LABGRID / name).exists()] == []
