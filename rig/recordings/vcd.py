"""VCD files of any tool as captures: IEEE 1364-2005, clause 18, read with NumPy.

Times are rounded to the nearest nanosecond. The window reaches from the first time to the
last. The first level of a line is its initial one; if that is x or z, the capture begins
when every line is known. A line that is not 0 or 1 later, or that is not recorded for a
while (`$dumpoff`), makes the recording unfit and is refused.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from rig.capture import Capture
from rig.errors import EvidenceError
from rig.recordings.edges import BEFORE, UNKNOWN, EdgeCollector, LevelLostError, Levels
from rig.recordings.sealed import is_sealed, read_sealed
from rig.recordings.supplement import Supplement, chosen_lines, clock_of, end_of
from rig.recordings.vcd_header import Header, Variable, read_header

BLOCK_BYTES = 4 << 20
LONGEST_CODE = 8
"""Bytes of an identifier code; tools need four for millions of variables."""
LONGEST_TIME = 19
"""Digits; more do not fit into 64 bits."""
WIDEST = 1024
"""Bits of a variable of which one can be a line."""

_Bytes = NDArray[np.uint8]
_Places = NDArray[np.intp]

_WHITE = np.zeros(256, np.bool_)
_WHITE[[9, 10, 11, 12, 13, 32]] = True
NO_LEVEL = 255
_LEVELS = np.full(256, NO_LEVEL, np.uint8)
"""Level by the letter that stands for it. Weak ones (H, L: pulled up or down) count."""
_LEVELS[list(b"xXzZuUwW-")] = UNKNOWN
_LEVELS[list(b"0lL")] = 0
_LEVELS[list(b"1hH")] = 1
_LONG_VALUE = np.zeros(256, np.bool_)
"""First letters of values that stand apart from their codes: vectors, reals, strings."""
_LONG_VALUE[list(b"bBrRsS")] = True
_TIME, _KEYWORD = ord("#"), ord("$")
_DUMPS = frozenset({b"$dumpvars", b"$dumpall", b"$dumpon", b"$end"})


def read_vcd(path: Path, added: Supplement) -> Capture:
    """Read a VCD file.

    Raises `EvidenceError` with file and line if it is damaged, cut off, or does not say
    what a capture must say.
    """
    with path.open("rb") as file:
        header, rest, line = read_header(path, file)
        if header.is_misnamed():
            raise EvidenceError(
                f"{path}: libsigrok may have written channels under the names of others, as not "
                "all were recorded; save as .sr, or record all channels"
            )
        seal = next(filter(is_sealed, header.comments), None)
        watched = _watched(path, header, added if seal is None else Supplement())
        collector = EdgeCollector(path, [w.line for w in watched], repeats_count=seal is not None)
        body = _Body(path, header, watched, collector, line)
        for block in _blocks(path, file, rest):
            body.read(block)
    if body.first_ns is None or body.last_ns is None:
        raise EvidenceError(f"{path}: has no times, only declarations")
    if seal is not None:
        return read_sealed(path, seal, collector.edges(), added)
    step_ns = _timescale(path, header)
    clock = clock_of(path, added, step_ns, header.sample_rate_hz)
    end_ns = end_of(path, added, body.last_ns)
    return collector.capture(body.first_ns, end_ns, clock)


def _timescale(path: Path, header: Header) -> Fraction:
    if header.timescale_ns is None:
        raise EvidenceError(f"{path}: has no $timescale, so its times mean nothing")
    return header.timescale_ns


def _blocks(path: Path, file: BinaryIO, rest: bytes) -> Iterator[bytes]:
    """The body in blocks of whole lines."""
    while block := file.read(BLOCK_BYTES):
        rest += block
        cut = rest.rfind(b"\n") + 1
        if not cut and len(rest) > BLOCK_BYTES:
            raise EvidenceError(f"{path}: not VCD: a line of more than {BLOCK_BYTES} bytes")
        yield rest[:cut]
        rest = rest[cut:]
    cut = rest.rfind(b"\n") + 1
    yield rest[:cut]
    if rest[cut:].strip():
        raise EvidenceError(f"{path}: is cut off: its last line, {rest[cut:][:40]!r}, has no end")


@dataclass(frozen=True)
class _Watched:
    """One line of the capture: a variable, or a bit of one."""

    line: str
    code: bytes
    bit: int
    """Counted from the right end of a vector's value."""


def _watched(path: Path, header: Header, added: Supplement) -> list[_Watched]:
    """The lines of the capture.

    A variable goes by its bare name where no other has it, and by its name with its scopes.
    """
    bare = Counter(name for name, _ in {(v.name, v.code) for v in header.variables})
    if not added.wiring:
        every = _every_line(path, header, bare)
        return [_Watched(line, every[line], 0) for line in chosen_lines(path, every, added)]
    channels = _channels(header, bare, set(added.wiring.values()))
    shown = [variable.path for variable in header.variables]
    lines = chosen_lines(path, channels, added, shown)
    return [_Watched(line, *channels[channel]) for line, channel in lines.items()]


def _channels(
    header: Header, bare: Counter[str], wanted: Collection[str]
) -> dict[str, tuple[bytes, int]]:
    """Name -> code and bit, of the variables that are wanted, or of which a bit is."""
    stems = {*wanted, *(name.rpartition("[")[0] for name in wanted)}
    channels = {}
    for variable in filter(_fits, header.variables):
        names = {variable.path} | ({variable.name} if bare[variable.name] == 1 else set())
        for name in names & stems:
            bits = variable.bits().items()
            channels.update({name + suffix: (variable.code, place) for suffix, place in bits})
    return channels


def _fits(variable: Variable) -> bool:
    return variable.is_logic and variable.size <= WIDEST


def _every_line(path: Path, header: Header, bare: Counter[str]) -> dict[str, bytes]:
    """Name -> code of all variables, each under one name; all of them must be lines."""
    codes: dict[str, bytes] = {}
    named: set[bytes] = set()
    for variable in header.variables:
        if not variable.is_logic or variable.size != 1:
            raise EvidenceError(
                f"{path}: {variable.path} is a {variable.kind} of {variable.size} bits and not a "
                f"line; name the channels that matter, as in --line led={variable.name}[0]"
            )
        if variable.code in named:
            continue
        name = variable.name if bare[variable.name] == 1 else variable.path
        if name in codes:
            raise EvidenceError(f"{path}: two variables are called {name}")
        codes[name] = variable.code
        named.add(variable.code)
    return codes


@dataclass(frozen=True)
class _Words:
    """The words of one block: where each begins, how long it is, its first letter."""

    data: _Bytes
    begins: _Places
    lengths: _Places
    firsts: _Bytes

    @classmethod
    def of(cls, block: bytes) -> Self:
        """Split a block that ends with white space."""
        data = np.frombuffer(block, np.uint8)
        turns = np.flatnonzero(np.diff(_WHITE[data], prepend=True))
        begins, ends = turns[0::2], turns[1::2]
        return cls(data, begins, ends - begins, data[begins])

    def spelled(self, word: int) -> bytes:
        """The letters of one word, the first 40 at most."""
        begin = self.begins[word]
        return self.data[begin : begin + min(self.lengths[word], 40)].tobytes()


class _Body:
    """Reads what follows the declarations, block by block."""

    def __init__(
        self, path: Path, header: Header, watched: list[_Watched], to: EdgeCollector, line: int
    ) -> None:
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._path = path
        self._header = header
        self._to = to
        self._line = line
        """Of the file, on which the next block begins."""
        self._in_comment = False
        self._last_time = 0
        codes = sorted({_key(path, v.code) for v in header.variables})
        self._codes = np.array(codes, np.uint64)
        self._layers = _layers(path, codes, watched)

    def read(self, block: bytes) -> None:
        """Take the next whole lines."""
        if (nul := block.find(b"\0")) >= 0:
            line = self._line + block.count(b"\n", 0, nul)
            raise EvidenceError(f"{self._path}:{line}: not VCD: a byte of value 0")
        words = _Words.of(block)
        try:
            self._read(words)
        except _WrongWordError as error:
            line = self._line + block.count(b"\n", 0, int(words.begins[error.word]))
            word = words.spelled(error.word).decode("ascii", "backslashreplace")
            raise EvidenceError(f"{self._path}:{line}: {word}: {error.what}") from None
        self._line += block.count(b"\n")

    def _read(self, words: _Words) -> None:
        unread = self._without_sections(words)
        long = _long_values(words, unread)
        codes_apart = np.append(False, long[:-1])
        if len(long) and long[-1]:
            raise _WrongWordError(len(long) - 1, "a value without a code behind it")
        unread &= ~long & ~codes_apart
        times = unread & (words.firsts == _TIME)
        short = unread & (_LEVELS[words.firsts] != NO_LEVEL) & (words.lengths > 1)
        if len(wrong := np.flatnonzero(unread & ~times & ~short)):
            raise _WrongWordError(int(wrong[0]), "neither a time nor a value nor a keyword")
        times_ns = self._times_ns(words, times)
        self._collect(words, short, np.flatnonzero(long), times_ns)

    def _without_sections(self, words: _Words) -> NDArray[np.bool_]:
        """Which words are left when keywords and comments are taken out."""
        left = np.ones(len(words.begins), np.bool_)
        comment_from = 0 if self._in_comment else None
        for word in np.flatnonzero((words.firsts == _KEYWORD) & (words.lengths >= 4)).tolist():
            keyword = words.spelled(word)
            if comment_from is not None:
                if keyword == b"$end":
                    left[comment_from : word + 1] = False
                    comment_from = None
            elif keyword == b"$comment":
                comment_from = word
            elif keyword == b"$dumpoff":
                raise _WrongWordError(word, "from here on changes are missing; record without it")
            elif keyword in _DUMPS:
                left[word] = False
        if comment_from is not None:
            left[comment_from:] = False
        self._in_comment = comment_from is not None
        return left

    def _times_ns(self, words: _Words, which: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Time of every word: of the last time before it."""
        places = np.flatnonzero(which)
        times = _decimals(words, places)
        backwards = np.flatnonzero(times < np.append(np.uint64(self._last_time), times[:-1]))
        if len(backwards):
            raise _WrongWordError(int(places[backwards[0]]), "time goes back")
        before_ns = BEFORE if self.last_ns is None else self.last_ns
        times_ns = self._to_ns(times, places)
        if len(times):
            self._last_time, self.last_ns = int(times[-1]), int(times_ns[-1])
            self.first_ns = int(times_ns[0]) if self.first_ns is None else self.first_ns
        return np.append(before_ns, times_ns)[np.cumsum(which)]

    def _to_ns(self, times: NDArray[np.uint64], places: _Places) -> NDArray[np.int64]:
        """Whole nanoseconds, the nearest."""
        scale = self._header.timescale_ns or Fraction(1)
        most = min((2**63 - 2) * scale.denominator // scale.numerator, 2**64 - scale.denominator)
        if len(late := np.flatnonzero(times > np.uint64(most))):
            raise _WrongWordError(int(places[late[0]]), "a time beyond 292 years")
        up, down = np.uint64(scale.numerator), np.uint64(scale.denominator)
        return ((times * up + down // np.uint64(2)) // down).astype(np.int64)

    def _collect(
        self,
        words: _Words,
        short: NDArray[np.bool_],
        long: _Places,
        times_ns: NDArray[np.int64],
    ) -> None:
        """Hand the levels of the watched lines on, in their order in the file."""
        found = _join(
            [
                *self._short_levels(words, np.flatnonzero(short)),
                *self._long_levels(words, long),
            ]
        )
        which, lines, levels = found
        try:
            self._to.add(Levels(times_ns[which], lines.astype(np.uint16), levels))
        except LevelLostError as error:
            what = f"{error.line} is neither high nor low from here on; a recording must know it"
            raise _WrongWordError(int(which[error.index]), what) from None

    def _short_levels(self, words: _Words, places: _Places) -> "list[_Found]":
        """Of values of one letter, with the code right behind it."""
        slots = self._slots(words, places, words.begins[places] + 1, words.lengths[places] - 1)
        said = _LEVELS[words.firsts[places]]
        found: list[_Found] = []
        for lines, bits in self._layers:
            mine = lines[slots] >= 0
            levels = np.where((bits[slots] == 0) | (said == UNKNOWN), said, 0)
            found.append((places[mine], lines[slots][mine], levels[mine]))
        return found

    def _long_levels(self, words: _Words, places: _Places) -> "list[_Found]":
        """Of the watched bits of vectors; the code is the next word."""
        slots = self._slots(words, places, words.begins[places + 1], words.lengths[places + 1])
        found: list[_Found] = []
        for lines, bits in self._layers:
            mine = lines[slots] >= 0
            levels = _bits_of(words, places[mine], bits[slots][mine])
            found.append((places[mine], lines[slots][mine], levels))
        return found

    def _slots(
        self, words: _Words, places: _Places, begins: _Places, lengths: _Places
    ) -> NDArray[np.intp]:
        """Which of the declared codes stand there."""
        if len(long := np.flatnonzero(lengths > LONGEST_CODE)):
            raise _WrongWordError(int(places[long[0]]), _NOT_DECLARED)
        keys = _packed(words.data, begins, lengths)
        slots = np.searchsorted(self._codes, keys)
        unknown = np.append(self._codes, np.uint64(0))[slots] != keys
        if len(wrong := np.flatnonzero(unknown)):
            raise _WrongWordError(int(places[wrong[0]]), _NOT_DECLARED)
        return slots


_Found = tuple[_Places, NDArray[np.int32], NDArray[np.uint8]]
"""Place, line and level of values that were found."""
_Layer = tuple[NDArray[np.int32], NDArray[np.int32]]
"""By slot of a code: a line that watches it (-1: none), and which of its bits."""
_NOT_DECLARED = "a value for a code that no $var declares"


class _WrongWordError(Exception):
    """One word of the block cannot stand where it stands."""

    def __init__(self, word: int, what: str) -> None:
        super().__init__(word, what)
        self.word, self.what = word, what


def _layers(path: Path, codes: list[int], watched: list[_Watched]) -> list[_Layer]:
    """As many layers as the most watched code has lines; most recordings need one."""
    layers: list[_Layer] = []
    depth: Counter[int] = Counter()
    slots = {code: slot for slot, code in enumerate(codes)}
    for line, one in enumerate(watched):
        slot = slots[_key(path, one.code)]
        if depth[slot] == len(layers):
            layers.append((np.full(len(codes), -1, np.int32), np.zeros(len(codes), np.int32)))
        lines, bits = layers[depth[slot]]
        lines[slot], bits[slot] = line, one.bit
        depth[slot] += 1
    return layers


def _key(path: Path, code: bytes) -> int:
    if len(code) > LONGEST_CODE:
        raise EvidenceError(f"{path}: a code of {len(code)} bytes; at most {LONGEST_CODE} are read")
    return int.from_bytes(code, "little")


def _packed(data: _Bytes, begins: _Places, lengths: _Places) -> NDArray[np.uint64]:
    """Codes of up to 8 bytes as numbers."""
    keys = np.zeros(len(begins), np.uint64)
    for n in range(int(lengths.max(initial=0))):
        reach = lengths > n
        keys[reach] |= data[begins[reach] + n].astype(np.uint64) << np.uint64(8 * n)
    return keys


def _long_values(words: _Words, unread: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which words are values with their code in the next word.

    That code may look like such a value itself, so in a row of such words every other is one.
    """
    like = unread & _LONG_VALUE[words.firsts]
    numbers = np.arange(len(like))
    row_begins = np.maximum.accumulate(np.where(like, -1, numbers))
    is_value: NDArray[np.bool_] = like & ((numbers - row_begins) % 2 == 1)
    return is_value


def _decimals(words: _Words, places: _Places) -> NDArray[np.uint64]:
    """The numbers behind the `#` of these words."""
    begins, lengths = words.begins[places] + 1, words.lengths[places] - 1
    wrong = (lengths < 1) | (lengths > LONGEST_TIME)
    numbers = np.zeros(len(places), np.uint64)
    for n in range(min(int(lengths.max(initial=0)), LONGEST_TIME)):
        reach = lengths > n
        digits = words.data[begins[reach] + n] - np.uint8(ord("0"))
        wrong[reach] |= digits > 9
        numbers[reach] = numbers[reach] * np.uint64(10) + digits
    if len(bad := np.flatnonzero(wrong)):
        raise _WrongWordError(int(places[bad[0]]), f"not a time of 1 to {LONGEST_TIME} digits")
    return numbers


def _bits_of(words: _Words, places: _Places, bits: NDArray[np.int32]) -> NDArray[np.uint8]:
    """One bit of each vector; one that is left out is 0, or unknown like the leftmost."""
    begins, lengths = words.begins[places], words.lengths[places]
    written = bits < lengths - 1
    letters = words.data[np.where(written, begins + lengths - 1 - bits, begins + 1)]
    levels = np.where(written | (_LEVELS[letters] == UNKNOWN), _LEVELS[letters], 0)
    wrong = (levels == NO_LEVEL) | (words.firsts[places] | 0x20 != ord("b")) | (lengths < 2)
    if len(bad := np.flatnonzero(wrong)):
        raise _WrongWordError(int(places[bad[0]]), "not a value of a line")
    return levels


def _join(found: list[_Found]) -> _Found:
    """All that was found, in the order of the file; most blocks have it in one piece."""
    pieces = [piece for piece in found if len(piece[0])] or found[:1]
    if len(pieces) == 1:
        return pieces[0]
    places, lines, levels = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.argsort(places, kind="stable")
    return places[order], lines[order], levels[order]
