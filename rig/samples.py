"""Packed samples of a logic analyzer -> edges, chunk by chunk.

A sample is one little-endian number with one bit per channel, as sigrok streams and
stores them. Most samples say what the one before said, so whole words of them are
compared at a time and only words with a change in them are looked at closer. Memory
is bounded by the chunk and the edges in it.

Sample n of a recording at `rate_hz` was taken `n / rate_hz` seconds after sample 0; its
time is that, cut to whole nanoseconds. The cut is made anew for each sample, so it never
adds up, whatever the rate and however long the recording.
"""

import math
from collections.abc import Iterator, Sequence
from io import BufferedIOBase, RawIOBase

import numpy as np
from numpy.typing import NDArray

from rig.capture import EDGE_DTYPE
from rig.errors import EvidenceError

MOST_UNIT_BYTES = 8
MOST_RATE_HZ = 9_000_000_000
"""One second of samples in nanoseconds times this still fits 63 bits."""
_NS = 1_000_000_000
_BLOCK_BYTES = 1 << 20
"""So many that the calls into NumPy cost little, so few that caches hold them."""

Samples = NDArray[np.unsignedinteger]
Chunk = bytes | bytearray | memoryview


def sample_time_ns(number: int, rate_hz: int) -> int:
    """When sample `number` was taken, in ns after sample 0, cut to whole ns."""
    return number * _NS // rate_hz


def sample_times_ns(first: int, after: NDArray[np.int64], rate_hz: int) -> NDArray[np.int64]:
    """The same for samples `first + after`, where `after` is below a million.

    Exact however large `first` is: whole seconds go in advance, so nothing outgrows 64 bits.
    """
    seconds, samples = divmod(first, rate_hz)
    return seconds * _NS + (samples + after) * _NS // rate_hz


def resolution_ns(rate_hz: int) -> int:
    """How far the distance of two stamps can be from the distance of their edges.

    One period, since each edge happened at most that long before the sample that shows
    it; one more nanosecond if the period is not a whole number of them and stamps are cut.
    """
    return math.ceil(_NS / rate_hz) + (_NS % rate_hz != 0)


class EdgeFinder:
    """Finds the edges of some channels in a stream of samples.

    Raises `EvidenceError` for a rate, a width or a channel that cannot be.
    """

    def __init__(self, rate_hz: int, unit_bytes: int, bits: Sequence[int]) -> None:
        """`unit_bytes` is the width of a sample; `bits` has the bit of each line, in order."""
        _check(rate_hz, unit_bytes, bits)
        self.samples = 0
        """How many were seen whole."""
        self.initial_levels: tuple[int, ...] = ()
        """Level of each line in sample 0; empty until that has come."""
        self.rest = b""
        """The beginning of a sample whose end has not come yet."""
        self._rate_hz = rate_hz
        self._unit = unit_bytes
        self._dtype = np.dtype(f"<u{1 << (unit_bytes - 1).bit_length()}")
        self._bits = np.array(bits, self._dtype)
        self._masks = np.left_shift(np.ones_like(self._bits), self._bits)
        self._last = self._dtype.type(0)
        self._counts = [0] * len(bits)
        self._opposites = np.zeros(len(bits), np.uint32)
        self._changes = np.zeros(_BLOCK_BYTES // self._dtype.itemsize, self._dtype)
        every = np.full(8 // self._dtype.itemsize, np.bitwise_or.reduce(self._masks))
        self._mask_of_word = every.view(np.uint64)[0]

    @property
    def end_ns(self) -> int:
        """Time of the newest sample; 0 if there is none."""
        return sample_time_ns(max(0, self.samples - 1), self._rate_hz)

    def feed(self, chunk: Chunk) -> NDArray[np.void]:
        """The edges in the next bytes of the stream, wherever those are cut.

        Returns an array of `EDGE_DTYPE` in time order; edges at one time are in the order
        of the lines.
        """
        found = [self._find(samples) for samples in self._blocks(memoryview(chunk).cast("B"))]
        return joined([edges for edges in found if len(edges)])

    def _blocks(self, chunk: memoryview) -> Iterator[Samples]:
        """The whole samples of `rest` and `chunk`, as many at a time as `_changes` has room."""
        if self.rest:
            missing = self._unit - len(self.rest)
            self.rest += bytes(chunk[:missing])
            if len(self.rest) < self._unit:
                return
            yield self._samples(memoryview(self.rest))
            chunk = chunk[missing:]
        whole = len(chunk) // self._unit * self._unit
        self.rest = bytes(chunk[whole:])
        step = len(self._changes) * self._unit
        for start in range(0, whole, step):
            yield self._samples(chunk[start : min(start + step, whole)])

    def _samples(self, data: memoryview) -> Samples:
        """As numbers; a width that no number has is filled up with zeros."""
        if self._unit == self._dtype.itemsize:
            return np.frombuffer(data, self._dtype)
        filled = np.zeros((len(data) // self._unit, self._dtype.itemsize), np.uint8)
        filled[:, : self._unit] = np.frombuffer(data, np.uint8).reshape(-1, self._unit)
        return filled.view(self._dtype)[:, 0]

    def _find(self, samples: Samples) -> NDArray[np.void]:
        if not self.initial_levels:
            self._last = samples[0]
            levels = (samples[0] >> self._bits) & 1
            self.initial_levels = tuple(map(int, levels))
            self._opposites = 1 - levels.astype(np.uint32)
        edges = self._edges(self._changed(samples))
        self._last = samples[-1]
        self.samples += len(samples)
        return edges

    def _changed(self, samples: Samples) -> NDArray[np.int64]:
        """Which samples differ from the one before; `_changes` then says in which bits."""
        changes, per_word = self._changes, 8 // self._dtype.itemsize
        np.bitwise_xor(samples[1:], samples[:-1], out=changes[1 : len(samples)])
        changes[0] = samples[0] ^ self._last
        words_used = -(-len(samples) // per_word)
        changes[len(samples) : words_used * per_word] = 0
        words = changes.view(np.uint64)[:words_used]
        np.bitwise_and(words, self._mask_of_word, out=words)
        moving = np.flatnonzero(words)
        inside = np.flatnonzero(changes.reshape(-1, per_word)[moving])
        return moving[inside // per_word] * per_word + inside % per_word

    def _edges(self, where: NDArray[np.int64]) -> NDArray[np.void]:
        """The edges of a block whose samples change at `where`."""
        changes = self._changes[where]
        per_sample = np.bitwise_count(changes)
        line, seqno = self._in_order(changes, per_sample)
        edges = np.empty(len(line), EDGE_DTYPE)
        times_ns = sample_times_ns(self.samples, where, self._rate_hz)
        edges["time_ns"] = np.repeat(times_ns, per_sample)
        edges["line"] = line
        # Of one line, each edge is the opposite of the one before.
        edges["level"] = (self._opposites[line] + seqno) & 1
        edges["seqno"] = seqno
        return edges

    def _in_order(
        self, changes: Samples, per_sample: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
        """Line and number of each edge, sample by sample and in a sample line by line."""
        ends = np.cumsum(per_sample, dtype=np.int64)
        total = int(ends[-1]) if len(ends) else 0
        line, seqno = np.empty(total, np.uint16), np.empty(total, np.uint32)
        place = ends - per_sample
        moving = np.bitwise_or.reduce(changes) & self._masks
        for number in np.flatnonzero(moving):
            moved = (changes & self._masks[number]) != 0
            mine, count = place[moved], self._counts[number]
            line[mine] = number
            seqno[mine] = np.arange(count, count + len(mine))
            self._counts[number] += len(mine)
            place += moved
        return line, seqno


def joined(parts: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Arrays of edges as one; as plain bytes, for NumPy copies records field by field."""
    if len(parts) == 1:
        return parts[0]
    plain = [part.view(f"V{EDGE_DTYPE.itemsize}") for part in parts]
    return np.concatenate(plain).view(EDGE_DTYPE) if plain else np.empty(0, EDGE_DTYPE)


def find_edges(stream: RawIOBase | BufferedIOBase, finder: EdgeFinder) -> NDArray[np.void]:
    """All edges of a stream of samples, read to its end."""
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    found = []
    while size := stream.readinto(buffer):
        found.append(finder.feed(buffer[:size]))
    return joined([edges for edges in found if len(edges)])


def _check(rate_hz: int, unit_bytes: int, bits: Sequence[int]) -> None:
    if not 1 <= rate_hz <= MOST_RATE_HZ:
        raise EvidenceError(f"samples: a rate of {rate_hz} Hz; allowed: 1 to {MOST_RATE_HZ}")
    if not 1 <= unit_bytes <= MOST_UNIT_BYTES:
        raise EvidenceError(f"samples: {unit_bytes} bytes each; allowed: 1 to {MOST_UNIT_BYTES}")
    if not bits:
        raise EvidenceError("samples: no channel to look at")
    if outside := [bit for bit in bits if not 0 <= bit < 8 * unit_bytes]:
        raise EvidenceError(
            f"samples: channel {outside[0]}; a sample of {unit_bytes} bytes has channels "
            f"0 to {8 * unit_bytes - 1}"
        )
