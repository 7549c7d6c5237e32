# SPDX-License-Identifier: ISC
"""Samples -> their distribution: which share of them does not exceed which value.

The axis is that of HDR histograms: it grows by the nines of the share (0, 90, 99, 99.9 % ...),
so that the tail is wide where it matters. Each value is a sample, by nearest rank, and as for
the percentiles of the summary one sample must lie beyond it: so `count` samples carry the
curve up to the share (count - 1) / count, and the largest belongs to no share.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.order import PER_MILLE, Values

MOST_POINTS = 120
"""Of a longer distribution so many points are kept, evenly spread along the axis."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """How the samples of one figure of one run spread; in the figure's unit."""

    run: str
    """Name of the run."""
    figure: str
    unit: str
    count: int
    """How many samples there are."""
    ranks: NDArray[np.int64]
    """Of the samples that are kept, rising, counted from 1; the largest sample's is not there."""
    values: NDArray[np.float64]
    """The samples of these ranks. Of an error it is its size, without sign."""
    largest: float
    uncertainty: float
    """How far a single sample can be off, either way; NaN if the observer has no part in it."""
    limit: float | None
    """What the verdict allows, before the uncertainty; None if it asks nothing of this figure."""

    @property
    def nines(self) -> NDArray[np.float64]:
        """Where the values lie on the axis: 1 for 90 %, 2 for 99 %."""
        nines: NDArray[np.float64] = np.log10(self.count / (self.count - self.ranks))
        return nines


def points(ordered: Values) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Ranks, their samples, and the largest sample, of one sample at least.

    At least those of `ranks_of` must be in their places (see `reports.order.in_order`).
    """
    ranks = ranks_of(len(ordered))
    return ranks, ordered[ranks - 1].astype(np.float64), float(ordered[-1])


def ranks_of(count: int) -> NDArray[np.int64]:
    """Evenly spread by nines from the first sample to the last but one.

    Those of the summary's percentiles are among them, where the samples suffice.
    """
    beyond = count / np.logspace(0, np.log10(count), MOST_POINTS)
    spread = np.clip(np.ceil(count - beyond), 1, None).astype(np.int64)
    named = np.array([-(-count * share // 1000) for share in PER_MILLE.values()], np.int64)
    ranks = np.unique(np.concatenate(([1], spread, named)))
    return ranks[ranks < count]
