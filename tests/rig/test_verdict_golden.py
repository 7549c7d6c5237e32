"""Shows every word and number of the verdict on some scenes: tests/data/verdicts.txt.

Of a spoiled scene only what does not pass.
"""

from collections.abc import Iterator
from dataclasses import replace

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
    cut_off,
    ended_on,
    frozen_after_four_cycles,
    glitch,
    good,
    never_dark,
    on_another_line,
    one_off_skipped,
    one_on_time_long,
    released_twice,
    stalled,
    stuck_high,
    stuck_high_from_before,
    stuck_low,
)

from rig.capture import Heartbeat, Instant, Qualification
from rig.expectation import Expectation
from rig.identity import REPOSITORY
from rig.verdict import judge

DATA = REPOSITORY / "tests" / "data" / "verdicts.txt"
EVERY_LIMIT = Expectation.model_validate(
    {
        **TEN_BLINKS.model_dump(),
        "percentiles_ns": {"p50": MS, "p95": 2 * MS},
        "jitter_ns": 3 * MS,
        "duty_percent": 0.5,
        "start_latency_ns": 500 * MS,
    }
)


def lossy(scene: Scene) -> None:
    scene.lost, scene.overrun = 2, True


def heartless(scene: Scene) -> None:
    scene.heartbeat = Heartbeat(beats=0, worst_ns=0)


def stalled_once(scene: Scene) -> None:
    stalled(scene)
    assert scene.heartbeat
    scene.heartbeat = replace(scene.heartbeat, stalls=scene.heartbeat.stalls[:1])


def begun_late(scene: Scene) -> None:
    scene.commanded = Instant(START_NS - 7 * MS, uncertainty_ns=MS)


def not_timed(scene: Scene) -> None:
    scene.commanded = None


def outdated(scene: Scene) -> None:
    scene.clock = replace(scene.clock, qualification=Qualification("2025-01-02", 400.25, 365.0))


def alone(scene: Scene) -> None:
    blind(scene)
    scene.commanded, scene.outlasts_run = None, False


def as_it_is(scene: Scene) -> None:
    pass


SCENES: list[tuple[Expectation, Defect]] = [
    *((TEN_BLINKS, spoil) for spoil in (as_it_is, alone, stuck_high, stuck_high_from_before)),
    *((TEN_BLINKS, spoil) for spoil in (frozen_after_four_cycles, glitch, one_off_skipped)),
    *((TEN_BLINKS, spoil) for spoil in (one_on_time_long, on_another_line, cut_off, ended_on)),
    *((TEN_BLINKS, spoil) for spoil in (released_twice, another_direction_changed)),
    *((TEN_BLINKS, spoil) for spoil in (another_line_moved, stalled, stalled_once, heartless)),
    *((TEN_BLINKS, spoil) for spoil in (lossy, begun_late, outdated)),
    *((EVERY_LIMIT, spoil) for spoil in (as_it_is, one_on_time_long, stuck_low, not_timed)),
    *((ENDS_ON, spoil) for spoil in (as_it_is, never_dark)),
    (TEN_BLINKS.model_copy(update={"cycles": 1, "least_edges": 3}), as_it_is),
    (TEN_BLINKS.model_copy(update={"may_move": ("gpio3", "gpio4")}), as_it_is),
]


def told(expected: Expectation, spoil: Defect) -> Iterator[str]:
    scene = good(expected)
    spoil(scene)
    verdict = judge(scene.capture(), expected)
    limits = "every limit" if expected is EVERY_LIMIT else f"{expected.commanded} edges"
    yield f"{spoil.__name__.replace('_', ' ')}, {limits}: {verdict.outcome}"
    findings = verdict.findings if spoil is as_it_is else verdict.not_passed()
    for f in findings:
        at_ns = None if f.time_ns is None else f.time_ns - START_NS
        numbers = f"{f.measured} in {f.limits}, +/- {f.uncertainty}, margin {f.margin}"
        yield f"  {f.kind} {f.outcome}: {f.text}"
        yield f"    {f.line}: {numbers}, edge {f.seqno} at {at_ns}"
    for unseen in verdict.unseen:
        yield f"  {unseen.kind} unseen: {unseen.text}"


def test_every_word_and_number_is_as_it_was() -> None:
    made = "".join(f"{line}\n" for scene in SCENES for line in told(*scene))
    left = DATA.with_suffix(".got")
    left.unlink(missing_ok=True)
    if not DATA.exists() or DATA.read_text(encoding="utf-8") != made:
        left.write_text(made, encoding="utf-8")
        pytest.fail(f"verdicts differ, see: diff {DATA} {left}")
