"""How well an observer sees, measured against a reference, and the file that keeps it.

A reference switches a line and notes its clock before and after each write, so every edge
lies in a bracket. What the observer's stamps do beside that is its noise; how its clock runs
against the reference's is its rate; what it did not see is its loss. The analysis is pure.
docs/observers.md says how to read the result.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rig.bench import Bench
from rig.capture import Capture, Clock
from rig.errors import BenchFileError, ObserverError

REFERENCE_DTYPE = np.dtype([("before_ns", "<i8"), ("after_ns", "<i8"), ("level", "u1")])
"""One edge of the reference: it lies between the two, on the reference's clock."""

BUDGET_UP_TO_HZ = 1000
"""The budget is for signals up to this rate; faster legs only tell where edges get lost."""
WIDE_BRACKET = 3
"""A bracket this many times wider than the median: the reference was interrupted there."""
MOST_WIDE = 0.33
"""More wide brackets than this share, and the reference is too poor to judge by."""
SURE = 3.29
"""Standard deviations on either side that hold 99.9 % of a normal distribution."""
FUTURE_DAYS = 1.0
"""Two machines' calendars may differ by so much."""

_Signed = NDArray[np.int64]
_Real = NDArray[np.float64]


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Spread(_Stored):
    """A distribution in three numbers."""

    p50_ns: int
    p99_ns: int
    max_ns: int


class ReferenceFacts(_Stored):
    """What the reference is, and how far it can be believed."""

    kind: Literal["emulator", "target", "simulated"]
    clock: str
    shares_clock: bool
    """Its clock is the observer's own, so the offset of the stamps is known, and no rate."""
    accuracy_ppm: Annotated[float, Field(ge=0)]
    """Largest error of its clock's rate."""


class LegResult(_Stored):
    """One stretch of the reference signal at one rate."""

    rate_hz: float
    """Edges per second, as they were sent."""
    sent: int
    seen: int
    admitted: bool
    """The observer said that edges are missing."""
    stalled: bool
    """This host did not keep up, so the leg says nothing about noise."""
    bracket: Spread
    """The reference's own uncertainty: from before a write to after it."""
    wide: int
    """Edges not used, because the reference was interrupted there."""
    noise: Spread | None
    """How far a stamp is from where the median one would be; None if it was not measured."""


class Budget(_Stored):
    """What the verdict may assume of this observer's stamps."""

    latency_ns: Annotated[int, Field(ge=0)]
    accuracy_ppm: Annotated[float, Field(ge=0, lt=1e6)]
    resolution_ns: Annotated[int, Field(ge=1)]


class Record(_Stored):
    """A qualification: `<bench>.qualification.json`."""

    schema_: Literal["qualification/1"] = Field(alias="schema", default="qualification/1")
    date: str
    """UTC, as ISO 8601."""
    identity: dict[str, str]
    """The facts of the bench file it holds for."""
    tools: dict[str, str]
    reference: ReferenceFacts
    legs: tuple[LegResult, ...]
    edges: int
    """How many the noise was measured with; a new stamp is worse with probability 1/(n + 1)."""
    whole_up_to_hz: float
    """The fastest leg up to which nothing was lost."""
    offset_ns: int | None
    """Median of stamp minus edge; None where the clocks are two, and nobody can tell."""
    rate_ppm: float | None
    """How much faster than the reference's clock the observer's runs; None if it is the same."""
    rate_uncertainty_ppm: float | None
    granularity_ns: int
    """Largest step of which all distances of stamps are multiples."""
    smallest_step_ns: int
    stated: Clock
    """What the observer said of itself."""
    budget: Budget


@dataclass(frozen=True)
class Leg:
    """What was sent and what was seen of it."""

    sent: NDArray[np.void]
    """Array of `REFERENCE_DTYPE`, shape (n,), in time order."""
    capture: Capture
    line: str

    @property
    def seen(self) -> NDArray[np.void]:
        """The observed edges of the line."""
        return self.capture.of_line(self.line)

    @property
    def is_whole(self) -> bool:
        """What was seen is what was sent, edge by edge."""
        return self.capture.is_complete and np.array_equal(self.sent["level"], self.seen["level"])

    @property
    def is_steady(self) -> bool:
        """The observer's host kept up."""
        heartbeat = self.capture.heartbeat
        return heartbeat is None or not heartbeat.stalls

    @property
    def rate_hz(self) -> float:
        """Edges per second, as they were sent."""
        times = self.sent["before_ns"]
        return (len(times) - 1) * 1e9 / max(1, int(times[-1] - times[0]))


@dataclass(frozen=True)
class Matched:
    """Edges that were sent and seen, wide brackets left out; times from the first bracket on.

    Differences are taken before anything becomes a float, which has 53 bits and a date 61.
    """

    true_ns: _Real
    """Middle of the bracket."""
    late_ns: _Real
    """Stamp minus middle of the bracket."""
    half_ns: _Real
    """Half the width of the bracket."""
    wide: int

    def residual_ns(self, rate: float) -> _Real:
        """What is left of the lateness when the clocks' rates are made equal."""
        return self.late_ns - rate * self.true_ns

    def noise_ns(self, rate: float) -> _Real:
        """How far each stamp is from where the median one would be."""
        residual = self.residual_ns(rate)
        return np.abs(residual - np.median(residual))


def matched(leg: Leg) -> Matched:
    """Pair the edges of a whole leg one to one."""
    before, after, stamps = leg.sent["before_ns"], leg.sent["after_ns"], leg.seen["time_ns"]
    width = after - before
    kept = width <= WIDE_BRACKET * max(1, np.median(width))
    half = width[kept] / 2
    true = (before[kept] - before[0]) + half
    late = (stamps[kept] - before[kept]) - half
    return Matched(true, late, half, int(np.count_nonzero(~kept)))


def rate_between(true_ns: _Real, late_ns: _Real) -> tuple[float, float]:
    """How fast lateness grows with time, as a share, and how sure that is (99.9 %).

    The median of slopes over half the span, each from two edges that no other slope uses:
    robust against outliers, and the ranks around the median bound it whatever the noise is
    (sign test). Fewer than 20 edges give no bound but the slopes themselves.
    """
    half = len(true_ns) // 2
    slopes = np.sort(
        (late_ns[half : 2 * half] - late_ns[:half]) / (true_ns[half : 2 * half] - true_ns[:half])
    )
    reach = math.ceil(SURE * math.sqrt(half) / 2) + 1
    low, high = slopes[max(0, half // 2 - reach)], slopes[min(half - 1, half // 2 + reach)]
    rate = float(np.median(slopes))
    return rate, float(max(rate - low, high - rate))


def spread(values: _Real | _Signed) -> Spread:
    """Percentiles of what was measured, rounded up."""
    p50, p99, top = (math.ceil(value) for value in np.percentile(values, (50, 99, 100)))
    return Spread(p50_ns=p50, p99_ns=p99, max_ns=top)


def latency_bound_ns(found: Matched, rate: float, *, absolute: bool) -> int:
    """By how much two stamps can differ in lateness, wherever in its bracket each edge was.

    `absolute`: the lateness itself is known, too, and 0 is part of its range.
    """
    residual = found.residual_ns(rate)
    highest = float(np.max(residual + found.half_ns))
    lowest = float(np.min(residual - found.half_ns))
    if absolute:
        highest, lowest = max(highest, 0), min(lowest, 0)
    return math.ceil(highest - lowest)


def steps(legs: Sequence[Leg]) -> tuple[int, int]:
    """Granularity and smallest step of the stamps, in nanoseconds."""
    times = [leg.seen["time_ns"] for leg in legs]
    found = np.concatenate([np.diff(stamps) for stamps in times])
    found = found[found > 0]
    if not len(found):
        return 1, 1
    return int(np.gcd.reduce(found)), int(np.min(found))


def accuracy_ppm(stated: float, rate: float | None, uncertainty: float, reference: float) -> float:
    """The rate error to assume: what was stated, unless the measurement is better or says no.

    All in parts per million. The measurement says that the error is at most
    |rate| + uncertainty + reference, and at least |rate| - uncertainty - reference.
    """
    if rate is None:
        return max(stated, reference)
    least, most = abs(rate) - uncertainty - reference, abs(rate) + uncertainty + reference
    return most if stated < least else min(stated, most)


@dataclass(frozen=True)
class Analysis:
    """What the legs say together; `problem` says why they give no budget, if they do not."""

    legs: tuple[LegResult, ...]
    whole: tuple[Leg, ...]
    """From the slowest up to the first that lost an edge."""
    used: tuple[Matched, ...]
    rate: float
    rate_uncertainty: float
    problem: str = ""


def analyse(legs: Sequence[Leg], reference: ReferenceFacts) -> Analysis:
    """Measure every leg. `legs` have at least 20 edges each; their order does not matter.

    Raises `ObserverError` if edges were lost already in the slowest.
    """
    ordered = sorted(legs, key=lambda leg: leg.rate_hz)
    whole = tuple(itertools.takewhile(lambda leg: leg.is_whole, ordered))
    if not whole:
        raise ObserverError(_lost(ordered[0]))
    good = [leg for leg in whole if leg.is_steady and leg.rate_hz <= 1.5 * BUDGET_UP_TO_HZ]
    found = {id(leg): matched(leg) for leg in good}
    rate, uncertainty = 0.0, 0.0
    if good and not reference.shares_clock:
        longest = max(found.values(), key=lambda match: float(match.true_ns[-1]))
        rate, uncertainty = rate_between(longest.true_ns, longest.late_ns)
    results = tuple(_leg_result(leg, found.get(id(leg)), rate) for leg in ordered)
    used = tuple(found.values())
    return Analysis(results, whole, used, rate, uncertainty, _problem(used, len(whole)))


def _lost(leg: Leg) -> str:
    return (
        f"of {len(leg.sent)} edges at {leg.rate_hz:.0f}/s the observer saw {len(leg.seen)} on "
        f"{leg.line} (it {'does not say' if leg.capture.is_complete else 'says'} that some are "
        "missing): check the wiring, common ground and pull resistor, and that nothing else "
        "drives the line"
    )


def _leg_result(leg: Leg, found: Matched | None, rate: float) -> LegResult:
    return LegResult(
        rate_hz=leg.rate_hz,
        sent=len(leg.sent),
        seen=len(leg.seen),
        admitted=not leg.capture.is_complete,
        stalled=not leg.is_steady,
        bracket=spread(leg.sent["after_ns"] - leg.sent["before_ns"]),
        wide=found.wide if found else 0,
        noise=spread(found.noise_ns(rate)) if found else None,
    )


def _problem(used: Sequence[Matched], whole: int) -> str:
    if not used:
        return (
            f"in each of the {whole} legs without loss this host stalled, or the reference made "
            f"more than {BUDGET_UP_TO_HZ} edges/s: try again when the host is idle"
        )
    wide, kept = sum(match.wide for match in used), sum(len(match.true_ns) for match in used)
    if wide > MOST_WIDE * (wide + kept):
        return (
            f"the reference was interrupted at {wide} of {wide + kept} edges, so it is too "
            "uncertain to judge by: try again when its machine is idle"
        )
    return ""


def make_record(
    legs: Sequence[Leg],
    analysis: Analysis,
    reference: ReferenceFacts,
    identity: Mapping[str, str],
    tools: Mapping[str, str],
    date: datetime,
) -> Record:
    """The record of an analysis that gives a budget.

    Raises `ValueError` if it does not (`analysis.problem`).
    """
    if analysis.problem:
        raise ValueError(analysis.problem)
    stated = legs[0].capture.clock
    shared = reference.shares_clock
    granularity, smallest = steps(analysis.whole)
    late = np.concatenate([match.late_ns for match in analysis.used])
    rate = None if shared else analysis.rate * 1e6
    uncertainty = analysis.rate_uncertainty * 1e6
    bounds = [latency_bound_ns(match, analysis.rate, absolute=shared) for match in analysis.used]
    return Record(
        date=date.astimezone(UTC).isoformat(timespec="seconds"),
        identity=dict(identity),
        tools=dict(tools),
        reference=reference,
        legs=analysis.legs,
        edges=len(late),
        whole_up_to_hz=max(leg.rate_hz for leg in analysis.whole),
        offset_ns=round(float(np.median(late))) if shared else None,
        rate_ppm=rate,
        rate_uncertainty_ppm=None if shared else uncertainty,
        granularity_ns=granularity,
        smallest_step_ns=smallest,
        stated=stated,
        budget=Budget(
            latency_ns=max(bounds),
            accuracy_ppm=accuracy_ppm(
                stated.accuracy_ppm, rate, uncertainty, reference.accuracy_ppm
            ),
            resolution_ns=max(stated.resolution_ns, granularity),
        ),
    )


# The file beside the bench file.


def path_of(bench: Bench) -> Path:
    """Where the qualification of a bench's observer lies, if there is one."""
    place = f".{bench.lab.place}" if bench.lab else ""
    return bench.file.with_suffix(f"{place}.qualification.json")


def identity_of(bench: Bench) -> dict[str, str]:
    """What a qualification holds for: target, observer and wiring, not how long one waits."""
    asked = bench.asked  # a lab gives other ports each time
    target = _flat("target", asked.target.model_dump(mode="json", exclude={"power"}))
    observer = _flat("observer", asked.observer.model_dump(mode="json"))
    lines = _flat("lines", bench.lines)
    return {
        key: value
        for key, value in {**target, **observer, **lines}.items()
        if not key.endswith(("timeout_s", "max_age_days"))
    }


def _flat(name: str, value: Any) -> dict[str, str]:
    """`{"observer.wiring.led": "D0", ...}`."""
    if not isinstance(value, Mapping):
        return {name: json.dumps(value) if not isinstance(value, str) else value}
    return {k: v for key, inner in value.items() for k, v in _flat(f"{name}.{key}", inner).items()}


def write_record(path: Path, record: Record) -> None:
    """Write or replace the file; nobody ever finds half of one."""
    text = record.model_dump_json(indent=2, by_alias=True) + "\n"
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def read_record(path: Path, bench: Bench) -> Record | None:
    """The stored qualification of the bench's observer; None if there is none.

    Raises `BenchFileError` if it is damaged, or is for something else than the bench now has.
    """
    try:
        record = Record.model_validate_json(path.read_bytes())
        made = datetime.fromisoformat(record.date)
        age = age_days(record, datetime.now(UTC))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise BenchFileError(f"{path}: not a qualification: {_plain(error)}; {_REMEDY}") from error
    if age < -FUTURE_DAYS:
        raise BenchFileError(f"{path}: date: {made.date()} is in the future; {_REMEDY}")
    if changed := _first_change(record.identity, identity_of(bench)):
        raise BenchFileError(f"{path}: made for another bench: {changed}; {_REMEDY}")
    return record


_REMEDY = "delete it, or measure anew with `rig qualify`"


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())


def _first_change(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    for key in sorted(then.keys() | now.keys()):
        if then.get(key) != now.get(key):
            return f"{key} was {then.get(key, 'not there')}, is {now.get(key, 'not there')}"
    return ""


def age_days(record: Record, now: datetime) -> float:
    """How old a qualification is."""
    return (now - datetime.fromisoformat(record.date)).total_seconds() / 86400
