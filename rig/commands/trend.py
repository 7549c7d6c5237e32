"""`rig report trend`: how the figures went from release to release, and where they changed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from reports.figures import Figure
from rig.commands.history import HistoryOption, opened
from rig.commands.printing import print_coloured
from rig.commands.progress import progress
from rig.errors import HistoryError
from rig.identity import release_tags

Bench = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Only runs on this bench.", show_default=False),
]
OneFigure = Annotated[
    Figure | None,
    typer.Option(
        metavar="NAME", help="Only this figure, such as 'call to pin'.", show_default=False
    ),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        help="Only runs that started then, in UTC, or later.",
        show_default=False,
    ),
]
Releases = Annotated[
    bool, typer.Option("--releases", help="Show each figure of each release, too.")
]
Html = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Write a page with pictures, too.", show_default=False),
]


def trend(
    history: HistoryOption = None,
    bench: Bench = None,
    figure: OneFigure = None,
    since: Since = None,
    releases: Releases = False,
    html: Html = None,
) -> None:
    """Show each figure over the releases: where its level changed, from what to what.

    The exit status is 0 when a trend was shown, whatever it is, and 4 when there is none: no
    history, or no run in it that fits.
    """
    from reports.trend import read_trend
    from reports.trend_table import to_text

    since_ns = int(since.replace(tzinfo=UTC).timestamp()) * 10**9 if since else 0
    past = opened(history)
    with progress(f"trend: {past}"):
        found = read_trend(past, release_tags(), bench=bench, figure=figure, since_ns=since_ns)
        if not found.series:
            raise HistoryError(f"history {past}: holds no run that fits and can be compared")
        text = to_text(found, shows_releases=releases)
        if html:
            from reports.trend_page import write_page  # matplotlib, only when it is needed

            write_page(found, html)
    print_coloured(text)
    if html:
        print(f"Page: {html}")
