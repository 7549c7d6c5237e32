"""From the facts of a bench file to its target."""

from pathlib import Path

from rig import bench
from rig.errors import HoldError
from rig.targets.base import Target
from rig.targets.power import CommandPower
from rig.targets.serial_board import SerialBoard
from rig.targets.ssh_board import SshBoard
from rig.targets.virtual_pi import VirtualPi


def make_target(facts: bench.Bench) -> Target:
    """The target of this bench, not opened yet."""
    match facts.target:
        case bench.VirtualPi():
            return VirtualPi(facts.target)
        case bench.Ssh() | bench.Serial():
            return make_board(facts.target, facts.file.parent)
    raise HoldError(f"{facts.file}: only the lab can say where its target is; see rig.lab.hold")


def make_board(facts: bench.Ssh | bench.Serial, folder: Path) -> SshBoard | SerialBoard:
    """A real board, with its power switch if it has one. Paths are relative to `folder`."""
    power = CommandPower(facts.power, folder) if facts.power else None
    if isinstance(facts, bench.Ssh):
        return SshBoard(facts, folder, power)
    return SerialBoard(facts, power)
