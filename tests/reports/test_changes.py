"""The level and the power that docs/history.md states, on series that are known."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from reports.changes import LEAST, LEVEL, change_points

Values = NDArray[np.float64]

SHAPES: dict[str, Callable[[Generator, int], Values]] = {
    "normal": lambda draw, count: draw.normal(size=count),
    "long tail": lambda draw, count: draw.lognormal(0, 1.5, count),
    "wild": lambda draw, count: draw.standard_cauchy(count),
    "few values": lambda draw, count: draw.integers(0, 3, count).astype(float),
}
SERIES = 1000


def changes(values: Values, releases: tuple[int, ...] = ()) -> list[int]:
    """Every run is a release, unless they are named."""
    is_release = np.isin(np.arange(len(values)), releases) if releases else values == values
    return change_points(values, is_release)


def noise(seed: int, count: int) -> Values:
    return np.random.default_rng(seed).normal(size=count)


@pytest.mark.parametrize(
    ("shape", "count"),
    [*((shape, 30) for shape in SHAPES), ("long tail", 2 * LEAST), ("long tail", 60)],
)
def test_of_1000_series_that_never_changed_no_more_seem_to_than_stated(
    shape: str, count: int
) -> None:
    draw = np.random.default_rng(count)
    alarms = sum(bool(changes(SHAPES[shape](draw, count))) for _ in range(SERIES))
    assert alarms <= LEVEL * SERIES


@pytest.mark.parametrize(
    ("before", "behind", "step", "share"),
    [
        (6, 6, 4.0, 0.9),
        (20, 20, 2.0, 0.9),
        (20, 20, 1.5, 0.6),
        (90, 10, 3.0, 0.9),
        (94, 6, 4.0, 0.9),
    ],
)
def test_a_step_is_found_as_often_as_stated_and_where_it_is(
    before: int, behind: int, step: float, share: float
) -> None:
    """`step` in standard deviations."""
    found, at_place = 0, 0
    for seed in range(200):
        values = noise(seed, before + behind)
        values[before:] += step
        places = changes(values)
        found += len(places) == 1
        at_place += len(places) == 1 and abs(places[0] - before) <= 2
    assert found >= share * 200
    assert at_place >= 0.8 * found


@pytest.mark.parametrize("spikes", [1, 2])
@pytest.mark.parametrize("place", [0, 12, 28])
def test_a_spike_is_no_change(spikes: int, place: int) -> None:
    """Not even two in a row; nor at an end."""
    told = 0
    for seed in range(100):
        values = noise(seed, 30)
        values[place : place + spikes] += 1000
        told += bool(changes(values))
    assert told <= 2


def test_a_level_that_came_and_went_is_found_with_both_of_its_ends() -> None:
    found = 0
    for seed in range(100):
        values = noise(seed, 60)
        values[20:40] += 3
        places = changes(values)
        found += len(places) == 2 and abs(places[0] - 20) <= 2 and abs(places[1] - 40) <= 2
    assert found >= 90


def test_steps_one_after_the_other_are_all_found() -> None:
    values = noise(1, 80) + np.repeat([0, 5, 10, 15], 20)
    assert changes(values) == [20, 40, 60]


@pytest.mark.parametrize("behind", [LEAST, 10])
def test_a_new_level_is_told_as_soon_as_it_has_enough_runs(behind: int) -> None:
    values = noise(1, 40)
    values[-behind:] += 100
    assert changes(values) == [40 - behind]


def test_too_few_runs_tell_nothing() -> None:
    values = np.repeat([0.0, 100.0], [LEAST, LEAST - 1])
    assert changes(values) == []
    assert changes(values[:1]) == []


def test_equal_values_never_change() -> None:
    assert changes(np.full(50, 3.0)) == []


def test_a_release_is_preferred_where_it_explains_the_change_as_well() -> None:
    values = noise(3, 40)
    values[20:] += 3
    values[20] = 1.0  # by chance, so that the best place is one later
    assert changes(values) == [21]
    assert changes(values, (0, 20)) == [20]


def test_a_change_far_from_any_release_stays_where_it_is() -> None:
    values = noise(3, 40)
    values[20:] += 5
    assert changes(values, (0, 30)) == [20]


def test_only_the_order_of_values_counts() -> None:
    values = noise(4, 50)
    values[30:] += 3
    assert changes(np.exp(values)) == changes(values) != []
