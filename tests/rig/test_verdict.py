"""Shows that the judge passes what is good and names what is not."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from blinks import (
    ENDS_ON,
    MS,
    START_NS,
    TEN_BLINKS,
    UNCERTAINTY_NS,
    Defect,
    Scene,
    another_direction_changed,
    another_line_moved,
    blind,
    dark_by_the_release_itself,
    driven_after_the_blink,
    duty_shifted,
    ended_off,
    ended_on,
    frozen_after_four_cycles,
    glitch,
    glitch_within_one_stamp,
    good,
    held_for_80_ms,
    inverted,
    never_dark,
    never_released,
    on_and_off_swapped,
    on_another_line,
    one_off_skipped,
    one_on_time_long,
    released_twice,
    slow,
    stalled,
    stuck_high,
    stuck_high_from_before,
    stuck_low,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from rig.capture import Clock, ClockKind, Heartbeat, proven_lost
from rig.verdict import (
    TIMING_KINDS,
    Expectation,
    Finding,
    Kind,
    Outcome,
    Unseen,
    Verdict,
    compare,
    judge,
    to_json,
)

INTERVALS = {Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD}


@pytest.mark.parametrize("expected", [TEN_BLINKS, ENDS_ON], ids=["ends-off", "ends-on"])
def test_a_good_blink_passes_in_every_finding(expected: Expectation) -> None:
    verdict = judge(good(expected).capture(), expected)
    assert verdict.outcome is Outcome.PASS, verdict.not_passed()
    assert {finding.outcome for finding in verdict.findings} == {Outcome.PASS}


def test_a_long_interval_is_not_excused_by_a_short_one_farther_from_nominal() -> None:
    scene = good()
    # 1 % of rate: 2.4 ms more uncertainty on 240 ms than on 160 ms, so the short one is clear.
    scene.clock = Clock(ClockKind.HARDWARE, resolution_ns=1, accuracy_ppm=10_000, latency_ns=0)
    one_on_time_long(scene, by_ns=-42 * MS)
    scene.led[11] = (scene.led[11][0] + 41_900_000, 0)
    expected = TEN_BLINKS.model_copy(update={"tolerance_ns": 44 * MS})
    (finding,) = judge(scene.capture(), expected).of_kind(Kind.ON_TIME)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.measured == 241_900_000


def test_a_short_interval_fails_though_a_long_one_farther_from_nominal_cannot() -> None:
    scene = good()
    scene.clock = Clock(ClockKind.HARDWARE, resolution_ns=1, accuracy_ppm=10_000, latency_ns=0)
    one_on_time_long(scene, by_ns=42_100_000)
    scene.led[11] = (scene.led[11][0] - 42 * MS, 0)
    expected = TEN_BLINKS.model_copy(update={"tolerance_ns": 40 * MS})
    (finding,) = judge(scene.capture(), expected).of_kind(Kind.ON_TIME)
    assert finding.outcome is Outcome.FAIL
    assert finding.measured == 158_000_000


def test_a_line_that_ended_on_before_its_release_did_not_end_off() -> None:
    scene = good()
    ended_on(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    (finding,) = verdict.of_kind(Kind.FINAL_LEVEL)
    assert finding.outcome is Outcome.FAIL
    assert finding.text == "led ended on, expected off"


@pytest.mark.parametrize("expected", [TEN_BLINKS, ENDS_ON], ids=["ends-off", "ends-on"])
def test_a_level_is_held_only_until_its_line_is_released(expected: Expectation) -> None:
    scene = good(expected)
    held_for_80_ms(scene)
    scene.end_ns += 1000 * MS
    verdict = judge(scene.capture(), expected)
    (finding,) = verdict.of_kind(Kind.HOLD_TIME)
    assert verdict.failing_kinds() == {Kind.HOLD_TIME}
    assert "held its last level for 80.000 ms, expected at least 300.000 ms" in finding.text


def test_a_line_that_is_taken_again_was_let_go_the_first_time() -> None:
    scene = good()
    held_for_80_ms(scene)
    released_twice(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.failing_kinds() == {Kind.HOLD_TIME, Kind.RELEASE}


def test_the_time_of_a_hold_is_told_with_all_its_numbers() -> None:
    scene = good()
    (finding,) = judge(scene.capture(), TEN_BLINKS).of_kind(Kind.HOLD_TIME)
    assert finding.text == (
        "led held its last level for 320.000 ms, expected at least 300.000 ms - 5.000 ms, "
        "uncertainty 0.300 ms, from +4800.000 ms"
    )
    assert (finding.measured, finding.limits) == (320 * MS, (295 * MS, None))
    assert (finding.uncertainty, finding.margin) == (UNCERTAINTY_NS, 25 * MS - UNCERTAINTY_NS)
    assert finding.time_ns == scene.led[-1][0]


def test_a_line_let_go_right_after_it_went_on_ended_on() -> None:
    scene = good()
    scene.led.append((scene.modes[-1].time_ns - 80 * MS, 1))
    (finding,) = judge(scene.capture(), TEN_BLINKS).of_kind(Kind.FINAL_LEVEL)
    assert finding.text == "led ended on, expected off"


def test_a_final_on_ends_with_the_light_where_directions_cannot_be_seen() -> None:
    scene = good(ENDS_ON)
    held_for_80_ms(scene)
    blind(scene)
    assert judge(scene.capture(), ENDS_ON).failing_kinds() == {Kind.HOLD_TIME}


def test_a_stalled_bench_cannot_judge_how_long_a_level_was_held() -> None:
    scene = good()
    held_for_80_ms(scene)
    stalled(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    (finding,) = verdict.of_kind(Kind.HOLD_TIME)
    assert finding.outcome is Outcome.INCONCLUSIVE


def test_the_off_time_before_a_final_on_is_judged() -> None:
    scene = good(ENDS_ON)
    scene.led[-2] = (scene.led[-2][0] + 10 * MS, 1)
    verdict = judge(scene.capture(), ENDS_ON)
    assert verdict.failing_kinds() == {Kind.OFF_TIME, Kind.PERIOD}
    (finding,) = verdict.of_kind(Kind.OFF_TIME)
    assert "worst of 10 is 310.000 ms" in finding.text


def test_one_cycle_has_nothing_but_its_on_time_to_measure() -> None:
    expected = TEN_BLINKS.model_copy(update={"cycles": 1})
    verdict = judge(good(expected).capture(), expected)
    assert verdict.outcome is Outcome.PASS
    (off_time,) = verdict.of_kind(Kind.OFF_TIME)
    assert off_time.text == "led off-time: no interval to measure, 2 edges commanded"


def test_one_cycle_that_ends_on_has_an_off_time_and_a_period() -> None:
    expected = ENDS_ON.model_copy(update={"cycles": 1})
    verdict = judge(good(expected).capture(), expected)
    assert verdict.outcome is Outcome.PASS
    measured = [f.measured for f in verdict.of_kind(Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD)]
    assert measured == [200 * MS, 300 * MS, 500 * MS]


def test_intervals_that_should_be_there_and_are_not_are_not_good() -> None:
    scene = good()
    stuck_low(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    found = verdict.of_kind(Kind.ON_TIME, Kind.OFF_TIME, Kind.PERIOD)
    assert [f.outcome for f in found] == [Outcome.INCONCLUSIVE] * 3


def lossy(scene: Scene) -> None:
    scene.lost = 1


def overrun(scene: Scene) -> None:
    scene.overrun = True


@pytest.mark.parametrize("spoil", [lossy, overrun])
def test_missing_edges_leave_no_finding_to_believe(spoil: Defect) -> None:
    scene = good()
    spoil(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert {f.outcome for f in verdict.findings} == {Outcome.INCONCLUSIVE}
    (foreign,) = verdict.of_kind(Kind.FOREIGN)
    assert foreign.text.endswith("of them moved [not believed: edges are missing]")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lossy, "capture incomplete: 1 edge is known to be missing"),
        (overrun, "capture incomplete: the observer's buffer overflowed"),
    ],
)
def test_an_incomplete_capture_says_why(spoil: Defect, text: str) -> None:
    scene = good()
    spoil(scene)
    (finding,) = judge(scene.capture(), TEN_BLINKS).of_kind(Kind.INCOMPLETE)
    assert finding.text == text


def test_a_foreign_move_is_believed_though_edges_are_missing() -> None:
    scene = good()
    another_line_moved(scene)
    lossy(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.failing_kinds() == {Kind.FOREIGN}


def _timing(verdict: Verdict) -> set[Kind]:
    found = {finding.kind for finding in verdict.of_kind(*TIMING_KINDS)}
    assert found >= INTERVALS
    return found


def test_a_stall_leaves_only_timing_without_belief() -> None:
    scene = good()
    stalled(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert {f.kind for f in verdict.not_passed()} == {Kind.STALL, *_timing(verdict)}
    (stall,) = verdict.of_kind(Kind.STALL)
    assert stall.text == "bench stalled 3 times, the worst for 250.000 ms (heartbeat)"
    assert (stall.measured, stall.time_ns) == (250 * MS, START_NS + 900 * MS)


def test_a_heartbeat_that_beat_once_without_a_stall_is_steady() -> None:
    scene = good()
    scene.heartbeat = Heartbeat(beats=1, worst_ns=0)
    assert judge(scene.capture(), TEN_BLINKS).outcome is Outcome.PASS


def test_a_heartbeat_that_never_beat_vouches_for_nothing() -> None:
    scene = good()
    scene.heartbeat = Heartbeat(beats=0, worst_ns=0)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert {f.kind for f in verdict.not_passed()} == {Kind.STALL, *_timing(verdict)}
    (stall,) = verdict.of_kind(Kind.STALL)
    assert "heartbeat never beat" in stall.text
    assert stall.measured == 0


def test_the_other_lines_are_counted() -> None:
    (finding,) = judge(good().capture(), TEN_BLINKS).of_kind(Kind.FOREIGN)
    assert finding.text == "2 other lines observed, none of them moved"


def test_an_observer_with_its_own_clock_needs_no_heartbeat() -> None:
    scene = good()
    scene.heartbeat = None
    assert judge(scene.capture(), TEN_BLINKS).outcome is Outcome.PASS


def test_an_edge_at_the_very_stamps_of_taking_and_release_is_the_target() -> None:
    scene = good()
    scene.modes[0] = replace(scene.modes[0], time_ns=scene.led[0][0])
    expected = TEN_BLINKS.model_copy(update={"hold_ns": 0})
    scene.modes[1] = replace(scene.modes[1], time_ns=scene.led[-1][0])
    assert judge(scene.capture(), expected).outcome is Outcome.PASS


def test_what_moves_while_the_line_is_not_driven_was_not_the_target() -> None:
    scene = good()
    driven_after_the_blink(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert Kind.RELEASE in verdict.failing_kinds()
    (finding,) = verdict.of_kind(Kind.RELEASE)
    assert finding.text.endswith("; 20 edges while it was not driven")


def test_an_edge_after_the_release_was_not_the_target() -> None:
    scene = good(ENDS_ON)
    scene.led[-1] = (scene.modes[-1].time_ns + 1, 0)
    (finding,) = judge(scene.capture(), ENDS_ON).of_kind(Kind.RELEASE)
    assert finding.outcome is Outcome.FAIL
    assert finding.measured == 1


def test_a_foreign_line_that_only_changes_direction_is_named_with_its_time() -> None:
    scene = good()
    another_direction_changed(scene)
    (finding,) = judge(scene.capture(), TEN_BLINKS).of_kind(Kind.FOREIGN)
    assert finding.text == (
        "gpio3 should not have moved: 0 edges, direction out, first at +700.000 ms"
    )
    assert finding.time_ns == START_NS + 700 * MS


def test_a_capture_without_the_expected_line_cannot_be_judged() -> None:
    expected = TEN_BLINKS.model_copy(update={"line": "lamp"})
    with pytest.raises(ValueError, match="the capture has no line 'lamp': gpio3, led, gpio4"):
        judge(good().capture(), expected)


DEFECTS = [
    (
        stuck_high,
        {Kind.COUNT, Kind.FREEZE, Kind.FINAL_LEVEL, Kind.RELEASE},
        "led stopped on after 1 of 20 commanded edges, 0.000 ms after the first, expected 4700",
    ),
    (
        stuck_high_from_before,
        {Kind.INITIAL_LEVEL, Kind.COUNT, Kind.FINAL_LEVEL, Kind.RELEASE},
        "led was on before the run, expected off",
    ),
    (stuck_low, {Kind.COUNT}, "led went on 0 times in 0 edges, expected 10 times in 20"),
    (
        frozen_after_four_cycles,
        {Kind.COUNT, Kind.FREEZE},
        "led went on 4 times in 8 edges, expected 10 times in 20; last edge went off at "
        "+1800.000 ms",
    ),
    (one_off_skipped, {Kind.COUNT, Kind.ON_TIME, Kind.PERIOD}, "worst of 9 is 700.000 ms"),
    (glitch, {Kind.GLITCH}, "led shows 1 glitch pulse, the shortest pulse is on for 2.000 ms"),
    (glitch_within_one_stamp, {Kind.GLITCH}, "the shortest pulse is on for 0.000 ms, expected at"),
    (on_and_off_swapped, {Kind.ON_TIME, Kind.OFF_TIME}, "on-time: worst of 10 is 300.000 ms"),
    (duty_shifted, {Kind.ON_TIME, Kind.OFF_TIME}, "off-time: worst of 9 is 280.000 ms"),
    (slow, INTERVALS, "period: worst of 9 is 525.000 ms, expected 500.000 ms +/- 5.000 ms"),
    (
        one_on_time_long,
        {Kind.ON_TIME, Kind.OFF_TIME},
        "worst of 10 is 210.000 ms, expected 200.000 ms +/- 5.000 ms, uncertainty 0.300 ms, "
        "edge 6 at +1600.000 ms",
    ),
    (
        inverted,
        {Kind.INITIAL_LEVEL, Kind.FINAL_LEVEL, Kind.RELEASE, Kind.ON_TIME, Kind.OFF_TIME},
        "led is still on at the end of the capture",
    ),
    (
        on_another_line,
        {Kind.COUNT, Kind.RELEASE, Kind.FOREIGN},
        "gpio4 should not have moved: 20 edges, direction out, then in, first at +60.000 ms",
    ),
    (ended_on, {Kind.COUNT, Kind.FINAL_LEVEL}, "led ended on, expected off"),
    (held_for_80_ms, {Kind.HOLD_TIME}, "held its last level for 80.000 ms, expected at least"),
    (never_released, {Kind.RELEASE}, "led was in, then out; expected in, then out, then in"),
    (released_twice, {Kind.RELEASE}, "led was in, then out, then in, then out, then in; expected"),
    (
        driven_after_the_blink,
        {Kind.RELEASE},
        "expected in, then out, then in; 20 edges while it was not driven",
    ),
    (
        another_line_moved,
        {Kind.FOREIGN},
        "gpio3 should not have moved: 2 edges, direction kept, first at +700.000 ms",
    ),
    (
        another_direction_changed,
        {Kind.FOREIGN},
        "gpio3 should not have moved: 0 edges, direction out, first at +700.000 ms",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "kinds", "words"), DEFECTS, ids=[spoil.__name__ for spoil, _, _ in DEFECTS]
)
def test_a_defect_fails_by_its_own_kind_with_what_was_measured(
    spoil: Defect, kinds: set[Kind], words: str
) -> None:
    scene = good(jitter_ns=0)
    spoil(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.failing_kinds() == kinds
    assert words in "\n".join(f.text for f in verdict.not_passed())


DEFECTS_OF_A_FINAL_ON = [
    (ended_off, {Kind.COUNT, Kind.FREEZE, Kind.FINAL_LEVEL}, "led ended off, expected on"),
    (held_for_80_ms, {Kind.HOLD_TIME}, "held its last level for 80.000 ms"),
    (never_dark, {Kind.COUNT, Kind.RELEASE}, "went on 11 times in 21 edges, expected 11 times in"),
    (never_released, {Kind.RELEASE}, "led was in, then out; expected in, then out, then in"),
]


@pytest.mark.parametrize(
    ("spoil", "kinds", "words"),
    DEFECTS_OF_A_FINAL_ON,
    ids=[spoil.__name__ for spoil, _, _ in DEFECTS_OF_A_FINAL_ON],
)
def test_a_defect_of_a_final_on_fails_by_its_own_kind(
    spoil: Defect, kinds: set[Kind], words: str
) -> None:
    scene = good(ENDS_ON)
    spoil(scene)
    verdict = judge(scene.capture(), ENDS_ON)
    assert verdict.failing_kinds() == kinds
    assert words in "\n".join(f.text for f in verdict.not_passed())


def test_a_line_left_on_fails_even_where_directions_cannot_be_seen() -> None:
    scene = good(ENDS_ON)
    blind(scene)
    never_dark(scene)
    (finding,) = judge(scene.capture(), ENDS_ON).of_kind(Kind.RELEASE)
    assert finding.outcome is Outcome.FAIL
    assert finding.text == "led is still on at the end of the capture"


def test_an_observer_of_levels_alone_says_that_it_cannot_see_directions() -> None:
    scene = good()
    blind(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.outcome is Outcome.PASS
    assert verdict.of_kind(Kind.RELEASE) == ()
    assert verdict.unseen == (
        Unseen(Kind.RELEASE, "led is off at the end, but this observer cannot see directions"),
    )


def test_a_finding_on_time_tells_limits_uncertainty_margin_and_edge() -> None:
    scene = good()
    one_on_time_long(scene, by_ns=2 * MS)
    (finding,) = judge(scene.capture(), TEN_BLINKS).of_kind(Kind.ON_TIME)
    assert finding.outcome is Outcome.PASS
    assert finding.line == "led"
    assert finding.measured == 202 * MS
    assert finding.limits == (195 * MS, 205 * MS)
    assert finding.uncertainty == UNCERTAINTY_NS
    assert finding.margin == 3 * MS - UNCERTAINTY_NS
    assert finding.seqno == 6
    assert finding.time_ns == scene.led[6][0]


@given(
    measured=st.integers(0, 2000),
    low=st.none() | st.integers(0, 2000),
    high=st.none() | st.integers(0, 2000),
    uncertainty=st.integers(0, 500),
)
def test_guarded_limits_are_as_the_design_says(
    measured: int, low: int | None, high: int | None, uncertainty: int
) -> None:
    assume(low is not None or high is not None)
    bottom, top = (-math.inf if low is None else low), (math.inf if high is None else high)
    least, most = measured - uncertainty, measured + uncertainty
    outcome, margin = compare(measured, low, high, uncertainty)
    if bottom <= least and most <= top:
        assert outcome is Outcome.PASS
        assert margin == min(top - most, least - bottom)
    elif least > top or most < bottom:
        assert outcome is Outcome.FAIL
    else:
        assert outcome is Outcome.INCONCLUSIVE
    assert (margin >= 0) == (outcome is Outcome.PASS)


@given(
    edge=st.integers(0, 19),
    side=st.sampled_from([-1, 1]),
    corner_ns=st.sampled_from(
        [0, 5 * MS - UNCERTAINTY_NS, 5 * MS, 5 * MS + UNCERTAINTY_NS, 6 * MS]
    ),
    beyond_ns=st.integers(-2, 2),
)
def test_a_moved_edge_passes_fails_or_neither_exactly_at_the_guarded_limits(
    edge: int, side: int, corner_ns: int, beyond_ns: int
) -> None:
    scene, late_ns = good(), side * max(0, corner_ns + beyond_ns)
    time_ns, level = scene.led[edge]
    scene.led[edge] = (time_ns + late_ns, level)
    findings = judge(scene.capture(), TEN_BLINKS).of_kind(*INTERVALS)
    worst = max((f.outcome for f in findings), key=list(Outcome).index)
    if abs(late_ns) <= 5 * MS - UNCERTAINTY_NS:
        assert worst is Outcome.PASS
    elif abs(late_ns) > 5 * MS + UNCERTAINTY_NS:
        assert worst is Outcome.FAIL
    else:
        assert worst is Outcome.INCONCLUSIVE


@given(
    true_ns=st.lists(st.integers(194 * MS, 206 * MS), min_size=10, max_size=10),
    late_ns=st.lists(st.integers(0, 2 * MS), min_size=20, max_size=20),
    resolution_ns=st.sampled_from([1, 41, 1000, 125_000]),
    rate_ppm=st.integers(-10_000, 10_000),
)
def test_whatever_a_clock_does_within_its_budget_no_verdict_on_time_is_false(
    true_ns: list[int], late_ns: list[int], resolution_ns: int, rate_ppm: int
) -> None:
    """The truth is known here: a PASS has no interval outside, a FAIL has one."""
    scene, clock = good(), Clock(ClockKind.HARDWARE, resolution_ns, 10_000, 2 * MS)
    shown = []
    for n, (late, (planned_ns, level)) in enumerate(zip(late_ns, scene.led, strict=True)):
        happened = planned_ns - START_NS
        if level == 0:
            happened = scene.led[n - 1][0] - START_NS + true_ns[n // 2]
        stamp = int(happened * (1 + Fraction(rate_ppm, 10**6))) + late
        shown.append((START_NS + stamp // resolution_ns * resolution_ns, level))
    scene.led, scene.clock, scene.end_ns = shown, clock, scene.end_ns + 1000 * MS
    (finding,) = judge(scene.capture(), TEN_BLINKS).of_kind(Kind.ON_TIME)
    inside = [195 * MS <= time_ns <= 205 * MS for time_ns in true_ns]
    assert finding.outcome is not Outcome.PASS or all(inside)
    assert finding.outcome is not Outcome.FAIL or not all(inside)


def test_several_hundred_good_blinks_of_every_shape_all_pass() -> None:
    random = Random(25)
    for seed in range(400):
        on_ns, off_ns = random.randint(10, 900) * MS, random.randint(10, 900) * MS
        expected = Expectation(
            line="led",
            cycles=random.randint(1, 30),
            on_ns=on_ns,
            off_ns=off_ns,
            final_level=random.randint(0, 1),
            hold_ns=off_ns,
            tolerance_ns=5 * MS,
        )
        scene = good(expected, jitter_ns=5 * MS - UNCERTAINTY_NS, seed=seed)
        verdict = judge(scene.capture(), expected)
        assert verdict.outcome is Outcome.PASS, (seed, expected, verdict.not_passed())


SPOILED = [None, *(spoil for spoil, _, _ in DEFECTS)]


@given(
    spoil=st.sampled_from(SPOILED),
    lost=st.integers(0, 3),
    ran_over=st.booleans(),
    is_stalled=st.booleans(),
)
def test_no_incomplete_capture_ever_passes(
    spoil: Defect | None, lost: int, ran_over: bool, is_stalled: bool
) -> None:
    assume(lost or ran_over)
    scene = good()
    if spoil:
        spoil(scene)
    if is_stalled:
        stalled(scene)
    scene.lost, scene.overrun = lost, ran_over
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert Outcome.PASS not in {f.outcome for f in verdict.findings}
    assert verdict.failing_kinds() <= {Kind.FOREIGN}


@given(dropped=st.sets(st.integers(0, 19), min_size=1))
def test_no_capture_with_records_dropped_ever_passes(dropped: set[int]) -> None:
    whole = good().capture()
    edges = np.delete(whole.edges, sorted(dropped))
    lost = proven_lost(edges, [0, 0, 0])
    verdict = judge(replace(whole, edges=edges, lost=lost), TEN_BLINKS)
    assert verdict.outcome is not Outcome.PASS


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__ if spoil else "good")
def test_a_stall_keeps_timing_open_and_wrong_sequences_failed(spoil: Defect | None) -> None:
    scene = good()
    if spoil:
        spoil(scene)
    steady = judge(scene.capture(), TEN_BLINKS)
    stalled(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert {f.outcome for f in verdict.of_kind(*TIMING_KINDS)} == {Outcome.INCONCLUSIVE}
    # Whether a short pulse is a glitch is a matter of time, too; that there is one more is not.
    more = {Kind.COUNT} if Kind.GLITCH in steady.failing_kinds() else set()
    assert verdict.failing_kinds() == steady.failing_kinds() - TIMING_KINDS | more
    assert verdict.outcome is not Outcome.PASS


def test_the_worst_finding_is_the_verdict_and_none_is_inconclusive() -> None:
    passed, unsure, failed = (Finding(Kind.COUNT, outcome, "") for outcome in Outcome)
    assert Verdict(()).outcome is Outcome.INCONCLUSIVE
    assert Verdict((passed, passed)).outcome is Outcome.PASS
    assert Verdict((passed, unsure)).outcome is Outcome.INCONCLUSIVE
    assert Verdict((unsure, failed, passed)).outcome is Outcome.FAIL
    assert Verdict((unsure, failed, passed)).not_passed() == (failed, unsure)


def test_the_same_capture_gives_the_same_verdict_as_plain_data() -> None:
    scene = good()
    another_line_moved(scene)
    first, second = (to_json(judge(scene.capture(), TEN_BLINKS)) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
    assert first["schema"] == "verdict/2"
    assert first["outcome"] == "FAIL"
    foreign = [f for f in first["findings"] if f["kind"] == "foreign-pin"]
    assert foreign == [
        {
            "kind": "foreign-pin",
            "outcome": "FAIL",
            "text": "gpio3 should not have moved: 2 edges, direction kept, first at +700.000 ms",
            "line": "gpio3",
            "measured": 2,
            "limits": [0, 0],
            "uncertainty": 0,
            "margin": None,
            "seqno": None,
            "time_ns": START_NS + 700 * MS,
        }
    ]


def test_a_final_on_may_go_dark_by_the_release_itself() -> None:
    scene = good(ENDS_ON)
    dark_by_the_release_itself(scene)
    assert judge(scene.capture(), ENDS_ON).outcome is Outcome.PASS


def test_a_final_on_needs_no_directions_to_be_good() -> None:
    scene = good(ENDS_ON)
    blind(scene)
    scene.end_ns += 1000 * MS
    assert judge(scene.capture(), ENDS_ON).outcome is Outcome.PASS


def test_a_line_left_on_for_good_did_not_end_off() -> None:
    scene = good()
    ended_on(scene)
    never_dark(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.failing_kinds() == {Kind.COUNT, Kind.FINAL_LEVEL, Kind.RELEASE}


def test_an_extra_blink_that_ends_off_did_not_end_on() -> None:
    scene = good(TEN_BLINKS.model_copy(update={"cycles": 11}))
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.failing_kinds() == {Kind.COUNT}


def test_an_off_time_that_cannot_be_measured_where_one_is_commanded_is_not_good() -> None:
    expected = ENDS_ON.model_copy(update={"cycles": 1})
    scene = good(expected)
    ended_off(scene)
    (finding,) = judge(scene.capture(), expected).of_kind(Kind.OFF_TIME)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert finding.text == "led off-time: no interval to measure, 3 edges commanded"


@pytest.mark.parametrize(
    ("dark_ns", "level"),
    [(295 * MS, 0), (295 * MS - 1, 1)],
    ids=["held-as-long-as-must-be", "held-too-short"],
)
def test_a_surplus_off_is_the_guests_if_it_was_held_and_else_the_release(
    dark_ns: int, level: int
) -> None:
    scene = good()
    ended_on(scene)
    scene.led[-1] = (scene.modes[-1].time_ns - dark_ns, 0)
    (finding,) = judge(scene.capture(), TEN_BLINKS).of_kind(Kind.FINAL_LEVEL)
    assert finding.measured == level


def test_what_is_counted_or_is_a_level_has_limits_and_no_uncertainty() -> None:
    verdict = judge(good().capture(), TEN_BLINKS)
    exact = {
        finding.kind: (finding.measured, finding.limits, finding.uncertainty)
        for finding in verdict.of_kind(Kind.COUNT, Kind.FINAL_LEVEL, Kind.RELEASE, Kind.FOREIGN)
    }
    assert exact == {
        Kind.COUNT: (20, (20, 20), 0),
        Kind.FINAL_LEVEL: (0, (0, 0), 0),
        Kind.RELEASE: (0, (0, 0), 0),
        Kind.FOREIGN: (0, (0, 0), 0),
    }


@pytest.mark.parametrize(
    "record",
    [TEN_BLINKS, Finding(Kind.COUNT, Outcome.PASS, ""), Verdict(())],
    ids=["expectation", "finding", "verdict"],
)
def test_a_record_cannot_be_changed_after_the_fact(record: object) -> None:
    (name, value), *_ = vars(record).items()
    with pytest.raises((AttributeError, ValidationError), match=r"frozen|cannot assign"):
        setattr(record, name, value)


# A tolerance that is wider than a pulse.

COARSE = TEN_BLINKS.model_copy(
    update={"tolerance_ns": 400 * MS, "is_coarse": True, "smallest_pulse_ns": 0}
)


def test_a_coarse_verdict_says_what_it_does_not_judge() -> None:
    verdict = judge(good().capture(), COARSE)
    assert verdict.outcome is Outcome.PASS
    assert {unseen.kind for unseen in verdict.unseen} == {Kind.GLITCH, Kind.HOLD_TIME}
    assert verdict.of_kind(Kind.GLITCH, Kind.HOLD_TIME) == ()


def test_a_coarse_verdict_finds_what_is_too_late() -> None:
    scene = good()
    scene.led = [
        (time_ns + 401 * MS if n else time_ns, level)
        for n, (time_ns, level) in enumerate(scene.led)
    ]
    scene.modes[-1] = replace(scene.modes[-1], time_ns=scene.modes[-1].time_ns + 401 * MS)
    scene.end_ns += 401 * MS
    assert Kind.ON_TIME in judge(scene.capture(), COARSE).failing_kinds()


def test_a_coarse_verdict_counts_every_edge() -> None:
    scene = good()
    del scene.led[4:6]
    assert Kind.COUNT in judge(scene.capture(), COARSE).failing_kinds()
