"""Samples become the edges that a slow and obvious loop finds in them."""

import io
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.capture import EDGE_DTYPE
from rig.errors import EvidenceError
from rig.samples import EdgeFinder, find_edges, resolution_ns, sample_time_ns, sample_times_ns

Row = tuple[int, int, int, int]
DAY = 24 * 3600


def _slowly(samples: Sequence[int], rate_hz: int, bits: Sequence[int]) -> list[Row]:
    rows: list[Row] = []
    counts = [0] * len(bits)
    for number in range(1, len(samples)):
        for line, bit in enumerate(bits):
            level = samples[number] >> bit & 1
            if level != samples[number - 1] >> bit & 1:
                rows.append((number * 10**9 // rate_hz, line, level, counts[line]))
                counts[line] += 1
    return rows


def _pack(samples: Sequence[int], unit: int) -> bytes:
    return b"".join(sample.to_bytes(unit, "little") for sample in samples)


def _feed(finder: EdgeFinder, data: bytes, cuts: Sequence[int]) -> list[Row]:
    rows: list[Row] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        rows += finder.feed(data[start:end]).tolist()
    return rows


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[int], int, list[int], list[int]]:
    """Samples that rest and move, their width, the wired bits, where the bytes are cut."""
    unit = draw(st.integers(1, 8))
    sample = st.integers(0, 256**unit - 1)
    runs = draw(st.lists(st.tuples(sample, st.integers(1, 40)), min_size=1, max_size=30))
    samples = [value for value, length in runs for _ in range(length)]
    bits = draw(st.lists(st.integers(0, 8 * unit - 1), min_size=1, max_size=6, unique=True))
    cuts = draw(st.lists(st.integers(0, unit * len(samples)), max_size=8).map(sorted))
    return samples, unit, bits, cuts


@given(recordings(), st.sampled_from([1, 3, 1000, 24_000_000, 1_000_000_000, 999_999_937]))
def test_edges_are_those_of_a_slow_loop_wherever_the_bytes_are_cut(
    recording: tuple[list[int], int, list[int], list[int]], rate_hz: int
) -> None:
    samples, unit, bits, cuts = recording
    finder = EdgeFinder(rate_hz, unit, bits)

    rows = _feed(finder, _pack(samples, unit), cuts)

    assert rows == _slowly(samples, rate_hz, bits)
    assert finder.samples == len(samples)
    assert finder.initial_levels == tuple(samples[0] >> bit & 1 for bit in bits)
    assert finder.end_ns == sample_time_ns(len(samples) - 1, rate_hz)
    assert finder.rest == b""


@pytest.mark.parametrize("unit", [1, 2, 3, 4, 8])
def test_long_stream_is_found_whole_across_its_blocks(unit: int) -> None:
    draw = random.Random(unit)
    samples = [0]
    while len(samples) < 900_000 // unit:
        samples += [draw.getrandbits(8 * unit)] * draw.choice((1, 2, 7, 20_000))
    bits = [0, 8 * unit - 1, 3]
    finder = EdgeFinder(24_000_000, unit, bits)

    edges = find_edges(io.BytesIO(_pack(samples, unit)), finder)

    assert edges.dtype == EDGE_DTYPE
    assert edges.tolist() == _slowly(samples, 24_000_000, bits)


def test_change_on_a_channel_that_is_not_wired_is_no_edge() -> None:
    assert len(EdgeFinder(1000, 1, [1]).feed(bytes([0, 1, 0xFD, 0, 1]))) == 0


def test_first_sample_is_the_initial_level_and_no_edge() -> None:
    finder = EdgeFinder(1000, 1, [0, 1])

    assert finder.initial_levels == ()
    assert len(finder.feed(b"\x02")) == 0
    assert finder.initial_levels == (0, 1)


def test_change_between_two_chunks_is_an_edge() -> None:
    finder = EdgeFinder(1000, 1, [0])
    finder.feed(bytes(10))

    assert finder.feed(b"\x01").tolist() == [(10_000_000, 0, 1, 0)]


def test_cut_sample_waits_for_its_end() -> None:
    finder = EdgeFinder(1000, 2, [8])

    assert len(finder.feed(b"\x00\x00\x00")) == 0
    assert (finder.samples, finder.rest) == (1, b"\x00")
    assert finder.feed(b"\x01").tolist() == [(1_000_000, 0, 1, 0)]


def test_array_of_wide_samples_is_fed_as_it_lies() -> None:
    samples = memoryview(np.array([0, 1 << 9, 0], "<u2"))

    assert len(EdgeFinder(1000, 2, [9]).feed(samples)) == 2


@given(st.integers(0, 400 * DAY), st.integers(0, 10**6), st.integers(1, 9_000_000_000))
def test_time_of_a_sample_is_exact_for_a_year_at_any_rate(
    seconds: int, after: int, rate_hz: int
) -> None:
    first = seconds * rate_hz + rate_hz // 3

    times_ns = sample_times_ns(first, np.array([after]), rate_hz)

    assert times_ns.tolist() == [(first + after) * 10**9 // rate_hz]
    assert sample_time_ns(first + after, rate_hz) == times_ns[0]


@given(st.integers(1, 2_000_000_000), st.integers(0, 10**15), st.integers(0, 10**15))
def test_resolution_covers_what_a_stamp_of_an_interval_can_be_off(
    rate_hz: int, begin_ns: int, length_ns: int
) -> None:
    """An edge is in the first sample at or after it."""
    end_ns = begin_ns + length_ns
    first, second = (-(-time_ns * rate_hz // 10**9) for time_ns in (begin_ns, end_ns))

    seen_ns = sample_time_ns(second, rate_hz) - sample_time_ns(first, rate_hz)

    assert abs(seen_ns - length_ns) <= resolution_ns(rate_hz)


@pytest.mark.parametrize(
    ("rate_hz", "unit", "bits", "words"),
    [
        (0, 1, [0], "a rate of 0 Hz; allowed: 1 to"),
        (-5, 1, [0], "a rate of -5 Hz"),
        (10**10, 1, [0], "a rate of 10000000000 Hz"),
        (1000, 0, [0], "0 bytes each; allowed: 1 to 8"),
        (1000, 9, [0], "9 bytes each"),
        (1000, 1, [], "no channel"),
        (1000, 1, [0, 8], "channel 8; a sample of 1 bytes has channels 0 to 7"),
        (1000, 2, [-1], "channel -1"),
    ],
)
def test_what_cannot_be_is_refused(rate_hz: int, unit: int, bits: list[int], words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        EdgeFinder(rate_hz, unit, bits)
