"""`rig`: the one command for people. Each of its commands is a module of `rig.commands`.

Exit status, for all of them: 0 all is well (PASS), 1 the target is not (FAIL), 3 nobody can
tell (INCONCLUSIVE), 4 the bench or the evidence does not work, 2 the command line is wrong,
130 interrupted.
"""

import gc
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from rig.commands.status import Status
from rig.errors import RigError

COMMANDS = ("doctor", "run", "observe", "judge", "qualify", "report")
"""Each a module of `rig.commands`, with a function of that name or, of several, an `app`."""


COLLECT_EVERY = 100_000
"""Objects between two looks for garbage. Imports make many and leave none: a command that imports
pandas waits a quarter less for it than with Python's own 700."""


class ImportsWhenAsked(TyperGroup):
    """A command is imported when it is asked for: nobody waits for what only others need."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        not_yet: Any = dict.fromkeys(COMMANDS)
        self.commands.update(not_yet)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """None if there is none of this name."""
        if cmd_name in COMMANDS and not self.commands[cmd_name]:
            self.commands[cmd_name] = _imported(cmd_name)
        return super().get_command(ctx, cmd_name)


def _imported(name: str) -> Any:
    module = import_module(f"rig.commands.{name}")
    if hasattr(module, "app"):
        return typer.main.get_group(module.app)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(module, name))
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=ImportsWhenAsked,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def rig() -> None:
    """Prove from outside that a unikernel switches its LED as commanded."""


def main() -> None:
    """Run the command line; what is wrong is said in one place, and never as a traceback."""
    gc.set_threshold(COLLECT_EVERY)
    try:
        app(prog_name="rig")
    except (RigError, OSError) as error:
        print(f"rig: {error}", file=sys.stderr)
        sys.exit(Status.TROUBLE)
    except KeyboardInterrupt:
        print("rig: interrupted", file=sys.stderr)
        sys.exit(Status.INTERRUPTED)
    finally:
        gc.freeze()  # nor does Python look through all of it once more at the end
