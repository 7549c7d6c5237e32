"""What a bench can do that not every bench can; suites skip what theirs cannot, and say why."""

from enum import StrEnum

from rig import bench as facts
from rig.bench import Bench
from rig.targets.base import Target

SAMPLES_OF_A_PULSE = 3
"""A logic analyzer that looks less often than this may miss a pulse."""


class Ability(StrEnum):
    """By name, as suites write and tag it."""

    POWER = "power"
    """Cut the target's power in the middle of a run."""
    OTHER_LINES = "other-lines"
    """See lines besides the one under test."""
    DIRECTIONS = "directions"
    """See from outside whether a line is an input or an output."""
    LOAD = "load"
    """Keep the target busy while a run is timed."""


_TOOLS = "grep", "dd", "nproc", "timeout"


def lacks(bench: Bench, target: Target, ability: Ability) -> str:
    """Why this bench does not have an ability; empty if it has it."""
    match ability:
        case Ability.POWER if target.power is None:
            return f"{bench.file} names no switch for the target's power"
        case Ability.OTHER_LINES if len(observed_lines(bench)) < 2:
            return f"{bench.file} wires the observer to one line only"
        case Ability.DIRECTIONS if not isinstance(bench.observer, facts.QemuObserver):
            return f"an observer of kind {bench.observer.kind} sees levels, not directions"
        case Ability.LOAD:
            return _missing_tools(target)
    return ""


def observed_lines(bench: Bench) -> tuple[str, ...]:
    """The lines that the observer of this bench sees."""
    if isinstance(bench.observer, facts.QemuObserver):
        return bench.line_names()
    return tuple(bench.observer.wiring)


def shortest_pulse_ns(bench: Bench) -> int:
    """What the observer of this bench surely sees, by its facts."""
    match bench.observer:
        case facts.SigrokObserver(samplerate_hz=rate_hz):
            return SAMPLES_OF_A_PULSE * 10**9 // rate_hz
        case facts.GpiozeroObserver(latency_us=latency_us):
            return latency_us * 1000
    return 0


def _missing_tools(target: Target) -> str:
    asked = f"for tool in {' '.join(_TOOLS)}; do command -v $tool > /dev/null || echo $tool; done"
    missing = target.run(asked).output.split()
    return f"the target has no {', '.join(missing)}" if missing else ""
