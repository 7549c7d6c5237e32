# SPDX-License-Identifier: ISC
"""The levels of a line over time, commanded and observed, and how a picture shows them."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reports.load import Run
from reports.svg import COLOURS
from rig.course import Edges

_BASES = {"observed": 0.0, "commanded": 1.6}
"""Where each lane stands; a lane is 1 high."""
ARROW = 1.2
"""Where an arrow has room between them."""

PLACE = {"left": 0.085, "right": 0.995, "bottom": 0.25, "top": 0.97, "wspace": 0.03}
"""Where lanes are in a wide picture; to let matplotlib find out doubles the time of a page."""

Numbers = NDArray[np.float64]


class Picture(NamedTuple):
    """An SVG element and the sentence below it."""

    svg: Markup
    caption: str


class Window(NamedTuple):
    """A stretch of the run, in ms after its zero."""

    low_ms: float
    high_ms: float

    @property
    def length_ms(self) -> float:
        """From one end to the other."""
        return self.high_ms - self.low_ms


class Levels(NamedTuple):
    """What a line did: it takes `levels[i]` at `times_ms[i]`, and was `initial` before."""

    times_ms: Numbers
    levels: NDArray[np.int64]
    initial: int

    def moved(self, by_ms: float) -> "Levels":
        """The same, later."""
        return self._replace(times_ms=self.times_ms + by_ms)


class Lanes(NamedTuple):
    """What the line should have done, and what it did."""

    commanded: Levels
    observed: Levels


def lanes_of(run: Run, line: str | None = None) -> Lanes:
    """Both, in ms after `zero_ns`; what was observed is of `line`, else of the LED's.

    The commanded edges are laid from the first observed edge of the LED's line on, so that
    what differs is the rhythm.
    """
    return Lanes(_commanded(run), _observed(run, line or run.pattern.line))


def zero_ns(run: Run) -> int:
    """Where the time axis begins, on the observer's clock: the first edge, if there is one."""
    times_ns = run.evidence.capture.of_line(run.pattern.line)["time_ns"]
    return int(times_ns[0]) if len(times_ns) else run.evidence.capture.start_ns


def _observed(run: Run, line: str) -> Levels:
    capture = run.evidence.capture
    edges = Edges.of(capture, line)
    times_ms = (edges.times - zero_ns(run)) / 1e6
    return Levels(times_ms, edges.levels.astype(np.int64), capture.initial_levels[line])


def _commanded(run: Run) -> Levels:
    """What the guest was told to do; the release at the end is the tender's, and not in it."""
    expected = run.pattern
    number = np.arange(expected.commanded)
    times_ms = (number // 2 * expected.period_ns + number % 2 * expected.on_ns) / 1e6
    return Levels(times_ms, 1 - number % 2, 0)


def draw_lanes(axes: Axes, lanes: Lanes, window: Window) -> None:
    """Both lanes within the window, with room for arrows in between."""
    for name, levels in lanes._asdict().items():
        _draw_lane(axes, name, _cut(levels, window))
    axes.set(xlim=window, ylim=(-0.15, 2.75))
    axes.set_yticks([base + 0.5 for base in _BASES.values()], list(_BASES))
    axes.tick_params(axis="y", length=0)


def draw_lengths(axes: Axes, line: Levels, window: Window) -> None:
    """The measured lengths, where there is room for them."""
    begins, ends = np.searchsorted(line.times_ms, window)
    for begin_ms, end_ms in pairwise(line.times_ms[begins:ends]):
        if end_ms - begin_ms > 0.03 * window.length_ms:
            length = f"{end_ms - begin_ms:.1f}"
            axes.text((begin_ms + end_ms) / 2, 0.45, length, ha="center", va="center", size=7)


def _cut(line: Levels, window: Window) -> Levels:
    """What the line did inside the window, with its level at both ends of it."""
    begin, end = (int(place) for place in np.searchsorted(line.times_ms, window))
    before = int(line.levels[begin - 1]) if begin else line.initial
    levels = np.concatenate(([before], line.levels[begin:end]))
    times_ms = np.concatenate(([window.low_ms], line.times_ms[begin:end], [window.high_ms]))
    return Levels(times_ms, np.append(levels, levels[-1]), before)


def _draw_lane(axes: Axes, name: str, line: Levels) -> None:
    baseline, colour = _BASES[name], COLOURS[name]
    heights, times_ms = line.levels[:-1] + baseline, line.times_ms
    axes.stairs(heights, times_ms, baseline=baseline, fill=True, color=colour, alpha=0.2)
    axes.stairs(heights, times_ms, baseline=None, color=colour, linewidth=1.4)
