"""Follows docs/adding-a-device.md to the letter, in a copy of the tree."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.identity import REPOSITORY

PAGE = REPOSITORY / "docs" / "adding-a-device.md"
MACHINE = platform.machine()
CONTRACTS = "tender/include/solo5/"


@dataclass(frozen=True)
class Block:
    """One fenced block of the page."""

    language: str
    path: str
    text: str


def blocks(language: str) -> list[Block]:
    fences = re.findall(r"^```(\w+) ?(.*?)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [block for block in (Block(*fence) for fence in fences) if block.language == language]


def new_files() -> list[Block]:
    return [block for language in ("c", "json") for block in blocks(language)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of tender/ and rig/ with the page's changes made and its commands typed."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in ("tender", "rig"):
        shutil.copytree(REPOSITORY / folder, copy / folder)
    for change in blocks("diff"):
        apply(change.text, copy)
    for file in new_files():
        assert not (copy / file.path).exists(), f"{file.path} exists; the page says it is new"
        (copy / file.path).parent.mkdir(exist_ok=True)
        (copy / file.path).write_text(file.text)
    for commands in blocks("sh"):
        shell(commands.text, copy, check=True)
    return copy


def apply(diff: str, copy: Path) -> None:
    """Make the changes of a diff whose hunks carry no line numbers: where the context fits once."""
    path, *hunks = re.split(r"^@@\n", diff, flags=re.MULTILINE)
    target = copy / re.findall(r"^\+\+\+ b/(.*)$", path, re.MULTILINE)[0]
    for hunk in hunks:
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        assert target.read_text().count(before) == 1, f"{target}: this is not there once:\n{before}"
        target.write_text(target.read_text().replace(before, after))


def shell(command: str, folder: Path, *, check: bool = False) -> str:
    """What a command says, as a terminal would show it."""
    environment = os.environ | {"ARCHS": MACHINE, "PYTHON": sys.executable}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, timeout=300, check=False,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout
    return done.stdout


def typed() -> Iterator[tuple[str, str]]:
    """Each command of the page's console, and what it says."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command.replace("x86_64", MACHINE), output


def test_page_changes_contracts_only_and_adds_the_rest() -> None:
    changed = [re.findall(r"^\+\+\+ b/(.*)$", block.text, re.MULTILINE) for block in blocks("diff")]
    assert [len(paths) for paths in changed] == [1, 1, 1]
    assert all(paths[0].startswith(CONTRACTS) for paths in changed)
    assert [Path(block.path).name for block in new_files() if block.path.count("hvt")] == [
        "hvt_module_sensor.c",
        "sensor.c",
    ]


def test_tender_offers_the_new_device(tree: Path) -> None:
    usage = shell(f"build/tender/{MACHINE}/solo5-hvt --help", tree)
    assert "--sensor:NAME=PATH  let the sensor NAME be the number" in usage


def test_the_commands_say_what_the_page_says(tree: Path) -> None:
    conversation = list(typed())
    assert len(conversation) == 3
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        command, output = conversation[0]
        assert shell(command, tree) == output
        pytest.skip("needs /dev/kvm, readable and writable, to run the unikernel")
    for command, output in conversation:
        assert shell(command, tree) == output


def test_every_module_is_held_to_what_it_was_granted(tree: Path) -> None:
    """The new option is checked as every other: by name, by type, by path."""
    tender = f"build/tender/{MACHINE}/solo5-hvt"
    image = f"build/tender/{MACHINE}/test_sensor.hvt"
    assert "no SENSOR_BASIC 'hall'" in shell(f"{tender} --sensor:hall=x {image}", tree)
    assert "cannot open 'none'" in shell(f"{tender} --sensor:room=none {image}", tree)
