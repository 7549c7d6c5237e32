"""A recording as an observer: what it saw is what somebody recorded before.

For whatever works with observers and should be tried on a known capture. No bench file can
name it, because its captures are not of the run that is going on; `rig judge` is for recordings.
"""

from pathlib import Path

from rig.capture import Capture, Edge, named_edges
from rig.errors import EvidenceError, ObserverError
from rig.recordings.opening import read_recording
from rig.recordings.supplement import Supplement


class ReplayObserver:
    """Delivers the same capture every time, with the times of its recording."""

    def __init__(self, path: Path, added: Supplement) -> None:
        """Nothing is read until `connect`."""
        self._path = path
        self._added = added
        self._capture: Capture | None = None
        self._armed = False

    def connect(self) -> None:
        """Read the recording. Raises `ObserverError` if it cannot be trusted."""
        try:
            self._capture = read_recording(self._path, self._added)
        except EvidenceError as error:
            raise ObserverError(f"nothing to replay: {error}") from error

    def arm(self) -> None:
        """Begin. Raises `ObserverError` if not connected, or armed already."""
        if self._capture is None or self._armed:
            state = "armed already" if self._armed else "not connected"
            raise ObserverError(f"the replay of {self._path} is {state}")
        self._armed = True

    def now(self) -> None:
        """The recording's clock stopped with it."""

    def peek(self, after: int = 0) -> list[Edge]:
        """The whole recording, from the beginning."""
        capture = self._running()
        return named_edges(capture.edges[after:], capture.lines)

    def stop(self) -> Capture:
        """The whole recording. Raises `ObserverError` if not armed."""
        capture = self._running()
        self._armed = False
        return capture

    def functions(self) -> dict[str, str]:
        """A recording holds no functions of now."""
        return {}

    def close(self) -> None:
        """Forget the recording; safe to call at any time."""
        self._capture, self._armed = None, False

    def _running(self) -> Capture:
        if self._capture is None or not self._armed:
            raise ObserverError(f"the replay of {self._path} was not armed")
        return self._capture
