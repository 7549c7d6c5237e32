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

import pyarrow as pa

from rig.verdict import Finding, Kind, Outcome

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
    end = _END.search(console)
    announced = int(end[1]) if end else 0
    fault = _fault(records, announced)
    outcome = Outcome.FAIL if fault else Outcome.PASS
    text = f"guest recorded {len(records)} hypercalls, announced {announced or 'none'}{fault}"
    limits = (announced, announced)
    yield Finding(Kind.GUEST_RECORD, outcome, text, measured=len(records), limits=limits)


def _fault(records: pa.Table, announced: int) -> str:
    """What is wrong with the records; empty if nothing."""
    seqnos = records["seqno"].to_pylist()
    if not announced:
        return "; led-end is missing or says 0"
    for wanted in range(announced):
        if seqnos[wanted : wanted + 1] != [wanted]:
            return f"; number {wanted} is missing or out of place"
    if len(seqnos) > announced:
        return f"; number {seqnos[announced]} follows the last"
    pairs = zip(records["before_ns"].to_pylist(), records["after_ns"].to_pylist(), strict=True)
    backwards = [n for n, (before_ns, after_ns) in enumerate(pairs) if after_ns < before_ns]
    return f"; number {backwards[0]} ended before it began" if backwards else ""


def judge_console(console: str, wanted: tuple[str, ...]) -> Iterator[Finding]:
    """One finding for each text that the console must show."""
    for text in wanted:
        there = text in console
        outcome = Outcome.PASS if there else Outcome.FAIL
        state = "says" if there else "does not say"
        yield Finding(Kind.CONSOLE, outcome, f"console {state} {text!r}")


def judge_exit_status(status: int, wanted: int) -> Iterator[Finding]:
    """The tender's exit status, as the target's shell saw it."""
    outcome = Outcome.PASS if status == wanted else Outcome.FAIL
    text = f"exit status is {status}, expected {wanted}"
    yield Finding(Kind.EXIT_STATUS, outcome, text, measured=status, limits=(wanted, wanted))
