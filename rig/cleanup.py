"""The GPIO state of a target before and after a run, and what was left behind.

A state has two views. `sysfs` is what the target's own kernel says; `registers`
is what the pin-function registers say, read from outside where a bench can.
Beside the pins, a state tells what else a run can leave: processes, open files,
files, and what the kernel complained about.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rig.verdict import Finding, Kind, Outcome


class Chip(BaseModel):
    """One GPIO controller, as /sys/class/gpio/gpiochipN tells."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    base: int
    """Number of its first line in sysfs; differs between kernels."""
    ngpio: Annotated[int, Field(gt=0)]


class Export(BaseModel):
    """One line that sysfs has exported."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    direction: str
    value: int


class GpioState(BaseModel):
    """All that a run might leave behind on the target's pins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chips: tuple[Chip, ...]
    exports: dict[int, Export]
    """By sysfs number."""
    holders: tuple[str, ...]
    """Lines in use, as /sys/kernel/debug/gpio lists them; empty if it is not there."""
    functions: dict[str, str] = {}
    """Line name to function, read from the registers; empty if the bench cannot."""
    leftovers: tuple[str, ...] | None = None
    """Processes of tenders and loads, what anybody holds open of KVM and GPIO, files that runs
    make; None if nobody looked."""
    kernel_log: tuple[str, ...] | None = None
    """What the kernel said of the level warning and worse; None if that cannot be read."""


def judge_cleanup(before: GpioState, after: GpioState) -> Iterator[Finding]:
    """One finding for each thing that differs, or one PASS for each view.

    A view that was empty both times may be one that the bench does not have, so
    nothing is found in it; only of sysfs is an empty list an answer.
    """
    yield from _differences("GPIO chips", _by_label(before.chips), _by_label(after.chips))
    yield from _differences("sysfs exports", _as_text(before.exports), _as_text(after.exports))
    if before.holders or after.holders:
        yield from _differences("lines in use", _as_set(before.holders), _as_set(after.holders))
    if before.functions or after.functions:
        yield from _differences("pin functions", before.functions, after.functions)
    if before.leftovers is not None and after.leftovers is not None:
        left = _as_set(before.leftovers, "there"), _as_set(after.leftovers, "there")
        yield from _differences("processes, open files and files", *left)


def is_as_before(before: GpioState, after: GpioState) -> bool:
    """Whether nothing differs that `judge_cleanup` looks at."""
    return all(finding.outcome is Outcome.PASS for finding in judge_cleanup(before, after))


def judge_kernel_log(before: GpioState, after: GpioState) -> Iterator[Finding]:
    """One finding for each complaint of the kernel's that is new, or one PASS.

    None at all where the log cannot be read.
    """
    if before.kernel_log is None or after.kernel_log is None:
        return
    known = set(before.kernel_log)
    new = [line for line in after.kernel_log if line not in known]
    for line in new:
        yield Finding(Kind.KERNEL_LOG, Outcome.FAIL, f"kernel log: {line}")
    if not new:
        yield Finding(Kind.KERNEL_LOG, Outcome.PASS, "kernel log: no new warning, nothing worse")


def judge_release(line: str, number: int, before: GpioState, after: GpioState) -> Iterator[Finding]:
    """Whether a line was given back, by what the target's own kernel says.

    For an observer that sees no directions. `number` is the line's in sysfs.
    """
    was, is_now = _use_of(number, before), _use_of(number, after)
    outcome = Outcome.FAIL if is_now != was else Outcome.PASS
    text = (
        f"{line} (gpio{number}) was {was or 'free'} before the run, is {is_now or 'free'} after "
        "it, as the target's own kernel says (this observer cannot see directions)"
    )
    yield Finding(Kind.RELEASE, outcome, text, line)


def _use_of(number: int, state: GpioState) -> str:
    """Who uses a line, and how; empty if nobody does."""
    uses = [f"exported {e.direction} {e.value}" for n, e in state.exports.items() if n == number]
    holders = [h for h in state.holders if h.startswith(f"gpio-{number} ")]
    return ", ".join([*uses, *holders])


def _by_label(chips: tuple[Chip, ...]) -> dict[str, str]:
    return {f"{chip.label} at {chip.base}": f"{chip.ngpio} lines" for chip in chips}


def _as_text(exports: dict[int, Export]) -> dict[str, str]:
    return {f"gpio{number}": f"{e.direction} {e.value}" for number, e in exports.items()}


def _as_set(names: tuple[str, ...], state: str = "held") -> dict[str, str]:
    return dict.fromkeys(names, state)


def _differences(view: str, before: dict[str, str], after: dict[str, str]) -> Iterator[Finding]:
    changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    for name in changed:
        text = (
            f"{view}: {name} was {before.get(name, 'not there')} before the run, "
            f"is {after.get(name, 'not there')} after it"
        )
        yield Finding(Kind.CLEANUP, Outcome.FAIL, text)
    if not changed and before:
        text = f"{view}: all {len(before)} as before the run"
        yield Finding(Kind.CLEANUP, Outcome.PASS, text, measured=len(before))
    elif not changed:
        yield Finding(Kind.CLEANUP, Outcome.PASS, f"{view}: none before the run, none after it")
