"""Shows which target a bench file gives, and how it reaches gpiozero."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rig import bench
from rig.observers import opening
from rig.targets.base import Target
from rig.targets.opening import make_target
from rig.targets.serial_board import SerialBoard
from rig.targets.ssh_board import SshBoard
from rig.targets.virtual_pi import VirtualPi


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (bench.VirtualPi(kind="virtual-pi"), VirtualPi),
        (bench.Ssh(kind="ssh", host="pi3.local"), SshBoard),
        (bench.Serial(kind="serial", port="/dev/ttyUSB0"), SerialBoard),
    ],
    ids=lambda part: getattr(part, "kind", ""),
)
def test_a_kind_of_target_has_its_class(facts: object, kind: type[Target]) -> None:
    file = cast(Any, SimpleNamespace(target=facts, file=Path("benches/desk.yaml")))
    target = make_target(file)
    assert type(target) is kind
    target.close()


@pytest.mark.parametrize(
    ("via", "way"),
    [
        (bench.Local(kind="local"), ["--lines"]),
        (bench.Local(kind="local", chip=4), ["--chip", "4", "--lines"]),
        (
            bench.Pigpio(kind="pigpio", host="second.local", sample_us=2),
            ["--pigpio", "second.local:8888", "--sample-us", "2", "--lines"],
        ),
    ],
    ids=["local", "local with a chip", "pigpio"],
)
def test_an_agent_beside_the_rig_is_told_its_way(
    via: Any, way: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "ChildTalk", lambda arguments: arguments)
    assert opening._agent_starter(via, Path())(["--lines"]) == cast(Any, way)


@pytest.mark.parametrize(
    ("via", "board"),
    [
        (bench.Ssh(kind="ssh", host="second.local"), SshBoard),
        (bench.Serial(kind="serial", port="/dev/ttyUSB0"), SerialBoard),
    ],
    ids=["ssh", "serial"],
)
def test_an_agent_on_a_board_is_reached_as_a_target_is(
    via: Any, board: type[Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "agent_on", lambda made: made)
    assert type(opening._agent_starter(via, Path())) is board
