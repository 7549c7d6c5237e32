"""Is a line wired to the channel that the bench file says? Drive it and look."""

from collections.abc import Mapping
from typing import Any

from rig.capture import Capture
from rig.errors import TargetError
from rig.observers.base import Observer
from rig.targets.base import Target

PULSES = 5
"""Enough that a line which moves by itself does not look like the one that is driven."""
PULSE_S = 0.2
"""High for so long, and low: longer than the latency of the slowest observer."""
DRIVE_TIMEOUT_S = 30

_GPIOS = (
    2,
    3,
    4,
    14,
    15,
    17,
    18,
    27,
    22,
    23,
    24,
    10,
    9,
    25,
    11,
    8,
    7,
    5,
    6,
    12,
    13,
    19,
    16,
    26,
    20,
    21,
)
_PINS = (
    3,
    5,
    7,
    8,
    10,
    11,
    12,
    13,
    15,
    16,
    18,
    19,
    21,
    22,
    23,
    24,
    26,
    29,
    31,
    32,
    33,
    35,
    36,
    37,
    38,
    40,
)
HEADER_PINS = dict(zip(_GPIOS, _PINS, strict=True))
"""GPIO -> pin of a Raspberry Pi's 40-pin header (raspberrypi.com, "GPIO and the 40-pin header")."""

# The line is given back however the shell ends, the rig's Ctrl-C included.
_DRIVE = """
give_back() {{ echo in > gpio{0}/direction; echo {0} > unexport; }}
cd /sys/class/gpio && echo {0} > export || exit 1
trap give_back EXIT; trap 'exit 1' HUP INT TERM
echo low > gpio{0}/direction || exit 1
for pulse in {1}; do
sleep {2}; echo 1 > gpio{0}/value || exit 1; sleep {2}; echo 0 > gpio{0}/value || exit 1
done; sleep {2}
"""


def drive(target: Target, observer: Observer, number: int) -> Capture:
    """Switch a free line `PULSES` times, from low to low, and record what moves.

    `number` is the line's in the target's sysfs. Afterwards it is as before, in every ending
    that leaves the target able to answer. Raises `BenchError`.
    """
    pulses = " ".join(map(str, range(PULSES)))
    script = "; ".join(_DRIVE.format(number, pulses, PULSE_S).strip().splitlines())
    command = script.replace("do;", "do")
    observer.arm()
    try:
        result = target.run(command, DRIVE_TIMEOUT_S)
    finally:
        capture = observer.stop()
    if result.status:
        raise TargetError(f"line {number} cannot be driven: {result.output.strip()}")
    return capture


def judge_wiring(
    capture: Capture, line: str, name: str, channels: Mapping[str, Any]
) -> tuple[str, str]:
    """What is wrong when `line` was driven, and what to do; two empty texts if all is right.

    `name` is how people find the line on the target, `channels` those of the observer.
    """
    if capture.lost or capture.overrun:
        return f"edges were lost ({capture.lost}, overrun: {capture.overrun})", _BUSY
    moved = {other: len(capture.of_line(other)) for other in capture.lines}
    moved = {other: edges for other, edges in moved.items() if edges}
    if not moved:
        remedy = f"look at the wire from {name} to channel {channels[line]}, and at the ground wire"
        return f"{name} was driven, and nothing moved on any channel", remedy
    if line not in moved:
        return _elsewhere(moved, name, channels)
    if len(moved) > 1:
        others = ", ".join(_at(other, channels) for other in moved if other != line)
        remedy = "look for a short, for an input that floats, and for who else drives them"
        return f"also moved: {others}", remedy
    return _as_driven(capture, line)


def _elsewhere(moved: Mapping[str, int], name: str, channels: Mapping[str, Any]) -> tuple[str, str]:
    where = ", ".join(_at(other, channels) for other in moved)
    remedy = f"move the wire from {name}, or correct observer.wiring and lines in the bench file"
    return f"{name} was driven, but what moved is {where}", remedy


def _as_driven(capture: Capture, line: str) -> tuple[str, str]:
    levels = capture.of_line(line)["level"].tolist()
    if levels == [1, 0] * PULSES:
        return "", ""
    if levels == [0, 1] * PULSES:
        remedy = "something between the two inverts; the rig expects high for on"
        return "it moves the wrong way round", remedy
    problem = f"it moved {len(levels)} times, driven were {2 * PULSES}"
    return problem, "look for a loose contact, a missing pull-down and for who else drives it"


def _at(line: str, channels: Mapping[str, Any]) -> str:
    return f"{line} (channel {channels.get(line, line)})"


_BUSY = "let nothing else run on the observer's machine, and look at its cable"
