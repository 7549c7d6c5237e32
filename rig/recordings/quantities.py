"""Numbers as instruments write them, read exactly."""

import re
from decimal import Decimal
from pathlib import Path

from rig.errors import EvidenceError
from rig.samples import sample_time_ns

_RATE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([kMG]?)Hz\s*", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1000, "m": 10**6, "g": 10**9}


def rate_in_text(text: str) -> int | None:
    """`24 MHz`, `123.457 kHz`, in Hz; None if it is no whole number of them."""
    match = _RATE.fullmatch(text)
    if not match:
        return None
    rate_hz = Decimal(match[1]) * _FACTORS[match[2].lower()]
    return int(rate_hz) if rate_hz == int(rate_hz) else None


def refuse_too_late(path: Path, samples: int, rate_hz: int) -> None:
    """Raises `EvidenceError` if so many samples take longer than 64 bits of nanoseconds."""
    if sample_time_ns(samples, rate_hz) >= 2**63:
        raise EvidenceError(f"{path}: {samples} samples at {rate_hz} Hz take more than 292 years")
