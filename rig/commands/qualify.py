"""`rig qualify`: measure how well a bench's observer sees, and store it beside the bench file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from rig.bench import Bench, load_bench
from rig.commands.arguments import BenchFile, known_lines
from rig.commands.progress import progress
from rig.commands.status import Status
from rig.errors import BenchError
from rig.identity import REPOSITORY, tool_versions
from rig.observers.base import Observer
from rig.observers.qemu import QemuObserver
from rig.qualification import (
    Leg,
    LegResult,
    Record,
    analyse,
    identity_of,
    make_record,
    path_of,
    write_record,
)
from rig.reference import PROGRAM, EmulatorReference, Reference, TargetReference
from rig.session import Session, deployed_path
from rig.targets.base import MACHINE

INTERVALS_NS = (200_000_000, 50_000_000, 10_000_000, 2_000_000, 1_000_000, 200_000, 0)
"""Of the legs, mean values; the last is as fast as the reference goes."""
LONGEST_LEG_NS = 40_000_000_000
"""A slow leg has as many edges as fit into this, but at least `FEWEST_EDGES`."""
FEWEST_EDGES = 20
MOST_REPEATS = 2
"""Of a leg in which this host stalled."""

UNMEASURED_PPM = 500.0
"""What Linux takes an oscillator for that nobody has measured (`tolerance` in adjtimex(2))."""


class ReferenceKind(StrEnum):
    """What may switch the line."""

    EMULATOR = "emulator"
    TARGET = "target"


Edges = Annotated[
    int, typer.Option(min=FEWEST_EDGES, max=100_000, help="How many to send at each rate.")
]
LineName = Annotated[str, typer.Option("--line", help="The line to switch, by its name there.")]
Kind = Annotated[
    ReferenceKind | None,
    typer.Option(
        help="What switches the line: the virtual Pi's emulator, or a program on the target. "
        "Without it, the emulator where it can.",
        show_default=False,
    ),
]
ReferencePpm = Annotated[
    float, typer.Option(min=0, help="Largest error of the rate of the reference's clock.")
]


def qualify(
    bench_file: BenchFile,
    edges: Edges = 500,
    line: LineName = "led",
    reference: Kind = None,
    reference_ppm: ReferencePpm = UNMEASURED_PPM,
) -> None:
    """Measure a bench's observer against a reference signal, and store the result beside its file.

    Nothing else may drive the line meanwhile.
    """
    bench = load_bench(bench_file)
    known_lines(bench, [line])
    with _session(bench) as session:
        signal = make_reference(session, line, reference, reference_ppm)
        legs = play_all(session.observer, signal, line, edges + edges % 2)
        bench = session.bench  # in a lab, that of the place which was got
    analysis = analyse(legs, signal.facts)
    print(table(analysis.legs))
    if analysis.problem:
        print(f"\nNo budget: {analysis.problem}")
        raise typer.Exit(Status.INCONCLUSIVE)
    record = make_record(
        legs, analysis, signal.facts, identity_of(bench), tool_versions(), datetime.now(UTC)
    )
    write_record(path_of(bench), record)
    print(f"\n{summary(record)}")
    days = bench.observer.qualification_max_age_days
    print(f"stored      {path_of(bench)}, believed for {days} days")


@contextmanager
def _session(bench: Bench) -> Iterator[Session]:
    """The bench with nothing deployed but the reference, and its observer's own budget."""
    _tell(f"bench {bench.name}: bringing the target up")
    program = REPOSITORY / "build" / "tender" / MACHINE / PROGRAM
    bare = bench.model_copy(update={"images": {PROGRAM: program}})
    with progress(f"qualify: bench {bench.name}"):
        session = Session.open(bare, use_qualification=False)
    try:
        yield session
    finally:
        session.close()


def make_reference(
    session: Session, line: str, kind: ReferenceKind | None, accuracy_ppm: float
) -> Reference:
    """The reference that was asked for, or the best that there is.

    Raises `BenchError` if this bench does not have it.
    """
    observer = session.observer
    if kind is not ReferenceKind.TARGET and isinstance(observer, QemuObserver):
        return EmulatorReference(observer, line, accuracy_ppm)
    if kind is ReferenceKind.EMULATOR:
        raise BenchError(
            f"{session.bench.file}: the emulator is a reference only for observer.kind qemu, "
            f"not {session.bench.observer.kind}; use --reference target"
        )
    number = session.sysfs_number(line)
    return TargetReference(session.target, deployed_path(PROGRAM), number, accuracy_ppm)


def play_all(observer: Observer, signal: Reference, line: str, edges: int) -> list[Leg]:
    """One leg for each rate; one in which this host stalled is repeated, at most twice."""
    legs = []
    for number, interval_ns in enumerate(INTERVALS_NS, start=1):
        count = min(edges, max(FEWEST_EDGES, LONGEST_LEG_NS // max(1, interval_ns)))
        rate = f"about {1e9 / interval_ns:.0f}/s" if interval_ns else "full speed"
        _tell(f"leg {number} of {len(INTERVALS_NS)}: {count} edges at {rate}")
        legs.append(_play_steadily(observer, signal, line, count, interval_ns))
    return legs


def _play_steadily(
    observer: Observer, signal: Reference, line: str, edges: int, interval_ns: int
) -> Leg:
    for _ in range(MOST_REPEATS):
        leg = play(observer, signal, line, edges, interval_ns)
        if leg.is_steady:
            return leg
        _tell("this host stalled; the leg is repeated")
    return play(observer, signal, line, edges, interval_ns)


def play(observer: Observer, signal: Reference, line: str, edges: int, interval_ns: int) -> Leg:
    """Send so many edges in one capture."""
    observer.arm()
    try:
        sent = signal.play(edges, interval_ns)
    finally:
        capture = observer.stop()
    return Leg(sent, capture, line)


def table(legs: tuple[LegResult, ...]) -> str:
    """The legs, one line each; times in microseconds."""
    head = f"{'edges/s':>8} {'sent':>6} {'seen':>6} {'lost':<12}"
    head += (
        f"{'noise p50':>10} {'p99':>8} {'max':>8}   {'reference p50':>13} {'p99':>8} {'max':>8} us"
    )
    return "\n".join([head, *(_row(leg) for leg in legs)])


def _row(leg: LegResult) -> str:
    row = f"{leg.rate_hz:8.0f} {leg.sent:6} {leg.seen:6} {_loss(leg):<12}"
    if leg.noise:
        row += f"{_us(leg.noise.p50_ns):>10} {_us(leg.noise.p99_ns):>8} {_us(leg.noise.max_ns):>8}"
    else:
        row += f"{'-':>10} {'-':>8} {'-':>8}"
    bracket = leg.bracket
    row += f"   {_us(bracket.p50_ns):>13} {_us(bracket.p99_ns):>8} {_us(bracket.max_ns):>8}"
    return row + (" (this host stalled)" if leg.stalled else "")


def _loss(leg: LegResult) -> str:
    lost = leg.sent - leg.seen
    return f"{lost} admitted" if leg.admitted else f"{lost} unnoticed" if lost else "0"


def summary(record: Record) -> str:
    """What was measured, and the budget that follows."""
    budget, clock = record.budget, record.reference.clock
    offset = "cannot be told: two clocks, and nothing that both show at once"
    rate = f"not measured: both stamp by {clock}"
    if record.offset_ns is not None:
        offset = f"{_us(record.offset_ns)} us, median of stamp minus middle of the bracket"
    if record.rate_ppm is not None:
        rate = f"{record.rate_ppm:+.1f} +/- {record.rate_uncertainty_ppm:.1f} ppm against {clock}"
    rows = {
        "reference": f"{clock}, its rate good to {record.reference.accuracy_ppm:g} ppm",
        "offset": offset,
        "rate": rate,
        "resolution": f"{_us(record.granularity_ns)} us, smallest step seen "
        f"{_us(record.smallest_step_ns)} us",
        "loss": f"none up to {record.whole_up_to_hz:.0f} edges/s",
        "budget": f"latency {_us(budget.latency_ns)} us, accuracy {budget.accuracy_ppm:.1f} ppm, "
        f"resolution {_us(budget.resolution_ns)} us",
        "": f"from {record.edges} edges: a new stamp is worse with probability "
        f"1/{record.edges + 1}",
    }
    return "\n".join(f"{name:<11} {text}" for name, text in rows.items())


def _us(time_ns: int) -> str:
    return f"{time_ns / 1000:.3g}" if abs(time_ns) < 100_000 else f"{time_ns / 1000:.0f}"


def _tell(text: str) -> None:
    """Progress, apart from the result."""
    print(f"qualify: {text}", file=sys.stderr, flush=True)
