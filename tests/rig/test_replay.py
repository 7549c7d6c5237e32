"""Shows what the observer that replays a recording adds to the contract of all observers."""

from pathlib import Path

import pytest
from blinks import good

from rig.capture import write_capture
from rig.errors import ObserverError
from rig.observers.replay import ReplayObserver
from rig.recordings.supplement import Supplement


def test_what_was_recorded_comes_out_every_time(tmp_path: Path) -> None:
    write_capture(tmp_path, good().capture())
    observer = ReplayObserver(tmp_path / "capture.vcd", Supplement(wiring={"lamp": "led"}))
    observer.connect()
    for _ in range(2):
        observer.arm()
        capture = observer.stop()
        assert capture.lines == ("lamp",)
        assert len(capture.edges) == 20


def test_a_recording_that_cannot_be_trusted_is_an_error_of_the_bench(tmp_path: Path) -> None:
    (tmp_path / "a.vcd").write_text("$date")
    with pytest.raises(ObserverError, match=r"nothing to replay: .*a\.vcd"):
        ReplayObserver(tmp_path / "a.vcd", Supplement()).connect()


def test_it_is_armed_once_at_a_time(tmp_path: Path) -> None:
    write_capture(tmp_path, good().capture())
    observer = ReplayObserver(tmp_path / "capture.vcd", Supplement())
    observer.connect()
    observer.arm()
    with pytest.raises(ObserverError, match="armed already"):
        observer.arm()
