# SPDX-License-Identifier: ISC
"""Two sets of independent values -> by how much the second is shifted, and how sure that is.

A value is what one *run* gave. Edges of one run share what the host did meanwhile, so they are
no independent samples, and this module never sees them. No shape of the distribution is assumed,
and one outlier among the values has one vote, however far out it is.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import mannwhitneyu, norm

CONFIDENCE = 0.95
"""Of an interval."""
ALPHA = 0.05
"""How often, at most, a comparison of equal things raises an alarm, over all of its figures."""

Values = NDArray[np.float64]


def shift(baseline: ArrayLike, candidate: ArrayLike) -> float:
    """The median of all differences, candidate minus baseline (Hodges and Lehmann's estimate)."""
    return float(np.median(_differences(baseline, candidate)))


def shift_interval(
    baseline: ArrayLike, candidate: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """From where to where the shift lies: those that a Mann-Whitney test does not refuse.

    NaN if there are too few values for an interval of this confidence.
    """
    ordered = np.sort(_differences(baseline, candidate))
    beyond = _refused(np.size(baseline), np.size(candidate), confidence)
    if beyond < 0:
        return float("nan"), float("nan")
    return float(ordered[beyond]), float(ordered[-1 - beyond])


def p_beyond(
    baseline: ArrayLike,
    candidate: ArrayLike,
    baseline_off: ArrayLike = 0.0,
    candidate_off: ArrayLike = 0.0,
) -> Values:
    """How likely such values are if nothing shifted, either way, but what moved the values.

    Each value may be off by so much, to the worst side. The last axis holds the values; the
    others are compared independently.
    """
    before, after = np.asarray(baseline, float), np.asarray(candidate, float)
    more = p_above(before + baseline_off, after - candidate_off)
    less = p_above(after + candidate_off, before - baseline_off)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(more, less)))


def p_above(baseline: ArrayLike, candidate: ArrayLike) -> Values:
    """How likely such values are if nothing shifted upwards (a one-sided Mann-Whitney test)."""
    return np.asarray(mannwhitneyu(candidate, baseline, alternative="greater", axis=-1).pvalue)


@cache
def least_p(baseline: int, candidate: int) -> float:
    """The least that `p_beyond` can be for so many values: when no two sets overlap."""
    return float(p_beyond(np.arange(baseline), baseline + np.arange(candidate)))


def holm(p: ArrayLike) -> Values:
    """Adjust the p-values of the last axis for their number (Holm's step-down procedure).

    Those below a level, taken as true findings, hold a false one at most as often as that level
    says, however the figures depend on each other.
    """
    raw = np.asarray(p, float)
    order = np.argsort(raw, axis=-1)
    count = raw.shape[-1]
    stepped = np.take_along_axis(raw, order, -1) * np.arange(count, 0, -1)
    adjusted: Values = np.minimum(1.0, np.maximum.accumulate(stepped, axis=-1))
    return np.asarray(np.take_along_axis(adjusted, np.argsort(order, axis=-1), -1))


def _differences(baseline: ArrayLike, candidate: ArrayLike) -> Values:
    before, after = np.asarray(baseline, float), np.asarray(candidate, float)
    return np.asarray(np.subtract.outer(after, before)).ravel()


def _refused(baseline: int, candidate: int, confidence: float) -> int:
    """How many differences at either end are outside of the interval; below 0 if it has no end.

    By the normal approximation with its correction for continuity, as in the test for many
    values; for few it never leaves out more than the exact distribution does.
    """
    pairs = baseline * candidate
    spread = np.sqrt(pairs * (baseline + candidate + 1) / 12)
    return int(np.floor(pairs / 2 - 0.5 - norm.isf((1 - confidence) / 2) * spread))
