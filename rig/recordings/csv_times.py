"""Times as text, read exactly: never by way of a binary fraction."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

UNITS = {
    "s": 9,
    "sec": 9,
    "second": 9,
    "seconds": 9,
    "ms": 6,
    "millisecond": 6,
    "milliseconds": 6,
    "us": 3,
    "µs": 3,
    "μs": 3,
    "microsecond": 3,
    "microseconds": 3,
    "ns": 0,
    "nanosecond": 0,
    "nanoseconds": 0,
}
"""Decimal places to a nanosecond, by the names that tools write. Two of them are µs: one with
the micro sign, one with the Greek letter."""

_EXACT = pa.decimal256(76, 40)
"""Room for 36 digits before the point and 40 behind it: any time that a tool writes."""


def nanoseconds(texts: pa.Array, unit: str) -> NDArray[np.int64]:
    """Decimal numbers, with exponents or without, in whole nanoseconds, the nearest.

    Raises `ValueError` for what is no number, and for times beyond 292 years.
    """
    places = UNITS[unit]
    rounded = pc.round(pc.cast(pc.utf8_trim_whitespace(texts), _EXACT), places, "half_up")
    whole = pc.cast(rounded, pa.decimal128(38, places))
    # The buffer of a decimal is its digits as one integer of 128 bits, which is nanoseconds.
    low, high = np.frombuffer(whole.buffers()[1], "<i8").reshape(-1, 2)[whole.offset :].T
    if np.any(high != low >> 63):
        raise ValueError("a time beyond 292 years")
    times_ns: NDArray[np.int64] = low[: len(texts)].copy()
    return times_ns


@dataclass
class Digits:
    """How finely times were written, over all of them that were noted.

    Writers that keep a number of significant digits are coarser for later times, those that
    drop zeros at the end look coarser than they are: the doubt counts as coarse.
    """

    decimals: int = 0
    """Most digits behind the point."""
    digits: int = 1
    """Most digits from the first that is not 0."""

    def note(self, texts: pa.Array) -> None:
        """Look at more times; they must be numbers."""
        if not len(texts):
            return
        trimmed = pc.utf8_trim_whitespace(texts)
        has_exponent = pc.any(pc.match_substring(trimmed, "e", ignore_case=True)).as_py()
        decimals, written = _with_exponents(trimmed) if has_exponent else _plain(trimmed)
        self.decimals = max(self.decimals, pc.max(decimals).as_py())
        self.digits = max(self.digits, pc.max(pc.binary_length(written)).as_py())

    def step_ns(self, unit: str, largest_ns: int) -> Fraction:
        """What the times count in, up to the largest."""
        unit_ns: int = 10 ** UNITS[unit]
        before_point = len(str(abs(largest_ns) // unit_ns))
        last_decimal = max(-self.decimals, before_point - self.digits)
        return unit_ns * Fraction(Decimal(1).scaleb(last_decimal))


_PARTS = r"^[+-]?(?P<whole>\d*)\.?(?P<behind>\d*)(?:[eE](?P<exponent>[+-]?\d+))?$"


def _plain(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Of each number: how many decimals it has, and its digits from the first that is not 0."""
    point, length = pc.find_substring(texts, "."), pc.binary_length(texts)
    decimals = pc.if_else(pc.less(point, 0), 0, pc.subtract(pc.subtract(length, point), 1))
    return decimals, pc.ascii_ltrim(pc.replace_substring(texts, ".", ""), "+-0")


def _with_exponents(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The same for numbers like `1.25e-03`; slower by far."""
    parts = pc.extract_regex(texts, _PARTS)
    whole, behind = parts.field("whole"), parts.field("behind")
    exponents = pc.replace_substring_regex(parts.field("exponent"), "^$", "0")
    powers = pc.cast(pc.utf8_ltrim(exponents, "+"), pa.int64())
    decimals = pc.subtract(pc.cast(pc.binary_length(behind), pa.int64()), powers)
    return decimals, pc.ascii_ltrim(pc.binary_join_element_wise(whole, behind, ""), "0")
