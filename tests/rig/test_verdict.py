"""Shows that the judge passes what is good and names what is not."""

import pytest
from blinks import ENDS_ON, MS, TEN_BLINKS, good, one_on_time_long

from rig.capture import Clock, ClockKind
from rig.verdict import Expectation, Kind, Outcome, judge


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
