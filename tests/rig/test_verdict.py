"""Shows that the judge passes what is good and names what is not."""

import pytest
from blinks import ENDS_ON, TEN_BLINKS, good

from rig.verdict import Expectation, Outcome, judge


@pytest.mark.parametrize("expected", [TEN_BLINKS, ENDS_ON], ids=["ends-off", "ends-on"])
def test_a_good_blink_passes_in_every_finding(expected: Expectation) -> None:
    verdict = judge(good(expected).capture(), expected)
    assert verdict.outcome is Outcome.PASS, verdict.not_passed()
    assert {finding.outcome for finding in verdict.findings} == {Outcome.PASS}
