"""What a recording needs and its file does not say: wiring and the instrument's budget."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from rig.capture import Clock, ClockKind
from rig.errors import EvidenceError
from rig.samples import MOST_RATE_HZ

MOST_LINES = 10_000
"""Of one capture."""


@dataclass(frozen=True)
class Supplement:
    """What whoever made the recording adds to it; None is what he leaves to the file."""

    wiring: Mapping[str, str] = field(default_factory=dict)
    """Line -> channel of the recording; empty: every channel is a line of the same name."""
    accuracy_ppm: float | None = None
    """Largest error of the rate of the instrument's clock."""
    latency_ns: int | None = None
    """A stamp is late by 0 to this much."""
    sample_rate_hz: int | None = None
    """Of the instrument's samples, or of the counter that makes its stamps."""
    time_unit: str | None = None
    """Of a column of times whose header names none: a key of `csv_times.UNITS`."""
    end_ns: int | None = None
    """When the recording ended, in the file's own times."""


def chosen_lines(
    path: Path, channels: Collection[str], added: Supplement, shown: Sequence[str] = ()
) -> dict[str, str]:
    """Line -> channel, for every line that the capture is to have.

    `shown` is what to tell whoever named a channel that is not there, if not `channels`.
    Raises `EvidenceError` for such a channel.
    """
    wiring, known = dict(added.wiring) or {name: name for name in channels}, set(channels)
    for line, channel in wiring.items():
        if channel not in known:
            there = _list(shown or list(channels))
            raise EvidenceError(f"{path}: has no channel {channel!r} ({line}); {there}")
    if len(set(wiring.values())) < len(wiring):
        raise EvidenceError(f"{path}: two lines are on one channel: {dict(wiring)}")
    if not 0 < len(wiring) <= MOST_LINES:
        raise EvidenceError(f"{path}: has {len(wiring)} channels; allowed are 1 to {MOST_LINES}")
    return wiring


def _list(channels: Sequence[str]) -> str:
    more = f" and {len(channels) - 20} more" if len(channels) > 20 else ""
    return f"there are: {', '.join(channels[:20]) or 'none'}{more}"


def end_of(path: Path, added: Supplement, last_ns: int) -> int:
    """Where the window ends. Raises `EvidenceError` if that is before the last time."""
    if added.end_ns is None:
        return last_ns
    if added.end_ns < last_ns:
        raise EvidenceError(
            f"{path}: goes on to {last_ns} ns, after the {added.end_ns} ns of --end-ns"
        )
    return added.end_ns


def rate_of(path: Path, added: Supplement, carried_hz: int | None) -> int | None:
    """The sample rate, if file or supplement say it.

    Raises `EvidenceError` if they contradict each other, or for a rate that cannot be.
    """
    given_hz = added.sample_rate_hz
    for rate_hz in (carried_hz, given_hz):
        if rate_hz is not None and not 0 < rate_hz <= MOST_RATE_HZ:
            raise EvidenceError(
                f"{path}: a sample rate of {rate_hz} Hz; it must be above 0, up to {MOST_RATE_HZ}"
            )
    if carried_hz and given_hz and carried_hz != given_hz:
        raise EvidenceError(
            f"{path}: was sampled at {carried_hz} Hz, as it says itself, not at the "
            f"{given_hz} Hz of --sample-rate-hz; leave that out"
        )
    return carried_hz or given_hz


def clock_of(path: Path, added: Supplement, step_ns: Fraction, sample_rate_hz: int | None) -> Clock:
    """The instrument's clock, of what the file carries and what was added.

    `step_ns` is what the file's own times count in, `sample_rate_hz` None if it does not say.
    Raises `EvidenceError` for what neither of them says: a budget is never assumed.
    """
    rate_hz = rate_of(path, added, sample_rate_hz)
    if rate_hz is None or added.accuracy_ppm is None or added.latency_ns is None:
        raise EvidenceError(_missing(path, added, rate_hz))
    resolution_ns = _resolution_ns(Fraction(10**9, rate_hz), step_ns)
    return Clock(ClockKind.HARDWARE, resolution_ns, added.accuracy_ppm, added.latency_ns)


def _missing(path: Path, added: Supplement, rate_hz: int | None) -> str:
    wanted = []
    if rate_hz is None:
        wanted.append("--sample-rate-hz (of its samples, or of the counter behind its stamps)")
    if added.accuracy_ppm is None:
        wanted.append("--accuracy-ppm (of its clock, from its data sheet)")
    if added.latency_ns is None:
        wanted.append("--latency-ns (how late a stamp may be; 0 if its own clock makes them)")
    return f"{path}: does not say how exact its instrument was; give {', '.join(wanted)}"


def _resolution_ns(period_ns: Fraction, step_ns: Fraction) -> int:
    """How far the stamps can shift an interval: by one sample, and by each rounding.

    A sample's time is rounded to the file's step, and that to whole nanoseconds. Two stamps
    that are off by half a step each make an interval that is off by one.
    """
    width_ns = period_ns
    if period_ns % step_ns:
        width_ns += step_ns
    if step_ns.denominator != 1:
        width_ns += 1
    return math.ceil(width_ns)
