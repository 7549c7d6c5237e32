"""What a bench cannot do is said with its reason, and what it can do is not skipped."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rig.abilities import Ability, lacks, observed_lines, shortest_pulse_ns
from rig.bench import load_bench
from rig.identity import REPOSITORY
from rig.targets.shell import Result

VIRTUAL, SECOND_PI, ANALYZER = (
    load_bench(REPOSITORY / "benches" / f"{name}.yaml")
    for name in ("virtual", "pi3-second-pi", "pi3-fx2lafw")
)


def target(*, power: object = None, missing: str = "") -> Any:
    return SimpleNamespace(power=power, run=lambda command: Result(0, missing, 0, 0))


@pytest.mark.parametrize("ability", Ability)
def test_the_virtual_bench_is_able_to_do_all(ability: Ability) -> None:
    assert lacks(VIRTUAL, target(power="a switch"), ability) == ""


@pytest.mark.parametrize(
    ("bench", "ability", "reason"),
    [
        (VIRTUAL, Ability.POWER, "names no switch for the target's power"),
        (SECOND_PI, Ability.DIRECTIONS, "of kind gpiozero sees levels, not directions"),
        (ANALYZER, Ability.DIRECTIONS, "of kind sigrok sees levels, not directions"),
    ],
)
def test_what_a_bench_cannot_do_is_said(bench: Any, ability: Ability, reason: str) -> None:
    assert lacks(bench, target(), ability).endswith(reason)


def test_an_observer_on_one_wire_sees_no_other_line() -> None:
    wired = SECOND_PI.observer.model_copy(update={"wiring": {"led": 17}})
    bench = SECOND_PI.model_copy(update={"observer": wired})
    assert "one line only" in lacks(bench, target(), Ability.OTHER_LINES)
    assert observed_lines(bench) == ("led",)
    assert len(observed_lines(VIRTUAL)) == 54


def test_a_target_without_the_tools_cannot_be_kept_busy() -> None:
    told = lacks(VIRTUAL, target(missing="nproc\ntimeout\n"), Ability.LOAD)
    assert told == "the target has no nproc, timeout"


def test_the_shortest_pulse_follows_from_the_observers_facts() -> None:
    assert shortest_pulse_ns(VIRTUAL) == 0
    assert shortest_pulse_ns(SECOND_PI) == SECOND_PI.observer.latency_us * 1000  # type: ignore[union-attr]
    rate_hz = ANALYZER.observer.samplerate_hz  # type: ignore[union-attr]
    assert shortest_pulse_ns(ANALYZER) == 3 * 10**9 // rate_hz
