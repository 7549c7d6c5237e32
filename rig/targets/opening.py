"""From the facts of a bench file to its target."""

from rig.bench import Bench
from rig.targets.base import Target
from rig.targets.virtual_pi import VirtualPi


def make_target(bench: Bench) -> Target:
    """The target of this bench, not opened yet."""
    return VirtualPi(bench.target)
