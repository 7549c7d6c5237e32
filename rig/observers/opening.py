"""From the facts of a bench file to its observer."""

from collections.abc import Callable
from pathlib import Path

from rig import bench as facts
from rig.bench import Bench
from rig.errors import HoldError, ObserverError
from rig.observers.base import Observer
from rig.observers.gpiozero import Budget, ChildTalk, GpiozeroObserver, agent_on
from rig.observers.qemu import QemuObserver
from rig.observers.sigrok import SigrokObserver
from rig.observers.two_boards import TwoBoardsObserver
from rig.targets.base import Target
from rig.targets.opening import make_board
from rig.targets.shell import Talk
from rig.targets.virtual_pi import VirtualPi


def make_observer(bench: Bench, target: Target) -> Observer:
    """The observer of this bench, not connected yet; made before the target is opened."""
    if isinstance(bench.observer, facts.GpiozeroObserver):
        return _make_gpiozero(bench, bench.observer, target)
    if isinstance(bench.observer, facts.SigrokObserver):
        return SigrokObserver(bench.observer)
    return QemuObserver(_virtual(target), bench.line_names(), bench.limits.stall_ns)


def _make_gpiozero(bench: Bench, observer: facts.GpiozeroObserver, target: Target) -> Observer:
    budget = Budget(observer.accuracy_ppm, observer.latency_us * 1000)
    if isinstance(observer.via, facts.SecondBoard):
        return TwoBoardsObserver(
            _virtual(target),
            {name: (bench.lines[name], line) for name, line in observer.wiring.items()},
            budget,
            observer.pull,
            observer.via.boot_timeout_s,
            bench.limits.stall_ns,
        )
    start = _agent_starter(observer.via, bench.file.parent)
    return GpiozeroObserver(start, observer.wiring, budget, observer.pull)


def _agent_starter(
    via: facts.Local | facts.Pigpio | facts.Ssh | facts.Serial | facts.BoardFromPlace, folder: Path
) -> Callable[[list[str]], Talk]:
    """What starts the agent: beside the rig, or on a board that the rig logs in to."""
    match via:
        case facts.Ssh() | facts.Serial():
            return agent_on(make_board(via, folder))
        case facts.Pigpio():
            way = ["--pigpio", f"{via.host}:{via.port}", "--sample-us", str(via.sample_us)]
        case facts.Local():
            way = [] if via.chip is None else ["--chip", str(via.chip)]
        case facts.BoardFromPlace():
            raise HoldError("only a lab can say where its second Pi is; see rig.lab.hold")
    return lambda arguments: ChildTalk([*way, *arguments])


def _virtual(target: Target) -> VirtualPi:
    if not isinstance(target, VirtualPi):
        raise ObserverError("only the pins of a virtual Pi can be seen or wired in QEMU")
    return target
