"""Synthetic legs of a qualification: the truth is known, so what is measured can be held to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from rig.bench import Bench
from rig.capture import Capture, Clock, ClockKind, Heartbeat, Stall, edge_array
from rig.observers.fake import FakeObserver, SimulatedPins
from rig.qualification import (
    REFERENCE_DTYPE,
    Leg,
    Record,
    ReferenceFacts,
    analyse,
    identity_of,
    make_record,
)
from rig.reference import gap_ns

MS = 1_000_000
DATE_NS = 1_795_386_112_000_000_000
SHARED = ReferenceFacts(kind="simulated", clock="one", shares_clock=True, accuracy_ppm=0.0)
APART = ReferenceFacts(kind="simulated", clock="another", shares_clock=False, accuracy_ppm=0.0)
STATED = Clock(ClockKind.KERNEL, resolution_ns=1, accuracy_ppm=100_000.0, latency_ns=10**9)


@dataclass(frozen=True)
class Truth:
    """How an observer and its reference really are."""

    offset_ns: int = 0
    rate_ppm: float = 0.0
    late_ns: int = 5_000
    """Stamps are late by 0 to this much."""
    step_ns: int = 1
    bracket_ns: int = 20_000
    seed: int = 1

    def leg(self, edges: int = 200, interval_ns: int = 10 * MS) -> tuple[Leg, NDArray[np.int64]]:
        """A leg, and when its edges really were, on the reference's clock."""
        random = np.random.default_rng(self.seed)
        gaps = [gap_ns(interval_ns, edge) + self.bracket_ns + 2 for edge in range(edges)]
        before = DATE_NS + np.cumsum(gaps)
        after = before + random.integers(self.bracket_ns // 2, self.bracket_ns + 1, edges)
        true = random.integers(before, after + 1)
        sent = np.empty(edges, REFERENCE_DTYPE)
        sent["before_ns"], sent["after_ns"] = before, after
        sent["level"] = 1 - np.arange(edges) % 2
        late = random.integers(0, self.late_ns + 1, edges)
        drift = np.rint((true - DATE_NS) * (self.rate_ppm / 1e6)).astype(np.int64)
        stamps = (true + drift + self.offset_ns + late) // self.step_ns * self.step_ns
        return Leg(sent, captured(np.maximum.accumulate(stamps)), "led"), true


def captured(stamps: NDArray[np.int64], clock: Clock = STATED) -> Capture:
    """A capture of one line that begins with a rise."""
    rows = [(int(stamp), 0, 1 - number % 2, number) for number, stamp in enumerate(stamps)]
    ends = (rows[0][0] - MS, rows[-1][0] + MS) if rows else (0, 1)
    return Capture(("led",), edge_array(rows), {"led": 0}, *ends, clock)


def without(leg: Leg, edges: Sequence[int]) -> Leg:
    """The observer did not see these, and does not know."""
    stamps = np.delete(leg.seen["time_ns"], edges)
    return replace(leg, capture=captured(stamps))


def stalled(leg: Leg) -> Leg:
    stall = Stall(leg.capture.start_ns, 300 * MS, "heartbeat")
    return replace(leg, capture=replace(leg.capture, heartbeat=Heartbeat(9, 300 * MS, (stall,))))


class SimulatedReference:
    """Switches a simulated pin, and knows to the nanosecond when."""

    def __init__(self, pins: SimulatedPins, facts: ReferenceFacts = SHARED) -> None:
        self.facts = facts
        self._pins = pins

    def play(self, edges: int, interval_ns: int) -> NDArray[np.void]:
        made = np.empty(edges, REFERENCE_DTYPE)
        for edge in range(edges):
            self._pins.wait(gap_ns(interval_ns, edge) + 1000)
            level = 1 - edge % 2
            self._pins.drive("led", level)
            made[edge] = (self._pins.time_ns, self._pins.time_ns, level)
        return made


def observed(observer: FakeObserver, reference: SimulatedReference, interval_ns: int) -> Leg:
    observer.arm()
    sent = reference.play(100, interval_ns)
    return Leg(sent, observer.stop(), "led")


TODAY = datetime(2026, 11, 23, tzinfo=UTC)


def measured(
    legs: Sequence[Leg], reference: ReferenceFacts, identity: Mapping[str, str] | None = None
) -> Record:
    """What these legs give."""
    return make_record(legs, analyse(legs, reference), reference, identity or {}, {}, TODAY)


def record_for(bench: Bench) -> Record:
    """A qualification that fits the bench."""
    return measured([Truth(rate_ppm=7.0).leg()[0]], APART, identity_of(bench))
