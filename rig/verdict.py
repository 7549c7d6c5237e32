"""From a capture and an expectation to a verdict: pure, no I/O, no hardware."""

from collections.abc import Iterable, Iterator

import numpy as np

from rig.capture import Capture
from rig.course import Course, Edges, is_outdated, is_steady, keeps_time
from rig.expectation import Expectation
from rig.findings import (
    TIMING_KINDS,
    Finding,
    Kind,
    Outcome,
    Unseen,
    Verdict,
    compare,
    counted,
    judged,
    ms,
    to_json,
)
from rig.timing import judge_timing

__all__ = [
    "TIMING_KINDS",
    "Expectation",
    "Finding",
    "Kind",
    "Outcome",
    "Unseen",
    "Verdict",
    "believable",
    "compare",
    "judge",
    "judge_bench",
    "judge_initial_level",
    "judge_others",
    "ms",
    "timed",
    "to_json",
]


def judge(capture: Capture, expected: Expectation) -> Verdict:
    """Judge one capture. The same input gives the same verdict, anywhere, always.

    Raises `ValueError` if the capture does not know the expected line.
    """
    if expected.line not in capture.lines:
        raise ValueError(f"the capture has no line {expected.line!r}: {', '.join(capture.lines)}")
    course = Course(capture, expected)
    findings = [
        *judge_bench(capture),
        *_cut_short(course),
        judge_initial_level(capture, expected.line, expected.initial_level),
        *_glitches(course),
        _count(course),
        _freeze(course),
        *(_enough_edges(finding, course) for finding in judge_timing(course)),
        *_start_latency(course),
        *_final_level(course),
        *_release(course),
        *judge_others(capture, expected.line, expected.may_move),
    ]
    kept, timeless = timed(findings, capture)
    return Verdict(
        tuple(believable(finding, capture) for finding in kept),
        (*_unseen(course, findings), *timeless),
    )


def timed(
    findings: Iterable[Finding], capture: Capture
) -> tuple[tuple[Finding, ...], tuple[Unseen, ...]]:
    """Apart: what this capture can show, and what it cannot because its clock keeps no time."""
    found = tuple(findings)
    if keeps_time(capture):
        return found, ()
    about_time = {finding.kind for finding in found} & TIMING_KINDS
    text = "the bench ran in time-lapse, so the stamps say nothing about time"
    unseen = tuple(Unseen(kind, text) for kind in Kind if kind in about_time)
    return tuple(f for f in found if f.kind not in {*about_time, Kind.STALL}), unseen


def believable(finding: Finding, capture: Capture) -> Finding:
    """Weaken what this capture cannot carry.

    Missing edges can imitate any defect but a movement that was seen where none
    should be, and can hide every one. A stalled bench can imitate good and bad
    timing alike, and so can an observer whose budget may not hold any more.
    """
    seen_to_move = finding.kind is Kind.FOREIGN and finding.outcome is Outcome.FAIL
    if finding.outcome is Outcome.INCONCLUSIVE or seen_to_move:
        return finding
    if not capture.is_complete or _begins_late(capture):
        return finding.weakened("edges are missing")
    if finding.kind in TIMING_KINDS and not is_steady(capture):
        return finding.weakened("the bench stalled")
    if finding.kind in TIMING_KINDS and is_outdated(capture):
        return finding.weakened("the observer's qualification is too old")
    return finding


def _begins_late(capture: Capture) -> bool:
    """Whether the run was surely started before the capture."""
    commanded = capture.commanded
    return commanded is not None and commanded.time_ns + commanded.uncertainty_ns < capture.start_ns


def _enough_edges(finding: Finding, course: Course) -> Finding:
    """Few edges cannot show that timing is good; one of them can show that it is not."""
    there, needed = len(course.pattern), course.expected.least_edges
    if finding.outcome is not Outcome.PASS or there >= needed:
        return finding
    return finding.weakened(f"{counted(there, 'edge')}, at least {needed} are needed")


def judge_bench(capture: Capture) -> Iterator[Finding]:
    """What the capture itself cannot promise: edges that are missing, a stall, an old budget."""
    yield from _completeness(capture)
    yield from _stalls(capture)
    yield from _qualification(capture)


def _completeness(capture: Capture) -> Iterator[Finding]:
    if capture.overrun:
        text = "capture incomplete: the observer's buffer overflowed"
        yield _open(Kind.INCOMPLETE, text)
    if capture.lost:
        known = "is" if capture.lost == 1 else "are"
        text = f"capture incomplete: {counted(capture.lost, 'edge')} {known} known to be missing"
        yield _open(Kind.INCOMPLETE, text, measured=capture.lost)
    if capture.commanded and _begins_late(capture):
        late_ns = capture.start_ns - capture.commanded.time_ns
        text = f"capture incomplete: it begins {ms(late_ns)} after the run was started"
        yield _open(Kind.INCOMPLETE, text, measured=late_ns)


def _cut_short(course: Course) -> Iterator[Finding]:
    if course.is_cut_short:
        there = f"{len(course.pattern)} of {course.expected.commanded} commanded edges"
        text = f"capture incomplete: it ends after {there}, and the next could still have come"
        yield _open(Kind.INCOMPLETE, text, time_ns=course.capture.end_ns)


def _open(
    kind: Kind,
    text: str,
    line: str | None = None,
    measured: int | None = None,
    time_ns: int | None = None,
) -> Finding:
    """What cannot be told, and why."""
    return Finding(kind, Outcome.INCONCLUSIVE, text, line, measured, time_ns=time_ns)


def _stalls(capture: Capture) -> Iterator[Finding]:
    heartbeat = capture.heartbeat
    if heartbeat is None or is_steady(capture):
        return
    if not heartbeat.stalls:
        text = "the observer's heartbeat never beat, so a stall would not have shown"
        yield _open(Kind.STALL, text, measured=0)
        return
    worst = max(heartbeat.stalls, key=lambda stall: stall.late_ns)
    count = counted(len(heartbeat.stalls), "time")
    text = f"bench stalled {count}, the worst for {ms(worst.late_ns)} ({worst.cause})"
    yield _open(Kind.STALL, text, measured=worst.late_ns, time_ns=worst.time_ns)


def _qualification(capture: Capture) -> Iterator[Finding]:
    """Where the budget was measured some time ago: when, and whether that still counts."""
    qualification = capture.clock.qualification
    if qualification is None:
        return
    outcome = Outcome.INCONCLUSIVE if is_outdated(capture) else Outcome.PASS
    text = (
        f"the observer was qualified on {qualification.date}, {qualification.age_days:.1f} days "
        f"before the run; believed for {qualification.limit_days:g} days"
    )
    if outcome is not Outcome.PASS:
        text += ": qualify it again"
    yield Finding(Kind.QUALIFICATION, outcome, text)


def judge_initial_level(capture: Capture, line: str, wanted: int) -> Finding:
    """The level before anything was started."""
    level = capture.initial_levels[line]
    text = f"{line} was {_word(level)} before the run, expected {_word(wanted)}"
    return judged(Kind.INITIAL_LEVEL, text, line, level, (wanted, wanted))


def _glitches(course: Course) -> Iterator[Finding]:
    """No pulse may be shorter than the smallest that counts."""
    if course.expected.is_coarse:
        return
    line, smallest_ns = course.expected.line, course.expected.smallest_pulse_ns
    pulse = course.shortest_pulse
    if pulse is None:
        yield Finding(Kind.GLITCH, Outcome.PASS, f"{line} shows no pulse at all", line)
        return
    uncertainty = course.capture.clock.interval_uncertainty_ns(smallest_ns)
    text = (
        f"{line} shows {counted(course.glitches, 'glitch pulse')}, the shortest pulse is "
        f"{_word(pulse.level)} for {ms(pulse.width_ns)}, expected at least {ms(smallest_ns)}, "
        f"uncertainty {ms(uncertainty)}, edge {pulse.seqno} at "
        f"{_since_start(course, pulse.time_ns)}"
    )
    limits = (smallest_ns, None)
    edge = {"seqno": pulse.seqno, "time_ns": pulse.time_ns}
    yield judged(Kind.GLITCH, text, line, pulse.width_ns, limits, uncertainty, **edge)


def _since_start(course: Course, time_ns: int) -> str:
    return f"+{ms(time_ns - course.capture.start_ns)}"


def _count(course: Course) -> Finding:
    """Every edge, those of taking and release included, must be there, and no other."""
    expected, edges, wanted = course.expected, course.edges, course.expected.edges
    text = (
        f"{expected.line} went on {counted(int((edges.levels == 1).sum()), 'time')} in "
        f"{counted(len(edges), 'edge')}, expected {counted(wanted // 2, 'time')} in {wanted}"
    )
    if len(edges) != wanted and len(edges):
        last = f"{_word(int(edges.levels[-1]))} at {_since_start(course, int(edges.times[-1]))}"
        text += f"; last edge went {last}"
    finding = judged(Kind.COUNT, text, expected.line, len(edges), (wanted, wanted))
    return finding.weakened(_TOO_SHORT) if course.awaits_edges else finding


_TOO_SHORT = "the capture ends too early"


def _freeze(course: Course) -> Finding:
    """The edges must not stop before the last commanded one is due."""
    expected, pattern = course.expected, course.pattern
    line, commanded = expected.line, expected.commanded
    if not len(pattern):
        return _open(Kind.FREEZE, f"{line} never moved, so it could not freeze", line)
    if len(pattern) == commanded:
        text = f"{line} moved until its last commanded edge"
        return Finding(Kind.FREEZE, Outcome.PASS, text, line)
    if not keeps_time(course.capture):
        text = f"{line} shows {len(pattern)} of {commanded} commanded edges; in time-lapse, "
        return _open(Kind.FREEZE, text + "nobody can tell whether it froze or left some out", line)
    last_ns, due_ns = int(pattern.times[-1]), expected.duration_ns - expected.hold_ns
    measured = last_ns - int(pattern.times[0])
    uncertainty = course.capture.clock.interval_uncertainty_ns(measured)
    limits = (due_ns - expected.drift_ns - int(due_ns * expected.rate_ppm / 1e6), None)
    text = (
        f"{line} stopped {_word(int(pattern.levels[-1]))} after {len(pattern)} of {commanded} "
        f"commanded edges, {ms(measured)} after the first, expected {ms(due_ns)}"
    )
    edge = {"seqno": int(pattern.seqnos[-1]), "time_ns": last_ns}
    finding = judged(Kind.FREEZE, text, line, measured, limits, uncertainty, **edge)
    return finding.weakened(_TOO_SHORT) if course.is_cut_short else finding


def _start_latency(course: Course) -> Iterator[Finding]:
    """From the command to the first edge, where a limit is set."""
    capture, expected = course.capture, course.expected
    line, limit_ns, commanded = expected.line, expected.start_latency_ns, capture.commanded
    if limit_ns is None:
        return
    if commanded is None:
        text = f"{line} start: this observer cannot know when the run was started"
        yield _open(Kind.START_LATENCY, text, line)
        return
    moved = len(course.pattern) > 0
    first_ns = int(course.pattern.times[0]) if moved else capture.end_ns
    latency_ns = first_ns - commanded.time_ns
    uncertainty = capture.clock.interval_uncertainty_ns(latency_ns) + commanded.uncertainty_ns
    text = (
        f"{line} start: {'first edge' if moved else 'no edge until'} {ms(latency_ns)} after the "
        f"command, expected within {ms(limit_ns)}, uncertainty {ms(uncertainty)}"
    )
    # Not before the command, either; but a quick start is no doubtful one.
    limits = (0, limit_ns) if latency_ns < 0 else (None, limit_ns)
    finding = judged(Kind.START_LATENCY, text, line, latency_ns, limits, uncertainty)
    silent = not moved and finding.outcome is Outcome.PASS
    yield finding.weakened(_TOO_SHORT) if silent else finding


def _final_level(course: Course) -> Iterator[Finding]:
    """The level that the guest left, and how long it was held until the line was let go."""
    capture, expected, edges = course.capture, course.expected, course.edges
    driven = _driven(course)
    level = int(driven.levels[-1]) if len(driven) else capture.initial_levels[expected.line]
    wanted = expected.final_level
    text = f"{expected.line} ended {_word(level)}, expected {_word(wanted)}"
    finding = judged(Kind.FINAL_LEVEL, text, expected.line, level, (wanted, wanted))
    yield finding.weakened(_TOO_SHORT) if course.is_cut_short else finding
    if expected.is_coarse:
        return
    began_ns = int(driven.times[-1]) if len(driven) else capture.start_ns
    ends = [_let_go_ns(course), *edges.times[len(driven) : len(driven) + 1].tolist()]
    yield _hold_time(course, began_ns, min(ends))


def _let_go_ns(course: Course) -> int:
    """When the line was let go; the end of the capture if that was not seen."""
    return course.capture.end_ns if course.let_go_ns is None else course.let_go_ns


def _driven(course: Course) -> Edges:
    """The edges without the one by which a line that was left on went dark.

    The tender switches it off just before it lets go. Where that edge is not
    expected, it is known by the off that was not held.
    """
    expected, edges = course.expected, course.edges
    if expected.final_level or expected.initial_level:
        return edges[: expected.initial_level + expected.commanded]
    if len(edges) <= expected.commanded or edges.levels[-1]:
        return edges
    held_ns = _let_go_ns(course) - int(edges.times[-1])
    return edges[:-1] if held_ns < _least_hold_ns(expected) else edges


def _least_hold_ns(expected: Expectation) -> int:
    return expected.hold_ns - expected.tolerance_of(expected.hold_ns)


def _hold_time(course: Course, began_ns: int, ended_ns: int) -> Finding:
    expected, capture = course.expected, course.capture
    held_ns, low_ns = ended_ns - began_ns, _least_hold_ns(expected)
    uncertainty = capture.clock.interval_uncertainty_ns(held_ns)
    text = (
        f"{expected.line} held its last level for {ms(held_ns)}, expected at least "
        f"{ms(expected.hold_ns)} - {ms(expected.hold_ns - low_ns)}, uncertainty {ms(uncertainty)}, "
        f"from {_since_start(course, began_ns)}"
    )
    finding = judged(
        Kind.HOLD_TIME, text, expected.line, held_ns, (low_ns, None), uncertainty, time_ns=began_ns
    )
    may_go_on = ended_ns == capture.end_ns and not course.is_over
    doubtful = course.is_cut_short or (may_go_on and finding.outcome is Outcome.FAIL)
    return finding.weakened(_TOO_SHORT) if doubtful else finding


def _release(course: Course) -> Iterator[Finding]:
    """The line was an input, was driven, and is an input again; as before in the end."""
    line, level, wanted = course.expected.line, course.level_at_end, course.expected.initial_level
    found = [_directions(course)] if course.capture.sees_modes else []
    if level != wanted:
        text = f"{line} is still {_word(level)} at the end of the capture"
        found.insert(0, Finding(Kind.RELEASE, Outcome.FAIL, text, line, level))
    for finding in found:
        early = finding.outcome is Outcome.FAIL and not course.is_over
        yield finding.weakened(_TOO_SHORT) if early else finding


def _directions(course: Course) -> Finding:
    """Driven once and then released; what moves while it is not driven, somebody else moved.

    However late an observer's stamps are, they keep the order of what it sees.
    """
    capture, line = course.capture, course.expected.line
    changes = [c for c in capture.modes if c.line == line]
    modes = [capture.initial_modes[line], *(c.mode for c in changes)]
    text = f"{line} was {', then '.join(modes)}; expected in, then out, then in"
    if modes != ["in", "out", "in"]:
        return Finding(Kind.RELEASE, Outcome.FAIL, text, line)
    times = course.seen.times
    stray = int(((times < changes[0].time_ns) | (times > changes[1].time_ns)).sum())
    text += f"; {counted(stray, 'edge')} while it was not driven"
    return judged(Kind.RELEASE, text, line, stray, (0, 0))


def judge_others(capture: Capture, line: str, may_move: tuple[str, ...]) -> Iterator[Finding]:
    """No line but these may move or change its function; nothing if no other was observed."""
    others = {name for name in capture.lines if name != line and name not in may_move}
    moved = {capture.lines[index] for index in np.unique(capture.edges["line"])}
    guilty = sorted(others & (moved | {change.line for change in capture.modes}))
    for name in guilty:
        yield _moved(capture, name)
    if others and not guilty:
        text = f"{counted(len(others), 'other line')} observed, none of them moved"
        yield judged(Kind.FOREIGN, text, None, 0, (0, 0))


def _moved(capture: Capture, name: str) -> Finding:
    edges = Edges.of(capture, name)
    changes = [c for c in capture.modes if c.line == name]
    first_ns = min([*edges.times[:1].tolist(), *(c.time_ns for c in changes[:1])])
    directions = ", then ".join(c.mode for c in changes) or "kept"
    text = (
        f"{name} should not have moved: {counted(len(edges), 'edge')}, direction {directions}, "
        f"first at +{ms(first_ns - capture.start_ns)}"
    )
    return Finding(Kind.FOREIGN, Outcome.FAIL, text, name, len(edges), (0, 0), 0, time_ns=first_ns)


def _unseen(course: Course, findings: list[Finding]) -> Iterator[Unseen]:
    """What nothing was found out about, for this observer is blind to it."""
    found = {finding.kind for finding in findings}
    if Kind.RELEASE not in found:
        text = f"{course.expected.line} is {_word(course.level_at_end)} at the end, but "
        yield Unseen(Kind.RELEASE, text + "this observer cannot see directions")
    if Kind.FOREIGN not in found:
        free = ", ".join(course.expected.may_move)
        yield Unseen(
            Kind.FOREIGN,
            "no other line was observed" + (f" but {free}, free to move" if free else ""),
        )
    if course.expected.is_coarse:
        yield from _too_coarse(course.expected)


def _too_coarse(expected: Expectation) -> Iterator[Unseen]:
    """What a tolerance that lets a pulse of no length pass cannot tell."""
    shortest_ns = min(expected.on_ns, expected.off_ns)
    why = (
        f"this bench allows {ms(expected.tolerance_of(shortest_ns))} more or less, so one of "
        f"{ms(shortest_ns)} cannot be told from none"
    )
    yield Unseen(Kind.GLITCH, f"a pulse that is too short: {why}")
    yield Unseen(Kind.HOLD_TIME, f"a last level that is held too short: {why}")


def _word(level: int) -> str:
    return "on" if level else "off"
