"""Findings on time: intervals, their percentiles, jitter and duty, and the schedule.

Each takes the commanded edges that came. The last of them begins no interval: its level
is held for at least its time, not exactly, and the edge of the release is the tender's.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from rig.capture import Clock
from rig.course import Course, Edges
from rig.findings import Finding, Kind, Outcome, counted, judged, ms

PER_PERCENT = 10_000
"""Millionths, in which a duty is measured."""
BLOCK = 1 << 20
"""Edges that are held against the schedule at once, for the sake of memory."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """All intervals of one kind between commanded edges."""

    kind: Kind
    nominal_ns: int
    lengths_ns: NDArray[np.int64]
    edges: Edges
    begins: NDArray[np.bool_]
    """Which of `edges` begin one; shorter than they are by the edges that end none."""

    def begin(self, index: int) -> dict[str, int]:
        """The edge that begins one of them, as fields of a finding."""
        edge = int(np.flatnonzero(self.begins)[index])
        return {"seqno": int(self.edges.seqnos[edge]), "time_ns": int(self.edges.times[edge])}


def judge_timing(course: Course) -> Iterator[Finding]:
    """On-times, off-times, periods, duty, jitter and drift of the commanded edges."""
    kinds = intervals_of(course)
    worst = [_worst(course, intervals) for intervals in kinds]
    yield from worst
    for intervals in kinds:
        yield from _percentiles(course, intervals)
    if course.expected.duty_percent is not None:
        yield _duty(course, course.expected.duty_percent)
    if course.expected.jitter_ns is not None:
        yield _jitter(course, course.expected.jitter_ns, kinds)
    yield _drift(course, worst)


def intervals_of(course: Course) -> tuple[Intervals, ...]:
    """The on-times, the off-times and the periods."""
    expected, edges = course.expected, course.pattern
    rises = edges.levels == 1
    return (
        _of_kind(Kind.ON_TIME, expected.on_ns, edges, 1, rises),
        _of_kind(Kind.OFF_TIME, expected.off_ns, edges, 1, ~rises),
        _of_kind(Kind.PERIOD, expected.period_ns, edges, 2, rises),
    )


def _of_kind(
    kind: Kind, nominal_ns: int, edges: Edges, step: int, begins: NDArray[np.bool_]
) -> Intervals:
    """The intervals of `step` edges each that begin at `begins`."""
    begins = begins[:-step]
    lengths_ns = (edges.times[step:] - edges.times[:-step])[begins]
    return Intervals(kind, nominal_ns, lengths_ns, edges, begins)


def _worst(course: Course, intervals: Intervals) -> Finding:
    """The interval that fits worst."""
    expected, lengths_ns = course.expected, intervals.lengths_ns
    if not len(lengths_ns):
        return _nothing_to_measure(course, intervals.kind)
    nominal_ns = intervals.nominal_ns
    tolerance_ns = expected.tolerance_of(nominal_ns)
    low_ns = None if expected.is_coarse else nominal_ns - tolerance_ns
    limits = (low_ns, nominal_ns + tolerance_ns)
    # The one farther from nominal need not be it: the uncertainty grows with the interval.
    ends = (int(np.argmin(lengths_ns)), int(np.argmax(lengths_ns)))
    return _worst_of(_interval(course, intervals, index, limits, tolerance_ns) for index in ends)


def _interval(
    course: Course,
    intervals: Intervals,
    index: int,
    limits: tuple[int | None, int],
    tolerance_ns: int,
) -> Finding:
    kind, line = intervals.kind, course.expected.line
    measured, edge = int(intervals.lengths_ns[index]), intervals.begin(index)
    uncertainty = course.capture.clock.interval_uncertainty_ns(measured)
    sign = "+/-" if limits[0] is not None else "or less +"
    text = (
        f"{line} {kind}: worst of {len(intervals.lengths_ns)} is {ms(measured)}, expected "
        f"{ms(intervals.nominal_ns)} {sign} {ms(tolerance_ns)}, uncertainty {ms(uncertainty)}, "
        f"{_place(course, edge)}"
    )
    return judged(kind, text, line, measured, limits, uncertainty, **edge)


def _worst_of(findings: Iterator[Finding]) -> Finding:
    """The first of the worst: by outcome, then by the room that is left."""
    ranks = list(Outcome)
    return max(findings, key=lambda f: (ranks.index(f.outcome), -(f.margin or 0)))


def _place(course: Course, edge: dict[str, int]) -> str:
    return f"edge {edge['seqno']} at +{ms(edge['time_ns'] - course.capture.start_ns)}"


def _nothing_to_measure(course: Course, kind: Kind) -> Finding:
    """Two commanded edges have no off-time and no period between them; that is no defect."""
    expected = course.expected
    wanted = kind is Kind.ON_TIME or expected.commanded > 2
    outcome = Outcome.INCONCLUSIVE if wanted else Outcome.PASS
    edges = counted(expected.commanded, "edge")
    text = f"{expected.line} {kind}: no interval to measure, {edges} commanded"
    return Finding(kind, outcome, text, expected.line)


def _percentiles(course: Course, intervals: Intervals) -> Iterator[Finding]:
    """What the given shares of the deviations do not exceed, by nearest rank.

    If no length is off by more than u, no percentile of them is.
    """
    count, line = len(intervals.lengths_ns), course.expected.line
    if not count:
        return
    uncertainty = course.capture.clock.interval_uncertainty_ns(int(intervals.lengths_ns.max()))
    deviations = np.abs(intervals.lengths_ns - intervals.nominal_ns)
    for rank, limit_ns in course.expected.percentiles_ns.items():
        place = math.ceil(Fraction(rank.removeprefix("p")) * count / 100) - 1
        measured = int(np.partition(deviations, place)[place])
        text = (
            f"{line} {intervals.kind}: {rank} of {counted(count, 'deviation')} is {ms(measured)}, "
            f"expected at most {ms(limit_ns)}, uncertainty {ms(uncertainty)}"
        )
        yield judged(intervals.kind, text, line, measured, (None, limit_ns), uncertainty)


def _duty(course: Course, points: float) -> Finding:
    """The mean duty of all whole periods; an error of the observer's rate cancels out.

    n on-times and the whole are each wrong by at most the error of two stamps.
    """
    expected, edges = course.expected, course.pattern
    rises = edges.times[edges.levels == 1]
    whole_ns = int(rises[-1] - rises[0]) if len(rises) else 0
    if not whole_ns:
        return _nothing_to_measure(course, Kind.DUTY)
    count = len(rises) - 1
    falls = edges.times[edges.levels == 0][:count]
    on_ns = int((falls - rises[: len(falls)]).sum())
    stamps_ns = course.capture.clock.interval_uncertainty_ns(0)
    measured = round(Fraction(on_ns * 100 * PER_PERCENT, whole_ns))
    spread = Fraction(stamps_ns * (count + 1) * 100 * PER_PERCENT, max(1, whole_ns - stamps_ns))
    uncertainty = math.ceil(spread) + 1
    nominal = round(Fraction(expected.on_ns * 100 * PER_PERCENT, expected.period_ns))
    room = int(points * PER_PERCENT)
    text = (
        f"{expected.line} duty: mean of {counted(count, 'cycle')} is {_percent(measured)}, "
        f"expected {_percent(nominal)} +/- {_percent(room)}, uncertainty {_percent(uncertainty)}"
    )
    limits = (nominal - room, nominal + room)
    return judged(Kind.DUTY, text, expected.line, measured, limits, uncertainty)


def _percent(millionths: int) -> str:
    return f"{millionths / PER_PERCENT:.3f} %"


def _jitter(course: Course, limit_ns: int, kinds: tuple[Intervals, ...]) -> Finding:
    """The largest difference between two intervals of one kind."""
    comparable = [intervals for intervals in kinds if len(intervals.lengths_ns) > 1]
    if comparable:
        return _worst_of(_spread(course, limit_ns, intervals) for intervals in comparable)
    line, cycles = course.expected.line, course.expected.cycles
    outcome = Outcome.INCONCLUSIVE if cycles > 1 else Outcome.PASS
    text = f"{line} jitter: no two intervals to compare, {counted(cycles, 'cycle')} commanded"
    return Finding(Kind.JITTER, outcome, text, line)


def _spread(course: Course, limit_ns: int, intervals: Intervals) -> Finding:
    line, lengths_ns = course.expected.line, intervals.lengths_ns
    longest = int(np.argmax(lengths_ns))
    measured, edge = int(lengths_ns[longest] - lengths_ns.min()), intervals.begin(longest)
    uncertainty = _difference_uncertainty_ns(course.capture.clock, measured)
    text = (
        f"{line} jitter: {len(lengths_ns)} {intervals.kind}s differ by up to {ms(measured)}, "
        f"expected at most {ms(limit_ns)}, uncertainty {ms(uncertainty)}, the longest from "
        f"{_place(course, edge)}"
    )
    return judged(Kind.JITTER, text, line, measured, (None, limit_ns), uncertainty, **edge)


def _difference_uncertainty_ns(clock: Clock, difference_ns: int) -> int:
    """Of two intervals: four stamps, but only one rate."""
    return clock.interval_uncertainty_ns(difference_ns) + clock.interval_uncertainty_ns(0)


def _drift(course: Course, worst: list[Finding]) -> Finding:
    """The edge that is farthest off its place in the schedule that the first edge starts.

    It finds what no interval shows: many small errors of one sign. So where an interval is
    wrong itself, the schedule is not asked; its edges may even be other ones.
    """
    line = course.expected.line
    if len(course.pattern) < 2:
        return _nothing_to_measure(course, Kind.DRIFT)
    if any(finding.outcome is Outcome.FAIL for finding in worst):
        text = f"{line} drift: not judged, because single intervals are wrong already"
        return Finding(Kind.DRIFT, Outcome.INCONCLUSIVE, text, line)
    return _worst_of(_off_schedule(course, edge) for edge in _farthest(course))


def _farthest(course: Course) -> Iterator[int]:
    """Of each block of edges the one most surely outside, and the one least surely inside."""
    expected, times = course.expected, course.pattern.times
    slow = course.capture.clock.accuracy_ppm / 1e6
    for begin in range(1, len(times), BLOCK):  # the first edge is where the schedule starts
        block = times[begin : begin + BLOCK]
        passed = (block - times[0]).astype(np.float64)
        due = _schedule_ns(course, np.arange(begin, begin + len(block)))
        room = expected.drift_ns + due * (expected.rate_ppm / 1e6) - np.abs(passed - due)
        passed *= slow / (1 - slow)
        yield begin + int(np.argmin(room + passed))
        yield begin + int(np.argmin(room - passed))


def _schedule_ns(course: Course, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """When these commanded edges are due after the first one."""
    expected = course.expected
    return edges // 2 * expected.period_ns + edges % 2 * expected.on_ns


def _off_schedule(course: Course, index: int) -> Finding:
    expected, times = course.expected, course.pattern.times
    edge = {"seqno": int(course.pattern.seqnos[index]), "time_ns": int(times[index])}
    passed_ns = int(times[index] - times[0])
    due_ns = int(_schedule_ns(course, np.array([index]))[0])
    measured, rate_ns = passed_ns - due_ns, int(due_ns * expected.rate_ppm / 1e6)
    uncertainty = course.capture.clock.interval_uncertainty_ns(passed_ns)
    limit_ns = expected.drift_ns + rate_ns
    text = (
        f"{expected.line} drift: {ms(abs(measured))} {'early' if measured < 0 else 'late'} "
        f"{ms(due_ns)} into the schedule, expected within {ms(expected.drift_ns)} + "
        f"{ms(rate_ns)} for the target's clock, uncertainty {ms(uncertainty)}, "
        f"{_place(course, edge)}"
    )
    limits = (-limit_ns, limit_ns)
    return judged(Kind.DRIFT, text, expected.line, measured, limits, uncertainty, **edge)
