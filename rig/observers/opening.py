"""From the facts of a bench file to its observer."""

from rig.bench import Bench
from rig.errors import ObserverError
from rig.observers.base import Observer
from rig.observers.qemu import QemuObserver
from rig.targets.base import Target
from rig.targets.virtual_pi import VirtualPi


def make_observer(bench: Bench, target: Target) -> Observer:
    """The observer of this bench, not connected yet; made before the target is opened."""
    if not isinstance(target, VirtualPi):
        raise ObserverError("QEMU sees the pins of a virtual Pi only")
    return QemuObserver(target, bench.line_names(), bench.limits.stall_ns)
