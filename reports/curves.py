# SPDX-License-Identifier: ISC
"""Distributions -> pictures: value over percentile, on an axis that grows by nines."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from reports.distributions import Distribution
from reports.figures import DISTRIBUTED, ERRORS, UNITS, Figure
from reports.lanes import Picture
from reports.load import Run
from reports.svg import COLOURS, SERIES, drawing, inline
from reports.tables import plural
from rig.verdict import Outcome

_Dashes = tuple[float, tuple[float, ...]]
"""Where to begin, and the lengths of dashes and gaps, as matplotlib takes them."""

_DASHES: tuple[_Dashes, ...] = (
    (0, ()),
    (0, (5, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (3, 3)),
    (0, (0.7, 2)),
)
"""So that runs are told apart without colours, too."""
_FAR = 3
"""A limit so many times above the largest sample is told and not drawn: it would flatten all."""
_SHORT = {"us": "µs"}


class Series(NamedTuple):
    """How one run is drawn in every picture."""

    run: Run
    colour: str
    """Name of a CSS variable."""
    dashes: _Dashes
    is_other: bool
    """One of those for which there is no colour left."""

    @property
    def dash_array(self) -> str:
        """The dashes for a line of 2 px, as SVG spells them; empty for a solid one."""
        return " ".join(f"{2 * length:g}" for length in self.dashes[1])


def series_of(runs: Sequence[Run]) -> tuple[Series, ...]:
    """A line for each run: those that did not pass first, then by time; few have colours."""
    ordered = sorted(runs, key=lambda run: run.verdict.outcome is Outcome.PASS)
    own = zip(ordered, SERIES, _DASHES, strict=False)
    named = [Series(run, colour, dashes, False) for run, colour, dashes in own]
    rest = [Series(run, "quiet", _DASHES[0], True) for run in ordered[len(named) :]]
    return (*named, *rest)


def curves(series: Sequence[Series], distributions: Iterable[Distribution]) -> list[Picture]:
    """One picture for each figure that has samples, with a line for each run."""
    order = {figure: place for place, figure in enumerate(DISTRIBUTED)}
    ordered = sorted(distributions, key=lambda spread: order[Figure(spread.figure)])
    by_figure = groupby(ordered, key=lambda spread: Figure(spread.figure))
    return [_picture(figure, series, tuple(spreads)) for figure, spreads in by_figure]


def _picture(figure: Figure, series: Sequence[Series], spreads: Sequence[Distribution]) -> Picture:
    by_run = {spread.run: spread for spread in spreads}
    title = f"{figure}, without sign" if figure in ERRORS else str(figure)
    with drawing(f"distribution {figure}"):
        canvas = Canvas(figsize=(4.6, 2.9))
        axes = canvas.add_axes((0.13, 0.09, 0.86, 0.81))
        for line in reversed(series):  # the first one on top
            if line.run.name in by_run:
                _draw(axes, line, by_run[line.run.name])
        _draw_limits(axes, spreads)
        _set_axes(axes, spreads)
        axes.set_title(f"{title}, {_SHORT.get(UNITS[figure], UNITS[figure])}")
        return Picture(inline(canvas, f"Distribution of {title}"), _caption(spreads))


def _draw(axes: Axes, line: Series, spread: Distribution) -> None:
    """The curve, what the observer may be off about it, and the largest sample at its end."""
    colour = COLOURS[line.colour]
    begins = np.append(0.0, spread.nines)
    end = begins[-1]
    if len(spread.values):
        values = np.append(spread.values[0], spread.values)
        width = 0.7 if line.is_other else 1.5
        (curve,) = axes.plot(begins, values, drawstyle="steps-pre", color=colour, linewidth=width)
        curve.set_dashes(line.dashes[1])
        if not np.isnan(spread.uncertainty) and not line.is_other:
            low, high = values - spread.uncertainty, values + spread.uncertainty
            if Figure(spread.figure) in ERRORS:
                low = np.maximum(low, 0)  # a size is not below
            axes.fill_between(begins, low, high, step="pre", color=colour, alpha=0.12, linewidth=0)
    size = 3 if line.is_other else 4.5
    axes.plot(end, spread.largest, "o", color=colour, markersize=size, markerfacecolor="none")


def _draw_limits(axes: Axes, spreads: Sequence[Distribution]) -> None:
    """The limits that are near, one line for all runs that share one."""
    near, _ = _limits(spreads)
    for limit in near:
        axes.axhline(limit, color=COLOURS["fail"], linewidth=1)


def _limits(spreads: Sequence[Distribution]) -> tuple[list[float], list[float]]:
    """Those that are near the samples, and those that are far above all of them."""
    limits = sorted({spread.limit for spread in spreads if spread.limit is not None})
    end = _FAR * max(spread.largest for spread in spreads)
    return [limit for limit in limits if limit <= end], [limit for limit in limits if limit > end]


def _set_axes(axes: Axes, spreads: Sequence[Distribution]) -> None:
    """Ticks at every nine that the largest count reaches, and at the half."""
    nines = max(1.0, *(float(np.log10(spread.count)) for spread in spreads))
    whole = np.arange(np.floor(nines) + 1)
    ticks = np.sort(np.append(whole, np.log10(2)))
    axes.set_xticks(ticks, [percent(float(tick)) for tick in ticks])
    axes.set_xlim(0, nines * 1.03)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.7g}"))
    axes.grid(axis="both", color=COLOURS["hair"], linewidth=0.5)


def percent(nines: float) -> str:
    """A place on the axis as people read it: 2 is 99 %."""
    digits = max(0, round(nines) - 2)
    return f"{100 * (1 - 10**-nines):.{digits}f} %"


def _end(count: int) -> str:
    """The last share that so many samples support, never rounded up to one that they do not."""
    digits = len(str(count)) - 1
    return f"{np.floor((1 - 1 / count) * 10 ** (digits + 2)) / 10**digits:.{digits}f} %"


def _caption(spreads: Sequence[Distribution]) -> str:
    counts = sorted({spread.count for spread in spreads})
    samples = plural(counts[0], "sample")
    if len(counts) > 1:
        samples = f"{counts[0]:,} to {counts[-1]:,} samples a run"
    parts = [f"{samples}, so the longest curve ends at {_end(counts[-1])}"]
    _, far = _limits(spreads)
    if far:
        unit = _SHORT.get(spreads[0].unit, spreads[0].unit)
        parts.append(f"limit {', '.join(f'{limit:,.7g}' for limit in far)} {unit}, far above")
    return "; ".join(parts)
