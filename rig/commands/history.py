"""The option `--history`, which several commands share, and `rig report store`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rig.commands.progress import progress
from rig.commands.status import Status

if TYPE_CHECKING:
    from reports.history import History

HistoryOption = Annotated[
    str | None,
    typer.Option(
        "--history",
        metavar="PATH|URL",
        help="The history: a path, or the URL of a PostgreSQL database. Otherwise it is "
        "$RIG_HISTORY, or results/history.sqlite. Empty: none is kept.",
        show_default=False,
    ),
]

Stored = Annotated[
    list[Path],
    typer.Argument(
        metavar="RESULTS...",
        help="Folders results/<UTC time>-<bench>, as many as you like.",
    ),
]


def location(wanted: str | None) -> str:
    """Where the history is, or an empty text if none is kept."""
    from reports.history import default_location

    return default_location() if wanted is None else wanted


def opened(wanted: str | None) -> "History":
    """The history. Raises `BadParameter` if none is kept."""
    from reports.history import History

    where = location(wanted)
    if not where:
        raise typer.BadParameter("no history is kept: --history or $RIG_HISTORY is empty")
    return History(where)


def store(results: Stored, history: HistoryOption = None) -> None:
    """Put what runs left into the history; what is there already stays as it is.

    A history can always be made again like this. Evidence that is damaged is told, and the exit
    status is then 4; all else is stored.
    """
    from reports.history import records
    from reports.load import load_results
    from reports.statistics import summarize

    into, is_all_good = opened(history), True
    for folder in results:
        with progress(f"store: {folder}"):
            loaded = load_results(folder)
            new = into.add(records(loaded, summarize(loaded)))
        print(f"{folder}: {len(loaded.runs)} runs, {new} of them new in {into}")
        for problem in loaded.problems:
            print(f"{folder}: not stored: {problem}")
            is_all_good = False
    if not is_all_good:
        raise typer.Exit(Status.TROUBLE)
