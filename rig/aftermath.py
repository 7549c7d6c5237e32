"""How a line should be once a run is over, whatever the run did with it and whatever ended it.

A run that is killed in the middle breaks off its pattern; that is no fault of it. What is
expected then is an `Aftermath`: the line is at rest again, in time, and no other has moved.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rig.capture import Capture, Instant, ModeChange
from rig.course import Edges, is_outdated, is_steady
from rig.expectation import Level, Nanoseconds
from rig.findings import Finding, Kind, Outcome, Unseen, Verdict, counted, judged, ms
from rig.verdict import believable, judge_bench, judge_initial_level, judge_others


class Aftermath(BaseModel):
    """What must hold of one line when a run is over. Times are in nanoseconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    initial_level: Level = 0
    """Before the run and after it."""
    edges: Annotated[int, Field(strict=True, ge=0)] | None = None
    """How many it shows in all; None: not asked."""
    is_taken: bool | None = None
    """True: it was driven once and given back; False: nobody drove it; None: as it may."""
    release_ns: Nanoseconds | None = None
    """Latest release after the end of the run; None: not judged."""
    may_move: tuple[str, ...] = ()
    """Other lines that may do what they like."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """What a verdict on such a run must have found out, or say that it could not."""
        asked = {Kind.COUNT: self.edges, Kind.RELEASE_TIME: self.release_ns}
        always = {Kind.INITIAL_LEVEL, Kind.RELEASE, Kind.FOREIGN, Kind.CLEANUP, Kind.KERNEL_LOG}
        return frozenset(always | {kind for kind, limit in asked.items() if limit is not None})


def judge_aftermath(capture: Capture, expected: Aftermath, ended: Instant | None) -> Verdict:
    """Judge one capture of a run that was over at `ended`; None if nobody can know that.

    Pure, like `rig.verdict.judge`. Raises `ValueError` if the capture does not know the line.
    """
    line = expected.line
    if line not in capture.lines:
        raise ValueError(f"the capture has no line {line!r}: {', '.join(capture.lines)}")
    release_time = list(_release_time(capture, expected, ended))
    findings = [
        *_bench(capture, release_time),
        judge_initial_level(capture, line, expected.initial_level),
        *_count(capture, expected),
        *_level_at_end(capture, expected),
        *_directions(capture, expected),
        *release_time,
        *judge_others(capture, line, expected.may_move),
    ]
    return Verdict(
        tuple(believable(finding, capture) for finding in findings),
        tuple(_unseen(capture, expected, findings, ended)),
    )


def _bench(capture: Capture, release_time: list[Finding]) -> Iterator[Finding]:
    """A stall makes a release look later, never sooner: it matters where one was late."""
    was_late = any(finding.outcome is not Outcome.PASS for finding in release_time)
    for finding in judge_bench(capture):
        if finding.kind is not Kind.STALL or was_late:
            yield finding


def _count(capture: Capture, expected: Aftermath) -> Iterator[Finding]:
    wanted = expected.edges
    if wanted is None:
        return
    there = len(capture.of_line(expected.line))
    text = f"{expected.line} shows {counted(there, 'edge')}, expected {wanted}"
    yield judged(Kind.COUNT, text, expected.line, there, (wanted, wanted))


def _level_at_end(capture: Capture, expected: Aftermath) -> Iterator[Finding]:
    """Only a level that is wrong is a finding; a good one does not yet show a release."""
    line, wanted = expected.line, expected.initial_level
    edges = Edges.of(capture, line)
    level = int(edges.levels[-1]) if len(edges) else capture.initial_levels[line]
    if level != wanted:
        text = f"{line} is still {'on' if level else 'off'} at the end of the capture"
        yield Finding(Kind.RELEASE, Outcome.FAIL, text, line, level, (wanted, wanted))


def _directions(capture: Capture, expected: Aftermath) -> Iterator[Finding]:
    if not capture.sees_modes:
        return
    line, first = expected.line, capture.initial_modes[expected.line]
    modes = [first, *(change.mode for change in _changes(capture, line))]
    if expected.is_taken is None:
        good = modes[-1] == first
        text = f"{line} is {modes[-1]} after {counted(len(modes) - 1, 'change')}, expected {first}"
    else:
        wanted = [first, "out", first] if expected.is_taken else [first]
        good = modes == wanted
        text = f"{line} was {', then '.join(modes)}; expected {', then '.join(wanted)}"
    yield Finding(Kind.RELEASE, Outcome.PASS if good else Outcome.FAIL, text, line)


def _changes(capture: Capture, line: str) -> list[ModeChange]:
    return [change for change in capture.modes if change.line == line]


def _release_time(
    capture: Capture, expected: Aftermath, ended: Instant | None
) -> Iterator[Finding]:
    """From the end of the run to the release; where it was not seen, to the capture's end."""
    line, limit_ns = expected.line, expected.release_ns
    if limit_ns is None or ended is None:
        return
    released_ns = _released_ns(capture, expected)
    until_ns = capture.end_ns if released_ns is None else released_ns
    measured = until_ns - ended.time_ns
    uncertainty = capture.clock.interval_uncertainty_ns(abs(measured)) + ended.uncertainty_ns
    what = "not released until" if released_ns is None else "released"
    when = f"{ms(abs(measured))} {'before' if measured < 0 else 'after'} the end of the run"
    text = (
        f"{line} was {what} {when}, expected within {ms(limit_ns)}, uncertainty {ms(uncertainty)}"
    )
    limits = (None, limit_ns)
    finding = judged(Kind.RELEASE_TIME, text, line, measured, limits, uncertainty, time_ns=until_ns)
    yield _doubted(finding, capture, was_seen=released_ns is not None)


def _doubted(finding: Finding, capture: Capture, *, was_seen: bool) -> Finding:
    if is_outdated(capture):
        return finding.weakened("the observer's qualification is too old")
    if finding.outcome is Outcome.FAIL and not is_steady(capture):
        return finding.weakened("the bench stalled")
    if finding.outcome is Outcome.PASS and not was_seen:
        return finding.weakened("the capture ends too early")
    return finding


def _released_ns(capture: Capture, expected: Aftermath) -> int | None:
    """When the line came to rest for good; None if it did not."""
    line = expected.line
    edges, changes = Edges.of(capture, line), _changes(capture, line)
    dark = not len(edges) or int(edges.levels[-1]) == expected.initial_level
    free = not changes or changes[-1].mode == capture.initial_modes[line]
    times = [*edges.times[-1:].tolist(), *(change.time_ns for change in changes[-1:])]
    return max(times, default=capture.start_ns) if dark and free else None


def _unseen(
    capture: Capture, expected: Aftermath, findings: list[Finding], ended: Instant | None
) -> Iterator[Unseen]:
    """What nothing was found out about, for this observer is blind to it."""
    found = {finding.kind for finding in findings}
    if not capture.sees_modes and Kind.RELEASE not in found:
        yield Unseen(Kind.RELEASE, "this observer cannot see directions")
    if expected.release_ns is not None and ended is None:
        yield Unseen(Kind.RELEASE_TIME, "this observer cannot know when the run ended")
    if Kind.FOREIGN not in found:
        yield Unseen(Kind.FOREIGN, "no other line was observed")
