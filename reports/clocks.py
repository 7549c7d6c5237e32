# SPDX-License-Identifier: ISC
"""How the guest's clock and the observer's belong together, by the edges that both timed.

The guest reads its clock before and after each hypercall; the edge comes in between, and
the observer stamps it late by 0 to its latency. So each edge bounds what must be added to
the guest's clock to get the observer's, from both sides, and a clock that drifts evenly is
a straight line between all bounds. The lines that fit are found by linear programming, as
Moon, Skelly and Towsley do for network delays ("Estimation and Removal of Clock Skew from
Network Delay Measurements", INFOCOM 1999). Nothing is assumed of where between its bounds
an edge lies, so the uncertainty is a bound too, and not a guess.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from rig.capture import Clock

MOST_BLOCKS = 500
"""A longer run is cut into so many blocks; of each only the tightest bounds are asked."""

_Ns = NDArray[np.int64]
_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """The same edges on both clocks; arrays of one length, in time order, in ns."""

    seen_ns: _Ns
    """When the observer saw the edge, on its clock."""
    before_ns: _Ns
    """The guest's clock before the hypercall ..."""
    after_ns: _Ns
    """... and after it."""

    def __len__(self) -> int:
        return len(self.seen_ns)

    @property
    def round_trips_ns(self) -> _Ns:
        """How long each hypercall took."""
        trips_ns: _Ns = self.after_ns - self.before_ns
        return trips_ns

    @property
    def passed(self) -> _Numbers:
        """Where each edge lies between the first (0) and the last (1), by the guest's clock."""
        passed_ns = self.before_ns - self.before_ns[0]
        share: _Numbers = passed_ns / max(int(passed_ns[-1]), 1)
        return share

    @property
    def apart_ns(self) -> _Ns:
        """By how much more the observer's clock went on since the first edge than the guest's."""
        apart_ns: _Ns = (self.seen_ns - self.seen_ns[0]) - (self.before_ns - self.before_ns[0])
        return apart_ns


@dataclass(frozen=True)
class Relation:
    """What must be added to the guest's clock to get the observer's, as far as it is known.

    Counted from what the first edge says. A straight line from `first_ns` at the first edge
    to `last_ns` at the last one.
    """

    first_ns: float
    last_ns: float
    uncertainty_ns: float
    """Of any point of the line, either way."""
    drift_ppm: float | None
    """How much faster the observer's clock counts; None if there is but one edge."""
    drift_uncertainty_ppm: float | None

    def at(self, passed: _Numbers) -> _Numbers:
        """The line where `passed` says, in ns."""
        return self.first_ns + (self.last_ns - self.first_ns) * passed


def relate(moments: Moments, clock: Clock) -> Relation | None:
    """How the two clocks belong together; `clock` is the observer's.

    None if no straight line fits: one of the clocks was set or did not run evenly, or the
    edges are not those of the hypercalls. There must be one edge at least.
    """
    limits = _limits(moments, clock)
    passed_ns = int(moments.before_ns[-1] - moments.before_ns[0])
    ends = [(1.0, 0.0), (0.0, 1.0), (-1.0, 1.0)] if passed_ns else [(1.0, 0.0)]
    ranges = [_range(limits, weights) for weights in ends]
    if None in ranges:
        return None
    known = [found for found in ranges if found]
    offsets, rises = known[:2], known[2:]
    uncertainty_ns = max(offset.half for offset in offsets)
    drift = [part / passed_ns * 1e6 for rise in rises for part in (rise.middle, rise.half)]
    return Relation(offsets[0].middle, offsets[-1].middle, uncertainty_ns, *(drift or (None, None)))


def calls_to_pin(moments: Moments, relation: Relation, clock: Clock) -> tuple[_Ns, int]:
    """From the start of each hypercall until its edge, and the uncertainty of that; in ns.

    An edge lies within its hypercall, so one that the clocks put outside is put at its end, and
    no uncertainty is larger than the longest hypercall.
    """
    middle_ns = (clock.latency_ns - clock.resolution_ns) / 2
    calls_ns = np.rint(moments.apart_ns - middle_ns - relation.at(moments.passed))
    half_ns = (clock.latency_ns + clock.resolution_ns) / 2
    trips_ns = moments.round_trips_ns
    uncertainty_ns = min(relation.uncertainty_ns + half_ns, float(trips_ns.max()))
    return np.clip(calls_ns.astype(np.int64), 0, trips_ns), int(np.ceil(uncertainty_ns))


@dataclass(frozen=True)
class _Range:
    """From the least to the greatest that fits."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class _Limits:
    """What bounds the line once `slope_ns` is taken out: sign * line <= bound, at `passed`."""

    slope_ns: float
    passed: _Numbers
    signs: _Numbers
    bounds_ns: _Numbers


def _limits(moments: Moments, clock: Clock) -> _Limits:
    """Each edge's bounds; of a long run those that are tightest in their block."""
    passed, apart_ns = moments.passed, moments.apart_ns
    bounds_ns = apart_ns - clock.latency_ns - moments.round_trips_ns
    slope_ns = _rough_slope_ns(passed, bounds_ns)
    low_ns = bounds_ns - slope_ns * passed
    high_ns = apart_ns + clock.resolution_ns - slope_ns * passed
    lows, highs = _tightest(-low_ns), _tightest(high_ns)
    return _Limits(
        slope_ns,
        np.concatenate((passed[lows], passed[highs])),
        np.repeat((-1.0, 1.0), (len(lows), len(highs))),
        np.concatenate((-low_ns[lows], high_ns[highs])),
    )


def _rough_slope_ns(passed: _Numbers, bounds_ns: _Ns) -> float:
    """From the medians of the first and the last tenth: it decides which bounds are tightest."""
    tenth = max(1, len(passed) // 10)
    run = np.median(passed[-tenth:]) - np.median(passed[:tenth])
    rise_ns = np.median(bounds_ns[-tenth:]) - np.median(bounds_ns[:tenth])
    return float(rise_ns / run) if run else 0.0


def _tightest(room_ns: _Numbers) -> _Ns:
    """Indices of the least of each block of equal length; of few, all."""
    if len(room_ns) <= 2 * MOST_BLOCKS:
        return np.arange(len(room_ns))
    length = -(-len(room_ns) // MOST_BLOCKS)
    blocks = np.full(length * MOST_BLOCKS, np.inf)
    blocks[: len(room_ns)] = room_ns
    places = blocks.reshape(MOST_BLOCKS, length).argmin(axis=1) + np.arange(MOST_BLOCKS) * length
    inside: _Ns = places[places < len(room_ns)]
    return inside


def _range(limits: _Limits, weights: tuple[float, float]) -> _Range | None:
    """What these weights of (line at the first edge, at the last) can add up to; None: no line."""
    lines = limits.signs[:, None] * np.column_stack((1 - limits.passed, limits.passed))
    taken_out_ns = limits.slope_ns * weights[1]
    ends = []
    for sign in (1.0, -1.0):
        goal = sign * np.array(weights)
        found = linprog(goal, A_ub=lines, b_ub=limits.bounds_ns, bounds=(None, None))
        if not found.success:
            return None
        ends.append(sign * float(found.fun) + taken_out_ns)
    return _Range(*ends)
