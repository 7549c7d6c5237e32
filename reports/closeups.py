# SPDX-License-Identifier: ISC
"""Pictures of one finding: the cycle in which a limit was broken, and the edge that broke it."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.lanes import (
    ARROW,
    PLACE,
    Lanes,
    Levels,
    Picture,
    Window,
    draw_lanes,
    draw_lengths,
    lanes_of,
    zero_ns,
)
from reports.load import Run
from reports.svg import COLOURS, drawing, inline
from reports.zones import Limits, draw_zones
from rig.findings import Finding, Kind

_LENGTHS = frozenset({Kind.GLITCH, Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD, Kind.HOLD_TIME})
"""Findings on a length that begins at `time_ns`: the edge that ends it is the one in question."""
_LAST_EDGES = frozenset({Kind.COUNT, Kind.FINAL_LEVEL, Kind.RELEASE})
"""Findings on how the line ended, which name no time: its last edge is the one in question."""
_MOMENTS = frozenset({Kind.DRIFT, Kind.START_LATENCY})
"""Findings on one edge, measured from where it was due or from the command."""
_NOMINAL = frozenset({Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD, Kind.DRIFT})
"""Findings whose limits lie around where the edge was due."""
_AROUND = 1.6
"""Cycles that are shown before and after what is in question."""


_PLACE = {**PLACE, "bottom": 0.23, "top": 0.89}
"""With a title above."""


class Spot(NamedTuple):
    """Where a finding lies, after the zero of the run's pictures."""

    edge_ns: int
    begin_ns: int | None
    """From where the measured time counts; None if no limit on time belongs to this edge."""


def closeup(run: Run, finding: Finding) -> Picture | None:
    """The waveform around the edge that a finding is about; None if it is about none.

    On the left what was commanded and what was seen around it. On the right, if a limit on
    time belongs to it, the edge itself with the limit and the observer's uncertainty.
    """
    spot = spot_of(run, finding)
    if spot is None:
        return None
    line = _line(run, finding)
    lanes = lanes_of(run, line)
    with drawing(f"closeup {run.name} {finding.kind} {finding.text}"):
        figure = Figure(figsize=(9.6, 2.0))
        panels = _panels(line, spot)
        cycle, *edge = figure.subplots(1, len(panels), squeeze=False, gridspec_kw=_PLACE)[0]
        _draw_cycle(cycle, run, finding, spot, lanes)
        for axes in edge:
            _draw_edge(axes, finding, spot, lanes)
        for axes, panel in zip((cycle, *edge), panels, strict=True):
            axes.set_title(panel)
        svg = inline(figure, f"Waveform of {finding.kind}: {run.label}")
        return Picture(svg, _caption(spot))


def spot_of(run: Run, finding: Finding) -> Spot | None:
    """Where it lies; None if it is not about a moment of the line."""
    time_ns = _time_ns(run, finding)
    if time_ns is None:
        return None
    at_ns = time_ns - zero_ns(run)
    if finding.measured is None or finding.limits is None:
        return Spot(at_ns, None)
    if finding.kind in _LENGTHS:
        return Spot(at_ns + finding.measured, at_ns)
    if finding.kind in _MOMENTS:
        return Spot(at_ns, at_ns - finding.measured)
    return Spot(at_ns, None)


def _time_ns(run: Run, finding: Finding) -> int | None:
    """When, on the observer's clock: as the finding says, or as its kind implies."""
    capture = run.evidence.capture
    if finding.time_ns is not None:
        return finding.time_ns
    if finding.kind is Kind.START_LATENCY and capture.commanded and finding.measured is not None:
        return capture.commanded.time_ns + finding.measured
    if finding.kind is Kind.INITIAL_LEVEL:
        return capture.start_ns
    if finding.kind in _LAST_EDGES:
        times_ns = capture.of_line(run.pattern.line)["time_ns"]
        return int(times_ns[-1]) if len(times_ns) else zero_ns(run)
    return None


def _line(run: Run, finding: Finding) -> str:
    """That of the finding, if it was observed."""
    known = finding.line in run.evidence.capture.lines
    return finding.line if finding.line and known else run.pattern.line


def _panels(line: str, spot: Spot) -> tuple[str, ...]:
    """What each panel shows."""
    around = f"{line}, around {spot.edge_ns / 1e6:,.3f} ms"
    return (around,) if spot.begin_ns is None else (around, "The edge, enlarged")


def _draw_cycle(axes: Axes, run: Run, finding: Finding, spot: Spot, lanes: Lanes) -> None:
    """Some cycles, with what was measured shaded and the edge in question under an arrow."""
    colour, window = COLOURS[finding.outcome.lower()], _around(run, spot)
    edge_ms = spot.edge_ns / 1e6
    if spot.begin_ns is not None:
        axes.axvspan(spot.begin_ns / 1e6, edge_ms, color=colour, alpha=0.15, linewidth=0)
    draw_lanes(axes, lanes, window)
    draw_lengths(axes, lanes.observed, window)
    axes.plot(edge_ms, ARROW, marker="v", markersize=5, color=colour)
    beside = (edge_ms + 0.012 * window.length_ms, ARROW + 0.02)
    axes.text(*beside, finding.kind, color=colour, va="center", size=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("ms after the first edge", fontsize=8.5)


def _around(run: Run, spot: Spot) -> Window:
    room_ns = _AROUND * run.pattern.period_ns
    begin_ns = spot.edge_ns if spot.begin_ns is None else spot.begin_ns
    low_ns, high_ns = sorted((begin_ns, spot.edge_ns))
    return Window((low_ns - room_ns) / 1e6, (high_ns + room_ns) / 1e6)


def _draw_edge(axes: Axes, finding: Finding, spot: Spot, lanes: Lanes) -> None:
    """The edge itself, in ms after where it was due, before the zones of the verdict."""
    due_ns = _due_ns(finding)
    low, high = ((None if at is None else (at - due_ns) / 1e6) for at in finding.limits or ())
    measured, guard = ((finding.measured or 0) - due_ns) / 1e6, (finding.uncertainty or 0) / 1e6
    ends = [
        at for limit in (low, high) if limit is not None for at in (limit - guard, limit + guard)
    ]
    ends += [measured - guard, measured + guard, 0.0]
    room = 0.15 * (max(ends) - min(ends)) or 0.001
    window = Window(min(ends) - room, max(ends) + room)
    draw_zones(axes, Limits(low, high, guard), window)
    draw_lanes(axes, _as_due(lanes, spot, due_ns), window)
    axes.errorbar(measured, ARROW, xerr=guard, color=COLOURS["ink"], capsize=3, marker="v", ms=4)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_yticks([])
    axes.set_xlabel(
        f"ms after {'it was due' if finding.kind in _NOMINAL else 'the limit'}", fontsize=8.5
    )


def _due_ns(finding: Finding) -> int:
    """When the edge was due, as the finding measures time; the limit if nothing is closer."""
    low, high = finding.limits or (None, None)
    if finding.kind in _NOMINAL and low is not None and high is not None:
        return (low + high) // 2
    return (low or 0) if high is None else high


def _as_due(lanes: Lanes, spot: Spot, due_ns: int) -> Lanes:
    """The lanes from where the edge was due: commanded is this one edge, there."""
    zero_ms = ((spot.begin_ns or 0) + due_ns) / 1e6
    place = int(np.searchsorted(lanes.observed.times_ms, spot.edge_ns / 1e6, side="right"))
    level = int(lanes.observed.levels[place - 1]) if place else lanes.observed.initial
    commanded = Levels(np.array([0.0]), np.array([level]), 1 - level)
    return Lanes(commanded, lanes.observed.moved(-zero_ms))


def _caption(spot: Spot) -> str:
    text = "Above what was commanded, laid from the first observed edge on; below what was seen."
    if spot.begin_ns is None:
        return text
    return f"{text} Enlarged: the mark is the measured edge, its bar the observer's uncertainty."
