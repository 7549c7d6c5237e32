# SPDX-License-Identifier: ISC
"""A trend as a section of the report's page, and as a page of its own."""

from dataclasses import dataclass
from pathlib import Path

from reports.lanes import Picture
from reports.page import template
from reports.trend import Trend
from reports.trend_plots import picture
from reports.trend_table import HEADS, Group, groups, headline, notes, summary


@dataclass(frozen=True)
class Section:
    """What `trend.html.j2` shows."""

    headline: str
    summary: str
    picture: Picture | None
    heads: tuple[str, ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    is_changed: bool


def section(trend: Trend) -> Section:
    """The trend, ready to be set; it must have a series."""
    return Section(
        headline(trend),
        summary(trend),
        picture(trend),
        HEADS,
        tuple(groups(trend)),
        tuple(notes(trend)),
        bool(trend.changed),
    )


def write_page(trend: Trend, path: Path) -> None:
    """One file, which needs no network and no other. Raises `OSError` if it cannot be written."""
    text = template("trend_page.html.j2").render(trend=section(trend))
    path.write_text(text, encoding="utf-8")
