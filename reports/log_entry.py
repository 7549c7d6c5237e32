# SPDX-License-Identifier: ISC
"""What Robot's log shows of one run: the timing diagram, the key figures, the way to the page."""

from collections.abc import Iterator

from markupsafe import Markup, escape

from reports.figures import Figure
from reports.load import Results, Run
from reports.plots import timing_diagram
from reports.statistics import summarize
from reports.tables import HEADS, Row, latency

KEY_FIGURES = (
    Figure.ON_ERROR,
    Figure.OFF_ERROR,
    Figure.PERIOD_ERROR,
    Figure.EDGE_LATENESS,
    Figure.ROUND_TRIP,
    Figure.FIRST_EDGE,
)
"""The rest is on the page."""

_COLOURS = {
    "ink": "var(--text-color, #000)",
    "quiet": "#767d86",
    "hair": "#9aa4af",
    "commanded": "#808b97",
    "observed": "#4585d8",
    "pass": "#3f9460",
    "inconclusive": "#b9791a",
    "fail": "#d8483e",
    "sans": "sans-serif",
}
"""Of the picture: they can be seen on the light ground of Robot's log and on the dark one."""


def log_entry(run: Run, link: str) -> str:
    """HTML to put into the log; `link` leads to the run on the page."""
    style = "; ".join(f"--{name}: {colour}" for name, colour in _COLOURS.items())
    shown = Markup().join([*_picture(run), *_table(run)])
    entry = Markup('<div style="max-width: 60em; {}">{}{}</div>').format(style, shown, _way(link))
    return str(entry)  # Robot escapes what is no plain text


def _picture(run: Run) -> Iterator[Markup]:
    """Nothing of a run that was ended early: it has no pattern."""
    if run.is_pattern:
        picture = timing_diagram(run)
        yield Markup("{}<p>{}</p>").format(picture.svg, picture.caption)


def _table(run: Run) -> Iterator[Markup]:
    """Nothing of a planted defect: its figures say nothing about the target."""
    summary = summarize(Results(run.evidence.folder, (run,), ()))
    rows = [row for _, rows in latency(summary).groups for row in rows]
    if rows:
        cells = Markup().join(Markup('<th align="right">{}</th>').format(head) for head in HEADS)
        yield Markup("<table><tr><th></th>{}</tr>").format(cells)
        yield from (_row(row) for row in rows if row.figure in KEY_FIGURES)
        yield Markup("</table>")


def _row(row: Row) -> Markup:
    cells = (Markup('<td align="right">&ensp;{}</td>').format(cell) for cell in row.cells)
    return Markup("<tr><td>{}</td>{}</tr>").format(row.figure, Markup().join(cells))


def _way(link: str) -> Markup:
    return Markup('<p><a href="{}">This run in the report</a></p>').format(escape(link))
