from itertools import combinations

import numpy as np
import pytest

from reports.clocks import MOST_BLOCKS, Moments, calls_to_pin, relate
from rig.capture import Clock, ClockKind

NOW_NS = 1_767_323_045 * 10**9
"""Clocks of observers count from 1970: too large for a float to hold nanoseconds."""


class Drawn:
    """Two clocks and edges of which everything is known."""

    def __init__(self, count: int, seed: int, ppm: float = 0.0, latency_ns: int = 50_000) -> None:
        draw = np.random.default_rng(seed)
        self.clock = Clock(ClockKind.KERNEL, 1_000, 100.0, latency_ns)
        before_ns = 10**9 + np.cumsum(draw.integers(5_000_000, 9_000_000, count))
        self.to_pin_ns = draw.integers(10_000, 80_000, count)
        after_ns = before_ns + self.to_pin_ns + draw.integers(1_000, 30_000, count)
        pin_ns = before_ns + self.to_pin_ns
        seen_ns = NOW_NS + pin_ns + (pin_ns * (ppm / 1e6)).astype(np.int64)
        seen_ns += draw.integers(0, latency_ns + 1, count)
        self.moments = Moments(seen_ns // 1000 * 1000, before_ns, after_ns)


@pytest.mark.parametrize("count", [2, 3, 20, 2 * MOST_BLOCKS + 1, 30_000])
@pytest.mark.parametrize("ppm", [-400.0, 0.0, 37.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_truth_lies_within_the_uncertainty(count: int, ppm: float, seed: int) -> None:
    drawn = Drawn(count, seed, ppm)
    relation = relate(drawn.moments, drawn.clock)
    assert relation
    to_pin_ns, uncertainty_ns = calls_to_pin(drawn.moments, relation, drawn.clock)

    assert relation.drift_ppm == pytest.approx(ppm, abs=relation.drift_uncertainty_ppm)
    assert np.abs(to_pin_ns - drawn.to_pin_ns).max() <= uncertainty_ns


def test_more_edges_tell_more() -> None:
    few, many = (Drawn(count, 1, ppm=20.0) for count in (20, 2000))
    coarse, fine = (relate(drawn.moments, drawn.clock) for drawn in (few, many))
    assert coarse
    assert fine
    assert coarse.drift_uncertainty_ppm
    assert fine.drift_uncertainty_ppm

    assert fine.uncertainty_ns < coarse.uncertainty_ns
    assert fine.drift_uncertainty_ppm < coarse.drift_uncertainty_ppm / 50


def test_one_edge_tells_the_offset_and_no_drift() -> None:
    drawn = Drawn(1, 1)
    relation = relate(drawn.moments, drawn.clock)
    assert relation
    to_pin_ns, uncertainty_ns = calls_to_pin(drawn.moments, relation, drawn.clock)

    assert relation.drift_ppm is None
    assert abs(int(to_pin_ns[0] - drawn.to_pin_ns[0])) <= uncertainty_ns


def test_the_bounds_are_those_of_all_lines_through_two_of_the_corners() -> None:
    """An independent search: the steepest line that fits touches one bound of each side."""
    drawn = Drawn(12, 4, ppm=60.0)
    moments, clock = drawn.moments, drawn.clock
    x = (moments.before_ns - moments.before_ns[0]).astype(float)
    low = (moments.apart_ns - clock.latency_ns - moments.round_trips_ns).astype(float)
    high = (moments.apart_ns + clock.resolution_ns).astype(float)
    points = [(x[i], bound[i]) for i in range(len(x)) for bound in (low, high)]
    slopes = []
    for (x1, y1), (x2, y2) in combinations(points, 2):
        if x1 != x2:
            line = y1 + (y2 - y1) / (x2 - x1) * (x - x1)
            if np.all(line >= low - 1e-3) and np.all(line <= high + 1e-3):
                slopes.append((y2 - y1) / (x2 - x1) * 1e6)
    relation = relate(moments, clock)
    assert relation
    assert relation.drift_ppm is not None
    assert relation.drift_uncertainty_ppm is not None

    ends = (
        relation.drift_ppm - relation.drift_uncertainty_ppm,
        relation.drift_ppm + relation.drift_uncertainty_ppm,
    )
    assert ends == pytest.approx((min(slopes), max(slopes)), abs=1e-3)


@pytest.mark.parametrize("count", [20, 30_000])
def test_a_clock_that_was_set_on_its_way_has_no_relation(count: int) -> None:
    drawn = Drawn(count, 2)
    drawn.moments.seen_ns[count // 2 :] += 5_000_000

    assert relate(drawn.moments, drawn.clock) is None


def test_an_edge_that_comes_before_its_hypercall_has_no_relation() -> None:
    drawn = Drawn(20, 3)
    drawn.moments.seen_ns[7] -= 500_000

    assert relate(drawn.moments, drawn.clock) is None


def test_no_edge_is_put_outside_of_its_hypercall() -> None:
    drawn = Drawn(300, 5, latency_ns=2_000_000)
    relation = relate(drawn.moments, drawn.clock)
    assert relation
    to_pin_ns, uncertainty_ns = calls_to_pin(drawn.moments, relation, drawn.clock)

    assert np.all(to_pin_ns >= 0)
    assert np.all(to_pin_ns <= drawn.moments.round_trips_ns)
    assert uncertainty_ns <= drawn.moments.round_trips_ns.max()
