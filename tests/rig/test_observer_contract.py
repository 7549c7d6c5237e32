"""One contract for all observers; and it would catch an observer that breaks it.

Those that need an emulated board are in tests/virtual_pi/test_observers.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

pytest.register_assert_rewrite("observer_contract")
from blinks import good  # noqa: E402
from mock_pi import MockKernel, MockPi  # noqa: E402
from observer_contract import ObserverContract, Subject, Subjects  # noqa: E402
from references import APART, Truth, measured  # noqa: E402

from rig.capture import write_capture  # noqa: E402
from rig.errors import EvidenceError, ObserverError  # noqa: E402
from rig.identity import REPOSITORY  # noqa: E402
from rig.observers import agent  # noqa: E402
from rig.observers.fake import CLOCK, FakeObserver, Faults, SimulatedPins  # noqa: E402
from rig.observers.qualified import QualifiedObserver  # noqa: E402
from rig.observers.replay import ReplayObserver  # noqa: E402
from rig.recordings.supplement import Supplement  # noqa: E402

MS = 1_000_000


@contextmanager
def fake() -> Iterator[Subject]:
    """The observer that ships with the rig for tests."""
    pins = SimulatedPins("led", "other")
    observer = FakeObserver(pins)

    def drive(level: int) -> None:
        pins.wait(MS)
        pins.drive("led", level)

    def lose() -> None:
        observer.faults.lose = 1

    yield Subject(observer, "led", drive, lose, wait=lambda: pins.wait(20 * MS))


@contextmanager
def replay() -> Iterator[Subject]:
    """A recording of ten blinks."""
    with TemporaryDirectory() as folder:
        write_capture(Path(folder), replace(good().capture(), clock=CLOCK))
        observer = ReplayObserver(Path(folder, "capture.vcd"), Supplement())
        yield Subject(observer, "led", wait=lambda: None)


@contextmanager
def qualified() -> Iterator[Subject]:
    """Any observer, with a budget that was measured."""
    record = measured([Truth().leg()[0]], APART)
    with fake() as subject:
        yield replace(subject, observer=QualifiedObserver(subject.observer, record, 365))


@contextmanager
def gpiozero() -> Iterator[Subject]:
    """gpiozero's own mock pins, and the real agent beside them."""
    pi, lost = MockPi(MockKernel()), list[int]()

    def drive(level: int) -> None:
        drive = pi.drive_unseen if lost else pi.drive
        lost.clear()
        drive(level)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(agent, "SETTLE_S", 0.01)
        patched.setattr(agent, "DRAIN_TIMEOUT_S", 0.1)
        yield Subject(pi.observer, "led", drive, lambda: lost.append(1))


OBSERVERS = {"fake": fake, "qualified": qualified, "gpiozero": gpiozero, "replay": replay}


@pytest.fixture(params=OBSERVERS.values(), ids=OBSERVERS)
def subjects(request: pytest.FixtureRequest) -> Subjects:
    made: Subjects = request.param
    return made


class TestEveryObserver(ObserverContract):
    """All of the contract, for all of them."""


# Would the fake fail if it forgot an edge?

BROKEN: dict[str, tuple[Callable[[Faults], None], str]] = {
    "forgets an edge": (
        lambda faults: setattr(faults, "forget", 1),
        "test_what_was_driven_is_what_was_seen_to_both_ends_of_the_window",
    ),
    "forgets an edge, unnoticed": (
        lambda faults: setattr(faults, "forget", 2),
        "test_what_was_driven_is_what_was_seen_to_both_ends_of_the_window",
    ),
    "loses an edge": (
        lambda faults: setattr(faults, "lose", 1),
        "test_edges_are_in_order_inside_the_window_and_numbered_without_a_gap",
    ),
    "stamps late": (
        lambda faults: setattr(faults, "late_ns", 10 * MS),
        "test_stamps_are_as_late_as_the_budget_says_and_no_later",
    ),
    "takes wrong initial levels": (
        lambda faults: setattr(faults, "wrong_levels", True),
        "test_initial_levels_are_those_at_the_moment_of_arming",
    ),
    "overruns": (
        lambda faults: setattr(faults, "overrun", True),
        "test_what_was_driven_is_what_was_seen_to_both_ends_of_the_window",
    ),
    "is silent": (
        lambda faults: setattr(faults, "silent", True),
        "test_every_capture_starts_anew",
    ),
}


@pytest.mark.parametrize(("fault", "clause"), BROKEN.values(), ids=BROKEN)
def test_an_observer_that_is_broken_breaks_the_contract(
    fault: Callable[[Faults], None], clause: str
) -> None:
    with fake() as subject:
        assert isinstance(subject.observer, FakeObserver)
        subject.observer.connect()
        fault(subject.observer.faults)
        with pytest.raises((AssertionError, EvidenceError, ObserverError)):
            getattr(ObserverContract(), clause)(subject)


def test_an_observer_that_hides_a_loss_breaks_the_contract() -> None:
    with fake() as subject:
        subject.observer.connect()
        subject.lose = lambda: setattr(subject.observer.faults, "forget", 2)  # type: ignore[attr-defined]
        with pytest.raises(AssertionError):
            ObserverContract().test_a_lost_edge_is_admitted(subject)


def test_a_loss_at_the_very_end_is_admitted_too() -> None:
    pins = SimulatedPins("led")
    observer = FakeObserver(pins)
    observer.connect()
    observer.arm()
    pins.drive("led", 1)
    observer.faults.lose = 1
    pins.drive("led", 0)
    capture = observer.stop()
    assert (capture.lost, capture.is_complete, len(capture.edges)) == (1, False, 1)


def test_a_silent_instrument_is_an_error_and_not_an_empty_capture() -> None:
    pins = SimulatedPins("led")
    observer = FakeObserver(pins)
    observer.connect()
    observer.arm()
    observer.faults.silent = True
    with pytest.raises(ObserverError, match="silent"):
        observer.stop()


def test_the_example_of_the_page_runs() -> None:
    page = (REPOSITORY / "docs" / "observers.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(next(example for example in examples if "FakeObserver" in example), {})
