# SPDX-License-Identifier: ISC
"""A picture of a trend: one panel for each series, runs from left to right."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from reports.changes import LEAST
from reports.figures import Scale
from reports.lanes import Picture
from reports.svg import COLOURS, drawing, inline
from reports.trend import Series, Trend
from reports.trend_table import day, release_name, scale_of
from rig.findings import counted

MOST_PANELS = 8
"""Series with a change come first; a page of hundreds would be read by nobody."""
_MOST_RELEASES = 80
"""Of more, the intervals of the newest are drawn; the line of the runs shows them all."""
_COLUMNS = 2


def picture(trend: Trend) -> Picture | None:
    """The series, those with a change first; None if each has but one run."""
    lines = [one for one in trend.series if len(one.table) > 1]
    shown = sorted(lines, key=lambda one: len(one.levels) == 1)[:MOST_PANELS]
    if not shown:
        return None
    rows = -(-len(shown) // _COLUMNS)
    with drawing("trend"):
        figure = Figure(figsize=(9.6, 1.75 * rows), layout="constrained")
        panels = figure.subplots(rows, _COLUMNS, squeeze=False).flat
        for axes, one in zip(panels, shown, strict=False):
            _draw(axes, trend, one)
        for axes in list(panels)[len(shown) :]:
            axes.set_axis_off()
        title = f"Trend of {counted(len(shown), 'figure')} over releases"
        return Picture(inline(figure, title), _caption(trend, shown))


def _caption(trend: Trend, shown: list[Series]) -> str:
    text = (
        "Runs from left to right, by release: the thin line is the median of each run; a point is "
        f"that of a release, with its 95 % interval if it has {LEAST} runs; the thick line is the "
        "level, and a dotted line marks a change."
    )
    left_out = len(trend.series) - len(shown)
    if left_out:
        text += f" {counted(left_out, 'more figure')} without a picture, all in the table."
    return text


def _draw(axes: Axes, trend: Trend, one: Series) -> None:
    scale = scale_of(one)
    _draw_runs(axes, one, scale)
    _draw_releases(axes, one, scale)
    _draw_levels(axes, trend, one, scale)
    axes.set_title(f"{one.figure}: {one.test}", fontsize=8)
    axes.set_ylabel(scale.unit)
    axes.set_xlim(-0.5, max(len(one.table), 2) - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.7g}"))
    _name_ends(axes, one)


def _draw_runs(axes: Axes, one: Series, scale: Scale) -> None:
    axes.plot(one.medians / scale.size, color=COLOURS["commanded"], linewidth=0.6)


def _draw_releases(axes: Axes, one: Series, scale: Scale) -> None:
    """Each in the middle of its runs."""
    for release in one.releases[-_MOST_RELEASES:]:
        middle = release.first + (release.runs - 1) / 2
        median, low, high = (
            value / scale.size for value in (release.median, release.low95, release.high95)
        )
        if release.runs >= LEAST:
            axes.vlines(middle, low, high, color=COLOURS["observed"], linewidth=1.2)
        axes.plot(middle, median, marker="o", markersize=2.5, color=COLOURS["observed"])


def _draw_levels(axes: Axes, trend: Trend, one: Series, scale: Scale) -> None:
    """A name stands on that side of its change on which there is room for it."""
    for level in one.levels:
        ends = np.array([level.first - 0.5, level.first + level.runs - 0.5])
        height = level.median / scale.size
        axes.plot(ends, [height, height], color=COLOURS["ink"], linewidth=1.4)
    for _, after in one.changes:
        place = after.first - 0.5
        axes.axvline(place, color=COLOURS["inconclusive"], linewidth=1, linestyle="dotted")
        is_late = place > len(one.table) / 2
        axes.annotate(
            release_name(trend.tags, after.commit),
            (place, 1.0),
            (-3 if is_late else 3, -1),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=COLOURS["inconclusive"],
            size=7,
            ha="right" if is_late else "left",
            va="top",
        )


def _name_ends(axes: Axes, one: Series) -> None:
    """The days of the first and the last run."""
    starts_ns = one.table["started_ns"]
    last = len(one.table) - 1
    places = {0: day(int(starts_ns.iloc[0])), last: day(int(starts_ns.iloc[last]))}
    axes.set_xticks(list(places), list(places.values()))
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    if last:
        labels[-1].set_horizontalalignment("right")
