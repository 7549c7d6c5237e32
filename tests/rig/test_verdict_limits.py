"""Shows each limit of an expectation at work, exactly where its guard bands begin and end."""

from dataclasses import replace
from typing import Any

import pytest
from blinks import (
    ENDS_ON,
    MS,
    START_NS,
    STARTED,
    TEN_BLINKS,
    UNCERTAINTY_NS,
    Defect,
    Scene,
    another_line_moved,
    blind,
    cut_off,
    duty_shifted,
    frozen_after_four_cycles,
    glitch,
    good,
    move_release,
    never_dark,
    never_released,
    on_another_line,
    one_off_skipped,
    one_on_time_long,
    slow,
    stalled,
    stuck_high,
    stuck_low,
)

from rig import timing
from rig.capture import Clock, ClockKind, Instant, Qualification
from rig.expectation import Expectation
from rig.verdict import (
    TIMING_KINDS,
    Finding,
    Kind,
    Outcome,
    Verdict,
    judge,
    ms,
    to_json,
)

PASS, OPEN, FAIL = Outcome
EDGE_NS = [
    (-UNCERTAINTY_NS, PASS),
    (-UNCERTAINTY_NS + 1, OPEN),
    (UNCERTAINTY_NS, OPEN),
    (UNCERTAINTY_NS + 1, FAIL),
]
"""How far beyond an upper limit, and what that is."""
at_the_limit = pytest.mark.parametrize(("beyond_ns", "outcome"), EDGE_NS)


def expecting(**fields: Any) -> Expectation:
    return Expectation.model_validate({**TEN_BLINKS.model_dump(), **fields})


def found(scene: Scene, kind: Kind, expected: Expectation = TEN_BLINKS) -> Finding:
    (finding,) = judge(scene.capture(), expected).of_kind(kind)
    return finding


def judged(scene: Scene, expected: Expectation = TEN_BLINKS) -> Verdict:
    return judge(scene.capture(), expected)


def outdated(scene: Scene) -> None:
    scene.clock = qualified(age_days=1000.0).clock


def moved(scene: Scene, by_ns: list[int]) -> Scene:
    scene.led = [(t + by, level) for (t, level), by in zip(scene.led, by_ns, strict=True)]
    return scene


# Glitches.


def test_a_glitch_is_a_finding_of_its_own_and_no_edge_of_the_pattern() -> None:
    scene = good()
    glitch(scene)
    assert judged(scene).failing_kinds() == {Kind.GLITCH}
    assert found(scene, Kind.COUNT).measured == 20
    assert found(scene, Kind.GLITCH).text == (
        "led shows 1 glitch pulse, the shortest pulse is on for 2.000 ms, expected at least "
        "19.500 ms, uncertainty 0.300 ms, edge 6 at +1400.000 ms"
    )


@pytest.mark.parametrize(
    ("width_ns", "outcome", "edges"),
    [
        (19_500_000 - UNCERTAINTY_NS - 1, FAIL, 20),
        (19_500_000 - UNCERTAINTY_NS, OPEN, 22),
        (19_500_000 + UNCERTAINTY_NS - 1, OPEN, 22),
        (19_500_000 + UNCERTAINTY_NS, PASS, 22),
    ],
)
def test_a_pulse_is_taken_out_only_if_it_is_surely_too_short(
    width_ns: int, outcome: Outcome, edges: int
) -> None:
    scene = good()
    at_ns = scene.led[5][0] + 100 * MS
    scene.led[6:6] = [(at_ns, 1), (at_ns + width_ns, 0)]
    assert found(scene, Kind.GLITCH).outcome is outcome
    assert found(scene, Kind.COUNT).measured == edges
    assert judged(scene).outcome is FAIL


def test_an_edge_that_bounces_counts_once_from_where_it_began() -> None:
    scene = good()
    begun_ns = scene.led[4][0]
    scene.led[5:5] = [
        (begun_ns + MS, 0),
        (begun_ns + 2 * MS, 1),
        (begun_ns + 3 * MS, 0),
        (begun_ns + 4 * MS, 1),
    ]
    verdict = judged(scene)
    assert verdict.failing_kinds() == {Kind.GLITCH}
    assert found(scene, Kind.ON_TIME).margin == 5 * MS - UNCERTAINTY_NS
    assert "led shows 2 glitch pulses" in found(scene, Kind.GLITCH).text


def test_an_edge_that_bounces_back_did_not_happen() -> None:
    scene = good()
    scene.led[8:8] = [(scene.led[7][0] + 50 * MS + n * MS, 1 - n % 2) for n in range(6)]
    assert judged(scene).failing_kinds() == {Kind.GLITCH}


@pytest.mark.parametrize("spoil", [stalled, outdated], ids=lambda spoil: spoil.__name__)
def test_pulses_squeezed_by_a_target_that_catches_up_are_no_glitches(spoil: Defect) -> None:
    scene = good()
    late_ns = scene.led[8][0] + 50 * MS
    for n in (5, 6, 7):
        scene.led[n] = (late_ns + n * MS, scene.led[n][1])
    scene.led[8] = (late_ns + 8 * MS, 1)
    assert judged(scene).outcome is FAIL
    spoil(scene)
    verdict = judged(scene)
    assert verdict.outcome is OPEN
    assert found(scene, Kind.GLITCH).outcome is OPEN
    assert found(scene, Kind.COUNT).outcome is PASS


def test_nothing_is_a_glitch_where_every_pulse_counts() -> None:
    scene = good()
    glitch(scene)
    verdict = judged(scene, expecting(smallest_pulse_ns=0))
    assert Kind.GLITCH not in verdict.failing_kinds()
    assert Kind.COUNT in verdict.failing_kinds()


def test_a_line_without_a_pulse_has_no_glitch() -> None:
    scene = good()
    stuck_high(scene)
    assert found(scene, Kind.GLITCH).text == "led shows no pulse at all"


# Freezing, and captures that end too early.


@pytest.mark.parametrize("edges", range(1, 20))
def test_a_led_that_freezes_after_any_edge_is_found_frozen(edges: int) -> None:
    scene = good()
    scene.led = scene.led[:edges]
    finding = found(scene, Kind.FREEZE)
    assert finding.outcome is FAIL
    level = "on" if edges % 2 else "off"
    assert finding.text.startswith(f"led stopped {level} after {edges} of 20 commanded edges, ")
    assert (finding.seqno, finding.time_ns) == (edges - 1, scene.led[-1][0])


def test_a_led_that_skips_edges_and_goes_on_is_not_frozen() -> None:
    scene = good()
    one_off_skipped(scene)
    assert found(scene, Kind.FREEZE).outcome is PASS
    assert found(scene, Kind.COUNT).outcome is FAIL


def test_a_led_that_never_moves_cannot_freeze() -> None:
    scene = good()
    stuck_low(scene)
    finding = found(scene, Kind.FREEZE)
    assert (finding.outcome, finding.text) == (OPEN, "led never moved, so it could not freeze")


def recorded(scene: Scene) -> Scene:
    """As any tool records it, who knows when: no directions, no run to outlast."""
    blind(scene)
    scene.commanded, scene.outlasts_run = None, False
    return scene


def test_a_recording_of_a_good_blink_is_good_without_a_run() -> None:
    scene = recorded(good())
    assert judged(scene).outcome is PASS
    assert {unseen.kind for unseen in judged(scene).unseen} == {Kind.RELEASE}


@pytest.mark.parametrize("edges", range(1, 20))
@pytest.mark.parametrize(("beyond_ns", "outcome"), [(0, OPEN), (1, FAIL)])
def test_a_capture_that_ends_before_the_next_edge_is_due_shows_nothing_missing(
    edges: int, beyond_ns: int, outcome: Outcome
) -> None:
    scene = recorded(good())
    scene.led = scene.led[:edges]
    wait_ns = (200 if edges % 2 else 300) * MS + 5 * MS + UNCERTAINTY_NS
    scene.end_ns = scene.led[-1][0] + wait_ns + beyond_ns
    verdict = judged(scene)
    assert found(scene, Kind.COUNT).outcome is outcome
    assert found(scene, Kind.FREEZE).outcome is outcome
    assert bool(verdict.of_kind(Kind.INCOMPLETE)) is (outcome is OPEN)
    assert verdict.outcome is outcome


def test_a_capture_that_is_cut_off_is_inconclusive_and_says_where() -> None:
    scene = good()
    cut_off(scene)
    verdict = judged(scene)
    assert verdict.outcome is OPEN
    (incomplete,) = verdict.of_kind(Kind.INCOMPLETE)
    assert incomplete.text == (
        "capture incomplete: it ends after 13 of 20 commanded edges, and the next could still "
        "have come"
    )
    for kind in (Kind.COUNT, Kind.FREEZE, Kind.FINAL_LEVEL, Kind.HOLD_TIME, Kind.RELEASE):
        assert {f.outcome for f in verdict.of_kind(kind)} == {OPEN}, kind


def test_a_run_that_was_over_early_is_no_capture_that_ended_early() -> None:
    scene = good()
    cut_off(scene)
    scene.outlasts_run = True
    kinds = judged(scene).failing_kinds()
    assert kinds == {Kind.COUNT, Kind.FREEZE, Kind.FINAL_LEVEL, Kind.HOLD_TIME, Kind.RELEASE}


def test_a_line_that_was_let_go_early_is_over() -> None:
    scene = good()
    scene.led, scene.outlasts_run = scene.led[:8], False
    scene.modes[1] = replace(scene.modes[1], time_ns=scene.led[-1][0] + 1 * MS)
    scene.end_ns = scene.led[-1][0] + 10 * MS
    assert judged(scene).failing_kinds() == {Kind.COUNT, Kind.FREEZE, Kind.HOLD_TIME}


def test_a_capture_that_ends_within_the_hold_does_not_show_a_short_one() -> None:
    scene = recorded(good())
    scene.end_ns = scene.led[-1][0] + 290 * MS
    finding = found(scene, Kind.HOLD_TIME)
    assert finding.outcome is OPEN
    assert finding.text.endswith("[not believed: the capture ends too early]")
    assert judged(scene).outcome is OPEN
    scene.end_ns = scene.led[-1][0] + 295 * MS + UNCERTAINTY_NS
    assert judged(scene).outcome is PASS


def test_a_capture_that_ends_before_the_release_does_not_show_a_line_left_on() -> None:
    scene = recorded(good(ENDS_ON))
    never_dark(scene)
    verdict = judged(scene, ENDS_ON)
    assert verdict.outcome is OPEN
    assert {f.kind for f in verdict.not_passed()} == {Kind.COUNT, Kind.RELEASE}
    scene.outlasts_run = True
    assert judged(scene, ENDS_ON).failing_kinds() == {Kind.COUNT, Kind.RELEASE}


def test_a_line_that_is_still_driven_at_the_end_may_yet_be_released() -> None:
    scene = good()
    never_released(scene)
    scene.outlasts_run = False
    assert found(scene, Kind.RELEASE).outcome is OPEN


@pytest.mark.parametrize(
    ("length_ns", "outcome"), [(5000 * MS + UNCERTAINTY_NS, OPEN), (5001 * MS, FAIL)]
)
def test_silence_is_a_defect_once_the_pattern_would_have_fitted(
    length_ns: int, outcome: Outcome
) -> None:
    scene = recorded(good())
    scene.led, scene.end_ns = [], START_NS + length_ns
    assert found(scene, Kind.COUNT).outcome is outcome
    assert judged(scene).outcome is outcome


def test_silence_is_a_defect_once_the_start_was_due() -> None:
    scene = good()
    scene.led, scene.modes, scene.outlasts_run = [], [], False
    expected = expecting(start_latency_ns=500 * MS)
    scene.end_ns = STARTED.time_ns + 500 * MS + UNCERTAINTY_NS
    assert found(scene, Kind.COUNT, expected).outcome is OPEN
    assert found(scene, Kind.START_LATENCY, expected).outcome is OPEN
    scene.end_ns += 1
    assert found(scene, Kind.COUNT, expected).outcome is FAIL
    assert found(scene, Kind.START_LATENCY, expected).outcome is FAIL


def test_when_the_start_was_due_is_as_unsure_as_the_command() -> None:
    scene = good()
    scene.led, scene.modes, scene.outlasts_run = [], [], False
    scene.commanded = replace(STARTED, uncertainty_ns=2 * MS)
    expected = expecting(start_latency_ns=500 * MS)
    scene.end_ns = STARTED.time_ns + 502 * MS + UNCERTAINTY_NS
    assert found(scene, Kind.COUNT, expected).outcome is OPEN
    scene.end_ns += 1
    assert found(scene, Kind.COUNT, expected).outcome is FAIL


@pytest.mark.parametrize(
    ("commanded", "fields"),
    [(None, {"start_latency_ns": 500 * MS}), (STARTED, {})],
    ids=["limit-without-a-command", "command-without-a-limit"],
)
def test_silence_without_both_command_and_limit_must_last_as_long_as_the_pattern(
    commanded: Instant | None, fields: dict[str, int]
) -> None:
    scene = good()
    scene.led, scene.modes, scene.outlasts_run = [], [], False
    scene.commanded = commanded
    begun_ns = START_NS if commanded is None else commanded.time_ns
    scene.end_ns = begun_ns + 5000 * MS + UNCERTAINTY_NS
    assert found(scene, Kind.COUNT, expecting(**fields)).outcome is OPEN
    scene.end_ns += 1
    assert found(scene, Kind.COUNT, expecting(**fields)).outcome is FAIL


def test_silence_within_the_limit_of_the_start_is_no_good_start() -> None:
    scene = good()
    scene.led, scene.modes, scene.outlasts_run = [], [], False
    scene.end_ns = STARTED.time_ns + 100 * MS
    finding = found(scene, Kind.START_LATENCY, expecting(start_latency_ns=500 * MS))
    assert finding.outcome is OPEN
    assert finding.text == (
        "led start: no edge until 100.000 ms after the command, expected within 500.000 ms, "
        "uncertainty 0.300 ms [not believed: the capture ends too early]"
    )


def test_one_edge_is_a_start() -> None:
    scene = good()
    stuck_high(scene)
    finding = found(scene, Kind.START_LATENCY, expecting(start_latency_ns=500 * MS))
    assert finding.text.startswith("led start: first edge 90.000 ms after the command")


# Captures that begin too late.


def test_a_capture_that_begins_after_the_command_may_miss_edges() -> None:
    scene = good()
    scene.commanded = Instant(START_NS - 3 * MS, uncertainty_ns=1 * MS)
    verdict = judged(scene)
    assert {f.outcome for f in verdict.findings} == {OPEN}
    (incomplete,) = verdict.of_kind(Kind.INCOMPLETE)
    assert incomplete.text == ("capture incomplete: it begins 3.000 ms after the run was started")
    assert incomplete.measured == 3 * MS


def test_a_command_that_may_have_come_after_the_start_is_no_late_capture() -> None:
    scene = good()
    scene.commanded = Instant(START_NS - 1 * MS, uncertainty_ns=1 * MS)
    assert judged(scene).outcome is PASS


# The start.


@at_the_limit
def test_the_first_edge_must_follow_the_command_in_time(beyond_ns: int, outcome: Outcome) -> None:
    expected = expecting(start_latency_ns=90 * MS - beyond_ns)
    finding = found(good(), Kind.START_LATENCY, expected)
    assert finding.outcome is outcome
    assert finding.measured == 90 * MS


def test_what_is_not_sure_about_the_command_is_not_sure_about_the_start() -> None:
    scene = good()
    scene.commanded = Instant(START_NS + 10 * MS, uncertainty_ns=2 * MS)
    finding = found(scene, Kind.START_LATENCY, expecting(start_latency_ns=91 * MS))
    assert finding.outcome is OPEN
    assert finding.uncertainty == UNCERTAINTY_NS + 2 * MS


def test_a_start_that_nobody_can_time_is_no_good_start_where_a_limit_is_set() -> None:
    scene = good()
    scene.commanded = None
    finding = found(scene, Kind.START_LATENCY, expecting(start_latency_ns=1000 * MS))
    assert finding.outcome is OPEN
    assert finding.text == "led start: this observer cannot know when the run was started"
    assert judged(scene).of_kind(Kind.START_LATENCY) == ()


@pytest.mark.parametrize(
    ("early_ns", "outcome"),
    [(0, PASS), (1, OPEN), (UNCERTAINTY_NS, OPEN), (UNCERTAINTY_NS + 1, FAIL)],
)
def test_an_edge_before_the_command_was_not_commanded(early_ns: int, outcome: Outcome) -> None:
    scene = good()
    scene.commanded = Instant(scene.led[0][0] + early_ns, uncertainty_ns=0)
    finding = found(scene, Kind.START_LATENCY, expecting(start_latency_ns=1000 * MS))
    assert finding.outcome is outcome


# Drift.


def drifting(by_ns: int) -> Scene:
    """Every period is longer by a little, so that the last rise is late by `by_ns`."""
    return moved(good(), [n // 2 * by_ns // 9 for n in range(20)])


@at_the_limit
def test_slow_drift_fails_though_every_period_is_good(beyond_ns: int, outcome: Outcome) -> None:
    scene = drifting(0)
    limit_ns = 5 * MS + 450_000  # and 100 ppm of 4500 ms
    scene = drifting(limit_ns + beyond_ns)
    finding = found(scene, Kind.DRIFT)
    assert finding.outcome is outcome
    assert finding.measured == limit_ns + beyond_ns
    assert judged(scene).failing_kinds() <= {Kind.DRIFT}


def test_drift_tells_all_its_numbers() -> None:
    assert found(drifting(-9 * MS), Kind.DRIFT).text == (
        "led drift: 9.000 ms early 4500.000 ms into the schedule, expected within 5.000 ms + "
        "0.450 ms for the target's clock, uncertainty 0.300 ms, edge 18 at +4591.000 ms"
    )


@pytest.mark.parametrize(
    ("by_ns", "words"), [(-1, "0.000001 ms early"), (0, "0.000 ms late"), (1, "0.000001 ms late")]
)
def test_drift_is_early_or_late(by_ns: int, words: str) -> None:
    scene = moved(good(), [0] * 19 + [by_ns])
    text = found(scene, Kind.DRIFT, expecting(rate_ppm=0.0)).text
    assert text.startswith(f"led drift: {words} ")


def test_a_good_observer_sees_more_drift_than_a_bad_one() -> None:
    scene = drifting(7 * MS)
    assert found(scene, Kind.DRIFT).outcome is FAIL
    scene.clock = replace(scene.clock, accuracy_ppm=1000.0)
    assert found(scene, Kind.DRIFT).outcome is OPEN


def test_the_targets_clock_may_run_off_as_far_as_is_said() -> None:
    scene = good()
    scene.led = [(START_NS + (t - START_NS) * 1002 // 1000, level) for t, level in scene.led]
    assert found(scene, Kind.DRIFT).outcome is FAIL
    assert found(scene, Kind.DRIFT, expecting(rate_ppm=3000.0)).outcome is PASS


def test_a_schedule_is_not_asked_where_an_interval_is_wrong() -> None:
    scene = good()
    slow(scene)
    finding = found(scene, Kind.DRIFT)
    assert finding.outcome is OPEN
    assert finding.text == "led drift: not judged, because single intervals are wrong already"


def test_one_edge_has_no_schedule() -> None:
    scene = good()
    stuck_high(scene)
    assert found(scene, Kind.DRIFT).text == "led drift: no interval to measure, 20 edges commanded"


def test_two_edges_that_jump_apart_by_a_little_are_too_far_in_the_end() -> None:
    scene = moved(good(), [0] * 6 + [4 * MS] * 6 + [8 * MS] * 8)
    assert judged(scene).failing_kinds() == {Kind.DRIFT}


def test_the_edge_farthest_off_is_not_always_the_one_that_fails() -> None:
    """The last edge is farther off, but so late in the run that a clock may do that."""
    scene = moved(good(), [0] * 4 + [-6 * MS] * 2 + [-7 * MS] * 14)
    scene.clock = Clock(ClockKind.HARDWARE, resolution_ns=1, accuracy_ppm=1000.0, latency_ns=0)
    expected = expecting(tolerance_ns=8 * MS, drift_ns=4 * MS, rate_ppm=0.0)
    finding = found(scene, Kind.DRIFT, expected)
    assert finding.outcome is FAIL
    assert finding.seqno == 6


def test_an_edge_that_is_surely_off_counts_more_than_one_that_is_farther_off() -> None:
    """With a clock that may be off by a tenth the first period shows it, and no later one."""
    scene = moved(good(), [(25 + 55 * (n // 2)) * MS if n > 1 else 0 for n in range(20)])
    move_release(scene, scene.led[-1][0] + 320 * MS)
    scene.clock = Clock(ClockKind.HARDWARE, resolution_ns=1, accuracy_ppm=100_000, latency_ns=0)
    expected = expecting(tolerance_ns=190 * MS, drift_ns=MS, rate_ppm=0.0, smallest_pulse_ns=0)
    finding = found(scene, Kind.DRIFT, expected)
    assert (finding.outcome, finding.seqno) == (FAIL, 2)


@pytest.mark.parametrize("edges", [1, 3, 7, 20])
def test_the_schedule_is_held_against_every_block_of_edges(
    edges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [found(drifting(by), Kind.DRIFT) for by in (0, 5 * MS, -9 * MS)]
    monkeypatch.setattr(timing, "BLOCK", edges)
    assert [found(drifting(by), Kind.DRIFT) for by in (0, 5 * MS, -9 * MS)] == whole


# Jitter, duty, percentiles.


def test_without_a_limit_there_is_no_finding_on_jitter_and_duty() -> None:
    assert judged(good()).of_kind(Kind.JITTER, Kind.DUTY) == ()


JITTER_EDGES = [
    (-2 * UNCERTAINTY_NS, PASS),
    (-2 * UNCERTAINTY_NS + 1, OPEN),
    (2 * UNCERTAINTY_NS, OPEN),
    (2 * UNCERTAINTY_NS + 1, FAIL),
]


@pytest.mark.parametrize(("beyond_ns", "outcome"), JITTER_EDGES)
@pytest.mark.parametrize("kind", ["on-time", "off-time"])
def test_intervals_of_one_kind_may_differ_by_so_much(
    beyond_ns: int, outcome: Outcome, kind: str
) -> None:
    """Four stamps make a difference of two intervals, so the guard bands are twice as wide."""
    by_ns = [0] * 20
    edge = 8 + (kind == "on-time")
    by_ns[edge] = 2 * MS + beyond_ns
    if kind == "off-time":
        by_ns[edge + 1 :] = [2 * MS + beyond_ns] * (19 - edge)
    scene = moved(good(), by_ns)
    finding = found(scene, Kind.JITTER, expecting(jitter_ns=2 * MS))
    if kind == "on-time":  # the off-time after it is shorter, but the on-time differs as much
        assert finding.measured == 2 * MS + beyond_ns
    assert finding.outcome is outcome


def test_jitter_tells_all_its_numbers() -> None:
    scene = moved(good(), [0] * 9 + [3 * MS] + [0] * 10)
    assert found(scene, Kind.JITTER, expecting(jitter_ns=2 * MS)).text == (
        "led jitter: 10 on-times differ by up to 3.000 ms, expected at most 2.000 ms, uncertainty "
        "0.600 ms, the longest from edge 8 at +2100.000 ms"
    )


def test_a_wrong_rate_of_the_observer_is_no_jitter() -> None:
    scene = good()
    scene.clock = replace(scene.clock, accuracy_ppm=5000.0)
    finding = found(scene, Kind.JITTER, expecting(jitter_ns=2 * MS))
    assert finding.outcome is PASS
    assert finding.uncertainty is not None
    assert finding.uncertainty < 2.1 * UNCERTAINTY_NS


def test_the_uncertainty_of_jitter_is_four_stamps_and_one_rate() -> None:
    scene = moved(good(), [0] * 9 + [3 * MS] + [0] * 10)
    scene.clock = Clock(ClockKind.HARDWARE, 1000, accuracy_ppm=500_000.0, latency_ns=0)
    finding = found(scene, Kind.JITTER, expecting(jitter_ns=2 * MS))
    assert finding.uncertainty == 4 * 1000 + 3 * MS


def test_two_cycles_are_enough_for_jitter() -> None:
    two = expecting(cycles=2, jitter_ns=MS)
    finding = found(moved(good(two), [0, 0, 0, 2 * MS]), Kind.JITTER, two)
    assert finding.outcome is FAIL
    assert "2 on-times differ by up to 2.000 ms" in finding.text


def test_one_cycle_has_no_jitter() -> None:
    one = expecting(cycles=1, jitter_ns=0)
    finding = found(good(one), Kind.JITTER, one)
    assert (finding.outcome, finding.text) == (
        PASS,
        "led jitter: no two intervals to compare, 1 cycle commanded",
    )


def test_two_cycles_of_which_one_came_have_jitter_that_nobody_saw() -> None:
    two = expecting(cycles=2, jitter_ns=0)
    scene = good(two)
    scene.led = scene.led[:2]
    assert found(scene, Kind.JITTER, two).outcome is OPEN


def test_a_small_shift_of_every_fall_is_a_wrong_duty() -> None:
    scene = good()
    duty_shifted(scene, by_ns=4 * MS)
    narrow, wide = expecting(duty_percent=0.5), expecting(duty_percent=1.0)
    assert judged(scene, narrow).failing_kinds() == {Kind.DUTY}
    assert judged(scene, wide).outcome is PASS
    finding = found(scene, Kind.DUTY, narrow)
    assert finding.text == (
        "led duty: mean of 9 cycles is 40.800 %, expected 40.000 % +/- 0.500 %, uncertainty 0.067 %"
    )
    assert (finding.measured, finding.limits) == (408_000, (395_000, 405_000))


@pytest.mark.parametrize(
    ("beyond", "outcome"), [(-668, PASS), (-667, OPEN), (668, OPEN), (669, FAIL)]
)
def test_a_duty_has_guard_bands(beyond: int, outcome: Outcome) -> None:
    """10 times 300 us in 4499.7 ms are 667 millionths, and one more for rounding."""
    scene = good()
    duty_shifted(scene, by_ns=4 * MS)
    expected = expecting(duty_percent=(8000 - beyond) / 10_000)
    finding = found(scene, Kind.DUTY, expected)
    assert finding.uncertainty == 668
    assert finding.outcome is outcome


def test_a_rate_that_is_off_leaves_the_duty_alone() -> None:
    scene = good()
    slow(scene)
    assert found(scene, Kind.DUTY, expecting(duty_percent=0.1)).outcome is PASS


def test_the_duty_of_one_whole_cycle_is_judged() -> None:
    two = expecting(cycles=2, duty_percent=1.0)
    scene = good(two)
    duty_shifted(scene, by_ns=4 * MS)
    assert found(scene, Kind.DUTY, two).text.startswith("led duty: mean of 1 cycle is 40.800 %")


@pytest.mark.parametrize(
    ("latency_ns", "ppm", "uncertainty"),
    [
        (50 * MS - 1000, 0.0, 112_361),  # 10 times 50 ms in 4450 ms
        (5000 * MS, 0.0, 50_000_010_000 * 10**6 + 1),  # the stamps are worse than the whole
        (MS - 1000, 500_000.0, 4448),  # a rate that may be half as fast doubles the stamps
    ],
)
def test_the_uncertainty_of_a_duty_is_that_of_its_stamps(
    latency_ns: int, ppm: float, uncertainty: int
) -> None:
    scene = good()
    scene.clock = Clock(ClockKind.HARDWARE, 1000, accuracy_ppm=ppm, latency_ns=latency_ns)
    assert found(scene, Kind.DUTY, expecting(duty_percent=1.0)).uncertainty == uncertainty


def test_the_uncertainty_of_a_duty_counts_every_nanosecond() -> None:
    """Two of them, in ten intervals and 45 us."""
    fast = Expectation(
        line="led", cycles=10, on_ns=2000, off_ns=3000, tolerance_ns=100, duty_percent=1.0
    )
    scene = good(fast)
    scene.clock = Clock(ClockKind.HARDWARE, 1, accuracy_ppm=500_000.0, latency_ns=0)
    assert found(scene, Kind.DUTY, fast).uncertainty == 446


def test_a_line_that_never_moves_has_no_duty() -> None:
    scene = good()
    stuck_low(scene)
    assert found(scene, Kind.DUTY, expecting(duty_percent=0.1)).outcome is OPEN


def test_one_cycle_that_ends_off_has_no_duty() -> None:
    one = expecting(cycles=1, duty_percent=0.1)
    assert found(good(one), Kind.DUTY, one).outcome is PASS
    scene = good()
    stuck_high(scene)
    assert found(scene, Kind.DUTY, expecting(duty_percent=0.1)).outcome is OPEN


@pytest.mark.parametrize(
    ("rank", "measured_ms"),
    [("p10", 1), ("p11", 2), ("p50", 5), ("p90", 9), ("p91", 10), ("p90.1", 10), ("p100", 10)],
)
def test_a_percentile_is_one_of_the_deviations_by_nearest_rank(rank: str, measured_ms: int) -> None:
    """Ten on-times that are off by 1 to 10 ms, on either side."""
    off_ms = [3, -1, 10, -2, 5, -4, 9, -6, 8, -7]
    scene = moved(good(), [off_ms[n // 2] * MS * (n % 2) for n in range(20)])
    expected = expecting(tolerance_ns=50 * MS, percentiles_ns={rank: 4 * MS})
    _, finding = judged(scene, expected).of_kind(Kind.ON_TIME)
    assert finding.measured == measured_ms * MS
    assert finding.outcome is (PASS if measured_ms < 4 else FAIL)
    assert finding.text.startswith(
        f"led on-time: {rank} of 10 deviations is {measured_ms}.000 ms, expected at most 4.000 ms"
    )


@at_the_limit
def test_a_percentile_has_guard_bands(beyond_ns: int, outcome: Outcome) -> None:
    scene = moved(good(), [(2 * MS + beyond_ns) * (n % 2) for n in range(20)])
    findings = judged(scene, expecting(percentiles_ns={"p95": 2 * MS}))
    _, on_time = findings.of_kind(Kind.ON_TIME)
    _, off_time = findings.of_kind(Kind.OFF_TIME)
    _, period = findings.of_kind(Kind.PERIOD)
    assert (on_time.outcome, off_time.outcome, period.outcome) == (outcome, outcome, PASS)


def test_every_percentile_is_judged_for_every_kind_of_interval() -> None:
    expected = expecting(percentiles_ns={"p50": MS, "p99": 2 * MS})
    findings = judged(good(), expected).of_kind(Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD)
    assert len(findings) == 3 + 3 * 2


def test_nothing_has_no_percentile() -> None:
    scene = good()
    stuck_low(scene)
    expected = expecting(percentiles_ns={"p50": MS})
    assert len(judged(scene, expected).of_kind(Kind.ON_TIME)) == 1


# Few edges.


def test_timing_does_not_pass_on_too_few_edges() -> None:
    scene = good()
    frozen_after_four_cycles(scene)
    kinds = (Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD, Kind.DRIFT)
    enough, more = expecting(least_edges=8), expecting(least_edges=9)
    assert {f.outcome for f in judged(scene, enough).of_kind(*kinds)} == {PASS}
    assert {f.outcome for f in judged(scene, more).of_kind(*kinds)} == {OPEN}
    assert found(scene, Kind.ON_TIME, more).text.endswith(
        "[not believed: 8 edges, at least 9 are needed]"
    )


def test_a_wrong_interval_among_few_is_wrong() -> None:
    scene = good()
    one_on_time_long(scene)
    frozen_after_four_cycles(scene)
    assert found(scene, Kind.ON_TIME, expecting(least_edges=20)).outcome is FAIL


# Relative tolerances.


def test_a_relative_tolerance_grows_with_the_interval() -> None:
    scene = moved(good(), [0] * 7 + [5 * MS] + [0] * 12)
    expected = expecting(tolerance_ns=0, tolerance_percent=2.0)
    assert found(scene, Kind.ON_TIME, expected).outcome is FAIL
    assert found(scene, Kind.OFF_TIME, expected).outcome is PASS
    assert found(scene, Kind.ON_TIME, expected).limits == (196 * MS, 204 * MS)
    assert found(scene, Kind.HOLD_TIME, expected).limits == (294 * MS, None)


# Qualification.


def qualified(age_days: float) -> Scene:
    scene = good()
    qualification = Qualification("2026-01-02T03:04:05Z", age_days, limit_days=365.0)
    scene.clock = replace(scene.clock, qualification=qualification)
    return scene


@pytest.mark.parametrize("age_days", [0.0, 12.3, 365.0])
def test_a_fresh_qualification_is_named_with_its_date_and_age(age_days: float) -> None:
    finding = found(qualified(age_days), Kind.QUALIFICATION)
    assert finding.outcome is PASS
    assert finding.text == (
        f"the observer was qualified on 2026-01-02T03:04:05Z, {age_days:.1f} days before the run; "
        "believed for 365 days"
    )


@pytest.mark.parametrize("age_days", [365.1, float("nan")])
def test_an_old_qualification_cannot_carry_timing(age_days: float) -> None:
    scene = qualified(age_days)
    verdict = judged(scene)
    assert verdict.outcome is OPEN
    timing = {f.kind for f in verdict.of_kind(*TIMING_KINDS)}
    assert {f.kind for f in verdict.not_passed()} == {Kind.QUALIFICATION, *timing}
    assert found(scene, Kind.QUALIFICATION).text.endswith("for 365 days: qualify it again")
    assert found(scene, Kind.PERIOD).text.endswith("the observer's qualification is too old]")


def test_an_old_qualification_does_not_excuse_a_wrong_sequence() -> None:
    scene = qualified(1000.0)
    stuck_low(scene)
    assert judged(scene).outcome is FAIL


def test_a_budget_that_was_not_stored_needs_no_date() -> None:
    assert judged(good()).of_kind(Kind.QUALIFICATION) == ()


# Other lines.


def test_an_observer_of_one_line_says_nothing_of_others() -> None:
    capture = good().capture()
    (line,) = (capture.lines.index("led"),)
    edges = capture.edges[capture.edges["line"] == line].copy()
    edges["line"] = 0
    alone = replace(
        capture,
        lines=("led",),
        edges=edges,
        initial_levels={"led": 0},
        initial_modes={"led": "in"},
    )
    verdict = judge(alone, TEN_BLINKS)
    assert verdict.outcome is PASS
    assert verdict.of_kind(Kind.FOREIGN) == ()
    (unseen,) = verdict.unseen
    assert (unseen.kind, unseen.text) == (Kind.FOREIGN, "no other line was observed")


def test_a_line_that_may_move_is_no_foreign_pin() -> None:
    scene = good()
    another_line_moved(scene)
    expected = expecting(may_move=("gpio3",))
    assert judged(scene, expected).outcome is PASS
    assert found(scene, Kind.FOREIGN, expected).text == "1 other line observed, none of them moved"
    on_another_line(scene)
    assert judged(scene, expected).failing_kinds() >= {Kind.FOREIGN}


def test_lines_that_all_may_move_are_no_witness() -> None:
    verdict = judged(good(), expecting(may_move=("gpio3", "gpio4")))
    (unseen,) = verdict.unseen
    assert unseen.text == "no other line was observed but gpio3, gpio4, free to move"


# Lines that something pulls up.


PULLED_UP = expecting(initial_level=1)


def pulled_up() -> Scene:
    scene = good()
    scene.initial_levels["led"] = 1
    taken_ns, released_ns = (change.time_ns for change in scene.modes)
    scene.led = [(taken_ns, 0), *scene.led, (released_ns, 1)]
    return scene


def test_a_line_that_is_pulled_up_is_high_before_and_after() -> None:
    verdict = judged(pulled_up(), PULLED_UP)
    assert verdict.outcome is PASS, verdict.not_passed()
    assert found(pulled_up(), Kind.COUNT, PULLED_UP).text == (
        "led went on 11 times in 22 edges, expected 11 times in 22"
    )
    assert judged(pulled_up()).outcome is FAIL
    assert judged(good(), PULLED_UP).outcome is FAIL


def test_taking_a_line_that_is_pulled_up_is_no_glitch_however_short() -> None:
    scene = pulled_up()
    scene.led[0] = (scene.led[1][0] - 1 * MS, 0)
    scene.modes[0] = replace(scene.modes[0], time_ns=scene.led[0][0])
    assert judged(scene, PULLED_UP).outcome is PASS


def test_a_line_that_is_pulled_up_and_stays_low_was_not_released() -> None:
    scene = pulled_up()
    scene.led.pop()
    kinds = judged(scene, PULLED_UP).failing_kinds()
    assert kinds == {Kind.COUNT, Kind.RELEASE}
    assert "led is still off at the end of the capture" in {
        f.text for f in judged(scene, PULLED_UP).of_kind(Kind.RELEASE)
    }


def test_the_hold_of_a_line_that_is_pulled_up_ends_with_its_rise() -> None:
    scene = pulled_up()
    blind(scene)
    scene.led[-1] = (scene.led[-2][0] + 100 * MS, 1)
    assert judged(scene, PULLED_UP).failing_kinds() == {Kind.HOLD_TIME}


def test_a_glitch_on_a_line_that_is_pulled_up_is_taken_out() -> None:
    scene = pulled_up()
    at_ns = scene.led[6][0] + 100 * MS
    scene.led[7:7] = [(at_ns, 1), (at_ns + 2 * MS, 0)]
    assert judged(scene, PULLED_UP).failing_kinds() == {Kind.GLITCH}


def test_what_is_not_seen_stands_apart_in_the_file() -> None:
    scene = good()
    blind(scene)
    assert to_json(judged(scene))["unseen"] == [
        {
            "kind": "release",
            "text": "led is off at the end, but this observer cannot see directions",
        }
    ]


def test_of_two_intervals_the_one_with_less_room_is_the_worst() -> None:
    """One has a nanosecond left, the other none."""
    room_ns = 5 * MS - UNCERTAINTY_NS
    scene = moved(good(), [0] * 7 + [1 - room_ns] + [0] * 5 + [room_ns] + [0] * 6)
    assert (found(scene, Kind.ON_TIME).seqno, found(scene, Kind.ON_TIME).margin) == (12, 0)


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "0.000 ms"),
        (1, "0.000001 ms"),
        (9_999, "0.009999 ms"),
        (-9_999, "-0.009999 ms"),
        (10_000, "0.010 ms"),
        (1_234_567, "1.235 ms"),
    ],
)
def test_short_times_are_told_to_the_nanosecond(time_ns: int, text: str) -> None:
    assert ms(time_ns) == text


def test_a_line_that_should_be_pulled_up_was_expected_on() -> None:
    text = found(good(), Kind.INITIAL_LEVEL, PULLED_UP).text
    assert text == "led was off before the run, expected on"


def test_what_is_not_seen_of_a_release_is_told_with_the_level() -> None:
    scene = pulled_up()
    blind(scene)
    (unseen,) = judged(scene, PULLED_UP).unseen
    assert unseen.text == "led is on at the end, but this observer cannot see directions"
