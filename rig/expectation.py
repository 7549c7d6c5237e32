"""How one line should move, as data: the pattern and what may be off about it.

An `Expectation` is what `rig.verdict.judge` holds a capture against. In code and in
`run.json` its times are integer nanoseconds; in the YAML files that people write they
are milliseconds, as in a bench file (see docs/verdict.md).
"""

import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from rig.errors import ExpectationError
from rig.facts_file import Facts, FactsFile, read_facts_file
from rig.findings import ms

LONGEST_NS = 2**62
"""Of a whole pattern, 146 years: all arithmetic on it fits 64 bits."""
ORDINARY_CRYSTAL_PPM = 100.0
"""How far the clock of a board may run off; the crystals of small boards keep half of it."""

Nanoseconds = Annotated[int, Field(strict=True, ge=0)]
Level = Annotated[int, Field(strict=True, ge=0, le=1)]
Cycles = Annotated[int, Field(strict=True, ge=1)]
LeastEdges = Annotated[int, Field(strict=True, ge=2)]
Percent = Annotated[float, Field(strict=True, ge=0, lt=100)]
Ppm = Annotated[float, Field(strict=True, ge=0, lt=1e6)]


def _rank(name: str) -> str:
    if not re.fullmatch(r"p([1-9][0-9]?(\.[0-9]{1,3})?|100)", name):
        raise ValueError(f"a percentile is written p95 or p99.9, from p1 to p100, not {name!r}")
    return name


Rank = Annotated[str, AfterValidator(_rank)]
"""A percentile by name: `p95`, `p99.9`."""


class Expectation(BaseModel):
    """How one line should have moved. Times are in nanoseconds.

    Nobody drives the line at first, and it is at `initial_level`. It goes high and low
    `cycles` times, and ends at `final_level`, which it holds for at least `hold_ns`. When
    it is released it is at `initial_level` again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    cycles: Cycles
    on_ns: Annotated[int, Field(strict=True, gt=0)]
    off_ns: Annotated[int, Field(strict=True, gt=0)]
    initial_level: Level = 0
    """1: something pulls the line up, so taking it is one more edge, and so is releasing it."""
    final_level: Level = 0
    hold_ns: Nanoseconds = 0
    """If it is not given: `off_ns`."""
    tolerance_ns: Nanoseconds = 0
    """Largest deviation of one on-time, off-time or period, either way; below both times."""
    is_coarse: bool = False
    """The tolerance may be as long as the on-time or the off-time: nothing is too short then.
    The sequence is judged, and that nothing is too late."""
    tolerance_percent: Percent = 0.0
    """The same, relative. The wider of the two holds; at least one must be given."""
    percentiles_ns: dict[Rank, Nanoseconds] = Field(default_factory=dict)
    """`{"p95": ...}`: what that share of deviations must not exceed, for each kind of interval."""
    jitter_ns: Nanoseconds | None = None
    """Largest difference between two intervals of one kind; None: not judged."""
    drift_ns: Nanoseconds = 0
    """How far an edge may be off its place in the schedule that the first edge starts. If it
    is not given: the tolerance of a period."""
    rate_ppm: Ppm = ORDINARY_CRYSTAL_PPM
    """How far off the target's clock may run; added to `drift_ns` for the time passed."""
    duty_percent: Percent | None = None
    """Largest deviation of the mean duty, in points; None: not judged."""
    smallest_pulse_ns: Nanoseconds = 0
    """What is shorter is a glitch. If it is not given: a tenth of the shortest good pulse."""
    least_edges: LeastEdges = 2
    """With fewer, no timing passes."""
    start_latency_ns: Nanoseconds | None = None
    """Latest first edge after the command; None: not judged."""
    may_move: tuple[str, ...] = ()
    """Other lines that may do what they like."""

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, data: Any) -> Any:
        """Fill in what follows from the pattern; what is wrong there is told there."""
        if not isinstance(data, dict):
            return data
        keys = ("on_ns", "off_ns", "tolerance_ns", "tolerance_percent")
        on_ns, off_ns, absolute_ns, percent = (_number(data.get(key)) for key in keys)
        shortest_ns, period_ns = min(on_ns, off_ns), on_ns + off_ns
        least_ns = shortest_ns - _wider(absolute_ns, percent, shortest_ns)
        derived = {
            "hold_ns": int(off_ns),
            "drift_ns": _wider(absolute_ns, percent, period_ns),
            "smallest_pulse_ns": max(0, int(least_ns) // 10),
        }
        return {**derived, **data}

    @model_validator(mode="after")
    def _tolerances_tell_good_from_bad(self) -> Self:
        shortest_ns = min(self.on_ns, self.off_ns)
        least_ns = shortest_ns - self.tolerance_of(shortest_ns)
        if self.is_coarse:
            return self
        if not self.model_fields_set & {"tolerance_ns", "tolerance_percent"}:
            raise ValueError("a tolerance is missing: an absolute one, one in percent, or both")
        if least_ns <= 0:
            raise ValueError(
                f"a tolerance of {ms(shortest_ns - least_ns)} lets a pulse of no length pass for "
                f"one of {ms(shortest_ns)}; it must be smaller than the on-time and the off-time"
            )
        if self.smallest_pulse_ns > least_ns:
            raise ValueError(
                f"the smallest pulse that counts ({ms(self.smallest_pulse_ns)}) must not be longer "
                f"than the shortest that the tolerance allows ({ms(least_ns)})"
            )
        return self

    @model_validator(mode="after")
    def _pattern_can_be_seen(self) -> Self:
        if self.initial_level and self.final_level:
            raise ValueError(
                "a line that is pulled up looks released when it ends on: the initial level and "
                "the final level cannot both be 1"
            )
        if self.least_edges > self.commanded:
            raise ValueError(
                f"the pattern commands {self.commanded} edges, so a least number of "
                f"{self.least_edges} is never reached"
            )
        if self.line in self.may_move:
            raise ValueError(f"{self.line} is the line that is judged, not another one")
        if self.duration_ns > LONGEST_NS:
            raise ValueError("the pattern would take longer than 146 years")
        return self

    @property
    def period_ns(self) -> int:
        """From one rise to the next."""
        return self.on_ns + self.off_ns

    @property
    def duration_ns(self) -> int:
        """From the first commanded edge to the end of the hold."""
        last_ns = self.cycles * self.period_ns - (0 if self.final_level else self.off_ns)
        return last_ns + self.hold_ns

    @property
    def commanded(self) -> int:
        """How many edges the guest commands; those of taking and releasing are not among them."""
        return 2 * self.cycles + self.final_level

    @property
    def edges(self) -> int:
        """How many edges the line should show: up and down alike, taking and release included."""
        return 2 * (self.cycles + self.final_level + self.initial_level)

    def tolerance_of(self, nominal_ns: int) -> int:
        """Largest deviation of an interval that should take `nominal_ns`, either way."""
        return _wider(self.tolerance_ns, self.tolerance_percent, nominal_ns)


def _number(value: Any) -> Any:
    """A number as it is, and 0 for whatever is none: its own key will say so."""
    good = isinstance(value, int | float) and math.isfinite(value) and value > 0
    return value if good else 0


def _wider(absolute_ns: int, percent: float, nominal_ns: int) -> int:
    return max(int(absolute_ns), int(nominal_ns * percent / 100))


def in_ns(time_ms: float) -> int:
    """Exactly what was written. Raises `ValueError` for what no number of nanoseconds is."""
    time_ns = Decimal(repr(time_ms)).scaleb(6)
    if time_ns != time_ns.to_integral_value():
        raise ValueError(f"{time_ms!r} ms is no whole number of nanoseconds")
    return int(time_ns)


def _whole_ns(time_ms: float) -> float:
    in_ns(time_ms)
    return time_ms


_Milliseconds = Annotated[
    float, Field(strict=True, le=1e9, allow_inf_nan=False), AfterValidator(_whole_ns)
]
Milliseconds = Annotated[_Milliseconds, Field(gt=0)]
"""In a file; with decimals down to a nanosecond."""
MillisecondsOrZero = Annotated[_Milliseconds, Field(ge=0)]


class TimingLimits(Facts):
    """What may be off about a pattern, as written in a file: times in milliseconds.

    Each key is explained at the field of `Expectation` that it becomes.
    """

    tolerance_ms: MillisecondsOrZero | None = None
    tolerance_percent: Percent | None = None
    percentiles_ms: dict[Rank, MillisecondsOrZero] = Field(default_factory=dict)
    jitter_ms: MillisecondsOrZero | None = None
    drift_ms: MillisecondsOrZero | None = None
    rate_ppm: Ppm | None = None
    duty_percent: Percent | None = None
    smallest_pulse_ms: MillisecondsOrZero | None = None
    least_edges: LeastEdges | None = None
    start_latency_ms: Milliseconds | None = None

    def limits_ns(self) -> dict[str, Any]:
        """What was said, as fields of an `Expectation`; what was not said is left out."""
        return _in_ns(self, TimingLimits)


class ExpectationFile(TimingLimits, FactsFile):
    """An `Expectation` as people write it."""

    line: str
    cycles: Cycles
    on_ms: Milliseconds
    off_ms: Milliseconds
    initial_level: Level | None = None
    final_level: Level | None = None
    hold_ms: MillisecondsOrZero | None = None
    may_move: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _can_be_expected(self) -> Self:
        try:
            self.expectation()
        except ValidationError as error:
            told = [fault["msg"].removeprefix("Value error, ") for fault in error.errors()]
            raise ValueError("; ".join(told)) from error
        return self

    def expectation(self) -> Expectation:
        """The same in nanoseconds, with all that follows from the pattern filled in."""
        return Expectation.model_validate(_in_ns(self, ExpectationFile))


def _in_ns(facts: Facts, model: type[Facts]) -> dict[str, Any]:
    said = {
        name: getattr(facts, name) for name, info in model.model_fields.items() if not info.exclude
    }
    return {
        name.removesuffix("_ms") + "_ns" if name.endswith("_ms") else name: _value_in_ns(value)
        if name.endswith("_ms")
        else value
        for name, value in said.items()
        if value is not None
    }


def _value_in_ns(value: float | dict[str, float]) -> int | dict[str, int]:
    if isinstance(value, dict):
        return {key: in_ns(time_ms) for key, time_ms in value.items()}
    return in_ns(value)


def load_expectation(path: Path) -> Expectation:
    """Read and validate an expectation file.

    Raises `ExpectationError`, one line per fault: file, line, key, what is allowed.
    """
    return read_facts_file(path, ExpectationFile, ExpectationError).expectation()
