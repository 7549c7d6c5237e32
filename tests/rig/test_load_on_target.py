"""A load is there while it should be, and gone afterwards however that ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_target import LocalTarget

from rig.errors import TargetError
from rig.load import _THERE, Load, loaded

LOADS = [load for load in Load if load is not Load.IDLE]


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path)
    yield target
    assert target.loads == []
    assert list(tmp_path.iterdir()) == []


def wait_until_gone(target: LocalTarget, again: str = "") -> None:
    """`again` is done until then: who is killed may have started another just before."""
    for _ in range(100):
        if not target.loads:
            return
        target.run(f"{again}sleep 0.1")
    pytest.fail(f"there are still {target.loads}")


@pytest.mark.parametrize("load", LOADS)
def test_a_load_runs_meanwhile_and_no_longer(target: LocalTarget, load: Load) -> None:
    with loaded(target, load, 30):  # type: ignore[arg-type]
        assert target.loads != []


def test_an_idle_target_is_left_alone() -> None:
    with loaded(None, Load.IDLE, 30):  # type: ignore[arg-type]
        pass


def test_a_load_ends_when_the_run_breaks(target: LocalTarget) -> None:
    with pytest.raises(KeyboardInterrupt), loaded(target, Load.CPU, 30):  # type: ignore[arg-type]
        raise KeyboardInterrupt


def test_a_load_that_ended_early_is_an_error_of_the_bench(target: LocalTarget) -> None:
    context = loaded(target, Load.CPU, 30)  # type: ignore[arg-type]
    context.__enter__()
    wait_until_gone(target, f"for p in {_THERE}; do kill -KILL $(echo $p | cut -d / -f 3); done; ")
    with pytest.raises(TargetError, match="the load cpu on the target ended before the run did"):
        context.__exit__(None, None, None)


def test_a_load_outlives_a_rig_that_died_by_a_bounded_time(target: LocalTarget) -> None:
    context = loaded(target, Load.CPU, 1)  # type: ignore[arg-type]
    context.__enter__()
    try:
        wait_until_gone(target)
    finally:
        with pytest.raises(TargetError, match="ended before"):
            context.__exit__(None, None, None)
