# SPDX-License-Identifier: ISC
"""What `tests.mutants` gives to Robot Framework: tests for each system, its image in place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from robot.api import SuiteVisitor
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn
from robot.running import Keyword, TestCase, TestSuite

from rig.keywords import RigLibrary
from rig.session import deployed_path

IMAGES = ("tender", "test_led")
CLEAR = "killall -KILL tender led-guard; rm -f /run/solo5-hvt/*"
"""For the target: what the system before has left there is no matter of the next."""
GOOD = "good-"
"""Begins the name of an image that takes the place of a bad one again."""


def test_of(system: str, test: str) -> str:
    """Name of a test that is run with one system."""
    return f"{system}: {test}"


class OncePerSystem(SuiteVisitor):  # type: ignore[misc]
    """A modifier that replaces the tests of a suite by those of a plan."""

    def __init__(self, plan: str) -> None:
        """`plan` is a JSON file: a list of [system, test]."""
        self._plan = json.loads(Path(plan).read_text(encoding="utf-8"))

    def start_suite(self, suite: TestSuite) -> None:
        """Called by Robot Framework."""
        there = {test.name: test for test in suite.tests}
        suite.resource.imports.library(f"{__name__}.InPlace")
        suite.tests = [_with(there[test], system) for system, test in self._plan]


def _with(test: TestCase, system: str) -> TestCase:
    copy = test.deepcopy(name=test_of(system, test.name))
    copy.body.insert(0, Keyword("Put In Place", args=[system]))
    return copy


@library(scope="GLOBAL")
class InPlace:
    """The word that these tests begin with."""

    @keyword
    def put_in_place(self, system: str) -> None:
        """Let the images of a system, and good ones beside them, be what the suites run."""
        rig = BuiltIn().get_library_instance("rig.keywords.RigLibrary")
        assert isinstance(rig, RigLibrary)
        with rig._using() as session:
            session.target.run(CLEAR)
            for image in IMAGES:
                bad = f"{system}-{image}"
                source = bad if bad in session.images else f"{GOOD}{image}"
                here, there = deployed_path(source), deployed_path(image)
                session.target.shell.must(f"cp {here} {there}.new && mv -f {there}.new {there}")
                session.images[image] = session.images[source]


def end_test(data: Any, result: Any) -> None:
    """This module is a listener, too, which shows how far the suites have come."""
    took_s = result.elapsed_time.total_seconds()
    print(f"#   {result.name}: {result.status.lower()} after {took_s:.0f} s", file=sys.__stderr__)


ROBOT_LISTENER_API_VERSION = 3
