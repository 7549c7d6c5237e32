"""Numbers as instruments write them, read exactly."""

import re
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

_RATE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([kMG]?)Hz\s*", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1000, "m": 10**6, "g": 10**9}


def rate_in_text(text: str) -> int | None:
    """`24 MHz`, `123.457 kHz`, in Hz; None if it is no whole number of them."""
    match = _RATE.fullmatch(text)
    if not match:
        return None
    rate_hz = Decimal(match[1]) * _FACTORS[match[2].lower()]
    return int(rate_hz) if rate_hz == int(rate_hz) else None


def sample_times_ns(first: int, count: int, rate_hz: int) -> NDArray[np.int64]:
    """When samples `first`, `first` + 1, ... were taken, from sample 0, cut to nanoseconds."""
    whole_s, samples = np.divmod(np.arange(first, first + count), rate_hz)
    times_ns: NDArray[np.int64] = whole_s * 10**9 + samples * 10**9 // rate_hz
    return times_ns
