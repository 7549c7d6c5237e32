from itertools import accumulate

import pytest
from conftest import Made, ResultsFolder

from reports.load import load_results
from reports.zoom import MOST_EDGES, Waveform, waveform

MS = 1_000_000


def made(results: ResultsFolder, made: Made) -> Waveform | None:
    results.add("Test", made)
    (run,) = load_results(results.path).runs
    return waveform(run)


def times_ms(wave: Waveform | None) -> list[float]:
    assert wave
    return [at / MS for at in accumulate(map(int, wave.steps_ns.split()))]


def test_it_holds_every_edge_of_a_short_run(results: ResultsFolder) -> None:
    wave = made(results, Made(cycles=2, late_ns=[0, 7 * MS]))

    assert times_ms(wave) == [0, 207, 500, 700]
    assert wave
    assert (wave.first, wave.level, wave.commanded) == (0, 1, 4)
    assert (wave.on_ns, wave.off_ns, wave.late_ns) == (200 * MS, 300 * MS, 301_000)
    assert wave.caption == "4 edges"


def test_it_begins_with_the_edge_that_failed(results: ResultsFolder) -> None:
    wave = made(results, Made(late_ns=[0] * 5 + [12 * MS]))

    assert wave
    assert wave.mark_ns == 1212 * MS


@pytest.mark.parametrize(("late_edge", "first"), [(3, 0), (1001, 500), (2401, 1400)])
def test_of_a_long_run_it_holds_what_is_around_the_edge_that_failed(
    results: ResultsFolder, late_edge: int, first: int
) -> None:
    late = Made(cycles=1200, on_ns=20 * MS, off_ns=30 * MS, tolerance_ns=MS)
    late.late_ns = [0] * min(late_edge, 2399) + [12 * MS]
    wave = made(results, late)

    assert wave
    assert len(times_ms(wave)) == MOST_EDGES
    assert wave.first == pytest.approx(first, abs=2)
    assert min(times_ms(wave)) * MS <= wave.mark_ns <= max(times_ms(wave)) * MS
    assert wave.caption == f"edges {wave.first:,} to {wave.first + 999:,} of 2,400"


def test_a_line_that_never_moved_has_nothing_to_zoom_into(results: ResultsFolder) -> None:
    assert made(results, Made(missing=20)) is None
