"""The words of `robot/soak.robot`: thin, over `rig.soak` and the library of the LED suites."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from robot.api import SkipExecution, logger
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn

from rig import bench as facts
from rig.bench import Bench
from rig.errors import SoakError
from rig.evidence import folder_name
from rig.findings import counted
from rig.keywords import RigLibrary, Run, in_ns
from rig.led import Pattern
from rig.load import Load
from rig.packed import packed
from rig.soak import (
    Chunk,
    Plan,
    SoakRecord,
    Topic,
    chunk_of,
    continued,
    judge_soak,
    watched,
    write_record,
)
from rig.verdict import Outcome

INTERIM_CHUNKS = 10
"""So many chunks lie between two interim reports."""
LINE = "led"


@library(scope="SUITE", version="1")
class SoakLibrary:
    """Words to switch an LED for very long, and to judge the whole of it."""

    def __init__(self) -> None:
        self._record: SoakRecord | None = None

    @keyword
    def soak_led(
        self, cycles: int, chunk: int, on: timedelta, off: timedelta, resume: str = ""
    ) -> None:
        """Blink the LED `cycles` times, in runs of `chunk` cycles each.

        The soak is over when all cycles are done or a chunk fails. After every chunk
        `soak.json` in the results folder is up to date: `resume` takes that folder, and goes on
        where the last chunk ended.
        """
        rig = _rig()
        plan = _plan(rig, cycles, chunk, Pattern(chunk, in_ns(on), in_ns(off)))
        self._record = _begin(rig, plan, resume)
        logger.console(
            f"Soak: {plan.cycles - self._record.cycles:,} cycles to go; if it is cut short: "
            f"robot --variable RESUME:{rig.results} ..."
        )
        while self._record.cycles < plan.cycles and not _failed(self._record):
            self._record = self._record.with_chunk(_run_chunk(rig, plan, self._record))
            write_record(rig.results, self._record)
            _tell(rig, self._record)

    @keyword
    def no_edge_should_have_been_lost(self) -> None:
        """All cycles were done, and every chunk passed whole."""
        self._should_pass("cycles")

    @keyword
    def soak_should_not_have_drifted(self) -> None:
        """The last edge of all came when it should, within the budgets of both clocks."""
        self._should_pass("drift")

    @keyword
    def tender_should_not_have_grown(self) -> None:
        """Neither its memory nor the number of its descriptors."""
        self._should_pass("memory", "descriptors", of_tender=True)

    @keyword
    def rig_should_not_have_grown(self) -> None:
        """Neither the rig nor any process that it started: observer, emulator, connections."""
        self._should_pass("memory", "descriptors", of_tender=False)

    def _should_pass(self, *names: str, of_tender: bool | None = None) -> None:
        """Skips if nothing can be said about any of them."""
        topics = [topic for topic in self._topics() if topic.name in names]
        if of_tender is not None:
            topics = [topic for topic in topics if (topic.process == "tender") is of_tender]
        for topic in topics:
            logger.info(f"{topic.outcome or 'not judged'}: {topic.text}", also_console=True)
        bad = [t for t in topics if t.outcome not in (None, Outcome.PASS)]
        if bad:
            raise AssertionError("\n".join(f"{topic.outcome}: {topic.text}" for topic in bad))
        if all(topic.outcome is None for topic in topics):
            raise SkipExecution("; ".join(topic.text for topic in topics))

    def _topics(self) -> tuple[Topic, ...]:
        if self._record is None:
            raise SoakError("there was no soak to judge; see the first test of this suite")
        return judge_soak(self._record)


def _rig() -> RigLibrary:
    library = BuiltIn().get_library_instance("rig.keywords.RigLibrary")
    assert isinstance(library, RigLibrary)  # the resource imports it
    return library


def _plan(rig: RigLibrary, cycles: int, chunk: int, pattern: Pattern) -> Plan:
    return Plan(
        bench=rig.bench.name,
        bench_sha256=rig.bench.sha256,
        tender=rig.images["tender"].sha256,
        unikernel=rig.images["test_led"].sha256,
        line=LINE,
        cycles=cycles,
        chunk_cycles=chunk,
        on_ns=pattern.on_ns,
        off_ns=pattern.off_ns,
    )


def _begin(rig: RigLibrary, plan: Plan, resume: str) -> SoakRecord:
    """A new record, or that of the soak that goes on."""
    if resume:
        record = continued(Path(resume), plan)
        rig.continue_results(Path(resume))
        return record
    expected = _pattern(plan, plan.chunk_cycles).expectation(LINE, **rig.bench.limits.limits_ns())
    record = SoakRecord(
        plan=plan,
        limits=rig.bench.soak,
        time_lapse=_is_time_lapse(rig.bench),
        drift_ns=expected.drift_ns,
        rate_ppm=expected.rate_ppm,
    )
    rig.results.mkdir(parents=True, exist_ok=True)
    write_record(rig.results, record)
    return record


def _is_time_lapse(bench: Bench) -> bool:
    return isinstance(bench.target, facts.VirtualPi) and bench.target.time_lapse


def _pattern(plan: Plan, cycles: int) -> Pattern:
    return Pattern(cycles, plan.on_ns, plan.off_ns)


def _failed(record: SoakRecord) -> bool:
    return any(chunk.outcome is Outcome.FAIL for chunk in record.chunks)


def _run_chunk(rig: RigLibrary, plan: Plan, record: SoakRecord) -> Chunk:
    started_ns = time.monotonic_ns()
    pattern = _pattern(plan, min(plan.chunk_cycles, plan.cycles - record.cycles))
    limits = rig.bench.limits.limits_for(pattern.shortest_ns, Load.IDLE)
    expected = pattern.expectation(plan.line, **limits)
    order = rig.pattern_order(pattern, expected, "test_led", "tender")
    command = watched(order.command, "tender", pattern.duration_ns)
    order = replace(order, command=packed(command), is_packed=True)
    run: Run = rig.run_order(order, _free_folder(rig.results, order.suite, len(record.chunks) + 1))
    took_ns = time.monotonic_ns() - started_ns
    return chunk_of(run.evidence, expected, rig.results, run.verdict.outcome, took_ns)


def _free_folder(results: Path, suite: str, number: int) -> Path:
    """A rig that died between seal and record has left one that does not count."""
    first = results / folder_name(suite) / f"chunk-{number:05d}"
    others = (first.with_name(f"{first.name}-{again}") for again in range(2, 1000))
    return first if not first.exists() else next(path for path in others if not path.exists())


def _tell(rig: RigLibrary, record: SoakRecord) -> None:
    """One line for a chunk, and now and then a report."""
    chunk, plan = record.chunks[-1], record.plan
    holds = ", ".join(f"{usage.process} {usage.memory_kib // 1024} MiB" for usage in chunk.rig)
    left = -(-(plan.cycles - record.cycles) // plan.chunk_cycles)
    mean_s = sum(chunk.took_ns for chunk in record.chunks) / len(record.chunks) / 1e9
    logger.console(
        f"  {record.cycles:,} of {plan.cycles:,} cycles: {chunk.outcome}, {chunk.edges} edges in "
        f"{chunk.took_ns / 1e9:.1f} s; {holds}; about {left * mean_s / 60:.0f} min to go"
    )
    if left and len(record.chunks) % INTERIM_CHUNKS == 0:
        rig.write_interim_report()
        logger.console(f"  interim report on {counted(len(record.chunks), 'chunk')}: {rig.results}")
