# SPDX-License-Identifier: ISC
"""Samples of a measurement -> a median or a median ratio, each with a 95 % interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 6
"""With fewer samples no interval of order statistics holds the median 95 times in 100."""
RESAMPLES = 2000
SEED = 1
"""Any will do; a fixed one gives the same interval for the same samples."""


@dataclass(frozen=True)
class Estimate:
    """A figure, the 95 % interval it lies in, and how many samples that comes from."""

    value: float
    low: float
    """NaN, as is `high`, if there are too few samples to tell."""
    high: float
    samples: int


def certain(value: float) -> Estimate:
    """What was read off, not sampled: every look gives the same."""
    return Estimate(value, value, value, 1)


def median(values: Sequence[float]) -> Estimate:
    """The median of `values`. Raises `ValueError` if there are none."""
    array = _array(values)
    resampled = np.median(_resamples(array), axis=1)
    return _estimate(float(np.median(array)), resampled, len(array))


def ratio(values: Sequence[float], base: Sequence[float]) -> Estimate:
    """The median of `values[n] / base[n]`.

    The two were taken by turns, so sample n of one and sample n of the other met the same
    noise: within a pair it cancels, however it drifts over the run. Raises `ValueError`
    if there is none, or if one has more.
    """
    over, under = _array(values), _array(base)
    if len(over) != len(under):
        raise ValueError(
            f"{len(over)} samples against {len(under)}: they were to be taken by turns"
        )
    return median((over / under).tolist())


def _array(values: Sequence[float]) -> NDArray[np.float64]:
    if not values:
        raise ValueError("no samples")
    return np.asarray(values, dtype=float)


def _resamples(values: NDArray[np.float64]) -> NDArray[np.float64]:
    size = (RESAMPLES, len(values))
    drawn: NDArray[np.float64] = values[
        np.random.default_rng(SEED).integers(len(values), size=size)
    ]
    return drawn


def _estimate(value: float, resampled: NDArray[np.float64], samples: int) -> Estimate:
    if samples < FEWEST:
        return Estimate(value, math.nan, math.nan, samples)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Estimate(value, float(low), float(high), samples)
