"""Shows which target a bench file gives."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rig import bench
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
