"""Shows that whatever a run that was ended leaves on its line is found, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rig.aftermath import Aftermath, judge_aftermath
from rig.capture import (
    Capture,
    Clock,
    ClockKind,
    Heartbeat,
    Instant,
    ModeChange,
    Qualification,
    Stall,
    edge_array,
)
from rig.verdict import Kind, Outcome

MS = 10**6
CLOCK = Clock(ClockKind.EMULATOR, resolution_ns=1000, accuracy_ppm=0.0, latency_ns=0)
ENDED = Instant(1000 * MS, 20 * MS)
LIMIT_NS = 100 * MS
EXPECTED = Aftermath(line="led", edges=2, is_taken=True, release_ns=LIMIT_NS)
STALLED = Heartbeat(9, 300 * MS, (Stall(0, 300 * MS, "starved"),))


def ended(released_ms: float = 1050, **fields: object) -> Capture:
    """The LED goes on, and off and free a while after the run was ended."""
    released_ns = int(released_ms * MS)
    good = Capture(
        lines=("led", "gpio4"),
        edges=edge_array([(500 * MS, 0, 1, 0), (released_ns, 0, 0, 1)]),
        initial_levels={"led": 0, "gpio4": 0},
        start_ns=0,
        end_ns=5000 * MS,
        clock=CLOCK,
        initial_modes={"led": "in", "gpio4": "in"},
        modes=(ModeChange(400 * MS, "led", "out"), ModeChange(released_ns, "led", "in")),
        heartbeat=Heartbeat(1000, MS),
        outlasts_run=True,
    )
    return replace(good, **fields)  # type: ignore[arg-type]


def failing(capture: Capture, expected: Aftermath = EXPECTED) -> set[Kind]:
    return judge_aftermath(capture, expected, ENDED).failing_kinds()


def test_a_line_that_is_given_back_in_time_passes() -> None:
    verdict = judge_aftermath(ended(), EXPECTED, ENDED)
    assert verdict.outcome is Outcome.PASS
    assert verdict.unseen == ()


def test_all_that_is_asked_was_found_out() -> None:
    found = {finding.kind for finding in judge_aftermath(ended(), EXPECTED, ENDED).findings}
    assert found == EXPECTED.kinds - {Kind.CLEANUP, Kind.KERNEL_LOG}


STILL_ON = edge_array([(500 * MS, 0, 1, 0)])
ONLY_OUT = (ModeChange(400 * MS, "led", "out"),)
TAKEN_TWICE = (
    *ended().modes,
    ModeChange(1060 * MS, "led", "out"),
    ModeChange(1070 * MS, "led", "in"),
)
DEFECTS: dict[str, tuple[Capture, set[Kind]]] = {
    "still lit": (ended(edges=STILL_ON), {Kind.COUNT, Kind.RELEASE, Kind.RELEASE_TIME}),
    "dark, but still an output": (ended(modes=ONLY_OUT), {Kind.RELEASE, Kind.RELEASE_TIME}),
    "never driven": (ended(edges=edge_array([]), modes=()), {Kind.COUNT, Kind.RELEASE}),
    "taken again": (
        ended(modes=TAKEN_TWICE),
        {Kind.RELEASE},
    ),
    "released too late": (ended(1200), {Kind.RELEASE_TIME}),
    "on before": (
        ended(initial_levels={"led": 1, "gpio4": 0}, edges=edge_array([(1050 * MS, 0, 0, 0)])),
        {Kind.INITIAL_LEVEL, Kind.COUNT},
    ),
    "another line moved": (
        ended(edges=edge_array([(450 * MS, 1, 1, 0), (500 * MS, 0, 1, 0), (1050 * MS, 0, 0, 1)])),
        {Kind.FOREIGN},
    ),
    "another line became an output": (
        ended(modes=(ModeChange(1, "gpio4", "out"), *ended().modes)),
        {Kind.FOREIGN},
    ),
}


@pytest.mark.parametrize(("capture", "kinds"), DEFECTS.values(), ids=DEFECTS)
def test_each_defect_is_found_as_what_it_is(capture: Capture, kinds: set[Kind]) -> None:
    assert failing(capture) == kinds


@pytest.mark.parametrize(
    ("released_ms", "outcome"),
    [
        (1079.9, Outcome.PASS),
        (1080.1, Outcome.INCONCLUSIVE),
        (1119.9, Outcome.INCONCLUSIVE),
        (1120.1, Outcome.FAIL),
        (900, Outcome.PASS),
    ],
)
def test_when_the_run_ended_is_known_to_within_its_uncertainty(
    released_ms: float, outcome: Outcome
) -> None:
    (finding,) = judge_aftermath(ended(released_ms), EXPECTED, ENDED).of_kind(Kind.RELEASE_TIME)
    assert finding.outcome is outcome


def test_a_stall_spoils_no_release_that_was_in_time() -> None:
    verdict = judge_aftermath(ended(heartbeat=STALLED), EXPECTED, ENDED)
    assert verdict.outcome is Outcome.PASS
    assert verdict.of_kind(Kind.STALL) == ()


def test_a_release_that_is_late_when_the_bench_stalled_is_not_held_against_the_target() -> None:
    verdict = judge_aftermath(ended(1200, heartbeat=STALLED), EXPECTED, ENDED)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.of_kind(Kind.STALL)


def test_a_line_that_stays_lit_fails_even_when_the_bench_stalled() -> None:
    assert Kind.RELEASE in failing(ended(edges=STILL_ON, heartbeat=STALLED))


def test_a_budget_that_is_too_old_carries_no_release_time() -> None:
    old = Qualification("2020-01-01", 400.0, 365.0)
    capture = ended(clock=replace(CLOCK, qualification=old))
    (finding,) = judge_aftermath(capture, EXPECTED, ENDED).of_kind(Kind.RELEASE_TIME)
    assert finding.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("flaw", [{"lost": 1}, {"overrun": True}])
def test_an_incomplete_capture_passes_nothing(flaw: dict[str, object]) -> None:
    assert judge_aftermath(ended(**flaw), EXPECTED, ENDED).outcome is Outcome.INCONCLUSIVE


def test_a_capture_that_ends_before_the_limit_does_not_show_a_release_in_time() -> None:
    capture = ended(edges=STILL_ON, modes=ONLY_OUT, end_ns=1010 * MS)
    (finding,) = judge_aftermath(capture, EXPECTED, ENDED).of_kind(Kind.RELEASE_TIME)
    assert finding.outcome is Outcome.INCONCLUSIVE


def test_a_line_that_nobody_may_drive_is_judged_so() -> None:
    untouched = EXPECTED.model_copy(update={"edges": 0, "is_taken": False})
    assert failing(ended(edges=edge_array([]), modes=()), untouched) == set()
    assert failing(ended(), untouched) == {Kind.COUNT, Kind.RELEASE}


def test_a_line_that_may_be_driven_several_times_is_an_input_in_the_end() -> None:
    free = EXPECTED.model_copy(update={"is_taken": None, "edges": None})
    assert failing(ended(modes=TAKEN_TWICE), free) == set()
    assert Kind.RELEASE in failing(ended(modes=TAKEN_TWICE[:3]), free)


def test_what_the_observer_is_blind_to_is_said() -> None:
    blind = ended(lines=("led",), initial_levels={"led": 0}, initial_modes={}, modes=())
    verdict = judge_aftermath(blind, EXPECTED, None)
    assert {u.kind for u in verdict.unseen} == {Kind.RELEASE, Kind.RELEASE_TIME, Kind.FOREIGN}
    assert verdict.outcome is Outcome.PASS
    lit = replace(blind, edges=STILL_ON)
    assert judge_aftermath(lit, EXPECTED, None).failing_kinds() == {Kind.COUNT, Kind.RELEASE}


def test_a_line_that_the_capture_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="no line 'lamp': led, gpio4"):
        judge_aftermath(ended(), EXPECTED.model_copy(update={"line": "lamp"}), ENDED)


def test_judging_twice_says_the_same() -> None:
    judged: Callable[[], object] = lambda: judge_aftermath(ended(), EXPECTED, ENDED)  # noqa: E731
    assert judged() == judged()
