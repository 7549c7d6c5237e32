"""The statistics of a comparison, against SciPy and against what was planted."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from reports.shift import ALPHA, holm, least_p, p_above, p_beyond, shift, shift_interval

FIGURES = 23
"""As many as one test has on a bench that sees everything."""
RUNS = 20
"""Of one test at release length."""


def two(seed: int, baseline: int, candidate: int) -> tuple[NDArray[np.float64], ...]:
    draw = np.random.default_rng(seed)
    return draw.lognormal(3, 1, baseline), draw.lognormal(3, 1, candidate) + 5


def hodges_lehmann(baseline: NDArray[np.float64], candidate: NDArray[np.float64]) -> float:
    return float(np.median([c - b for c in candidate for b in baseline]))


@pytest.mark.parametrize(("baseline", "candidate"), [(4, 4), (8, 8), (8, 20), (20, 20), (50, 30)])
def test_the_p_value_is_that_of_scipys_two_sided_test(baseline: int, candidate: int) -> None:
    before, after = two(baseline, baseline, candidate)
    wanted = stats.mannwhitneyu(before, after).pvalue

    assert p_beyond(before, after) == pytest.approx(wanted)


def test_the_p_value_of_few_values_is_what_counting_all_orders_gives() -> None:
    before, after = np.array([1.0, 2, 3, 5]), np.array([4.0, 6, 7, 8])
    pooled = [*before, *after]
    sums = [sum(sorted(pooled).index(v) for v in chosen) for chosen in combinations(pooled, 4)]
    seen = sum(sorted(pooled).index(v) for v in after)
    above = sum(total >= seen for total in sums) / len(sums)

    assert p_above(before, after) == pytest.approx(above)
    assert p_beyond(before, after) == pytest.approx(2 * above)


def test_the_p_value_agrees_with_a_permutation_of_scipy() -> None:
    before, after = two(3, 12, 12)

    def rank_sum(x: NDArray[np.float64], y: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        ranks = stats.rankdata(np.concatenate([x, y], axis=axis), axis=axis)
        return np.asarray(ranks.take(range(x.shape[axis]), axis=axis).sum(axis=axis))

    wanted = stats.permutation_test(
        (before, after), rank_sum, vectorized=True, n_resamples=20_000, rng=1
    ).pvalue
    assert p_beyond(before, after) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize("off", [0.0, 3.0])
def test_what_values_may_be_off_counts_against_a_shift_either_way(off: float) -> None:
    before, after = two(7, 15, 15)
    more = stats.mannwhitneyu(after - 2 * off, before, alternative="greater").pvalue
    less = stats.mannwhitneyu(after + 2 * off, before, alternative="less").pvalue

    assert p_beyond(before, after, off, off) == pytest.approx(min(1, 2 * min(more, less)))
    assert p_above(before + off, after - off) == pytest.approx(more)


@given(st.floats(0, 50), st.floats(0, 50))
def test_a_worse_observer_never_makes_a_shift_surer(one: float, other: float) -> None:
    before, after = two(9, 10, 10)
    narrow, wide = sorted((one, other))

    assert p_beyond(before, after, narrow, 1) <= p_beyond(before, after, wide, 1)
    assert p_beyond(before, after, 1, narrow) <= p_beyond(before, after, 1, wide)


def test_a_shift_that_both_observers_may_have_made_is_never_found() -> None:
    before = np.random.default_rng(1).normal(100, 0.1, 50)

    assert p_beyond(before, before + 9, 5, 5) == 1
    assert p_beyond(before, before - 9, 5, 5) == 1
    assert p_beyond(before, before + 11, 5, 5) < 0.001
    assert p_beyond(before, before - 11, 5, 5) < 0.001


def test_one_run_that_was_badly_observed_does_not_hide_a_shift() -> None:
    before = np.random.default_rng(1).normal(100, 1, 20)
    off = np.where(np.arange(20) == 3, 1000.0, 0.1)

    assert p_beyond(before, before + 5, off, 0.1) < 0.001


@pytest.mark.parametrize(("baseline", "candidate"), [(8, 8), (8, 20), (20, 20), (30, 12)])
def test_the_interval_holds_what_scipys_exact_test_does_not_refuse(
    baseline: int, candidate: int
) -> None:
    before, after = two(baseline + candidate, baseline, candidate)
    low, high = shift_interval(before, after)
    ordered = np.sort(np.subtract.outer(after, before).ravel())
    between = (ordered[1:] + ordered[:-1]) / 2
    kept = [
        stats.mannwhitneyu(after - moved, before, method="exact").pvalue > 0.05 for moved in between
    ]
    inside = (low < between) & (between < high)

    assert all(inside[kept])
    assert inside.sum() <= sum(kept) + 2  # at most one difference wider at either end


def test_the_shift_and_its_interval_are_near_those_of_scipys_bootstrap() -> None:
    before, after = two(5, 40, 40)
    wanted = stats.bootstrap(
        (before, after), hodges_lehmann, vectorized=False, n_resamples=500, rng=1, method="basic"
    ).confidence_interval
    width = wanted.high - wanted.low

    assert shift(before, after) == pytest.approx(hodges_lehmann(before, after))
    assert shift_interval(before, after) == pytest.approx((wanted.low, wanted.high), abs=width / 4)


@pytest.mark.parametrize("runs", [8, 20])
def test_the_interval_holds_the_true_shift_95_times_in_100(runs: int) -> None:
    draw = np.random.default_rng(2)
    held = 0
    for _ in range(1000):
        low, high = shift_interval(draw.lognormal(size=runs), draw.lognormal(size=runs) + 3)
        held += low <= 3 <= high

    assert 940 <= held <= 980


@pytest.mark.parametrize(("runs", "known"), [(3, False), (4, True)])
def test_too_few_values_have_no_interval(runs: int, known: bool) -> None:
    low, high = shift_interval(np.arange(runs), np.arange(runs) + 0.5)

    assert math.isnan(low) != known
    assert math.isnan(high) != known


@given(st.floats(200, 1e12))
def test_one_outlier_is_one_vote_however_far_out_it_is(far: float) -> None:
    draw = np.random.default_rng(4)
    before, after = draw.normal(100, 5, 20), draw.normal(100, 5, 20)
    after[7] = far

    assert p_beyond(before, after) > 0.5
    assert abs(shift(before, after)) < 2
    assert shift_interval(before, after)[1] < 5


def test_the_least_p_is_that_of_values_that_do_not_overlap() -> None:
    assert least_p(8, 8) == pytest.approx(2 / math.comb(16, 8))
    assert least_p(4, 6) == pytest.approx(2 / math.comb(10, 4))


def test_values_that_are_all_the_same_differ_in_nothing() -> None:
    assert p_beyond(np.zeros(20), np.zeros(20)) == 1
    assert shift_interval(np.zeros(20), np.zeros(20)) == (0, 0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferronis(raw: list[float]) -> None:
    """By its definition: a figure counts if every set of figures that it is in counts."""
    adjusted = holm(raw)
    everyone = range(len(raw))
    for figure in everyone:
        sets = [
            chosen
            for size in range(1, len(raw) + 1)
            for chosen in combinations(everyone, size)
            if figure in chosen
        ]
        wanted = max(len(chosen) * min(raw[i] for i in chosen) for chosen in sets)
        assert adjusted[figure] == pytest.approx(min(1, wanted))


def test_a_thousand_comparisons_of_equal_data_raise_no_more_alarms_than_the_level() -> None:
    """Of 23 figures each; and not far fewer, or the level would be a word only."""
    draw = np.random.default_rng(12)
    before, after = draw.lognormal(size=(2, 1000, FIGURES, RUNS))
    alarms = int((holm(p_beyond(before, after)) <= ALPHA).any(axis=-1).sum())

    assert 20 <= alarms <= ALPHA * 1000


def test_edges_that_share_the_fate_of_their_run_raise_no_more_alarms_either() -> None:
    """As they would if each edge were a sample: here the run is what makes edges late."""
    draw = np.random.default_rng(13)
    edges = draw.normal(size=(2, 1000, RUNS, 1)) + draw.normal(size=(2, 1000, RUNS, 40))
    by_run = p_beyond(*np.median(edges, axis=-1)) <= ALPHA
    by_edge = p_beyond(*edges.reshape(2, 1000, -1)) <= ALPHA

    assert by_run.sum() <= ALPHA * 1000 + 15  # two and a bit standard deviations
    assert by_edge.sum() > 500


@pytest.mark.parametrize(
    ("size", "least", "most"), [(0.5, 0, 150), (1.6, 450, 500), (2.0, 490, 500)]
)
def test_a_shift_of_known_size_is_found_with_the_stated_power(
    size: float, least: int, most: int
) -> None:
    """In one of 23 figures, in standard deviations between runs; 1.6 is found in 9 cases of 10."""
    draw = np.random.default_rng(14)
    before, after = draw.normal(size=(2, 500, FIGURES, RUNS))
    after[:, 3] += size
    found = int((holm(p_beyond(before, after))[:, 3] <= ALPHA).sum())

    assert least <= found <= most
