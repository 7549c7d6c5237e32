"""Shows that the judge passes what is good and names what is not."""

import pytest
from blinks import (
    ENDS_ON,
    MS,
    START_NS,
    TEN_BLINKS,
    Defect,
    Scene,
    another_direction_changed,
    another_line_moved,
    blind,
    driven_after_the_blink,
    ended_on,
    good,
    held_for_80_ms,
    one_on_time_long,
    stalled,
    stuck_low,
)
from pydantic import ValidationError

from rig.capture import Clock, ClockKind, Heartbeat
from rig.verdict import TIMING_KINDS, Expectation, Kind, Outcome, judge


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
    assert foreign.text.endswith("lines moved [not believed: edges are missing]")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lossy, "capture incomplete: 1 edges are known to be missing"),
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


def test_a_stall_leaves_only_timing_without_belief() -> None:
    scene = good()
    stalled(scene)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert {f.kind for f in verdict.not_passed()} == {Kind.STALL, *TIMING_KINDS}
    (stall,) = verdict.of_kind(Kind.STALL)
    assert stall.text == "bench stalled 1 times, the worst for 250.000 ms (heartbeat)"


def test_a_heartbeat_that_never_beat_vouches_for_nothing() -> None:
    scene = good()
    scene.heartbeat = Heartbeat(beats=0, worst_ns=0)
    verdict = judge(scene.capture(), TEN_BLINKS)
    assert {f.kind for f in verdict.not_passed()} == {Kind.STALL, *TIMING_KINDS}
    (stall,) = verdict.of_kind(Kind.STALL)
    assert "heartbeat never beat" in stall.text


def test_an_observer_with_its_own_clock_needs_no_heartbeat() -> None:
    scene = good()
    scene.heartbeat = None
    assert judge(scene.capture(), TEN_BLINKS).outcome is Outcome.PASS


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


@pytest.mark.parametrize(
    "fields",
    [
        {"tolerance_ns": 200 * MS},
        {"on_ns": 400 * MS, "tolerance_ns": 300 * MS},
    ],
    ids=["as-wide-as-the-on-time", "as-wide-as-the-off-time"],
)
def test_a_tolerance_that_would_pass_a_pulse_of_no_length_is_refused(
    fields: dict[str, int],
) -> None:
    with pytest.raises(ValidationError, match=r"a tolerance of \d00.000 ms lets a pulse of no"):
        Expectation.model_validate({**TEN_BLINKS.model_dump(), **fields})
    narrower = {**fields, "tolerance_ns": fields["tolerance_ns"] - 1}
    Expectation.model_validate({**TEN_BLINKS.model_dump(), **narrower})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cycles", 0),
        ("cycles", "10"),
        ("on_ns", 0),
        ("off_ns", 0),
        ("on_ns", 0.2),
        ("final_level", 2),
        ("hold_ns", -1),
        ("tolerance_ns", -1),
        ("tolerance", 5),
    ],
)
def test_an_expectation_that_makes_no_sense_is_refused_by_key(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=rf"(?s)1 validation error.*\n{key}\n"):
        Expectation.model_validate({**TEN_BLINKS.model_dump(), key: value})


def test_a_capture_without_the_expected_line_cannot_be_judged() -> None:
    expected = TEN_BLINKS.model_copy(update={"line": "lamp"})
    with pytest.raises(ValueError, match="the capture has no line 'lamp': gpio3, led, gpio4"):
        judge(good().capture(), expected)
