# SPDX-License-Identifier: ISC
"""Robot's `output.xml` -> which tests passed, failed and were skipped, and when.

Evidence tells what the target did; a test that broke before it left evidence stands only here.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from robot.api import ExecutionResult
from robot.errors import DataError

from reports.compare import test_name
from rig.errors import EvidenceError


@dataclass(frozen=True)
class RobotTest:
    """One test, as Robot saw it end."""

    name: str
    """`Suite / Test`."""
    status: Literal["PASS", "FAIL", "SKIP", "NOT RUN"]
    message: str

    @property
    def suite(self) -> str:
        """Without those it ran among."""
        return self.name.partition(" / ")[0]


@dataclass(frozen=True)
class RobotResult:
    """All tests of one `output.xml`."""

    tests: tuple[RobotTest, ...]
    started_ns: int
    """Since 1970 UTC, as the rig stamps its runs."""
    ended_ns: int


def read_robot_result(path: Path) -> RobotResult:
    """Read an `output.xml`.

    Raises `EvidenceError` if it is none, or if Robot did not come to its end.
    """
    try:
        suite = ExecutionResult(str(path), include_keywords=False).suite
    except DataError as error:
        raise EvidenceError(f"{path}: not a whole output.xml of Robot: {error}") from error
    if suite.start_time is None or suite.end_time is None:
        raise EvidenceError(f"{path}: does not say when the suites started and ended")
    tests = tuple(
        RobotTest(test_name(test.parent.full_name, test.name), test.status, test.message)
        for test in suite.all_tests
    )
    return RobotResult(tests, _ns(suite.start_time), _ns(suite.end_time))


def _ns(moment: datetime) -> int:
    """Robot writes local time without a zone."""
    return round(moment.timestamp() * 1e6) * 1000
