import re
from collections.abc import Sequence

import numpy as np
import pytest
from conftest import Made, ResultsFolder, jitter_ns
from svgs import ends, texts

from reports.curves import curves, percent, series_of
from reports.distributions import Distribution, points
from reports.lanes import Picture
from reports.load import Run, load_results
from reports.svg import SERIES
from rig.verdict import Outcome


def runs_of(results: ResultsFolder, *made: Made) -> Sequence[Run]:
    for number, one in enumerate(made):
        results.add(f"Test {number}", one)
    return load_results(results.path).proofs


def spread(
    run: Run, count: int, limit: float | None = None, uncertainty: float = 5.0
) -> Distribution:
    """Samples from 1 to `count` µs."""
    ranks, values, largest = points(np.arange(1.0, count + 1))
    figure = "on-time error" if limit else "hypercall round trip"
    return Distribution(run.name, figure, "us", count, ranks, values, largest, uncertainty, limit)


def drawn(runs: Sequence[Run], *spreads: Distribution) -> Picture:
    (picture,) = curves(series_of(runs), spreads)
    return picture


def shares(picture: Picture) -> list[str]:
    return [text for text in texts(picture) if text.endswith(" %")]


@pytest.fixture
def run(results: ResultsFolder) -> Run:
    return runs_of(results, Made(cycles=1))[0]


@pytest.mark.parametrize(
    ("count", "last", "end"),
    [
        (2, "90 %", "50 %"),
        (40, "90 %", "97.5 %"),
        (99, "90 %", "98.9 %"),
        (100, "99 %", "99.00 %"),
        (1000, "99.9 %", "99.900 %"),
        (12_345, "99.99 %", "99.9918 %"),
    ],
)
def test_the_axis_has_as_many_nines_as_the_count_supports(
    run: Run, count: int, last: str, end: str
) -> None:
    picture = drawn([run], spread(run, count))

    assert shares(picture)[0] == "0 %"
    assert shares(picture)[-1] == last
    assert picture.caption == f"{count} samples, so the longest curve ends at {end}"


@pytest.mark.parametrize("count", [20, 100, 1000])
def test_the_curve_ends_where_its_count_ends(run: Run, count: int) -> None:
    picture = drawn([run], spread(run, count))
    places = dict(re.findall(r'<text[^>]* x="([\d.]+)"[^>]*>([^<]*) %</text>', picture.svg))
    zero, nine = (float(x) for x in (min(places, key=float), _at(places, "90")))
    (curve,) = [span for span in ends(picture, "stroke: var(--first)") if span[1] - span[0] > 50]

    assert (curve[1] - zero) / (nine - zero) == pytest.approx(np.log10(count), abs=0.01)


def _at(places: dict[str, str], share: str) -> str:
    return next(x for x, text in places.items() if text == share)


def test_a_near_limit_is_a_line_and_a_far_one_is_told(run: Run) -> None:
    near, far = (drawn([run], spread(run, 100, limit=limit)) for limit in (150.0, 150_000.0))

    assert "var(--fail)" in near.svg
    assert "limit" not in near.caption
    assert "var(--fail)" not in far.svg
    assert far.caption.endswith("; limit 150,000 µs, far above")


def test_the_observers_uncertainty_is_a_band_where_it_has_a_part(run: Run) -> None:
    with_band, without = (
        drawn([run], spread(run, 100, uncertainty=doubt)) for doubt in (5.0, float("nan"))
    )

    assert with_band.svg.count("fill: var(--first)") == 1
    assert "fill: var(--first)" not in without.svg


def test_runs_are_told_apart_by_colour_and_by_dashes(results: ResultsFolder) -> None:
    runs = runs_of(results, *[Made(cycles=1)] * 3)
    picture = drawn(runs, *(spread(run, 50 + 10 * n) for n, run in enumerate(runs)))

    for name in SERIES[:3]:
        assert f"var(--{name})" in picture.svg
    assert len({line.dash_array for line in series_of(runs)}) == 3
    assert picture.caption.startswith("50 to 70 samples a run, so the longest curve ends at 98.5")


def test_of_many_runs_those_that_failed_have_the_colours(results: ResultsFolder) -> None:
    bad = Made(cycles=3, late_ns=[0, 90_000_000])
    lines = series_of(runs_of(results, *[Made(cycles=1)] * 7, bad))

    assert lines[0].run.verdict.outcome is Outcome.FAIL
    assert [line.colour for line in lines] == [*SERIES, "quiet", "quiet"]
    assert [line.is_other for line in lines] == [False] * 6 + [True] * 2


def test_one_sample_is_a_ring_and_no_curve(run: Run) -> None:
    picture = drawn([run], spread(run, 1))

    assert len(re.findall(r"stroke: var\(--first\)", picture.svg)) >= 1
    assert not [span for span in ends(picture, "stroke: var(--first)") if span[1] - span[0] > 10]
    assert picture.caption == "1 sample, so the longest curve ends at 0 %"


@pytest.mark.parametrize(
    ("nines", "text"), [(0, "0 %"), (np.log10(2), "50 %"), (1, "90 %"), (2, "99 %"), (4, "99.99 %")]
)
def test_a_place_on_the_axis_is_told_with_its_nines(nines: float, text: str) -> None:
    assert percent(float(nines)) == text


def test_the_same_runs_give_the_same_picture(results: ResultsFolder) -> None:
    runs = runs_of(results, Made(late_ns=jitter_ns(20, 1)))
    twice = [drawn(runs, spread(runs[0], 40)) for _ in range(2)]

    assert twice[0] == twice[1]
    assert not re.findall(r"#[0-9a-f]{6}", twice[0].svg)
