"""Load on the target while a run is timed: started before it, ended for sure after it."""

import contextlib
import shlex
from collections.abc import Iterator
from enum import StrEnum

from rig.errors import TargetError
from rig.targets.base import Target


class Load(StrEnum):
    """What keeps the target busy besides the tender."""

    IDLE = "idle"
    CPU = "cpu"
    """A busy loop for every processor."""
    IO = "io"
    """Files written to the disk on which the images lie, and flushed."""
    INTERRUPTS = "interrupts"
    """Processes that wake each other for every byte: the processors interrupt each other."""


_DISK = "/opt/rig/.rig-load"
_LOOPS = {
    Load.CPU: ":",
    Load.IO: f"dd if=/dev/zero of={_DISK}.$$ bs=64k count=32 conv=fsync",
    Load.INTERRUPTS: "dd if=/dev/zero bs=1 count=10000 | dd of=/dev/null bs=1",
}
_ENDING_TIMEOUT_S = 60

# `[l]`: what looks for loads stands in its own shell's arguments and must not find itself.
_THERE = "$(grep -ls 'rig-[l]oad' /proc/[0-9]*/cmdline)"
_END = (
    f"set -- {_THERE}; echo $#; n=0; "
    "while [ $# -gt 0 ] && [ $n -lt 100 ]; do "
    "for f in $@; do p=${f#/proc/}; kill -KILL ${p%/cmdline}; done 2> /dev/null; "
    f"sleep 0.1; n=$((n + 1)); set -- {_THERE}; done; "
    "rm -f /opt/rig/.rig-[l]oad.*; [ $# -eq 0 ]"
)


@contextlib.contextmanager
def loaded(target: Target, load: Load, longest_s: float) -> Iterator[None]:
    """Keep the target under `load` meanwhile, for `longest_s` even if the rig dies.

    Raises `TargetError` if the load was not there to the end, or cannot be ended.
    """
    if load is Load.IDLE:
        yield
        return
    try:
        target.run(_start(load, longest_s))
        yield
    except BaseException:  # what broke first is what a person has to know
        with contextlib.suppress(TargetError):
            target.run(_END, _ENDING_TIMEOUT_S)
        raise
    ended = target.run(_END, _ENDING_TIMEOUT_S)
    if ended.status:
        raise TargetError(f"the load {load} on the target cannot be ended: {ended.output.strip()}")
    if ended.output.split()[:1] in ([], ["0"]):
        raise TargetError(f"the load {load} on the target ended before the run did")


def _start(load: Load, longest_s: float) -> str:
    """Shell: one loop for each processor."""
    loop = shlex.quote(f"while :; do {_LOOPS[load]}; done")
    return (
        "n=$(nproc); while [ $n -gt 0 ]; do "
        f"timeout -s KILL {int(longest_s)} sh -c {loop} rig-load < /dev/null > /dev/null 2>&1 & "
        "n=$((n - 1)); done"
    )
