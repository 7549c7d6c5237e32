"""The documents say what is there: their links, commands, keys and names are checked."""

import re
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from reports.limits import Limits
from rig.bench import Bench
from rig.facts_file import models_in
from rig.identity import REPOSITORY
from rig.verdict import Kind

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    dead = [link for link in links if not (document.parent / link).exists()]
    assert dead == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    listed = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    known = set(re.findall(r"^make (\S+)", listed.stdout, re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", document.read_text(), re.MULTILINE))
    assert named <= known


NAMING = [path for path in DOCUMENTS if path.name != "adding-a-device.md"]
"""That page names files it is about to make; tests/test_adding_a_device.py follows it."""


@pytest.mark.parametrize("document", NAMING, ids=lambda path: path.name)
def test_every_source_file_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    named = re.findall(r"`((?:rig|robot|reports|tender|tests|docs)/[\w./-]*)`", text)
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_readme_shows_the_two_commands_and_they_are_what_ci_runs() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert re.search(r"^make led ", readme, re.MULTILINE)
    assert re.search(r"^make test ", readme, re.MULTILINE)
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text()


def test_every_suite_is_in_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    suites = [f"robot/{path.name}" for path in (REPOSITORY / "robot").glob("*.robot")]
    assert [suite for suite in suites if f"| `{suite}` |" not in readme] == []


def test_every_key_of_a_bench_file_is_documented() -> None:
    rows = re.findall(r"^\| (`[a-z_.]+`(?:, `[a-z_.]+`)*) \|", _read("benches.md"), re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"`([a-z_.]+)`", row)}
    assert documented == _keys()


def test_every_key_of_the_limits_of_a_release_is_documented() -> None:
    section = _read("acceptance.md").split("## The limits")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(?:benches\.NAME\.)?([a-z_]+)` \|", section, re.MULTILINE)
    keys = {key.rpartition(".")[2] for key in _keys(Limits)}
    assert sorted(documented) == sorted(keys | {"limits"})


def test_the_comparison_that_is_shown_is_one_that_was_made() -> None:
    shown = _read("acceptance.md").split("no difference that one can tell:")[1].split("```")[1]
    made = (REPOSITORY / "tests" / "data" / "compare.txt").read_text()
    assert [line for line in shown.strip("\n").split("\n") if line not in made.split("\n")] == []


def test_every_kind_of_finding_is_documented() -> None:
    section = _read("formats.md").split("## A finding")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \|", section, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    assert documented == {str(kind) for kind in Kind}


def _read(name: str) -> str:
    return (REPOSITORY / "docs" / name).read_text()


def _keys(model: type[BaseModel] = Bench, above: str = "") -> set[str]:
    """`name`, `target.kind`, ...: of every model that may stand there, free mappings as one key."""
    keys = set()
    for name, info in model.model_fields.items():
        inner = models_in(info.annotation)
        if not info.exclude and not inner:
            keys.add(f"{above}{name}")
        for part in inner:
            keys |= _keys(part, f"{above}{name}.")
    return keys
