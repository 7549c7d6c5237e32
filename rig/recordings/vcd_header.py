"""The declarations of a VCD file: IEEE 1364-2005, clause 18.2."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from rig.errors import EvidenceError
from rig.recordings.quantities import rate_in_text

MOST_BYTES = 4 << 20
"""Declarations of a hundred thousand variables."""
DEEPEST = 100
"""Scopes within each other."""

_UNITS_NS = {
    "s": Fraction(10**9),
    "ms": Fraction(10**6),
    "us": Fraction(1000),
    "ns": Fraction(1),
    "ps": Fraction(1, 1000),
    "fs": Fraction(1, 10**6),
}
_TIMESCALE = re.compile(r"(1|10|100)\s*(s|ms|us|ns|ps|fs)")
_NAME_AND_BITS = re.compile(r"(.*?)\s*(?:\[(-?\d{1,9})(?::(-?\d{1,9}))?\])?", re.DOTALL)
_DECLARATIONS = frozenset({b"$var", b"$scope", b"$upscope", b"$enddefinitions", b"$timescale"})
_ACQUISITION = r"Acquisition with (\d+)/(\d+) channels at (.+)"
_WORD = re.compile(rb"\S+")
_END = re.compile(rb"\$enddefinitions\s{1,64}\$end\s")
_LONGEST_END = 128
"""Bytes of the longest match of `_END`."""


@dataclass(frozen=True)
class Variable:
    """One `$var`."""

    code: bytes
    """Stands for it in the body."""
    kind: str
    """`wire`, `reg`, `real`, ..."""
    size: int
    scopes: tuple[str, ...]
    name: str
    """Without the range of its bits, but a single bit's own index belongs to its name."""
    left: int
    right: int
    """The range: index of the leftmost and of the rightmost bit."""

    @property
    def path(self) -> str:
        """Its name with its scopes."""
        return ".".join((*self.scopes, self.name))

    @property
    def is_logic(self) -> bool:
        """Whether its bits are levels at all."""
        return self.kind not in ("real", "realtime", "string", "event", "parameter")

    def bits(self) -> dict[str, int]:
        """Suffix of each bit's name -> its place, counted from the right end of a value."""
        if self.size == 1:
            return {"": 0}
        step = 1 if self.left >= self.right else -1
        return {f"[{self.right + step * place}]": place for place in range(self.size)}


@dataclass
class Header:
    """What stands before `$enddefinitions`."""

    timescale_ns: Fraction | None = None
    variables: list[Variable] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    version: str = ""
    """The tool that wrote the file."""
    scopes: list[str] = field(default_factory=list)
    """Open ones, while it is read."""

    @property
    def sample_rate_hz(self) -> int | None:
        """As sigrok writes it into a comment."""
        found = self._acquisition()
        return rate_in_text(found[3]) if found else None

    def is_misnamed(self) -> bool:
        """Whether libsigrok may have written channels under the names of others.

        libsigrok 0.5.2 gives the levels of channel n to the n-th channel that was recorded. That
        is right if all of them were, or if their own names say that those were the first.
        """
        found = self._acquisition()
        if not found or "libsigrok" not in self.version or found[1] == found[2]:
            return False
        return any(v.name != f"D{n}" for n, v in enumerate(self.variables))

    def _acquisition(self) -> re.Match[str] | None:
        found = (re.search(_ACQUISITION, text) for text in self.comments)
        return next((match for match in found if match), None)


def read_header(path: Path, file: BinaryIO) -> tuple[Header, bytes, int]:
    """The declarations, what was read beyond them, and the line on which that begins.

    Raises `EvidenceError` if they are damaged or have no end.
    """
    data = _until_the_end(path, file)
    header, words = Header(), _WORD.finditer(data)
    line, counted = 1, 0
    for word in words:
        line, counted = line + data.count(b"\n", counted, word.start()), word.start()
        keyword, said, end = _section(f"{path}:{line}", word, words)
        if keyword == "$enddefinitions":
            return header, data[end:], line + data.count(b"\n", counted, end)
        _declare(f"{path}:{line}", header, keyword, said)
    raise EvidenceError(f"{path}:{line}: not VCD: $enddefinitions stands in another section")


def _section(
    where: str, word: re.Match[bytes], words: Iterator[re.Match[bytes]]
) -> tuple[str, list[str], int]:
    """A keyword, the words up to its `$end`, and where that ends."""
    keyword = word[0].decode("utf-8", "replace")
    if not keyword.startswith("$"):
        raise EvidenceError(f"{where}: not VCD: {keyword[:40]!r} where a keyword belongs")
    said: list[str] = []
    for inner in words:
        if inner[0] == b"$end":
            return keyword, said, inner.end()
        if inner[0] in _DECLARATIONS and keyword in ("$scope", "$upscope", "$var", "$timescale"):
            break
        said.append(inner[0].decode("utf-8", "replace"))
    raise EvidenceError(f"{where}: not VCD: {keyword[:40]} has no $end")


def _until_the_end(path: Path, file: BinaryIO) -> bytes:
    """Everything up to the end of the declarations, and some more."""
    data, searched = bytearray(), 0
    while not _END.search(data, searched):
        searched = max(0, len(data) - _LONGEST_END)
        block = file.read(1 << 16)
        if not block or len(data) > MOST_BYTES:
            limit = f"within {MOST_BYTES >> 20} MiB" if block else "before its end"
            raise EvidenceError(f"{path}: not a whole VCD file: no `$enddefinitions $end` {limit}")
        data += block
    return bytes(data)


def _declare(where: str, header: Header, keyword: str, said: list[str]) -> None:
    match keyword:
        case "$timescale":
            header.timescale_ns = _timescale(where, header, " ".join(said))
        case "$scope":
            header.scopes.append(said[-1] if len(said) > 1 else "")
            if len(header.scopes) > DEEPEST:
                raise EvidenceError(f"{where}: more than {DEEPEST} scopes within each other")
        case "$upscope":
            if not header.scopes:
                raise EvidenceError(f"{where}: $upscope without a $scope")
            header.scopes.pop()
        case "$var":
            header.variables.append(_variable(where, header, said))
        case "$comment":
            header.comments.append(" ".join(said))
        case "$version":
            header.version = " ".join(said)


def _timescale(where: str, header: Header, text: str) -> Fraction:
    match = _TIMESCALE.fullmatch(text)
    if not match:
        raise EvidenceError(
            f"{where}: $timescale {text[:40]!r}: must be 1, 10 or 100 of s, ms, us, ns, ps or fs"
        )
    if header.timescale_ns is not None:
        raise EvidenceError(f"{where}: a second $timescale")
    return int(match[1]) * _UNITS_NS[match[2]]


def _variable(where: str, header: Header, said: list[str]) -> Variable:
    if len(said) < 4 or not said[1].isdecimal() or len(said[1]) > 5:
        raise EvidenceError(
            f"{where}: $var {' '.join(said)[:60]!r}: must be type, size, code, name"
        )
    kind, size, code, *rest = said
    match = _NAME_AND_BITS.fullmatch(" ".join(rest))
    assert match, "the pattern takes any text"
    name, left, right = match[1], int(match[2] or int(size) - 1), int(match[3] or match[2] or 0)
    if int(size) == 1 and match[2]:
        name += f"[{left}]"
    scopes = tuple(scope for scope in header.scopes if scope)
    return Variable(code.encode(), kind, int(size), scopes, name, left, right)
