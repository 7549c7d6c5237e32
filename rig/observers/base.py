"""What every observer can do, whatever it sees the edges with."""

from typing import Protocol

from rig.capture import Capture, Edge, Instant


class Observer(Protocol):
    """One way to see edges: made, connected once, then armed and stopped once per run.

    Whatever does not work raises `ObserverError`, and nothing else does: it says that the
    bench is at fault. Every wait is bounded.
    """

    def connect(self) -> None:
        """Bring up whatever sees the pins; called once, when the target is up."""

    def arm(self) -> None:
        """Start a capture; the initial levels are taken before this returns."""

    def now(self) -> Instant | None:
        """The observer's clock now; None if the rig cannot know it."""

    def peek(self, after: int = 0) -> list[Edge]:
        """The edges of the running capture that are here by now, without the first `after`.

        For people who watch. Only what `stop` returns is known to be whole, and a judge gets
        nothing else. Raises `ObserverError` if there is no capture, or if its source is gone.
        """

    def stop(self) -> Capture:
        """End the capture and seal it. An incomplete one says so; it is not an error."""

    def functions(self) -> dict[str, str]:
        """Every line's function (`in`, `out`, ...), read now; empty if this cannot be seen."""

    def close(self) -> None:
        """Leave nothing behind; safe to call at any time, also twice."""
