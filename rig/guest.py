"""What the LED unikernel says on its console, as data.

The unikernel prints one record per hypercall, only after its last edge:

    test_led: cycles=10 on_us=200000 off_us=300000 final=0
    led-begin,<time at its start>
    led,<seqno>,<level>,<deadline>,<before>,<after>
    led-end,<number of records>
    SUCCESS

All times are nanoseconds of the guest's monotonic clock.
"""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from rig.capture import Capture
from rig.course import Course
from rig.expectation import Expectation
from rig.findings import Finding, Kind, Outcome, counted, judged, ms

SCHEMA = pa.schema(
    [
        ("seqno", pa.uint32()),
        ("level", pa.uint8()),
        ("deadline_ns", pa.int64()),
        ("before_ns", pa.int64()),
        ("after_ns", pa.int64()),
    ],
    metadata={"schema": "guest/1", "clock": "guest monotonic, ns"},
)
"""Columns of `guest.parquet`; its metadata also has `app_start_ns`."""

# As many digits as the columns hold: a longer number is a damaged line.
_COUNT, _TIME = r"([0-9]{1,9})", r"([0-9]{1,18})"
_RECORD = re.compile(rf"\bled,{_COUNT},([01]),{_TIME},{_TIME},{_TIME}\s*$", re.MULTILINE)
_BEGIN = re.compile(rf"\bled-begin,{_TIME}\s*$", re.MULTILINE)
_END = re.compile(rf"\bled-end,{_COUNT}\s*$", re.MULTILINE)


def parse_records(console: str) -> pa.Table:
    """The records on a console, in the order printed; shape (n hypercalls, 5).

    Never raises: what is missing shows in `judge_records`.
    """
    rows = [tuple(map(int, groups)) for groups in _RECORD.findall(console)]
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    begin = _BEGIN.search(console)
    start = {"app_start_ns": begin[1]} if begin else {}
    metadata = {**(SCHEMA.metadata or {}), **{k.encode(): v.encode() for k, v in start.items()}}
    return pa.table(arrays, schema=SCHEMA.with_metadata(metadata))


def judge_records(console: str, records: pa.Table) -> Iterator[Finding]:
    """Whether the guest's record is whole: no gap, as many as it announces, no time going back."""
    announced = _announced(console)
    fault = _fault(records, announced)
    outcome = Outcome.FAIL if fault else Outcome.PASS
    text = f"guest recorded {len(records)} hypercalls, announced {announced or 'none'}{fault}"
    limits = (announced, announced)
    yield Finding(Kind.GUEST_RECORD, outcome, text, measured=len(records), limits=limits)


def judge_against_pin(
    console: str, records: pa.Table, capture: Capture, expected: Expectation
) -> Iterator[Finding]:
    """Whether the pin did what the guest says: edge by edge, and in the same time.

    How often and when the guest should have done it is not asked here.
    """
    if _fault(records, _announced(console)):
        for kind in (Kind.GUEST_EDGES, Kind.GUEST_TIMING):
            text = "the guest's record is not whole, so the pin was not compared with it"
            yield Finding(kind, Outcome.INCONCLUSIVE, text)
        return
    course = Course(capture, expected)
    edges = _guest_edges(records, course)
    yield edges
    yield _guest_timing(records, course, edges.outcome)


def _guest_edges(records: pa.Table, course: Course) -> Finding:
    """Each level that the guest set is an edge; the tender's own, at both ends, are added."""
    set_levels, resting = records["level"].to_numpy(), course.expected.initial_level
    released = [resting] if set_levels[-1] != resting else []
    wanted = np.concatenate((set_levels, released)).astype(np.uint8)
    pin = course.edges.levels[resting:]
    alike = np.array_equal(pin, wanted)
    text = (
        f"guest set {counted(len(set_levels), 'level')}, so {course.expected.line} should show "
        f"{counted(len(wanted), 'edge')}; it shows {len(pin)}, "
        f"{'of the same levels' if alike else 'not of the same levels'}"
    )
    outcome = Outcome.PASS if alike else Outcome.FAIL
    limits = (len(wanted), len(wanted))
    finding = Finding(
        Kind.GUEST_EDGES, outcome, text, course.expected.line, len(pin), limits, uncertainty=0
    )
    return finding.weakened("the capture ends too early") if course.awaits_edges else finding


def _guest_timing(records: pa.Table, course: Course, edges: Outcome) -> Finding:
    """Each interval at the pin against the shortest and the longest that the guest's stamps allow.

    An edge comes between the stamps before and after its hypercall.
    """
    expected = course.expected
    if edges is not Outcome.PASS or len(records) < 2:
        text = "the guest's edges are not those at the pin, so their times were not compared"
        return Finding(Kind.GUEST_TIMING, Outcome.INCONCLUSIVE, text, expected.line)
    before, after = (records[name].to_numpy() for name in ("before_ns", "after_ns"))
    first = expected.initial_level
    pin_ns = np.diff(course.edges.times[first : first + len(records)])
    off_ns = pin_ns - np.clip(pin_ns, before[1:] - after[:-1], after[1:] - before[:-1])
    worst = int(np.argmax(np.abs(off_ns)))
    measured, interval_ns = int(off_ns[worst]), int(pin_ns[worst])
    allowed_ns = expected.tolerance_of(min(expected.on_ns, expected.off_ns))
    uncertainty = course.capture.clock.interval_uncertainty_ns(interval_ns)
    text = (
        f"guest's times: the worst of {counted(len(pin_ns), 'interval')} at {expected.line} is "
        f"{ms(abs(measured))} {'shorter' if measured < 0 else 'longer'} than the guest's stamps "
        f"allow, expected within {ms(allowed_ns)}, uncertainty {ms(uncertainty)}, "
        f"from record {worst}"
    )
    limits = (-allowed_ns, allowed_ns)
    return judged(Kind.GUEST_TIMING, text, expected.line, measured, limits, uncertainty)


def _announced(console: str) -> int:
    """Found by its word first: a pattern takes seconds on the console of a million cycles."""
    place = console.find("led-end,")
    end = _END.search(console, place) if place >= 0 else None
    return int(end[1]) if end else 0


def _fault(records: pa.Table, announced: int) -> str:
    """What is wrong with the records; empty if nothing."""
    seqnos = records["seqno"].to_numpy()
    if not announced:
        return "; led-end is missing or says 0"
    first = seqnos[:announced]
    good = int(np.argmin(np.append(first == np.arange(len(first)), False)))
    if good < announced:
        return f"; number {good} is missing or out of place"
    if len(seqnos) > announced:
        return f"; number {seqnos[announced]} follows the last"
    backwards = np.flatnonzero(records["after_ns"].to_numpy() < records["before_ns"].to_numpy())
    return f"; number {backwards[0]} ended before it began" if len(backwards) else ""


def judge_console(console: str, wanted: tuple[str, ...]) -> Iterator[Finding]:
    """One finding for each line that the console must show, whole but for blanks around it."""
    for text in wanted:
        there = _has_line(console, text)
        outcome = Outcome.PASS if there else Outcome.FAIL
        state = "says" if there else "does not say"
        yield Finding(Kind.CONSOLE, outcome, f"console {state} {text!r}")


def _has_line(console: str, text: str) -> bool:
    """Looks only where the text is, for there may be millions of other lines."""
    place = console.find(text)
    while place >= 0:
        begin, end = console.rfind("\n", 0, place) + 1, console.find("\n", place)
        lines = console[begin : end if end >= 0 else None].split("\r")
        if text in (line.strip() for line in lines):
            return True
        place = console.find(text, place + 1)
    return False


def judge_exit_status(status: int | None, wanted: int | None) -> Iterator[Finding]:
    """The tender's exit status, as the target's shell saw it; None if there was none to see."""
    if wanted is None:
        return
    outcome = Outcome.PASS if status == wanted else Outcome.FAIL
    told = "missing: the tender did not end" if status is None else status
    text = f"exit status is {told}, expected {wanted}"
    yield Finding(Kind.EXIT_STATUS, outcome, text, measured=status, limits=(wanted, wanted))
