"""What every observer is held to, whatever it sees the edges with.

A module that has observers defines the fixture `subjects`, a way to make a `Subject` and to
take it down again, and inherits `ObserverContract`. See docs/observers.md.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rig.capture import Capture, proven_lost
from rig.errors import ObserverError
from rig.observers.base import Observer

GRACE_S = 10
"""How long a thread or a process that was told to end may take."""


@dataclass
class Subject:
    """One observer, not connected yet, and a hand on the line that it sees."""

    observer: Observer
    line: str
    drive: Callable[[int], None] | None = None
    """Puts a level on the line, which is low at first; None if the line moves by itself."""
    lose: Callable[[], None] | None = None
    """Makes the observer miss the next edge; None if only its own tests can do that."""
    wait: Callable[[], None] = lambda: time.sleep(0.02)
    """Lets enough time pass for an edge to be seen, and for one that moves by itself to come."""

    def driven(self) -> Callable[[int], None]:
        if self.drive is None:
            pytest.skip("this line moves by itself, no test can drive it")
        return self.drive


Subjects = Callable[[], AbstractContextManager[Subject]]


def levels(capture: Capture, line: str) -> list[int]:
    found: list[int] = capture.of_line(line)["level"].tolist()
    return found


class ObserverContract:
    """Inherited by one test class per module; needs its fixture `subjects`."""

    @pytest.fixture
    def subject(self, subjects: Subjects) -> Iterator[Subject]:
        with subjects() as subject:
            subject.observer.connect()
            yield subject
            subject.observer.close()

    def test_what_was_driven_is_what_was_seen_to_both_ends_of_the_window(
        self, subject: Subject
    ) -> None:
        drive, observer = subject.driven(), subject.observer
        observer.arm()
        for level in (1, 0, 1, 0, 1, 0):
            drive(level)
            subject.wait()
        drive(1)
        capture = observer.stop()
        drive(0)
        assert capture.initial_levels[subject.line] == 0
        assert levels(capture, subject.line) == [1, 0, 1, 0, 1, 0, 1]
        assert capture.is_complete

    def test_what_can_be_seen_live_is_what_the_capture_then_has(self, subject: Subject) -> None:
        observer = subject.observer
        observer.arm()
        if subject.drive:
            subject.drive(1)
        deadline = time.monotonic() + GRACE_S
        while not (seen := observer.peek()) and time.monotonic() < deadline:
            subject.wait()
            time.sleep(0.02)
        again = observer.peek(len(seen))
        capture = observer.stop()
        if subject.drive:
            subject.drive(0)
        assert seen
        assert seen == list(capture)[: len(seen)]
        assert again == list(capture)[len(seen) :][: len(again)]
        with pytest.raises(ObserverError):
            observer.peek()

    def test_initial_levels_are_those_at_the_moment_of_arming(self, subject: Subject) -> None:
        drive, observer = subject.driven(), subject.observer
        drive(1)
        subject.wait()
        observer.arm()
        drive(0)
        capture = observer.stop()
        assert capture.initial_levels[subject.line] == 1
        assert levels(capture, subject.line) == [0]

    def test_what_moves_between_two_captures_is_in_neither(self, subject: Subject) -> None:
        drive, observer = subject.driven(), subject.observer
        observer.arm()
        first = observer.stop()
        for level in (1, 0, 1):
            drive(level)
            subject.wait()
        observer.arm()
        second = observer.stop()
        drive(0)
        assert levels(first, subject.line) == levels(second, subject.line) == []
        assert second.initial_levels[subject.line] == 1

    def test_edges_are_in_order_inside_the_window_and_numbered_without_a_gap(
        self, subject: Subject
    ) -> None:
        capture = self.capture(subject)
        times = capture.edges["time_ns"]
        assert np.all(np.diff(times) >= 0)
        assert len(times) == 0 or capture.start_ns <= times[0] <= times[-1] <= capture.end_ns
        assert capture.start_ns < capture.end_ns
        initial = [capture.initial_levels[line] for line in capture.lines]
        assert proven_lost(capture.edges, initial) == capture.lost == 0
        numbers = capture.of_line(subject.line)["seqno"]
        assert len(numbers) > 0
        assert numbers.tolist() == list(range(len(numbers)))

    def test_every_capture_starts_anew(self, subject: Subject) -> None:
        captures = [self.capture(subject) for _ in range(3)]
        assert [c.of_line(subject.line)["seqno"][0] for c in captures] == [0, 0, 0]
        assert len({c.lines for c in captures}) == len({c.clock.kind for c in captures}) == 1

    def test_the_clock_has_a_budget(self, subject: Subject) -> None:
        clock = self.capture(subject).clock
        assert clock.resolution_ns >= 1
        assert clock.interval_uncertainty_ns(0) > 0
        assert clock.accuracy_ppm > 0, "no clock is perfect"

    def test_stamps_are_as_late_as_the_budget_says_and_no_later(self, subject: Subject) -> None:
        drive, observer = subject.driven(), subject.observer
        observer.arm()
        before, after = [], []
        for level in (1, 0, 1, 0):
            before.append(observer.now())
            drive(level)
            after.append(observer.now())
            subject.wait()
        capture = observer.stop()
        room_ns = capture.clock.latency_ns + capture.clock.resolution_ns
        times = capture.of_line(subject.line)["time_ns"].tolist()
        for earliest, stamp_ns, latest in zip(before, times, after, strict=True):
            if earliest is None or latest is None:
                pytest.skip("the rig cannot know this observer's clock")
            assert earliest.time_ns - earliest.uncertainty_ns - room_ns <= stamp_ns
            assert stamp_ns <= latest.time_ns + latest.uncertainty_ns + room_ns

    def test_a_lost_edge_is_admitted(self, subject: Subject) -> None:
        drive, observer = subject.driven(), subject.observer
        if subject.lose is None:
            pytest.skip("this observer loses no edge that a test of the contract could make it")
        observer.arm()
        drive(1)
        subject.wait()
        subject.lose()
        for level in (0, 1, 0):
            drive(level)
            subject.wait()
        try:
            capture = observer.stop()
        except ObserverError:
            return
        assert not capture.is_complete

    def test_functions_are_of_its_lines(self, subject: Subject) -> None:
        functions = subject.observer.functions()
        assert functions.keys() <= set(self.capture(subject).lines)

    def test_to_stop_what_was_not_armed_is_an_error_of_the_bench(self, subject: Subject) -> None:
        with pytest.raises(ObserverError):
            subject.observer.stop()
        self.capture(subject)
        with pytest.raises(ObserverError):
            subject.observer.stop()

    def test_to_arm_what_is_not_connected_is_an_error_of_the_bench(
        self, subjects: Subjects
    ) -> None:
        with subjects() as subject:
            subject.observer.close()
            with pytest.raises(ObserverError):
                subject.observer.arm()
            subject.observer.close()

    @pytest.mark.parametrize("ending", ["stopped", "armed", "connected", "made"])
    def test_nothing_is_left_however_it_is_closed(self, subjects: Subjects, ending: str) -> None:
        before = traces()
        with subjects() as subject:
            observer = subject.observer
            if ending != "made":
                observer.connect()
            if ending in ("armed", "stopped"):
                observer.arm()
            if ending == "stopped":
                observer.stop()
            observer.close()
            observer.close()
        assert_left_nothing(before)

    def capture(self, subject: Subject) -> Capture:
        """One capture with some edges of the subject's line."""
        subject.observer.arm()
        for level in (1, 0, 1, 0):
            if subject.drive:
                subject.drive(level)
            subject.wait()
        return subject.observer.stop()


@dataclass(frozen=True)
class Traces:
    """What a process has of the system."""

    threads: frozenset[str]
    descriptors: frozenset[str]
    children: frozenset[str]


def traces() -> Traces:
    own = Path("/proc/self/task")
    children = "".join((task / "children").read_text() for task in own.iterdir())
    return Traces(
        frozenset(f"{thread.name} {thread.ident}" for thread in threading.enumerate()),
        frozenset(os.listdir("/proc/self/fd")),
        frozenset(children.split()),
    )


def assert_left_nothing(before: Traces) -> None:
    deadline = time.monotonic() + GRACE_S
    while (now := traces()) != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert now.threads <= before.threads
    assert now.descriptors <= before.descriptors
    assert now.children <= before.children
