# SPDX-License-Identifier: ISC
"""The figures of a report: their names, their order, and what their numbers are counted in."""

from collections.abc import Iterable
from enum import StrEnum
from math import isnan
from typing import NamedTuple, Self


class Figure(StrEnum):
    """What is summed up, in the order of the table."""

    ON_ERROR = "on-time error"
    OFF_ERROR = "off-time error"
    PERIOD_ERROR = "period error"
    DUTY_ERROR = "duty error"
    JITTER = "jitter"
    PERIOD = "period"
    EDGE_LATENESS = "edge lateness"
    CALL_LATENESS = "guest lateness"
    CALL_TO_PIN = "call to pin"
    ROUND_TRIP = "hypercall round trip"
    DRIFT = "clock drift"
    DEPLOY = "deploy"
    FIRST_EDGE = "start to first edge"
    TENDER_START = "tender start"
    GUEST_BOOT = "guest boot"
    MAIN_TO_EDGE = "main to first edge"


ERRORS = frozenset(
    {
        Figure.ON_ERROR,
        Figure.OFF_ERROR,
        Figure.PERIOD_ERROR,
        Figure.DUTY_ERROR,
        Figure.JITTER,
        Figure.DRIFT,
    }
)
"""Figures that can be off to either side."""

ONCE_PER_RUN = tuple(Figure)[tuple(Figure).index(Figure.DRIFT) :]
"""Figures of which a run has one sample; they are summed up over all runs as well."""

DISTRIBUTED = (
    Figure.EDGE_LATENESS,
    Figure.CALL_LATENESS,
    Figure.CALL_TO_PIN,
    Figure.ROUND_TRIP,
    Figure.ON_ERROR,
    Figure.OFF_ERROR,
    Figure.PERIOD_ERROR,
    Figure.JITTER,
)
"""Figures whose distribution is told, in the order of the page: the latency and its parts first."""

UNITS = dict.fromkeys(Figure, "us") | {Figure.DUTY_ERROR: "%", Figure.DRIFT: "ppm"}
"""Of each figure; the duty error is in points of a percentage."""

_SCALES = {
    "us": (("us", 1, 1), ("ms", 1e3, 3), ("s", 1e6, 3)),
    "ppm": (("ppm", 1, 1),),
    "%": (("%", 1, 4),),
}
"""What the numbers of a unit are shown in: (unit, its size in the first, decimals)."""
_LARGEST = 10_000
"""Shown without changing to the next larger unit."""


class Scale(NamedTuple):
    """What numbers are shown in."""

    unit: str
    size: float
    """In the unit they are counted in."""
    decimals: int

    @classmethod
    def fitting(cls, unit: str, values: Iterable[float]) -> Self:
        """The same for all of `values`, which are counted in `unit`; NaN is left out."""
        largest = max((abs(value) for value in values if not isnan(value)), default=0)
        steps = _SCALES[unit]
        fitting = (step for step in steps if largest < _LARGEST * step[1])
        return cls(*next(fitting, steps[-1]))


def number(value: float, decimals: int) -> str:
    """As people read it; `-` for what is missing."""
    return "-" if isnan(value) else f"{round(value, decimals) + 0.0:,.{decimals}f}"
