# SPDX-License-Identifier: ISC
"""Numbers made of samples in their order: percentiles, and the interval of a median."""

from collections.abc import Iterable
from functools import cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.int64] | NDArray[np.float64]

PER_MILLE = {"p95": 950, "p99": 990, "p99_9": 999}
"""The percentiles, by column."""

_CONFIDENCE = 0.95
_BEYOND = 6
"""So many times the root of the count from the middle, a binomial distribution has no weight
that a float could tell from none."""


def in_order(values: Values, more_ranks: Iterable[int] = ()) -> Values:
    """The same samples, with those in their places that a summary is made of.

    Those of `more_ranks`, counted from 1, are in their places, too. A tenth of the work of
    sorting them all.
    """
    count = len(values)
    ranks = [1, (count + 1) // 2, count // 2 + 1, count, *_percentile_ranks(count).values()]
    lower = _interval_rank(count)
    ranks += [lower, count + 1 - lower] if lower else []
    ranks.extend(more_ranks)
    ordered = values.copy()
    if count:
        ordered.partition(np.array(ranks) - 1)
    return ordered


def percentiles(ordered: Values) -> dict[str, float]:
    """The nearest-rank percentiles of samples `in_order`; NaN where too few support one."""
    ranks = _percentile_ranks(len(ordered))
    nothing = dict.fromkeys(PER_MILLE, float("nan"))
    return nothing | {name: float(ordered[rank - 1]) for name, rank in ranks.items()}


def median_interval(ordered: Values) -> tuple[float, float]:
    """From which to which sample the median of samples `in_order` lies 95 times in 100.

    NaN for fewer than 6. So many of n independent samples lie below the true median as coins
    show heads: the ranks are quantiles of a binomial distribution.
    """
    rank = _interval_rank(len(ordered))
    if not rank:
        return float("nan"), float("nan")
    return float(ordered[rank - 1]), float(ordered[-rank])


def samples_needed(per_mille: int) -> int:
    """How many samples a percentile needs: 20 for p95, 100 for p99, 1000 for p99.9."""
    return -(-1000 // (1000 - per_mille))


def least_for_interval() -> int:
    """How many samples the interval of the median needs: 6."""
    return next(count for count in range(1, 100) if _interval_rank(count))


@cache
def _interval_rank(count: int) -> int:
    """The lower end, counted from 1; 0 if even the least sample is not low enough.

    The quantile of a binomial distribution with equal chances, as `scipy.stats.binom.ppf` has it;
    SciPy takes longer to import than a trend over 1000 runs takes.
    """
    least = max(0, count // 2 - _BEYOND * isqrt(count))
    heads = np.arange(least, count - least + 1)
    growth = (count - heads[:-1]) / (heads[:-1] + 1)
    chances = np.cumprod(np.concatenate(([1.0], growth)))
    at_most = np.cumsum(chances) / chances.sum()
    return int(heads[np.searchsorted(at_most, (1 - _CONFIDENCE) / 2)])


def _percentile_ranks(count: int) -> dict[str, int]:
    """Of those that so many samples support, one of which must lie beyond; counted from 1."""
    return {
        name: -(-count * per_mille // 1000)
        for name, per_mille in PER_MILLE.items()
        if count >= samples_needed(per_mille)
    }
