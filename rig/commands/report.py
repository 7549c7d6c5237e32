"""`rig report`: what the runs proved, as a page and as text."""

from pathlib import Path
from typing import Annotated

import typer

from rig.commands.printing import print_coloured
from rig.commands.progress import progress

Results = Annotated[
    Path,
    typer.Argument(
        help="results/<UTC time>-<bench>, or the folder that holds such folders: then the newest."
    ),
]


def report(results: Results = Path("results")) -> None:
    """Write the report on what runs left, and print what it says, whatever its verdict."""
    with progress(f"report: {results}"):
        from reports import write_report  # pandas takes a second, so only when it is needed

        text = write_report(results).text
    print_coloured(text)
