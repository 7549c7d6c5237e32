# SPDX-License-Identifier: ISC
"""Pictures of one run: when the line moved, and how far off it was."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from reports.load import Run
from reports.svg import COLOURS, drawing, inline
from reports.tables import plural
from rig.course import Course, Edges
from rig.timing import Intervals, intervals_of

ALL_CYCLES = 12
"""Up to this many cycles are drawn in full."""
END_CYCLES = 4
"""Of more, this many are drawn at each end."""

_LANES = {"observed": 0.0, "commanded": 1.6}
"""Where each lane of the timing diagram stands; a lane is 1 high."""

_Numbers = NDArray[np.float64]


class Picture(NamedTuple):
    """An SVG element and the sentence below it."""

    svg: Markup
    caption: str


class _Window(NamedTuple):
    """A stretch of the run, in ms after the first edge."""

    low_ms: float
    high_ms: float


class _Levels(NamedTuple):
    """What a line did: it takes `levels[i]` at `times_ms[i]`."""

    times_ms: _Numbers
    levels: NDArray[np.int64]


class _Lanes(NamedTuple):
    """What the line should have done, and what it did."""

    commanded: _Levels
    observed: _Levels


class _Errors(NamedTuple):
    """The errors of one kind of interval, and what they are held against."""

    errors_us: _Numbers
    tolerance_us: float
    uncertainty_us: float


def timing_diagram(run: Run) -> Picture:
    """Commanded and observed levels of the line over time, as a logic analyzer shows them.

    The commanded edges are laid from the first observed edge on, so that what differs
    is the rhythm. Of many cycles only the first and the last are drawn, and those where
    a finding lies.
    """
    lanes = _Lanes(_commanded(run), _observed(run))
    windows = _windows(run, lanes)
    with drawing(f"timing {run.name}"):
        figure = Figure(figsize=(9.6, 1.8), layout="constrained")
        ratios = {"width_ratios": [window.high_ms - window.low_ms for window in windows]}
        panels = figure.subplots(1, len(windows), sharey=True, squeeze=False, gridspec_kw=ratios)
        for window, axes in zip(windows, panels[0], strict=True):
            _draw_window(axes, run, lanes, window)
            axes.tick_params(axis="y", length=0)
        figure.supxlabel("ms", fontsize=8.5, color=COLOURS["quiet"])
        return Picture(
            inline(figure, f"Timing diagram: {run.label}"), _caption(run, lanes, windows)
        )


def histograms(run: Run) -> list[Picture]:
    """How the errors of on-time, off-time and period spread, one picture each.

    A kind of interval without any has no picture.
    """
    course = Course(run.evidence.capture, run.evidence.run.expectation)
    kinds = [intervals for intervals in intervals_of(course) if len(intervals.lengths_ns)]
    return [_histogram(run, intervals.kind, _errors(run, intervals)) for intervals in kinds]


def _zero_ns(run: Run) -> int:
    """Where the time axis begins, on the observer's clock."""
    times_ns = _seen(run).times
    return int(times_ns[0]) if len(times_ns) else run.evidence.capture.start_ns


def _seen(run: Run) -> Edges:
    return Edges.of(run.evidence.capture, run.evidence.run.expectation.line)


def _period_ms(run: Run) -> float:
    expected = run.evidence.run.expectation
    return (expected.on_ns + expected.off_ns) / 1e6


def _observed(run: Run) -> _Levels:
    edges = _seen(run)
    return _Levels((edges.times - _zero_ns(run)) / 1e6, edges.levels.astype(np.int64))


def _commanded(run: Run) -> _Levels:
    """What the guest was told to do; the release at the end is the tender's, and not in it."""
    expected = run.evidence.run.expectation
    number = np.arange(expected.commanded)
    times_ms = (number // 2 * expected.period_ns + number % 2 * expected.on_ns) / 1e6
    return _Levels(times_ms, 1 - number % 2)


def _windows(run: Run, lanes: _Lanes) -> list[_Window]:
    """What is drawn: everything, or both ends and the cycles around each finding."""
    cycles, period_ms = run.evidence.run.expectation.cycles, _period_ms(run)
    whole = _Window(-0.3 * period_ms, _end_ms(run, lanes))
    if cycles <= ALL_CYCLES:
        return [whole]
    wanted = [
        _Window(whole.low_ms, (END_CYCLES - 0.1) * period_ms),
        *(_Window(at - 1.5 * period_ms, at + 1.5 * period_ms) for at in _marks(run)),
        _Window((cycles - END_CYCLES - 0.3) * period_ms, whole.high_ms),
    ]
    return _merged(wanted, whole)


def _cut(line: _Levels, initial: int, window: _Window) -> _Levels:
    """What the line did inside the window, with its level at both ends of it."""
    begin, end = (int(place) for place in np.searchsorted(line.times_ms, window))
    before = int(line.levels[begin - 1]) if begin else initial
    levels = np.concatenate(([before], line.levels[begin:end]))
    times_ms = np.concatenate(([window.low_ms], line.times_ms[begin:end], [window.high_ms]))
    return _Levels(times_ms, np.append(levels, levels[-1]))


def _end_ms(run: Run, lanes: _Lanes) -> float:
    """A little after the last thing that was commanded or happened."""
    expected = run.evidence.run.expectation
    commanded_ms = lanes.commanded.times_ms[-1] + max(expected.hold_ns, expected.off_ns) / 1e6
    last_ms = lanes.observed.times_ms.max(initial=0.0)
    return float(max(commanded_ms, last_ms + 0.3 * _period_ms(run)))


def _merged(windows: list[_Window], whole: _Window) -> list[_Window]:
    """In order of time, cut to the whole run, overlapping ones joined."""
    cuts = [_Window(max(low, whole.low_ms), min(high, whole.high_ms)) for low, high in windows]
    merged: list[_Window] = []
    for cut in sorted(cut for cut in cuts if cut.low_ms < cut.high_ms):
        if merged and cut.low_ms <= merged[-1].high_ms:
            last = merged.pop()
            cut = _Window(last.low_ms, max(last.high_ms, cut.high_ms))
        merged.append(cut)
    return merged


def _marks(run: Run) -> dict[float, str]:
    """Where the findings that keep the run from PASS lie, in order: ms -> their kinds."""
    marks: dict[float, list[str]] = {}
    for finding in run.verdict.not_passed():
        if finding.time_ns is not None:
            at_ms = (finding.time_ns - _zero_ns(run)) / 1e6
            marks.setdefault(at_ms, []).append(finding.kind)
    return {at_ms: ", ".join(kinds) for at_ms, kinds in sorted(marks.items())}


def _draw_window(axes: Axes, run: Run, lanes: _Lanes, window: _Window) -> None:
    initial = run.evidence.capture.initial_levels[run.evidence.run.expectation.line]
    _draw_lane(axes, "commanded", _cut(lanes.commanded, 0, window))
    _draw_lane(axes, "observed", _cut(lanes.observed, initial, window))
    _draw_lengths(axes, lanes.observed, window)
    _draw_marks(axes, run, window)
    axes.set(xlim=window, ylim=(-0.15, 2.75))
    axes.set_yticks([base + 0.5 for base in _LANES.values()], list(_LANES))
    axes.xaxis.set_major_locator(MaxNLocator(6))


def _draw_lane(axes: Axes, name: str, line: _Levels) -> None:
    baseline, colour = _LANES[name], COLOURS[name]
    heights, times_ms = line.levels[:-1] + baseline, line.times_ms
    axes.stairs(heights, times_ms, baseline=baseline, fill=True, color=colour, alpha=0.2)
    axes.stairs(heights, times_ms, baseline=None, color=colour, linewidth=1.4)


def _draw_lengths(axes: Axes, line: _Levels, window: _Window) -> None:
    """The measured lengths, where there is room for them."""
    begins, ends = np.searchsorted(line.times_ms, window)
    for begin_ms, end_ms in pairwise(line.times_ms[begins:ends]):
        if end_ms - begin_ms > 0.03 * (window.high_ms - window.low_ms):
            length = f"{end_ms - begin_ms:.1f}"
            axes.text((begin_ms + end_ms) / 2, 0.45, length, ha="center", va="center", size=7)


def _draw_marks(axes: Axes, run: Run, window: _Window) -> None:
    """One arrow each; the words of arrows that stand close follow the last of them."""
    colour, room_ms = COLOURS[run.verdict.outcome.lower()], window.high_ms - window.low_ms
    words: dict[float, str] = {}
    for at_ms, kinds in _marks(run).items():
        if window.low_ms <= at_ms <= window.high_ms:
            axes.plot(at_ms, 1.2, marker="v", markersize=5, color=colour)
            close = [place for place in words if at_ms - place < 0.12 * room_ms]
            words[at_ms] = ", ".join([*(words.pop(place) for place in close), kinds])
    for at_ms, text in words.items():
        place = (at_ms + 0.008 * room_ms, 1.22)
        axes.text(*place, text, color=colour, va="center", size=7.5)


def _caption(run: Run, lanes: _Lanes, windows: list[_Window]) -> str:
    expected, edges = run.evidence.run.expectation, len(lanes.observed.times_ms)
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
    clock, expected = run.evidence.capture.clock, run.evidence.run.expectation
    lengths_ns, nominal_ns = intervals.lengths_ns, intervals.nominal_ns
    uncertainty_ns = clock.interval_uncertainty_ns(int(lengths_ns.max()))
    tolerance_ns = expected.tolerance_of(nominal_ns)
    return _Errors((lengths_ns - nominal_ns) / 1e3, tolerance_ns / 1e3, uncertainty_ns / 1e3)


def _histogram(run: Run, kind: str, errors: _Errors) -> Picture:
    """Above: where the errors lie between the limits. Below: their shape, enlarged."""
    with drawing(f"{kind} {run.name}"):
        figure = Figure(figsize=(3.3, 2.5), layout="constrained")
        ruler, bars = figure.subplots(2, 1, gridspec_kw={"height_ratios": [1, 6]})
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
    inner, outer = max(limit - guard, 0.0), limit + guard
    farthest = min(max(1.3 * outer, 1.1 * float(np.abs(errors.errors_us).max())), 3 * outer)
    shown = np.clip(errors.errors_us / farthest, -0.995, 0.995)
    axes.axvspan(-inner, inner, color=COLOURS["pass"], alpha=0.25, linewidth=0)
    for low, high in ((-outer, -inner), (inner, outer)):
        axes.axvspan(low, high, color=COLOURS["inconclusive"], alpha=0.4, linewidth=0)
    for low, high in ((-farthest, -outer), (outer, farthest)):
        axes.axvspan(low, high, color=COLOURS["fail"], alpha=0.25, linewidth=0)
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


def _bins(values: _Numbers, narrowest: float) -> tuple[NDArray[np.int64], _Numbers]:
    """Counts and edges: about as many bins as the square root allows, none too thin to see."""
    spread = float(np.ptp(values))
    count = max(1, min(int(2 * np.sqrt(len(values))), int(spread / narrowest)))
    middle, reach = float(values.min() + values.max()) / 2, max(spread, narrowest) / 2
    return np.histogram(values, count, (middle - reach, middle + reach))
