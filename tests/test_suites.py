"""The suites can be read aloud: every keyword is documented, every suite and row is in the docs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from robot.libdocpkg import LibraryDocumentation

from rig.abilities import Ability
from rig.endings import ENDINGS
from rig.hostile import Attack
from rig.identity import REPOSITORY
from rig.load import Load
from robot import running

DOCUMENT = (REPOSITORY / "docs" / "suites.md").read_text()
OF_BENCHES = ("cleanup", "confinement", "timing")


def suite(name: str) -> running.TestSuite:
    return running.TestSuite.from_file_system(REPOSITORY / "robot" / f"{name}.robot")


def rows(name: str) -> list[str]:
    """The arguments of every row of a suite's table."""
    return [arg for test in suite(name).tests for step in test.body for arg in step.args]


def test_every_keyword_is_documented() -> None:
    library = LibraryDocumentation("rig.keywords.RigLibrary")
    assert library.doc
    assert [keyword.name for keyword in library.keywords if not keyword.short_doc] == []


def test_libdoc_writes_a_page_with_every_keyword(tmp_path: Path) -> None:
    page = tmp_path / "keywords.html"
    command = [sys.executable, "-m", "robot.libdoc", "rig.keywords.RigLibrary", str(page)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert "End Led Unikernel" in page.read_text()


@pytest.mark.parametrize("name", OF_BENCHES)
def test_every_suite_says_what_it_proves(name: str) -> None:
    assert suite(name).doc
    assert f"## robot/{name}.robot" in DOCUMENT


@pytest.mark.parametrize("name", OF_BENCHES)
def test_tags_of_suites_are_abilities_or_defects_and_are_documented(name: str) -> None:
    tags = {tag for test in suite(name).tests for tag in test.tags}
    assert tags <= {*Ability, "defect", "short-pulses"}
    assert [tag for tag in tags if f"| `{tag}` |" not in DOCUMENT] == []


@pytest.mark.parametrize("name", OF_BENCHES)
def test_a_test_that_needs_an_ability_asks_for_it(name: str) -> None:
    needing = [test for test in suite(name).tests if set(test.tags) & set(Ability)]
    assert [test.name for test in needing if list(test.setup.args) != list(test.tags)] == []


def test_every_ending_has_a_row() -> None:
    assert set(ENDINGS) <= set(rows("cleanup"))


def test_every_attack_has_a_row() -> None:
    assert set(Attack) <= set(rows("confinement"))


def test_every_load_has_a_row() -> None:
    assert set(Load) <= set(rows("timing"))


def test_every_variable_is_documented() -> None:
    resource = (REPOSITORY / "robot" / "resources" / "led.resource").read_text()
    variables = re.findall(r"^\$\{([A-Z ]+)\}", resource, re.MULTILINE)
    assert [name for name in variables if f"| `${{{name}}}` |" not in DOCUMENT] == []


def test_the_tender_and_the_length_can_be_chosen_for_every_row() -> None:
    """Whoever tries a tender with a defect must not be given the good one."""
    for name in OF_BENCHES:
        text = (REPOSITORY / "robot" / f"{name}.robot").read_text()
        runs = re.findall(r"(?:End LED|Run Hostile|Time LED) Unikernel(?:\n +\.\.\.|.)*", text)
        planted = [run for run in runs if "tender=tender-" in run]
        assert all("tender=${TENDER}" in run for run in runs if run not in planted), name
        assert len(planted) <= 1
