# SPDX-License-Identifier: ISC
"""Pictures of one run: when the line moved, and how far off it was."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from reports.lanes import (
    ARROW,
    PLACE,
    Lanes,
    Numbers,
    Picture,
    Window,
    draw_lanes,
    draw_lengths,
    lanes_of,
    zero_ns,
)
from reports.load import Run
from reports.svg import COLOURS, drawing, inline
from reports.tables import plural
from reports.zones import Limits, draw_zones
from rig.course import Course
from rig.timing import Intervals, intervals_of

ALL_CYCLES = 12
"""Up to this many cycles are drawn in full."""
END_CYCLES = 4
"""Of more, this many are drawn at each end."""

_RULER, _BARS = (0.09, 0.8, 0.89, 0.08), (0.09, 0.17, 0.89, 0.48)
"""Where they are in a histogram's picture, as matplotlib measures: left, bottom, width, height."""


class _Errors(NamedTuple):
    """The errors of one kind of interval, and what they are held against."""

    errors_us: Numbers
    tolerance_us: float
    uncertainty_us: float


def timing_diagram(run: Run) -> Picture:
    """Commanded and observed levels of the line over time, as a logic analyzer shows them.

    The commanded edges are laid from the first observed edge on, so that what differs
    is the rhythm. Of many cycles only the first and the last are drawn, and those where
    a finding lies.
    """
    lanes = lanes_of(run)
    windows = _windows(run, lanes)
    with drawing(f"timing {run.name}"):
        figure = Figure(figsize=(9.6, 1.8))
        place = {**PLACE, "width_ratios": [window.length_ms for window in windows]}
        panels = figure.subplots(1, len(windows), sharey=True, squeeze=False, gridspec_kw=place)
        for window, axes in zip(windows, panels[0], strict=True):
            _draw_window(axes, run, lanes, window)
        figure.supxlabel("ms", fontsize=8.5, color=COLOURS["quiet"])
        return Picture(
            inline(figure, f"Timing diagram: {run.label}"), _caption(run, lanes, windows)
        )


def histograms(run: Run) -> list[Picture]:
    """How the errors of on-time, off-time and period spread, one picture each.

    A kind of interval without any has no picture.
    """
    course = Course(run.evidence.capture, run.pattern)
    kinds = [intervals for intervals in intervals_of(course) if len(intervals.lengths_ns)]
    return [_histogram(run, intervals.kind, _errors(run, intervals)) for intervals in kinds]


def _period_ms(run: Run) -> float:
    expected = run.pattern
    return (expected.on_ns + expected.off_ns) / 1e6


def _windows(run: Run, lanes: Lanes) -> list[Window]:
    """What is drawn: everything, or both ends and the cycles around each finding."""
    cycles, period_ms = run.pattern.cycles, _period_ms(run)
    whole = Window(-0.3 * period_ms, _end_ms(run, lanes))
    if cycles <= ALL_CYCLES:
        return [whole]
    wanted = [
        Window(whole.low_ms, (END_CYCLES - 0.1) * period_ms),
        *(Window(at - 1.5 * period_ms, at + 1.5 * period_ms) for at in _marks(run)),
        Window((cycles - END_CYCLES - 0.3) * period_ms, whole.high_ms),
    ]
    return _merged(wanted, whole)


def _end_ms(run: Run, lanes: Lanes) -> float:
    """A little after the last thing that was commanded or happened."""
    expected = run.pattern
    commanded_ms = lanes.commanded.times_ms[-1] + max(expected.hold_ns, expected.off_ns) / 1e6
    last_ms = lanes.observed.times_ms.max(initial=0.0)
    return float(max(commanded_ms, last_ms + 0.3 * _period_ms(run)))


def _merged(windows: list[Window], whole: Window) -> list[Window]:
    """In order of time, cut to the whole run, overlapping ones joined."""
    cuts = [Window(max(low, whole.low_ms), min(high, whole.high_ms)) for low, high in windows]
    merged: list[Window] = []
    for cut in sorted(cut for cut in cuts if cut.low_ms < cut.high_ms):
        if merged and cut.low_ms <= merged[-1].high_ms:
            last = merged.pop()
            cut = Window(last.low_ms, max(last.high_ms, cut.high_ms))
        merged.append(cut)
    return merged


def _marks(run: Run) -> dict[float, str]:
    """Where the findings that keep the run from PASS lie, in order: ms -> their kinds."""
    marks: dict[float, list[str]] = {}
    for finding in run.verdict.not_passed():
        if finding.time_ns is not None:
            at_ms = (finding.time_ns - zero_ns(run)) / 1e6
            marks.setdefault(at_ms, []).append(finding.kind)
    return {at_ms: ", ".join(kinds) for at_ms, kinds in sorted(marks.items())}


def _draw_window(axes: Axes, run: Run, lanes: Lanes, window: Window) -> None:
    draw_lanes(axes, lanes, window)
    draw_lengths(axes, lanes.observed, window)
    _draw_marks(axes, run, window)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def _draw_marks(axes: Axes, run: Run, window: Window) -> None:
    """One arrow each; the words of arrows that stand close follow the last of them."""
    colour, room_ms = COLOURS[run.verdict.outcome.lower()], window.length_ms
    words: dict[float, str] = {}
    for at_ms, kinds in _marks(run).items():
        if window.low_ms <= at_ms <= window.high_ms:
            axes.plot(at_ms, ARROW, marker="v", markersize=5, color=colour)
            close = [place for place in words if at_ms - place < 0.12 * room_ms]
            words[at_ms] = ", ".join([*(words.pop(place) for place in close), kinds])
    for at_ms, text in words.items():
        place = (at_ms + 0.008 * room_ms, ARROW + 0.02)
        axes.text(*place, text, color=colour, va="center", size=7.5)


def _caption(run: Run, lanes: Lanes, windows: list[Window]) -> str:
    expected, edges = run.pattern, len(lanes.observed.times_ms)
    zero = "the first observed edge" if edges else "the start of the capture"
    text = (
        f"Commanded: {expected.cycles} × {expected.on_ns / 1e6:g} ms on, "
        f"{expected.off_ns / 1e6:g} ms off, laid from {zero} on. "
        f"Observed: {plural(edges, 'edge')} of {expected.line}, lengths in ms."
    )
    if len(windows) > 1:
        text += f" Only the first and the last {END_CYCLES} cycles are drawn"
        text += ", and those around findings." if len(windows) > 2 else "."
    return text


def _errors(run: Run, intervals: Intervals) -> _Errors:
    clock, expected = run.evidence.capture.clock, run.pattern
    lengths_ns, nominal_ns = intervals.lengths_ns, intervals.nominal_ns
    uncertainty_ns = clock.interval_uncertainty_ns(int(lengths_ns.max()))
    tolerance_ns = expected.tolerance_of(nominal_ns)
    return _Errors((lengths_ns - nominal_ns) / 1e3, tolerance_ns / 1e3, uncertainty_ns / 1e3)


def _histogram(run: Run, kind: str, errors: _Errors) -> Picture:
    """Above: where the errors lie between the limits. Below: their shape, enlarged."""
    with drawing(f"{kind} {run.name}"):
        figure = Figure(figsize=(3.3, 2.5))
        ruler, bars = (figure.add_axes(place) for place in (_RULER, _BARS))
        _draw_ruler(ruler, errors)
        _draw_bars(bars, errors)
        ruler.set_title(f"{kind} error")
        bars.set_xlabel("µs")
        for axes in (ruler, bars):
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.7g}"))
        caption = (
            f"{plural(len(errors.errors_us), 'sample')}, limits ±{errors.tolerance_us:,.1f} µs, "
            f"uncertainty {errors.uncertainty_us:,.1f} µs"
        )
        return Picture(inline(figure, f"{kind} error: {run.label}"), caption)


def _draw_ruler(axes: Axes, errors: _Errors) -> None:
    """Zones as the verdict draws them: sure to pass, neither, sure to fail.

    What lies beyond the ruler stands at its end, so that the limits can still be read.
    """
    limit, guard = errors.tolerance_us, errors.uncertainty_us
    outer = limit + guard
    farthest = min(max(1.3 * outer, 1.1 * float(np.abs(errors.errors_us).max())), 3 * outer)
    shown = np.clip(errors.errors_us / farthest, -0.995, 0.995)
    draw_zones(axes, Limits(-limit, limit, guard), (-farthest, farthest))
    thousandths = np.rint((shown + 1) * 1000).astype(np.int64)
    places = (np.flatnonzero(np.bincount(thousandths)) / 1000 - 1) * farthest
    axes.vlines(places, 0, 1, color=COLOURS["ink"], linewidth=0.8)
    axes.set(xlim=(-farthest, farthest), ylim=(0, 1), xticks=[-limit, 0, limit], yticks=[])


def _draw_bars(axes: Axes, errors: _Errors) -> None:
    values, guard = errors.errors_us, errors.uncertainty_us
    middle, spread = float(values.min() + values.max()) / 2, float(np.ptp(values))
    half = 1.15 * max(spread / 2, guard)
    counts, edges = _bins(values, half / 30)
    axes.stairs(counts, edges, fill=True, color=COLOURS["observed"], alpha=0.8)
    top = 1.3 * float(np.max(counts))
    axes.axvline(float(np.median(values)), color=COLOURS["ink"], linewidth=1, linestyle="dotted")
    axes.errorbar(middle, 0.9 * top, xerr=guard, color=COLOURS["inconclusive"], capsize=3)
    for limit in (-errors.tolerance_us, errors.tolerance_us):
        axes.axvline(limit, color=COLOURS["fail"], linewidth=1)
    axes.set(xlim=(middle - half, middle + half), ylim=(0, top))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))


def _bins(values: Numbers, narrowest: float) -> tuple[NDArray[np.int64], Numbers]:
    """Counts and edges: about as many bins as the square root allows, none too thin to see."""
    spread = float(np.ptp(values))
    count = max(1, min(int(2 * np.sqrt(len(values))), int(spread / narrowest)))
    middle, reach = float(values.min() + values.max()) / 2, max(spread, narrowest) / 2
    return np.histogram(values, count, (middle - reach, middle + reach))
