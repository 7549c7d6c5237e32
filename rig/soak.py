"""A soak: one blink pattern for very long, in chunks, each of which is a run of its own.

`soak.json` in the results folder says after every chunk how far the soak has come. It is
replaced as a whole, so a rig that dies in mid-chunk loses that chunk and no more, and another
goes on from there. What is judged over all chunks follows from this record alone.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rig.bench import SoakLimits
from rig.course import Course, keeps_time
from rig.errors import SoakError
from rig.evidence import Evidence
from rig.expectation import Expectation
from rig.findings import Kind, Outcome, counted, judged, ms

RECORD = "soak.json"
EMULATORS = "qemu-system"
RESERVED_BYTES = 128 << 20
"""What is mapped at once and is as large as this is reserved, not grown."""
LEAST_CHUNKS = 5
"""Fewer, after the warm-up, do not show a trend."""
WARM_UP_CHUNKS = 2
WARM_UP_SHARE = 5
"""The first fifth of a process's chunks, two at least, fill its caches."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Plan(_Part):
    """What a soak is; only the same plan goes on where another rig stopped."""

    bench: str
    bench_sha256: str
    tender: str
    """SHA-256; so is `unikernel`."""
    unikernel: str
    line: str
    cycles: int
    chunk_cycles: int
    on_ns: int
    off_ns: int


class Usage(_Part):
    """What one process holds at one moment."""

    process: str
    pid: int
    memory_kib: int
    """Resident; of an emulator without the memory of its guest, see `usage_here`."""
    descriptors: int


class Chunk(_Part):
    """One run of a soak, as far as the whole is judged by it."""

    folder: str
    """Of its evidence, below the results folder."""
    cycles: int
    edges: int
    """That were seen of the commanded ones."""
    outcome: Outcome
    took_ns: int
    """From the order to the sealed evidence, by the rig's clock."""
    schedule_ns: int
    """From the first commanded edge to the last."""
    drift_ns: int | None
    """How much later than scheduled the last edge came; None: that was not seen."""
    drift_uncertainty_ns: int
    tender: tuple[Usage, ...]
    """Early and late in the run, as the target told; empty if it did not."""
    rig: tuple[Usage, ...]
    """The rig itself and every process that it started, after the run."""


class SoakRecord(_Part):
    """`soak.json`."""

    schema_: Literal["soak/2"] = Field(default="soak/2", alias="schema")
    plan: Plan
    limits: SoakLimits
    time_lapse: bool
    """Whether the target skipped the time in which it was idle."""
    drift_ns: int
    """How far the last edge of all may be off its place; `rate_ppm` of the time come on top."""
    rate_ppm: float
    chunks: tuple[Chunk, ...] = ()

    @property
    def cycles(self) -> int:
        """How many are done."""
        return sum(chunk.cycles for chunk in self.chunks)

    def with_chunk(self, chunk: Chunk) -> "SoakRecord":
        """The record one chunk later."""
        return self.model_copy(update={"chunks": (*self.chunks, chunk)})


class Topic(_Part):
    """What was found out about a whole soak, under one heading."""

    name: Literal["cycles", "drift", "memory", "descriptors"]
    process: str
    """Whose memory or descriptors; empty for the others."""
    outcome: Outcome | None
    """None: nothing can be said, for the reason that `text` tells."""
    text: str


def write_record(folder: Path, record: SoakRecord) -> None:
    """Write `soak.json`, whole or not at all."""
    draft = folder / f".{RECORD}.tmp"
    text = json.dumps(record.model_dump(mode="json"), indent=2, sort_keys=True)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(folder / RECORD)


def read_record(folder: Path) -> SoakRecord:
    """Read `soak.json`. Raises `SoakError` if it is missing or damaged."""
    path = folder / RECORD
    try:
        return SoakRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SoakError(
            f"{path}: {error.strerror}; give the results folder of a soak that was begun"
        ) from error
    except ValidationError as error:
        raise SoakError(f"{path} is no record of a soak: {error}") from error


def continued(folder: Path, plan: Plan) -> SoakRecord:
    """The record of a soak of the same plan. Raises `SoakError`, one line per difference."""
    record = read_record(folder)
    was, now = record.plan.model_dump(), plan.model_dump()
    other = [f"\n  {key}: was {was[key]}, is {now[key]}" for key in now if was[key] != now[key]]
    if other:
        raise SoakError(f"{folder}: this soak cannot go on, it was another one:" + "".join(other))
    return record


# ---- What processes hold -----------------------------------------------------------


def usage_here() -> tuple[Usage, ...]:
    """The rig and every process that it started, now.

    An emulator reserves its guest's memory and the room for translated code as a whole, and
    both fill up for hours; that is no growth, so its large anonymous mappings do not count.
    """
    rig = psutil.Process()
    processes = [("rig", rig), *((child.name(), child) for child in _children(rig))]
    return tuple(usage for name, process in processes for usage in _usage(name, process))


def _children(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children(recursive=True) if child.is_running()]


def _usage(name: str, process: psutil.Process) -> Iterator[Usage]:
    """Nothing of a process that ends meanwhile."""
    try:
        with process.oneshot():
            memory_kib = _memory(name, process) // 1024
            yield Usage(
                process=name,
                pid=process.pid,
                memory_kib=memory_kib,
                descriptors=process.num_fds(),
            )
    except psutil.NoSuchProcess:
        return


def _memory(name: str, process: psutil.Process) -> int:
    resident: int = process.memory_info().rss
    if not name.startswith(EMULATORS):
        return resident
    maps = process.memory_maps(grouped=False)
    return resident - sum(m.rss for m in maps if m.path == "[anon]" and m.size >= RESERVED_BYTES)


def watched(command: str, process: str, duration_ns: int) -> str:
    """The target's command line, which tells early and late what `process` holds.

    It says so on the console when the command has ended, and ends with its status.
    """
    early_s, late_s = duration_ns / 8e9, duration_ns * 6 / 8e9
    say = (
        "say() { echo tender-holds,$p,$(sed -n 's/^Rss: *\\([0-9]*\\).*/\\1/p' "
        "/proc/$p/smaps_rollup),$(ls /proc/$p/fd | wc -l); }"
    )
    there = f"n=0; until pidof {process} || [ $n -ge 500 ]; do sleep 0.02; n=$((n+1)); done"
    # While a process starts others, they go by its name, too: so it is named a while later.
    look = (
        f"{say}; {there} > /dev/null; sleep {early_s:.3f}; p=$(pidof {process}); say; "
        f"sleep {late_s:.3f}; say"
    )
    return (
        f"f=$(mktemp); ({look}) > $f 2> /dev/null & w=$!; {command}; s=$?; "
        "kill $w 2> /dev/null; cat $f; rm $f; exit $s"
    )


_HOLDS = re.compile(r"\btender-holds,(\d{1,9}),(\d{1,12}),(\d{1,9})\s*$", re.MULTILINE)


def usage_told(console: str, process: str) -> tuple[Usage, ...]:
    """What `watched` said on a console."""
    return tuple(
        Usage(process=process, pid=int(pid), memory_kib=int(kib), descriptors=int(count))
        for pid, kib, count in _HOLDS.findall(console)
    )


# ---- One chunk -----------------------------------------------------------------------


def chunk_of(
    evidence: Evidence, expected: Expectation, folder: Path, outcome: Outcome, took_ns: int
) -> Chunk:
    """What the record keeps of a chunk; `folder` is the results folder."""
    capture = evidence.capture
    times = Course(capture, expected).pattern.times
    schedule_ns = expected.duration_ns - expected.hold_ns
    whole = keeps_time(capture) and len(times) == expected.commanded
    return Chunk(
        folder=str(evidence.folder.relative_to(folder)),
        cycles=expected.cycles,
        edges=len(times),
        outcome=outcome,
        took_ns=took_ns,
        schedule_ns=schedule_ns,
        drift_ns=int(times[-1] - times[0]) - schedule_ns if whole else None,
        drift_uncertainty_ns=capture.clock.interval_uncertainty_ns(schedule_ns),
        tender=usage_told(evidence.console, "tender"),
        rig=usage_here(),
    )


# ---- All chunks ----------------------------------------------------------------------


def judge_soak(record: SoakRecord) -> tuple[Topic, ...]:
    """The whole soak so far: its cycles, its drift, and what every process came to hold."""
    return (
        _cycles(record),
        _drift(record),
        *_of_tender(record, record.limits),
        *_of_rig(record, record.limits),
    )


def _cycles(record: SoakRecord) -> Topic:
    wanted, done, chunks = record.plan.cycles, record.cycles, record.chunks
    edges = sum(chunk.edges for chunk in chunks)
    bad = [chunk for chunk in chunks if chunk.outcome is not Outcome.PASS]
    text = f"{done} of {wanted} cycles in {counted(len(chunks), 'chunk')}, {edges} edges"
    text += " in time-lapse" if record.time_lapse else ""
    if bad:
        ranks = list(Outcome)
        worst = max(bad, key=lambda chunk: ranks.index(chunk.outcome))
        told = f"; {counted(len(bad), 'chunk')} did not pass, such as {worst.folder}"
        return Topic(name="cycles", process="", outcome=worst.outcome, text=text + told)
    outcome = Outcome.PASS if done == wanted else Outcome.INCONCLUSIVE
    return Topic(name="cycles", process="", outcome=outcome, text=text)


def _drift(record: SoakRecord) -> Topic:
    """All chunks together have the room of one, beside what the target's clock may be off."""
    drifts = [chunk.drift_ns for chunk in record.chunks if chunk.drift_ns is not None]
    if record.time_lapse:
        text = "drift: not judged, the stamps of time-lapse say nothing about time"
        return Topic(name="drift", process="", outcome=None, text=text)
    if not drifts or len(drifts) < len(record.chunks):
        text = f"drift: seen in {len(drifts)} of {counted(len(record.chunks), 'chunk')} only"
        return Topic(name="drift", process="", outcome=Outcome.INCONCLUSIVE, text=text)
    schedule_ns = sum(chunk.schedule_ns for chunk in record.chunks)
    limit_ns = record.drift_ns + int(schedule_ns * record.rate_ppm / 1e6)
    uncertainty = sum(chunk.drift_uncertainty_ns for chunk in record.chunks)
    text = (
        f"drift: {ms(sum(drifts))} in {ms(schedule_ns)} of schedule, expected within "
        f"{ms(limit_ns)}, uncertainty {ms(uncertainty)}"
    )
    limits = (-limit_ns, limit_ns)
    finding = judged(Kind.DRIFT, text, record.plan.line, sum(drifts), limits, uncertainty)
    return Topic(name="drift", process="", outcome=finding.outcome, text=text)


def _of_tender(record: SoakRecord, limits: SoakLimits) -> Iterator[Topic]:
    """Every chunk has a tender of its own, so what counts is how it grows within a chunk."""
    pairs = [chunk.tender for chunk in record.chunks if len(chunk.tender) == 2]
    if not pairs or len(pairs) < len(record.chunks):
        text = f"the target told it of {len(pairs)} of {counted(len(record.chunks), 'chunk')} only"
        for name in ("memory", "descriptors"):
            yield _growth(name, "tender", Outcome.INCONCLUSIVE, text)
        return
    memory = sorted(late.memory_kib - early.memory_kib for early, late in pairs)
    opened = sorted(late.descriptors - early.descriptors for early, late in pairs)
    yield _grown_within("memory", memory, limits.tender_growth_kib, "KiB")
    yield _grown_within("descriptors", opened, 0, "descriptors")


def _grown_within(name: str, growths: list[int], limit: int, unit: str) -> Topic:
    median = growths[len(growths) // 2]
    outcome = Outcome.PASS if median <= limit else Outcome.FAIL
    text = (
        f"within a chunk it grows by {median} {unit} (median of {len(growths)}, {growths[0]} to "
        f"{growths[-1]}), expected at most {limit}"
    )
    return _growth(name, "tender", outcome, text)


def _growth(name: str, process: str, outcome: Outcome | None, text: str) -> Topic:
    return Topic.model_validate(
        {"name": name, "process": process, "outcome": outcome, "text": f"{process} {name}: {text}"}
    )


@dataclass(frozen=True)
class _Series:
    """What one process held after each of its chunks, without its warm-up."""

    memory_kib: list[int]
    descriptors: list[int]


def _of_rig(record: SoakRecord, limits: SoakLimits) -> Iterator[Topic]:
    usages = sorted(
        (usage for chunk in record.chunks for usage in chunk.rig),
        key=lambda usage: (usage.process, usage.pid),
    )
    for process, group in groupby(usages, key=lambda usage: usage.process):
        series = [s for s in _series(list(group)) if len(s.memory_kib) >= LEAST_CHUNKS]
        yield _trend("memory", process, [s.memory_kib for s in series], limits.rig_growth_kib)
        yield _trend("descriptors", process, [s.descriptors for s in series], 0)


def _series(usages: list[Usage]) -> Iterator[_Series]:
    """One for each process of this name that ever ran: a rig that went on is another one."""
    for _, group in groupby(usages, key=lambda usage: usage.pid):
        of_process = list(group)
        settled = of_process[max(WARM_UP_CHUNKS, len(of_process) // WARM_UP_SHARE) :]
        yield _Series([u.memory_kib for u in settled], [u.descriptors for u in settled])


def _trend(name: str, process: str, series: list[list[int]], limit: int) -> Topic:
    """By Theil and Sen: the median slope of all pairs, which a few outliers do not move."""
    if not series:
        text = f"too few chunks to tell; a trend needs {LEAST_CHUNKS} after the warm-up"
        return _growth(name, process, None, text)
    unit = "KiB" if name == "memory" else "descriptors"
    return max((_trend_of(name, process, one, limit, unit) for one in series), key=_badness)


def _badness(topic: Topic) -> int:
    return -1 if topic.outcome is None else list(Outcome).index(topic.outcome)


def _trend_of(name: str, process: str, values: list[int], limit: int, unit: str) -> Topic:
    """A growth beyond the limit fails if it is sure, that is if not even its sign is in doubt."""
    from scipy.stats import theilslopes  # takes a second, for which no report without a soak waits

    slope, _, low, _ = theilslopes(values)
    grown = slope * (len(values) - 1)
    if grown < limit + 0.5:
        outcome = Outcome.PASS
    else:
        outcome = Outcome.FAIL if low > 0 else Outcome.INCONCLUSIVE
    text = (
        f"grows by {grown:.0f} {unit} over {len(values)} chunks by its trend "
        f"({min(values)} to {max(values)}), expected at most {limit}"
    )
    return _growth(name, process, outcome, text)
