"""A virtual Pi on which tenders drive LEDs, and what its pins tell about one ending."""

import shlex
from dataclasses import dataclass

from rig.capture import Capture
from rig.cleanup import GpioState
from rig.session import DEPLOY_FOLDER, Session
from rig.targets.shell import Result

GPIO = "/sys/class/gpio"
RECORDS = "/run/solo5-hvt"

LED = 25
MARKER = 27
"""Moved by the shell of the target, so that the capture tells when the shell did something."""
FOREIGN = 17
"""Exported by somebody else, an output, high; no tender may touch it."""
WATCHED = ("led", "gpio24", "gpio23")
"""What the tenders of these tests may move."""


LEFT = (
    "for p in $(pidof tender led-guard); do "
    "grep -q '^State:.Z' /proc/$p/status || echo process $p; done; "
    f"ls {RECORDS} 2> /dev/null"
)
"""Tenders, guards and records. A dead child whom init has not waited for yet does not count:
busybox's init looks once in a second."""


@dataclass(frozen=True)
class Seen:
    """One script on the target: what it printed, and what the observer saw meanwhile."""

    result: Result
    capture: Capture
    before: GpioState
    after: GpioState
    left: str
    """Processes and records that are still there."""

    def edges(self, line: str = "led") -> list[tuple[int, int]]:
        """Time in ns and level of every edge of one line."""
        return [(edge.time_ns, edge.level) for edge in self.capture if edge.line == line]

    def levels(self, line: str = "led") -> list[int]:
        return [level for _, level in self.edges(line)]

    def modes(self, line: str = "led") -> list[str]:
        return [change.mode for change in self.capture.modes if change.line == line]

    def released_ns(self, line: str = "led") -> int:
        """When the line became an input for the last time."""
        return max(c.time_ns for c in self.capture.modes if c.line == line and c.mode == "in")

    def marked_ns(self) -> int:
        """When the shell raised the marker."""
        return next(time_ns for time_ns, level in self.edges(f"gpio{MARKER}") if level)


@dataclass(frozen=True)
class LedBoard:
    """Tender, test_led_endings and test_led_several lie on it; two lines are in use already."""

    session: Session

    def prepare(self) -> None:
        """Export the marker and the foreign line."""
        self.shell(
            f"for n in {self.number(MARKER)} {self.number(FOREIGN)}; do "
            f"echo $n > {GPIO}/export; echo out > {GPIO}/gpio$n/direction; done; "
            f"echo 1 > {GPIO}/gpio{self.number(FOREIGN)}/value"
        )

    def number(self, line: int) -> int:
        """Number of a line in the target's sysfs."""
        return self.session.sysfs_number("led") - LED + line

    def mark(self, level: int) -> str:
        """The shell command that moves the marker."""
        return f"echo {level} > {GPIO}/gpio{self.number(MARKER)}/value"

    def shell(self, script: str) -> Result:
        """Run a script where the images lie, in a shell of its own."""
        console = self.session.target
        return console.run(f"cd {DEPLOY_FOLDER}; sh -c {shlex.quote(script)}", timeout_s=60)

    def watch(self, script: str) -> Seen:
        """The same, watched; nothing that it leaves behind is in the next one's way."""
        before = self.session.gpio_state()
        self.session.observer.arm()
        result = self.shell(script)
        capture = self.session.observer.stop()
        after = self.session.gpio_state()
        left = self.shell(LEFT).output
        if after != before:
            self.session.restore(before)
        return Seen(result, capture, before, after, left)


def assert_nothing_left(seen: Seen, *lines: str) -> None:
    """As before, from inside and from outside, and nothing but these lines has moved."""
    assert seen.after == seen.before, seen.result.output
    assert seen.left == "", seen.result.output
    moved = {edge.line for edge in seen.capture} | {c.line for c in seen.capture.modes}
    assert moved - {f"gpio{MARKER}"} == set(lines or ("led",)), seen.result.output
    assert seen.capture.is_complete
