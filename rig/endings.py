"""The ways in which a run can end, and how each is brought about on a target with a shell.

Every ending happens while the LED is on. The tender runs in the background in a session of
its own; a process beside it reads its console, and another keeps its exit status.
"""

import contextlib
import shlex
from dataclasses import dataclass

from rig.errors import TargetError
from rig.targets.base import Target

ON = "the LED is on"
"""What the guest says when its LED is."""
LONGEST_RUN_S = 120
"""A tender is killed after this long, even if the rig that started it is gone."""

_FILES = "/tmp/rig-run"
_MOST_CONSOLE = 4096
_WAIT_TIMEOUT_S = 90
_TOOLS = "{ command -v setsid && command -v timeout; } > /dev/null"
_SHOW = f"head -c {_MOST_CONSOLE} {_FILES}.console"
# Whoever started the tender still writes its status when it was killed, and must have done so.
_ABANDON = (
    f"[ -s {_FILES}.status ] || [ ! -e {_FILES}.tender ] || {{ "
    f"kill -KILL $(cat {_FILES}.tender {_FILES}.reader) 2> /dev/null; n=0; "
    f"until [ -s {_FILES}.status ] || [ $n -ge 30 ]; do sleep 0.1; n=$((n + 1)); done; }}; "
    f"rm -f {_FILES}.*"
)
_ABANDON_TIMEOUT_S = 10


@dataclass(frozen=True)
class Ending:
    """One way to end: what the guest is told, and what is done to its tender from outside."""

    guest: str
    """Argument of the guest, which switches its LED on and then does this."""
    command: str = ""
    """For the target's shell, with the process `$tender`; empty: nothing."""
    status: int | None = 0
    """Exit status of the tender as a shell sees it; None: nobody is left to see it."""
    patience_s: float = 0
    """How long the guest is given to end by itself before."""
    reader: str = "cat"
    """Program that reads the tender's console."""
    cuts_power: bool = False
    breaks_deploy: bool = False
    """No tender is started; half of it is sent, as by a rig that dies, and then all of it."""


ENDINGS = {
    "the guest exits": Ending("exit"),
    "the guest fails": Ending("failure", status=7),
    "the guest aborts": Ending("abort", status=255),
    "the guest traps": Ending("trap", status=255),
    "the guest makes a bad hypercall": Ending("hypercall", status=1),
    "the guest hangs until its time is over": Ending(
        "spin", "kill -TERM $tender", status=1, patience_s=1
    ),
    "SIGINT": Ending("wait", "kill -INT $tender", status=1),
    "SIGTERM": Ending("wait", "kill -TERM $tender", status=1),
    "SIGHUP": Ending("wait", "kill -HUP $tender", status=1),
    "SIGQUIT": Ending("wait", "kill -QUIT $tender", status=1),
    "SIGKILL": Ending("wait", "kill -KILL $tender", status=137),
    "SIGKILL of the process group": Ending("wait", "kill -KILL -$tender", status=137),
    "SIGSEGV": Ending("wait", "kill -SEGV $tender", status=139),
    "the console is closed": Ending("print", status=141, reader="head -n 5"),
    "the power is cut": Ending("wait", status=None, cuts_power=True),
    "a deployment breaks off": Ending("", status=None, breaks_deploy=True),
}
"""By name, as suites write it."""


def ending_named(name: str) -> Ending:
    """One of `ENDINGS`. Raises `ValueError` that lists them."""
    if name not in ENDINGS:
        raise ValueError(f"there is no ending {name!r}; there are: {', '.join(ENDINGS)}")
    return ENDINGS[name]


class EndedRun:
    """One tender in the background of a target, from its start to what it left.

    Whatever goes wrong in between, `abandon` leaves nothing running.
    """

    def __init__(self, target: Target, limit_s: float = 30) -> None:
        """Nothing runs yet. Start and end may each take `limit_s`."""
        self._target = target
        self._limit_s = limit_s

    def start(self, command: str, ending: Ending) -> str:
        """Start a tender and wait until its LED is on, or until it has ended; its console.

        Raises `TargetError` if the target lacks what this needs.
        """
        tender = shlex.quote(f"echo $$ > {_FILES}.tender; exec {command}")
        reader = shlex.quote(f"echo $$ > {_FILES}.reader; exec {ending.reader} > {_FILES}.console")
        run = f"timeout -s KILL {LONGEST_RUN_S} setsid sh -c {tender} 2>&1"
        on = f"grep -qs {shlex.quote(ON)} {_FILES}.console"
        begun = _until(f"{on} || [ -s {_FILES}.status ]", self._limit_s)
        return self._shell(
            f"{_TOOLS} || {{ echo it has no setsid or no timeout; exit 1; }}; rm -f {_FILES}.*; "
            f"({{ {run}; echo $? > {_FILES}.status; }} | sh -c {reader}) "
            f"< /dev/null > /dev/null 2>&1 & {begun}; {_SHOW}"
        )

    def wait(self, limit_s: float) -> None:
        """Give the guest this long to end by itself."""
        self._shell(_until(f"[ -s {_FILES}.status ]", limit_s))

    def end(self, command: str) -> None:
        """Do to the tender what an ending says. One that has ended already shows in its status."""
        self._shell(f"tender=$(cat {_FILES}.tender); {command} 2> /dev/null; true")

    def collect(self) -> tuple[int | None, str]:
        """Wait for the end: exit status and console. A tender that does not end is killed.

        The status is None then.
        """
        over = f"[ -s {_FILES}.status ] && ! kill -0 $(cat {_FILES}.reader) 2> /dev/null"
        show = f"{{ cat {_FILES}.status || echo; }} 2> /dev/null; {_SHOW}; {_ABANDON}"
        status, _, console = self._shell(f"{_until(over, self._limit_s)}; {show}").partition("\n")
        return (int(status) if status.strip() else None), console

    def abandon(self) -> None:
        """Kill what is left of the run, unless it is over, and remove its files."""
        with contextlib.suppress(TargetError):
            self._target.run(_ABANDON, _ABANDON_TIMEOUT_S)

    def _shell(self, command: str) -> str:
        result = self._target.run(command, _WAIT_TIMEOUT_S)
        if result.status:
            raise TargetError(f"cannot run and end a tender there: {result.output.strip()}")
        return result.output


def _until(condition: str, limit_s: float) -> str:
    """Shell: wait for a condition, so long and the time that the tries themselves take."""
    tries = int(limit_s * 10)
    return f"n=0; until {condition} || [ $n -ge {tries} ]; do sleep 0.1; n=$((n + 1)); done"
