"""`rig report`: what the runs proved, as a page and as text, and what follows from many of them.

`rig report` and `rig report RESULTS` write the report, as `rig report write` does.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rig.commands.compare import compare
from rig.commands.gate import gate
from rig.commands.history import HistoryOption, location, store
from rig.commands.printing import print_coloured
from rig.commands.progress import progress
from rig.commands.trend import trend

Results = Annotated[
    Path,
    typer.Argument(
        help="results/<UTC time>-<bench>, or the folder that holds such folders: then the newest."
    ),
]


class WritesUnlessTold(TyperGroup):
    """The command `write` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `write` before words that begin with no command and ask for no help."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["write", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="report",
    cls=WritesUnlessTold,
    add_completion=False,
    help="Write the report on what runs left; without a command, `write`.",
)


@app.command()
def write(results: Results = Path("results"), history: HistoryOption = None) -> None:
    """Write the report on what runs left, and print what it says, whatever its verdict.

    The runs are stored in the history, and the page shows what it makes of them.
    """
    with progress(f"report: {results}"):
        from reports import write_report  # pandas takes a second, so only when it is needed

        report = write_report(results, location(history))
    print_coloured(report.text)
    if report.trouble:
        print(f"rig: {report.trouble}", file=sys.stderr)


app.command()(compare)
app.command()(gate)
app.command()(trend)
app.command()(store)
