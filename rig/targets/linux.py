"""What a Linux target tells about itself and its pins, through its shell."""

from typing import Protocol

from rig.bench import LINES_OF_PI
from rig.cleanup import Chip, Export, GpioState
from rig.errors import TargetError
from rig.targets.shell import Result

GPIO_CHIP = "pinctrl-bcm2835"
"""Label of the chip that drives the header of a Raspberry Pi 3; its base is not a constant."""

_STATE = (
    """
for c in /sys/class/gpio/gpiochip*; do
  [ -e $c/base ] && echo "chip,$(cat $c/base),$(cat $c/ngpio),$(cat $c/label)"
done
for g in /sys/class/gpio/gpio[0-9]*; do
  [ -e $g/value ] && echo "export,${g##*/gpio},$(cat $g/direction),$(cat $g/value)"
done
sed -n 's/^ gpio-\\([0-9]*\\) *(.*|\\(.*[^ ]\\) *).*/holder,\\1,\\2/p' /sys/kernel/debug/gpio
echo state-end
""".strip()
    .replace("\n", "; ")
    .replace("do;", "do")
)

_PROGRAMS = r"/opt/rig/.*\|/memfd:led-guard.*"
"""What a run starts: images that were deployed, and the tender's guard."""
_FILES = "/run/solo5-hvt/* /opt/rig/.[!.]* /opt/rig/core* /tmp/rig-*"
"""What a run can make: records of lines, half a deployment, files of the rig."""
_LINES_OF_LOG = 20
"""So many of the newest warnings are kept; more new ones than that are not needed to see one."""
_OPENED = (
    r"/dev/kvm\|anon_inode:kvm.*\|/dev/gpiochip.*\|/run/solo5-hvt/.*\|"
    r"/opt/rig/.*\|/.*/gpio/gpio[0-9]*/.*"
)
"""What a run has open. Nobody can hold a lock without having its file open."""
_STALL = "hrtimer: interrupt took"
"""The kernel warns so, once, when an emulated board got no time from a busy host."""

# One `ls` for all processes: to start a program for each takes seconds on a small board. `[l]`
# keeps this command, which stands in its own shell's arguments, from finding itself.
_LEFT = (
    "ls -l /proc/[0-9]*/exe 2> /dev/null | "
    f"sed -n 's#.*/proc/\\([0-9]*\\)/exe -> \\({_PROGRAMS}\\)$#left,process \\1: \\2#p'; "
    "ls -l /proc/[0-9]*/fd 2> /dev/null | "
    f"sed -n -e '/fd:$/h' -e '\\# -> \\({_OPENED}\\)$#{{s/.* -> //;G;"
    "s#\\(.*\\)\\n/proc/\\([0-9]*\\)/fd:#left,open in process \\2: \\1#p}'; "
    "grep -ls 'rig-[l]oad' /proc/[0-9]*/cmdline | "
    "sed 's#^/proc/\\([0-9]*\\)/.*#left,process \\1: a load#'; "
    f'for f in {_FILES}; do [ -e "$f" ] && echo "left,file $f"; done; '
    "dmesg -r > /dev/null 2>&1 && echo log-there && "
    f"dmesg -r | sed -n '/{_STALL}/!s/^<[0-4]>/log,/p' | tail -n {_LINES_OF_LOG}; "
    "echo left-end"
)

_TOLD = (
    "echo machine,$(uname -m); echo kernel,$(uname -r); "
    "echo board,$(tr -d '\\0' < /proc/device-tree/model); "
    "echo arguments,$(cat /proc/cmdline); "
    "k=/dev/kvm; [ -c $k ] && echo kvm,there; "
    "[ -r $k ] && [ -w $k ] && echo kvm-usable,yes; "
    "g=/sys/class/gpio/export; [ -e $g ] && echo sysfs,there; "
    "[ -w $g ] && echo sysfs-usable,yes; "
    "echo character-devices,$(for d in /dev/gpiochip*; do [ -c $d ] && echo $d; done); "
    "echo governor,$(cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor "
    "2> /dev/null | sort -u); true"
)


class Runner(Protocol):
    """A target, or a shell on one."""

    def run(self, command: str, timeout_s: float = 10) -> Result:
        """Run a shell command to its end."""


def read_gpio_state(target: Runner, functions: dict[str, str]) -> GpioState:
    """The target's own view of its pins, together with the `functions` seen from outside.

    Raises `TargetError` if the target does not answer as a Linux with sysfs GPIO does.
    """
    rows = [line.split(",") for line in target.run(_STATE).output.splitlines()]
    try:
        rows.remove(["state-end"])
        return _state(rows, functions)
    except (ValueError, IndexError) as error:
        raise TargetError(f"cannot read the GPIO state of the target: {rows}") from error


def _state(rows: list[list[str]], functions: dict[str, str]) -> GpioState:
    return GpioState(
        chips=tuple(
            Chip(label=r[3], base=int(r[1]), ngpio=int(r[2])) for r in rows if r[0] == "chip"
        ),
        exports={
            int(r[1]): Export(direction=r[2], value=int(r[3])) for r in rows if r[0] == "export"
        },
        holders=tuple(f"gpio-{r[1]} ({','.join(r[2:])})" for r in rows if r[0] == "holder"),
        functions=functions,
    )


def read_leftovers(target: Runner) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """What runs leave beside the pins, and the warnings in the kernel's log if it can be read.

    They become `GpioState.leftovers` and `GpioState.kernel_log`. Raises `TargetError` if the
    target does not answer.
    """
    output = target.run(_LEFT, timeout_s=30).output
    rows = [line.split(",", 1) for line in output.splitlines()]
    if not rows or rows[-1] != ["left-end"]:
        raise TargetError(f"cannot read what is left on the target; it says: {output[-200:]!r}")
    log = tuple(row[1] for row in rows if row[0] == "log") if ["log-there"] in rows else None
    return tuple(sorted({row[1] for row in rows if row[0] == "left"})), log


def ask(target: Runner) -> dict[str, str]:
    """What a target says about itself; a key that is not there is something it does not have."""
    rows = [line.split(",", 1) for line in target.run(_TOLD).output.splitlines() if "," in line]
    return {row[0]: row[1] for row in rows if row[1]}


def read_facts(target: Runner) -> dict[str, str | int]:
    """Board, kernel, machine, GPIO chip and base of a target that can run the suites.

    Raises `TargetError` that says what the target lacks: KVM, sysfs GPIO, or the chip.
    """
    told = ask(target)
    kernel = told.get("kernel", "unknown")
    if "kvm" not in told:
        raise TargetError(
            f"the target's kernel {kernel} has no /dev/kvm: KVM needs CONFIG_KVM and a boot at EL2 "
            "(on a Pi 3: a 64-bit kernel, and no kvm-arm.mode=none on its command line)"
        )
    if "sysfs" not in told:
        raise TargetError(
            f"the target's kernel {kernel} has no /sys/class/gpio/export; "
            "it needs CONFIG_GPIO_SYSFS"
        )
    chip = find_chip(read_gpio_state(target, {}))
    facts: dict[str, str | int] = {"gpio_chip": chip.label, "gpio_base": chip.base}
    return facts | {key: told[key] for key in ("board", "kernel", "machine") if key in told}


def find_chip(state: GpioState) -> Chip:
    """The chip of the header, by label. Raises `TargetError` if there is none."""
    for chip in state.chips:
        if chip.label == GPIO_CHIP and chip.ngpio == LINES_OF_PI:
            return chip
    labels = ", ".join(chip.label for chip in state.chips) or "none"
    raise TargetError(f"the target has no GPIO chip labelled {GPIO_CHIP}; it has: {labels}")
