"""From the facts of a bench file to its target."""

from rig import bench
from rig.targets.base import Target
from rig.targets.serial_board import SerialBoard
from rig.targets.ssh_board import SshBoard
from rig.targets.virtual_pi import VirtualPi


def make_target(facts: bench.Bench) -> Target:
    """The target of this bench, not opened yet."""
    match facts.target:
        case bench.Ssh():
            return SshBoard(facts.target, facts.file.parent)
        case bench.Serial():
            return SerialBoard(facts.target)
        case bench.VirtualPi():
            return VirtualPi(facts.target)
