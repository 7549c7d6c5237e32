"""`rig`: the one command for people. Each of its commands is a module of `rig.commands`.

Exit status, for all of them: 0 all is well (PASS), 1 the target is not (FAIL), 3 nobody can
tell (INCONCLUSIVE), 4 the bench or the evidence does not work, 2 the command line is wrong,
130 interrupted.
"""

import sys

import typer

from rig.commands import report
from rig.commands.doctor import doctor
from rig.commands.judge import judge
from rig.commands.observe import observe
from rig.commands.qualify import qualify
from rig.commands.run import run
from rig.commands.status import Status
from rig.errors import RigError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(doctor)
app.command()(run)
app.command()(observe)
app.command()(judge)
app.command()(qualify)
app.add_typer(report.app, name="report")


@app.callback()
def rig() -> None:
    """Prove from outside that a unikernel switches its LED as commanded."""


def main() -> None:
    """Run the command line; what is wrong is said in one place, and never as a traceback."""
    try:
        app(prog_name="rig")
    except (RigError, OSError) as error:
        print(f"rig: {error}", file=sys.stderr)
        sys.exit(Status.TROUBLE)
    except KeyboardInterrupt:
        print("rig: interrupted", file=sys.stderr)
        sys.exit(Status.INTERRUPTED)
