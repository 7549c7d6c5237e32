"""An observer whose budget was measured by `rig qualify` and not taken from its data."""

from dataclasses import replace
from datetime import UTC, datetime

from rig.capture import Capture, Clock, Edge, Instant, Qualification
from rig.observers.base import Observer
from rig.qualification import Record, age_days


class QualifiedObserver:
    """Any observer, with the budget of a stored qualification in its captures."""

    def __init__(self, observer: Observer, record: Record, limit_days: float) -> None:
        """`limit_days` is how long the qualification is believed."""
        self._observer = observer
        self._record = record
        self._limit_days = limit_days

    def connect(self) -> None:
        """See `Observer`; so for all that follow."""
        self._observer.connect()

    def arm(self) -> None:
        """Start a capture."""
        self._observer.arm()

    def now(self) -> Instant | None:
        """The observer's clock now."""
        return self._observer.now()

    def peek(self, after: int = 0) -> list[Edge]:
        """The edges so far."""
        return self._observer.peek(after)

    def stop(self) -> Capture:
        """End the capture, with the qualified budget."""
        capture = self._observer.stop()
        return replace(capture, clock=self._clock(capture))

    def functions(self) -> dict[str, str]:
        """Every line's function."""
        return self._observer.functions()

    def close(self) -> None:
        """Leave nothing behind."""
        self._observer.close()

    def _clock(self, capture: Capture) -> Clock:
        """An emulated board is as late as its host is busy, which was measured another day.

        There, what the observer says of this very capture counts, if it is worse.
        """
        budget, record = self._record.budget, self._record
        of_this_capture_ns = capture.clock.latency_ns if capture.heartbeat else 0
        return Clock(
            kind=capture.clock.kind,
            resolution_ns=budget.resolution_ns,
            accuracy_ppm=budget.accuracy_ppm,
            latency_ns=max(budget.latency_ns, of_this_capture_ns),
            qualification=Qualification(
                record.date, max(0.0, age_days(record, datetime.now(UTC))), self._limit_days
            ),
        )
