"""The LED unikernel as the rig orders it: one blink pattern, one command line."""

import shlex
from dataclasses import dataclass
from typing import Any

from rig.expectation import Expectation


@dataclass(frozen=True)
class Pattern:
    """`cycles` times on and off, then the final level, held for one off-time."""

    cycles: int
    on_ns: int
    off_ns: int
    final_level: int = 0

    @property
    def arguments(self) -> str:
        """The unikernel's command line; it counts in microseconds."""
        return (
            f"cycles={self.cycles} on_us={self.on_ns // 1000} off_us={self.off_ns // 1000} "
            f"final={self.final_level}"
        )

    @property
    def duration_ns(self) -> int:
        """From the first edge to the end of the hold."""
        return self.cycles * (self.on_ns + self.off_ns) + self.off_ns

    @property
    def shortest_ns(self) -> int:
        """The shorter of its two times."""
        return min(self.on_ns, self.off_ns)

    def expectation(self, line: str, **limits: Any) -> Expectation:
        """What the pin must show when this pattern is carried out.

        `limits` are the other fields of `Expectation`, a tolerance at least.
        """
        return Expectation(
            line=line,
            cycles=self.cycles,
            on_ns=self.on_ns,
            off_ns=self.off_ns,
            final_level=self.final_level,
            hold_ns=self.off_ns,
            **limits,
        )


def tender_command(
    tender: str,
    unikernel: str,
    line: int,
    arguments: str,
    *,
    led: str = "led0",
    options: str = "",
) -> str:
    """The target's command line: the tender grants `line` to the unikernel's LED `led`.

    `options` are more options of the tender's.
    """
    words = [shlex.quote(tender), options, f"--led:{led}={line}", "--", shlex.quote(unikernel)]
    return " ".join(word for word in (*words, arguments) if word)
