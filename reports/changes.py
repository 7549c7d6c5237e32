# SPDX-License-Identifier: ISC
"""Values, one after the other -> where their level changed.

The values become ranks, so that nothing is assumed of their distribution and a single wild
one weighs no more than any other. At each place the rank sum of what lies before it is
compared with what chance would give (Wilcoxon); the place that differs most is a change if
chance alone, in the best of all places, would differ so much in fewer than `LEVEL` of all
series. What lies before and behind it is then searched likewise.

Rank tests for a change: F. Lombard, Biometrika 74 (1987), 615-624. The chance of the best
of all places: B. James, K. L. James, D. Siegmund, Biometrika 74 (1987), 71-83.
"""

from collections.abc import Iterator
from functools import cache
from math import exp, log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.order import least_for_interval

LEAST = least_for_interval()
"""So many values must lie on either side of a change; what is shorter is no level."""
LEVEL = 0.01
"""At most this share of series that never changed seems to have."""

_AS_LIKELY = 3.84
"""Places whose squared distance is less than the best by no more than this explain the values
about as well: the 95 % quantile of the chi-squared distribution with one degree of freedom."""

_DECAY = sqrt(2)
"""By so much a length of the parts that are searched is shorter than the one before."""
_SHORTEST = 8
"""No part is shorter than this share of the whole: more looks would each have to see more."""

_Flags = NDArray[np.bool_]
_Values = NDArray[np.float64]


def change_points(values: _Values, is_release: _Flags) -> list[int]:
    """The places of the first value of each new level.

    `is_release` marks the values with which a release begins: where one explains a change
    about as well as the best place does, the change is taken to be there.
    """
    kept: list[int] = []
    ends = [*_search(values, 0), len(values)]
    for end in ends[1:]:  # each change once more, between its neighbours alone
        begin = kept[-1] if kept else 0
        between = values[begin:end]
        if _change(between).chance <= LEVEL:
            kept.append(begin + _located(between, is_release[begin:end]))
    return kept


class _Change(NamedTuple):
    """Where values change most."""

    chance: float
    """That values which never changed would differ so much."""
    place: int


_NONE = _Change(1.0, 0)


def _search(values: _Values, begin: int) -> list[int]:
    """All places within `values`, of which the first is the one at `begin` of all."""
    best = min(_looks(values))
    if best.chance > LEVEL:
        return []
    place = begin + best.place
    before, behind = values[: best.place], values[best.place :]
    return [*_search(before, begin), place, *_search(behind, place)]


def _looks(values: _Values) -> Iterator[_Change]:
    """The change within all values, and those within parts of them.

    In the whole, a level that came and went hides itself. Half of the level is spent on the
    whole, the other on the parts, so that many looks find no more than one would.
    """
    parts = _parts(len(values))
    spent = 2 if parts else 1
    whole = _change(values)
    yield whole._replace(chance=whole.chance * spent)
    for begin, end in parts:
        change = _change(values[begin:end])
        yield _Change(change.chance * spent * len(parts), begin + change.place)


def _parts(count: int) -> list[tuple[int, int]]:
    """Ever shorter stretches, each length shifted by its half: seeded binary segmentation.

    S. Kovács, P. Bühlmann, H. Li, A. Munk, Biometrika 110 (2023), 249-256.
    """
    lengths = []
    length = int(count / _DECAY)
    while length >= max(4 * LEAST, count / _SHORTEST):
        lengths.append(length)
        length = int(length / _DECAY)
    return [
        (begin, begin + length)
        for length in lengths
        for begin in np.linspace(0, count - length, -(-2 * count // length) - 1).astype(int)
    ]


def _change(values: _Values) -> _Change:
    """The one place where these values change most."""
    if len(values) < 2 * LEAST:
        return _NONE
    places, squares = _squared_distances(values)
    return _Change(chance(sqrt(squares.max()), len(values)), int(places[squares.argmax()]))


def _located(values: _Values, is_release: _Flags) -> int:
    """The place of the one change that is in these values, more exactly than ranks tell it.

    Of the places that are about as likely by ranks, the one from which the values lie closest
    to the medians on either side; or a release, if that is about as likely also by this.
    """
    places, squares = _squared_distances(values)
    likely = places[squares >= squares.max() - _AS_LIKELY]
    misfits = np.array([_misfit(values[:place]) + _misfit(values[place:]) for place in likely])
    near = misfits <= misfits.min() * exp(_AS_LIKELY / 2 / len(values))
    at_release = near & is_release[likely]
    candidates = at_release if at_release.any() else near
    return int(likely[np.where(candidates, misfits, np.inf).argmin()])


def _misfit(values: _Values) -> float:
    return float(np.abs(values - np.median(values)).sum())


def _squared_distances(values: _Values) -> tuple[NDArray[np.int64], _Values]:
    """Each place where a change could be, and how unlike its two sides are.

    That is how far the rank sum before it is from the expected one, in deviations, squared.
    """
    ranks = _mid_ranks(values)
    places, expected, shares = _by_chance(len(values))
    spread = ranks.var(ddof=1)
    if not spread:
        return places, np.zeros(len(places))
    excess = ranks.cumsum()[places[0] - 1 : places[-1]] - expected
    return places, excess**2 / (shares * spread)


@cache
def _by_chance(count: int) -> tuple[NDArray[np.int64], _Values, _Values]:
    """The places in so many values, the rank sum that chance gives before each, and its variance
    as a multiple of that of one rank."""
    places = np.arange(LEAST, count - LEAST + 1)
    return places, places * (count + 1) / 2, places * (count - places) / count


def _mid_ranks(values: _Values) -> _Values:
    """From 1; equal values share the mean of their ranks."""
    ordered = np.sort(values)
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    mean_ranks: _Values = (below + up_to + 1) / 2
    return mean_ranks


def chance(distance: float, count: int) -> float:
    """How often the best place of so many equal values is `distance` deviations off, or more.

    At most: the approximation is for large numbers, and errs to the safe side for small ones.
    """
    if distance < 2:
        return 1.0
    density = exp(-(distance**2) / 2) / sqrt(2 * pi)
    places = 2 * log((count - LEAST) / LEAST)
    return density * ((distance - 1 / distance) * places + 4 / distance)
