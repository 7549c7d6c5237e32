"""`rig report compare`: which figures of two results are better or worse."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rig.commands.printing import print_coloured
from rig.commands.progress import progress
from rig.commands.status import status_of


class Format(StrEnum):
    """What `--format` knows."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


Baseline = Annotated[Path, typer.Argument(help="Results folder to compare with.")]
Candidate = Annotated[Path, typer.Argument(help="Results folder that is judged.")]
As = Annotated[Format, typer.Option("--format", help="Of what is printed.")]


def compare(baseline: Baseline, candidate: Candidate, as_: As = Format.TEXT) -> None:
    """Say for each figure whether it is better, worse, or the same as far as one can tell.

    The exit status is 0 if nothing is worse, 1 if something is, and 3 if that cannot be told.
    """
    with progress(f"compare: {baseline} with {candidate}"):
        from reports import compare as comparing  # pandas takes a second, so only when needed
        from reports import compare_tables as tables

        compared = comparing.compare(comparing.read_side(baseline), comparing.read_side(candidate))
        written = {
            Format.TEXT: tables.to_text,
            Format.CSV: tables.to_csv,
            Format.JSON: tables.to_json,
        }[as_](compared)
    if as_ is Format.TEXT:
        print_coloured(written)
    else:
        sys.stdout.write(written)
    raise typer.Exit(status_of(compared.outcome))
