# SPDX-License-Identifier: ISC
"""Run make targets that test something, all of them, and add up what they counted.

A target counts by the JUnit file results/tests/<target>.xml that it leaves, else by the TAP
lines ("ok 1 ...", "not ok 2 ...") in its output, else it is one check by itself. A target
that fails without a failed test in its count (it crashed, it wrote no report) counts as one
failure more: the sum never looks better than the exit statuses.

    python tests/run_all.py lint+test-python test-tender+test-robot

runs two lanes side by side, each with its targets one after the other; every line of output
begins with its target's name.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

REPORTS = Path("results/tests")
STOPPED = threading.Event()
_TAP = re.compile(r"(?P<failed>not )?ok \d+\b(?P<skipped>.*# skip)?", re.IGNORECASE)


@dataclass(frozen=True)
class Count:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __bool__(self) -> bool:
        return self != Count()

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def from_junit(report: Path) -> Count:
    """What a JUnit file says, as pytest and Robot Framework write it."""
    try:
        suite = ElementTree.parse(report).getroot()
    except ElementTree.ParseError:
        return Count(failed=1)  # its writer did not come to the end
    suite = suite if suite.tag == "testsuite" else suite[0]
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return Count(total - failed - skipped, failed, skipped)


def from_tap(lines: Iterable[str]) -> Count:
    """What the TAP lines among `lines` say."""
    results = [match for match in map(_TAP.match, lines) if match]
    failed = sum(bool(match["failed"]) for match in results)
    skipped = sum(bool(match["skipped"]) and not match["failed"] for match in results)
    return Count(len(results) - failed - skipped, failed, skipped)


def counted(lines: Iterable[str], report: Path, status: int) -> Count:
    """The count of one target, corrected by its exit status."""
    if report.exists():
        count = from_junit(report)
    else:
        count = from_tap(lines) or Count(passed=int(status == 0))
    return count + Count(failed=1) if status != 0 and count.failed == 0 else count


def run(target: str) -> tuple[Count, str]:
    """Run one make target, its output shown as it comes; its count, and that as a line."""
    report = REPORTS / f"{target}.xml"
    report.unlink(missing_ok=True)
    started_s = time.monotonic()
    lines = []
    with subprocess.Popen(
        ["make", target],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            # In one piece: another lane may print, too.
            sys.stdout.write(f"{target:<17} | {line.rstrip()}\n")
            sys.stdout.flush()
            lines.append(line)
    count = counted(lines, report, process.returncode)
    return count, f"{target:<17} {count} in {time.monotonic() - started_s:.0f} s"


def run_lane(lane: str) -> list[tuple[Count, str]]:
    """Run the targets of one lane, one after the other; none more once stopped."""
    return [run(target) for target in lane.split("+") if not STOPPED.is_set()]


def main(lanes: list[str]) -> int:
    """Run the lanes side by side; a line for each target, the sum last. Returns the exit status."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(len(lanes)) as pool:
        try:
            results = [result for lane in pool.map(run_lane, lanes) for result in lane]
        except KeyboardInterrupt:  # what runs is interrupted, too: it is of the same terminal
            STOPPED.set()
            raise
    total = sum((count for count, _ in results), Count())
    print("", *(line for _, line in results), total, sep="\n")
    return 1 if total.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
