import numpy as np
import pytest
from conftest import Made, ResultsFolder, jitter_ns
from hdrh.histogram import HdrHistogram
from scipy import stats

from reports.distributions import MOST_POINTS, Distribution, points, ranks_of
from reports.figures import DISTRIBUTED, Figure
from reports.load import load_results
from reports.order import PER_MILLE, Values, in_order
from reports.statistics import Analysis, analyse

MS = 1_000_000


@pytest.fixture(scope="module")
def analysis(suite: ResultsFolder) -> Analysis:
    return analyse(load_results(suite.path))


def only(results: ResultsFolder, made: Made) -> dict[str, Distribution]:
    results.add("Test", made)
    return {spread.figure: spread for spread in analyse(load_results(results.path)).distributions}


def long_tail(count: int) -> np.ndarray:
    return np.random.default_rng(count).lognormal(10, 1.5, count).astype(np.int64)


def curve(samples: Values) -> tuple[np.ndarray, np.ndarray, float]:
    """As a summary makes it: of samples that are sorted as far as it takes."""
    return points(in_order(samples, ranks_of(len(samples))))


@pytest.mark.parametrize("count", [2, 10, 100, 999, 1000, 50_000])
def test_the_curve_ends_where_one_sample_alone_lies_beyond(count: int) -> None:
    ranks, values, largest = curve(np.arange(1, count + 1)[::-1])

    assert ranks[-1] == count - 1
    assert (values[-1], largest) == (count - 1, count)


def test_one_sample_has_no_curve_but_is_the_largest() -> None:
    ranks, values, largest = curve(np.array([7]))

    assert (len(ranks), len(values), largest) == (0, 0, 7)


@pytest.mark.parametrize(("count", "nines"), [(10, 1), (100, 2), (1000, 3), (10_000, 4)])
def test_the_axis_reaches_as_many_nines_as_the_count_has_zeros(count: int, nines: int) -> None:
    ranks, values, largest = curve(long_tail(count))
    spread = Distribution("run", "jitter", "us", count, ranks, values, largest, 1.0, None)

    assert spread.nines[-1] == pytest.approx(nines)
    assert (np.diff(spread.nines) > 0).all()


@pytest.mark.parametrize("count", [40, 1000, 4321, 50_000])
def test_every_point_agrees_with_hdr_histogram(count: int) -> None:
    """It keeps 3 digits of each value, so it may be off by 1 in 1000."""
    samples = long_tail(count)
    histogram = HdrHistogram(1, 10**9, 3)
    for sample in samples:
        histogram.record_value(int(sample))
    ranks, values, _ = curve(samples)

    wanted = [histogram.get_value_at_percentile(rank / count * 100) for rank in ranks]
    assert values == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("count", [40, 1000, 4321, 50_000])
def test_every_point_agrees_with_scipy(count: int) -> None:
    samples = long_tail(count)
    ranks, values, _ = curve(samples)

    # Half a sample lower, so that no rounding of the share reaches the next sample.
    wanted = stats.quantile(samples, (ranks - 0.5) / count, method="inverted_cdf")
    assert values.tolist() == wanted.tolist()


def test_a_long_run_keeps_few_points_and_those_that_the_table_shows() -> None:
    samples = long_tail(200_000)
    ranks, _, _ = curve(samples)

    assert len(ranks) <= MOST_POINTS + len(PER_MILLE)
    assert {190_000, 198_000, 199_800} <= set(ranks.tolist())


def test_the_curves_go_through_the_percentiles_of_the_table(analysis: Analysis) -> None:
    table = analysis.summary.set_index(["run", "figure"])
    compared = 0
    for spread in analysis.distributions:
        row = table.loc[(spread.run, spread.figure)]
        assert (spread.count, spread.unit) == (row["count"], row["unit"])
        assert spread.largest == abs(row["max"])
        for name, per_mille in PER_MILLE.items():
            at = spread.ranks == -(-spread.count * per_mille // 1000)
            if at.any():
                assert spread.values[at] == row[name]
                compared += 1
            else:
                assert np.isnan(row[name])
    assert compared > 20


def test_each_run_has_those_figures_that_it_has_samples_of(analysis: Analysis) -> None:
    table = analysis.summary[analysis.summary["figure"].isin(DISTRIBUTED)]
    wanted = table[table["count"] > 0][["run", "figure"]].apply(tuple, axis=1)

    assert {(s.run, s.figure) for s in analysis.distributions} == set(wanted)
    assert not any("is-caught" in spread.run for spread in analysis.distributions)


def test_errors_are_told_by_size_with_limit_and_uncertainty(results: ResultsFolder) -> None:
    found = only(results, Made(cycles=3, late_ns=[0, 2 * MS, 0, -3 * MS, 0, MS]))
    spread = found[Figure.ON_ERROR]

    assert (spread.values.tolist(), spread.largest) == ([1000, 2000], 3000)
    assert (spread.limit, spread.uncertainty) == (5000, 301)


def test_what_the_verdict_does_not_judge_has_no_limit(results: ResultsFolder) -> None:
    found = only(results, Made(late_ns=jitter_ns(20, 1)))
    limited = {figure for figure, spread in found.items() if spread.limit is not None}

    assert limited == {Figure.ON_ERROR, Figure.OFF_ERROR, Figure.PERIOD_ERROR}
