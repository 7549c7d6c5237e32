"""From the facts of a bench file to its observer."""

from rig.bench import Bench
from rig.observers.base import Observer
from rig.observers.qemu import QemuObserver
from rig.targets.virtual_pi import VirtualPi


def make_observer(bench: Bench, target: VirtualPi) -> Observer:
    """The observer of this bench, not connected yet; made before the target is powered on."""
    return QemuObserver(target, bench.line_names(), bench.limits.stall_ms * 1_000_000)
