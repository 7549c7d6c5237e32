"""What a verdict is made of: findings, their kinds, their three outcomes.

Each finding compares one measured value with its limits:

- PASS: the measurement, widened by the observer's uncertainty, is inside.
- FAIL: narrowed by it, the measurement is still outside.
- INCONCLUSIVE: neither, or the capture cannot carry the judgment.

The worst finding is the verdict, and a verdict without findings is INCONCLUSIVE.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What can be said. The order of definition is from good to bad."""

    PASS = "PASS"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"


class Kind(StrEnum):
    """What a finding is about; the words a report and a test use."""

    INCOMPLETE = "incomplete"
    STALL = "stall"
    QUALIFICATION = "qualification"
    INITIAL_LEVEL = "initial-level"
    GLITCH = "glitch"
    COUNT = "count"
    FREEZE = "freeze"
    ON_TIME = "on-time"
    OFF_TIME = "off-time"
    PERIOD = "period"
    DUTY = "duty"
    JITTER = "jitter"
    DRIFT = "drift"
    START_LATENCY = "start-latency"
    FINAL_LEVEL = "final-level"
    HOLD_TIME = "hold-time"
    RELEASE = "release"
    RELEASE_TIME = "release-time"
    FOREIGN = "foreign-pin"
    CLEANUP = "cleanup"
    KERNEL_LOG = "kernel-log"
    CONSOLE = "console"
    EXIT_STATUS = "exit-status"
    GUEST_RECORD = "guest-record"
    GUEST_EDGES = "guest-edges"
    GUEST_TIMING = "guest-timing"


TIMING_KINDS = frozenset(
    {
        Kind.GLITCH,
        Kind.ON_TIME,
        Kind.OFF_TIME,
        Kind.PERIOD,
        Kind.DUTY,
        Kind.JITTER,
        Kind.DRIFT,
        Kind.START_LATENCY,
        Kind.HOLD_TIME,
        Kind.GUEST_TIMING,
    }
)
"""What a stalled bench, or an observer that was not qualified of late, cannot judge."""


@dataclass(frozen=True)
class Finding:
    """One comparison: what was measured, against what, and how sure that is.

    Times are in nanoseconds, a duty in millionths of the period. `margin` is the room
    between the measurement, widened by the uncertainty, and the nearest limit; negative
    when it is not clearly inside. `seqno` and `time_ns` tell the edge where it happened,
    on the observer's clock.
    """

    kind: Kind
    outcome: Outcome
    text: str
    """One readable line with every number that matters."""
    line: str | None = None
    measured: int | None = None
    limits: tuple[int | None, int | None] | None = None
    uncertainty: int | None = None
    margin: int | None = None
    seqno: int | None = None
    time_ns: int | None = None

    def weakened(self, reason: str) -> "Finding":
        """The same measurement, not believed, and why."""
        text = f"{self.text} [not believed: {reason}]"
        return replace(self, outcome=Outcome.INCONCLUSIVE, text=text)


@dataclass(frozen=True)
class Unseen:
    """Something that this observer could not see: no finding, and never a PASS."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Verdict:
    """The findings of one run and the worst of their outcomes."""

    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...] = ()
    """What nothing is said about, because the observer is blind to it."""

    @property
    def outcome(self) -> Outcome:
        """The worst finding; INCONCLUSIVE when nothing was found out."""
        ranks = list(Outcome)
        worst = max((ranks.index(f.outcome) for f in self.findings), default=1)
        return ranks[worst]

    def of_kind(self, *kinds: Kind) -> tuple[Finding, ...]:
        """The findings of these kinds, in order."""
        return tuple(f for f in self.findings if f.kind in kinds)

    def failing_kinds(self) -> set[Kind]:
        """The kinds with at least one FAIL."""
        return {f.kind for f in self.findings if f.outcome is Outcome.FAIL}

    def not_passed(self) -> tuple[Finding, ...]:
        """Everything that keeps this verdict from PASS, FAIL first."""
        bad = [f for f in self.findings if f.outcome is not Outcome.PASS]
        return tuple(sorted(bad, key=lambda f: f.outcome is not Outcome.FAIL))


def compare(
    measured: int, low: int | None, high: int | None, uncertainty: int
) -> tuple[Outcome, int]:
    """Hold one measurement against guarded limits; None is no limit on that side.

    Returns the outcome and the margin: the room left inside the limits after
    widening the measurement by `uncertainty`. At least one limit must be given.
    """
    rooms = [high - measured] if high is not None else []
    rooms += [measured - low] if low is not None else []
    room = min(rooms)
    if room >= uncertainty:
        return Outcome.PASS, room - uncertainty
    outcome = Outcome.FAIL if room < -uncertainty else Outcome.INCONCLUSIVE
    return outcome, room - uncertainty


def judged(
    kind: Kind,
    text: str,
    line: str | None,
    measured: int,
    limits: tuple[int | None, int | None],
    uncertainty: int = 0,
    *,
    seqno: int | None = None,
    time_ns: int | None = None,
) -> Finding:
    """A finding whose outcome follows from its numbers (see `compare`)."""
    outcome, margin = compare(measured, *limits, uncertainty)
    return Finding(kind, outcome, text, line, measured, limits, uncertainty, margin, seqno, time_ns)


def ms(time_ns: int) -> str:
    """Nanoseconds as milliseconds for people: to the microsecond, and what is short exactly."""
    digits = 6 if 0 < abs(time_ns) < 10_000 else 3
    return f"{time_ns / 1e6:.{digits}f} ms"


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 edge`, `2 edges`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain data, in the shape of `verdict.json`."""
    findings = [{**f.__dict__, "limits": f.limits and list(f.limits)} for f in verdict.findings]
    unseen = [dict(u.__dict__) for u in verdict.unseen]
    return {
        "schema": "verdict/2",
        "outcome": verdict.outcome,
        "findings": findings,
        "unseen": unseen,
    }
