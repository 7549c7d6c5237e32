"""In time-lapse the sequence is judged as ever, and time never."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from blinks import (
    MS,
    TEN_BLINKS,
    Scene,
    another_line_moved,
    frozen_after_four_cycles,
    good,
    never_released,
    one_off_skipped,
    slow,
    stalled,
)

from rig.bench import load_bench
from rig.capture import ClockKind
from rig.errors import BenchFileError
from rig.identity import REPOSITORY
from rig.verdict import TIMING_KINDS, Kind, Outcome, Verdict, judge


def squeezed(scene: Scene) -> None:
    """As time-lapse shows it: a stamp every millisecond."""
    first_ns = scene.led[0][0]
    scene.led = [(first_ns + n * MS, level) for n, (_, level) in enumerate(scene.led)]


def lapsed(*spoils: Callable[[Scene], None]) -> Verdict:
    scene = good(TEN_BLINKS)
    for spoil in spoils:
        spoil(scene)
    scene.clock = replace(scene.clock, kind=ClockKind.TIME_LAPSE)
    return judge(scene.capture(), TEN_BLINKS)


@pytest.mark.parametrize("spoils", [(), (squeezed,), (slow,), (stalled,)])
def test_a_good_sequence_passes_without_a_word_on_time(
    spoils: tuple[Callable[[Scene], None], ...],
) -> None:
    verdict = lapsed(*spoils)
    assert verdict.outcome is Outcome.PASS
    assert not {finding.kind for finding in verdict.findings} & TIMING_KINDS
    assert {Kind.ON_TIME, Kind.DRIFT, Kind.GLITCH} <= {unseen.kind for unseen in verdict.unseen}
    assert all("time-lapse" in unseen.text for unseen in verdict.unseen)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (one_off_skipped, Kind.COUNT),
        (frozen_after_four_cycles, Kind.COUNT),
        (another_line_moved, Kind.FOREIGN),
        (never_released, Kind.RELEASE),
    ],
)
def test_what_is_wrong_with_the_sequence_fails(spoil: Callable[[Scene], None], kind: Kind) -> None:
    assert kind in lapsed(squeezed, spoil).failing_kinds()


def test_an_edge_that_is_missing_may_be_a_freeze_and_nobody_can_tell() -> None:
    (freeze,) = lapsed(squeezed, frozen_after_four_cycles).of_kind(Kind.FREEZE)
    assert freeze.outcome is Outcome.INCONCLUSIVE


def test_another_observer_of_a_board_in_time_lapse_is_refused(tmp_path: Path) -> None:
    text = (REPOSITORY / "benches" / "virtual-two-boards.yaml").read_text()
    path = tmp_path / "bench.yaml"
    path.write_text(text.replace("kind: virtual-pi", "kind: virtual-pi\n  time_lapse: true"))
    with pytest.raises(BenchFileError, match="time_lapse is seen by kind qemu only"):
        load_bench(path)
