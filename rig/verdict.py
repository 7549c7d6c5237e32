"""From a capture and an expectation to a verdict: pure, no I/O, no hardware."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rig.capture import Capture, Clock
from rig.expectation import Expectation
from rig.findings import (
    TIMING_KINDS,
    Finding,
    Kind,
    Outcome,
    Unseen,
    Verdict,
    compare,
    ms,
    to_json,
)

__all__ = [
    "TIMING_KINDS",
    "Expectation",
    "Finding",
    "Kind",
    "Outcome",
    "Unseen",
    "Verdict",
    "compare",
    "judge",
    "ms",
    "to_json",
]

_Edges = NDArray[np.void]


def judge(capture: Capture, expected: Expectation) -> Verdict:
    """Judge one capture. The same input gives the same verdict, anywhere, always.

    Raises `ValueError` if the capture does not know the expected line.
    """
    if expected.line not in capture.lines:
        raise ValueError(f"the capture has no line {expected.line!r}: {', '.join(capture.lines)}")
    findings = [
        *_completeness(capture),
        *_stalls(capture),
        _initial_level(capture, expected),
        _count(capture, expected),
        *_timing(capture, expected),
        *_final_level(capture, expected),
        *_release(capture, expected),
        *_foreign(capture, expected),
    ]
    return Verdict(tuple(_believable(finding, capture) for finding in findings))


def _believable(finding: Finding, capture: Capture) -> Finding:
    """Weaken what this capture cannot carry.

    Missing edges can imitate any defect but a movement that was seen where none
    should be, and can hide every one. A stalled bench can imitate good and bad
    timing alike.
    """
    seen_to_move = finding.kind is Kind.FOREIGN and finding.outcome is Outcome.FAIL
    if finding.outcome is Outcome.INCONCLUSIVE or seen_to_move:
        return finding
    if not capture.is_complete:
        return finding.weakened("edges are missing")
    if finding.kind in TIMING_KINDS and not _is_steady(capture):
        return finding.weakened("the bench stalled")
    return finding


def _is_steady(capture: Capture) -> bool:
    """Whether the observer's host ran all the time; a heart that never beat proves nothing."""
    heartbeat = capture.heartbeat
    return heartbeat is None or (heartbeat.beats > 0 and not heartbeat.stalls)


def _completeness(capture: Capture) -> Iterator[Finding]:
    if capture.overrun:
        text = "capture incomplete: the observer's buffer overflowed"
        yield Finding(Kind.INCOMPLETE, Outcome.INCONCLUSIVE, text)
    if capture.lost:
        text = f"capture incomplete: {capture.lost} edges are known to be missing"
        yield Finding(Kind.INCOMPLETE, Outcome.INCONCLUSIVE, text, measured=capture.lost)


def _stalls(capture: Capture) -> Iterator[Finding]:
    heartbeat = capture.heartbeat
    if heartbeat is None or _is_steady(capture):
        return
    if not heartbeat.stalls:
        text = "the observer's heartbeat never beat, so a stall would not have shown"
        yield Finding(Kind.STALL, Outcome.INCONCLUSIVE, text, measured=0)
        return
    worst = max(heartbeat.stalls, key=lambda stall: stall.late_ns)
    count = len(heartbeat.stalls)
    text = f"bench stalled {count} times, the worst for {ms(worst.late_ns)} ({worst.cause})"
    yield Finding(
        Kind.STALL,
        Outcome.INCONCLUSIVE,
        text,
        measured=worst.late_ns,
        time_ns=worst.time_ns,
    )


def _initial_level(capture: Capture, expected: Expectation) -> Finding:
    level = capture.initial_levels[expected.line]
    outcome = Outcome.FAIL if level else Outcome.PASS
    text = f"{expected.line} was {_word(level)} before the run, expected off"
    return Finding(Kind.INITIAL_LEVEL, outcome, text, expected.line, level)


def _count(capture: Capture, expected: Expectation) -> Finding:
    """Every edge, the release included, must be there, and no other."""
    edges, wanted = capture.of_line(expected.line), expected.edges
    outcome = Outcome.PASS if len(edges) == wanted else Outcome.FAIL
    text = (
        f"{expected.line} went on {int(np.sum(edges['level'] == 1))} times in {len(edges)} edges, "
        f"expected {expected.cycles + expected.final_level} times in {wanted}"
    )
    if outcome is Outcome.FAIL and len(edges):
        text += f"; last edge went {_word(int(edges[-1]['level']))} {_since_start(capture, edges)}"
    return Finding(Kind.COUNT, outcome, text, expected.line, len(edges), (wanted, wanted), 0)


def _since_start(capture: Capture, edges: _Edges) -> str:
    return f"at +{ms(int(edges[-1]['time_ns']) - capture.start_ns)}"


def _timing(capture: Capture, expected: Expectation) -> Iterator[Finding]:
    """The worst on-time, off-time and period among the commanded edges.

    The last commanded edge begins no interval: its level is held for at least its
    time, not exactly, and the edge of the release belongs to the tender.
    """
    edges = capture.of_line(expected.line)[: expected.commanded]
    rises = edges["level"] == 1
    on_ns, off_ns = expected.on_ns, expected.off_ns
    yield _worst(Kind.ON_TIME, capture, expected, edges, on_ns, (1, rises))
    yield _worst(Kind.OFF_TIME, capture, expected, edges, off_ns, (1, ~rises))
    yield _worst(Kind.PERIOD, capture, expected, edges, on_ns + off_ns, (2, rises))


def _worst(
    kind: Kind,
    capture: Capture,
    expected: Expectation,
    edges: _Edges,
    nominal_ns: int,
    span: tuple[int, NDArray[np.bool_]],
) -> Finding:
    """The interval that fits worst; `span` is (edges to the end, which start one)."""
    step, starts = span
    times = edges["time_ns"]
    intervals = (times[step:] - times[:-step])[starts[:-step]]
    if not len(intervals):
        return _nothing_to_measure(kind, expected)
    tolerance_ns = expected.tolerance_of(nominal_ns)
    low, high = nominal_ns - tolerance_ns, nominal_ns + tolerance_ns
    worst = _worst_index(intervals, low, high, capture.clock)
    measured = int(intervals[worst])
    edge = edges[:-step][starts[:-step]][worst]
    uncertainty = capture.clock.interval_uncertainty_ns(measured)
    outcome, margin = compare(measured, low, high, uncertainty)
    text = (
        f"{expected.line} {kind}: worst of {len(intervals)} is {ms(measured)}, expected "
        f"{ms(nominal_ns)} +/- {ms(tolerance_ns)}, uncertainty {ms(uncertainty)}, "
        f"edge {int(edge['seqno'])} at +{ms(int(edge['time_ns']) - capture.start_ns)}"
    )
    return Finding(
        kind,
        outcome,
        text,
        expected.line,
        measured,
        (low, high),
        uncertainty,
        margin,
        int(edge["seqno"]),
        int(edge["time_ns"]),
    )


def _worst_index(intervals: NDArray[np.int64], low: int, high: int, clock: Clock) -> int:
    """The shortest or the longest interval, whichever fits worse.

    That need not be the one farther from nominal: the uncertainty grows with the interval.
    """

    def badness(index: int) -> tuple[int, int]:
        measured = int(intervals[index])
        uncertainty = clock.interval_uncertainty_ns(measured)
        outcome, margin = compare(measured, low, high, uncertainty)
        return list(Outcome).index(outcome), -margin

    return max(int(np.argmin(intervals)), int(np.argmax(intervals)), key=badness)


def _nothing_to_measure(kind: Kind, expected: Expectation) -> Finding:
    """Two commanded edges have no off-time and no period between them; that is no defect."""
    wanted = kind is Kind.ON_TIME or expected.commanded > 2
    outcome = Outcome.INCONCLUSIVE if wanted else Outcome.PASS
    text = f"{expected.line} {kind}: no interval to measure, {expected.commanded} edges commanded"
    return Finding(kind, outcome, text, expected.line)


def _final_level(capture: Capture, expected: Expectation) -> Iterator[Finding]:
    """The level that the guest left, and how long it was held until the line was let go."""
    edges, let_go_ns = capture.of_line(expected.line), _let_go_ns(capture, expected)
    driven = _driven(edges, let_go_ns, expected)
    level = int(driven[-1]["level"]) if len(driven) else capture.initial_levels[expected.line]
    began_ns = int(driven[-1]["time_ns"]) if len(driven) else capture.start_ns
    ended_ns = min([let_go_ns, *edges["time_ns"][len(driven) : len(driven) + 1].tolist()])
    outcome = Outcome.PASS if level == expected.final_level else Outcome.FAIL
    text = f"{expected.line} ended {_word(level)}, expected {_word(expected.final_level)}"
    yield Finding(
        Kind.FINAL_LEVEL, outcome, text, expected.line, level, (expected.final_level,) * 2, 0
    )
    yield _hold_time(capture, expected, began_ns, ended_ns)


def _let_go_ns(capture: Capture, expected: Expectation) -> int:
    """When the line first stopped being an output; the end of the capture if it did not."""
    changes = [c for c in capture.modes if c.line == expected.line]
    return next((c.time_ns for c in changes if c.mode != "out"), capture.end_ns)


def _driven(edges: _Edges, let_go_ns: int, expected: Expectation) -> _Edges:
    """The edges without the one by which a line that was left on went dark.

    The tender switches it off just before it lets go. Where that edge is not
    expected, it is known by the off that was not held.
    """
    if expected.final_level:
        return edges[: expected.commanded]
    if len(edges) <= expected.commanded or edges[-1]["level"]:
        return edges
    held_ns = let_go_ns - int(edges[-1]["time_ns"])
    return edges[:-1] if held_ns < _least_hold_ns(expected) else edges


def _least_hold_ns(expected: Expectation) -> int:
    return expected.hold_ns - expected.tolerance_of(expected.hold_ns)


def _hold_time(capture: Capture, expected: Expectation, began_ns: int, ended_ns: int) -> Finding:
    held_ns, low_ns = ended_ns - began_ns, _least_hold_ns(expected)
    uncertainty = capture.clock.interval_uncertainty_ns(held_ns)
    outcome, margin = compare(held_ns, low_ns, None, uncertainty)
    text = (
        f"{expected.line} held its last level for {ms(held_ns)}, expected at least "
        f"{ms(expected.hold_ns)} - {ms(expected.hold_ns - low_ns)}, uncertainty {ms(uncertainty)}, "
        f"from +{ms(began_ns - capture.start_ns)}"
    )
    return Finding(
        Kind.HOLD_TIME,
        outcome,
        text,
        expected.line,
        held_ns,
        (low_ns, None),
        uncertainty,
        margin,
        time_ns=began_ns,
    )


def _release(capture: Capture, expected: Expectation) -> Iterator[Finding]:
    """The line was an input, was driven, and is an input again; dark in the end."""
    edges = capture.of_line(expected.line)
    level = int(edges[-1]["level"]) if len(edges) else capture.initial_levels[expected.line]
    if level:
        text = f"{expected.line} is still on at the end of the capture"
        yield Finding(Kind.RELEASE, Outcome.FAIL, text, expected.line, level)
    if capture.sees_modes:
        yield _directions(capture, expected)
    elif not level:
        text = f"{expected.line} is off at the end (this observer cannot see directions)"
        yield Finding(Kind.RELEASE, Outcome.PASS, text, expected.line, level)


def _directions(capture: Capture, expected: Expectation) -> Finding:
    """Driven once and then released; what moves while it is not driven, somebody else moved."""
    changes = [c for c in capture.modes if c.line == expected.line]
    modes = [capture.initial_modes[expected.line], *(c.mode for c in changes)]
    text = f"{expected.line} was {', then '.join(modes)}; expected in, then out, then in"
    if modes != ["in", "out", "in"]:
        return Finding(Kind.RELEASE, Outcome.FAIL, text, expected.line)
    times = capture.of_line(expected.line)["time_ns"]
    stray = int(np.sum((times < changes[0].time_ns) | (times > changes[1].time_ns)))
    outcome = Outcome.FAIL if stray else Outcome.PASS
    text += f"; {stray} edges while it was not driven"
    return Finding(Kind.RELEASE, outcome, text, expected.line, stray, (0, 0), 0)


def _foreign(capture: Capture, expected: Expectation) -> Iterator[Finding]:
    """No other line may move or change its function."""
    others = [name for name in capture.lines if name != expected.line]
    strangers = capture.edges[capture.edges["line"] != capture.lines.index(expected.line)]
    moved = {capture.lines[index] for index in np.unique(strangers["line"])}
    switched = {c.line for c in capture.modes} - {expected.line}
    for name in sorted(moved | switched):
        yield _moved(capture, name)
    if not moved | switched:
        text = f"none of the {len(others)} other observed lines moved"
        yield Finding(Kind.FOREIGN, Outcome.PASS, text, None, 0, (0, 0), 0)


def _moved(capture: Capture, name: str) -> Finding:
    edges = capture.of_line(name)
    changes = [c for c in capture.modes if c.line == name]
    first_ns = min([int(t) for t in edges["time_ns"][:1]] + [c.time_ns for c in changes[:1]])
    directions = ", then ".join(c.mode for c in changes) or "kept"
    text = (
        f"{name} should not have moved: {len(edges)} edges, direction {directions}, "
        f"first at +{ms(first_ns - capture.start_ns)}"
    )
    return Finding(Kind.FOREIGN, Outcome.FAIL, text, name, len(edges), (0, 0), 0, time_ns=first_ns)


def _word(level: int) -> str:
    return "on" if level else "off"
