# SPDX-License-Identifier: ISC
"""What a release must keep to: a YAML file that is reviewed like code, `robot/acceptance.yaml`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from reports.compare import LEAST_RUNS
from reports.figures import ONCE_PER_RUN, UNITS, Figure
from reports.order import least_for_interval
from rig.errors import LimitsError
from rig.facts_file import Facts, FactsFile, read_facts_file

Count = Annotated[int, Field(strict=True, ge=0)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_SIZES = {"us": {"us": 1.0, "ms": 1e3}, "ppm": {"ppm": 1.0}, "%": {"%": 1.0}}
"""What a limit may be written in, for a figure in that unit: its size in the figure's."""


class Limit(Facts):
    """What one figure must keep to, in each test that is measured."""

    figure: Figure
    of: Literal["median", "p95", "p99", "p99_9", "max"] = "median"
    """Of the samples of one run. A figure that a run has once needs none."""
    unit: Literal["us", "ms", "ppm", "%"]
    """Of the two sizes below."""
    at_most: Size | None = None
    """The typical run, the median over runs, must surely be no larger."""
    worse_by: Size | None = None
    """It must surely be larger than the baseline's by no more than this."""

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        allowed = _SIZES[UNITS[self.figure]]
        if self.unit not in allowed:
            raise ValueError(f"{self.figure} has the unit {' or '.join(allowed)}, not {self.unit}")
        if self.figure in ONCE_PER_RUN and self.of != "median":
            raise ValueError(f"a run has {self.figure} once; leave out of: {self.of}")
        if self.at_most is None and self.worse_by is None:
            raise ValueError("says no limit; give at_most, worse_by or both")
        return self

    def in_unit_of_figure(self, size: float) -> float:
        """One of the sizes, as the summary counts."""
        return size * _SIZES[UNITS[self.figure]][self.unit]


class BenchLimits(Facts):
    """What is asked of a release on one bench."""

    limits: Annotated[tuple[Limit, ...], Field(min_length=1)]
    may_skip: tuple[str, ...] = ()
    """Tests, as `Suite / Test`, that this bench cannot carry out."""

    @field_validator("limits")
    @classmethod
    def _each_once(cls, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
        keys = [f"{limit.of} of {limit.figure}" for limit in limits]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands here twice")
        return limits


class Limits(FactsFile):
    """The whole file."""

    suites: Names
    """Each must have run, and left evidence or at least one passed test."""
    measured: Names
    """Tests, as `Suite / Test`, whose figures are held against the limits."""
    least_runs: Annotated[int, Field(strict=True, ge=max(LEAST_RUNS, least_for_interval()))]
    """Of each measured test."""
    least_edges: Annotated[int, Field(strict=True, ge=2)]
    """In each of these runs."""
    least_defects: Count
    """Planted defects that must have been caught: a suite that cannot fail proves nothing."""
    first_release: Annotated[bool, Field(strict=True)] = False
    """Whether to accept a release without a baseline, on its own figures."""
    uncommitted: Annotated[bool, Field(strict=True)] = False
    """Whether to accept runs of a rig and tender that no commit describes."""
    benches: Annotated[dict[str, BenchLimits], Field(min_length=1)]
    """Name of the bench -> what is asked there."""


def load_limits(path: Path) -> Limits:
    """Read and validate a limits file.

    Raises `LimitsError`, one line per fault: file, line, key, what is allowed.
    """
    return read_facts_file(path, Limits, LimitsError)
