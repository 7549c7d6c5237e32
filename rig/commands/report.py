"""`rig report`: what the runs proved, as a page and as text."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

_STYLES = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "NOT CAUGHT": "bold red",
    "INCONCLUSIVE": "bold yellow",
}

Results = Annotated[
    Path,
    typer.Argument(
        help="results/<UTC time>-<bench>, or the folder that holds such folders: then the newest."
    ),
]


def report(results: Results = Path("results")) -> None:
    """Write the report on what runs left, and print what it says, whatever its verdict."""
    from reports import write_report  # pandas takes a second, so only when it is needed

    _print(write_report(results).text)


def _print(text: str) -> None:
    """In colour on a terminal, byte for byte the same text elsewhere."""
    coloured = Text(text)
    for word, style in _STYLES.items():
        coloured.highlight_regex(rf"\b{word}\b", style)
    Console(soft_wrap=True).print(coloured, end="")
