# SPDX-License-Identifier: ISC
"""The zones of a verdict as coloured ground: sure to pass, neither, sure to fail."""

from typing import NamedTuple

from matplotlib.axes import Axes

from reports.svg import COLOURS


class Limits(NamedTuple):
    """What is allowed, and how far the observer can be off; all in the unit of the axis."""

    low: float | None
    high: float | None
    guard: float


def draw_zones(axes: Axes, limits: Limits, ends: tuple[float, float]) -> None:
    """Colour the axis from end to end; above and below no limit all is sure to pass."""
    (first, last), guard = ends, limits.guard
    inner_low, outer_low = first, first
    inner_high, outer_high = last, last
    if limits.low is not None:
        inner_low, outer_low = limits.low + guard, limits.low - guard
    if limits.high is not None:
        inner_high, outer_high = limits.high - guard, limits.high + guard
    if inner_low > inner_high:  # an uncertainty larger than what is allowed leaves nothing sure
        inner_low = inner_high = (inner_low + inner_high) / 2
    _span(axes, "pass", inner_low, inner_high)
    _span(axes, "inconclusive", outer_low, inner_low)
    _span(axes, "inconclusive", inner_high, outer_high)
    _span(axes, "fail", first, outer_low)
    _span(axes, "fail", outer_high, last)


def _span(axes: Axes, zone: str, low: float, high: float) -> None:
    alpha = 0.4 if zone == "inconclusive" else 0.25
    axes.axvspan(low, high, color=COLOURS[zone], alpha=alpha, linewidth=0)
