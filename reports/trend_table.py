# SPDX-License-Identifier: ISC
"""A trend as a table: for a terminal, and ready to be set on a page."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from textwrap import fill

import pandas as pd

from reports.changes import LEAST, LEVEL
from reports.figures import ERRORS, Scale, number
from reports.trend import Series, Stretch, Trend
from rig.findings import counted

HEADS = ("unit", "runs", "samples", "before (95 % interval)", "after (95 % interval)", "change")
"""Of the table's columns, after the figure."""

_NS_PER_S = 10**9


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, or one more change of the same."""

    figure: str
    """Empty of a further change."""
    cells: tuple[str, ...]
    """One for each of `HEADS`; of no change, and of too few runs, `~` and `-` are `after`."""
    remark: str
    """Where the change is, and what changed with it; empty if there is none."""


@dataclass(frozen=True)
class Group:
    """The figures of one test in one place."""

    name: str
    where: str
    rows: tuple[Row, ...]


def groups(trend: Trend) -> Iterator[Group]:
    """The table, ready to be set: on a terminal or on a page."""
    for (name, where), members in groupby(trend.series, lambda one: (one.name, one.where)):
        yield Group(name, where, tuple(row for one in members for row in _rows(trend, one)))


def _rows(trend: Trend, one: Series) -> Iterator[Row]:
    first = one.levels[0]
    scale = scale_of(one)
    if len(one.levels) == 1:
        sign = "-" if one.is_short else "~"
        yield Row(one.figure, (*_counts(scale, first), _level(scale, first), sign, ""), "")
    for place, (before, after) in enumerate(one.changes):
        yield Row(
            "" if place else one.figure,
            (
                *_counts(scale, before, after),
                _level(scale, before),
                _level(scale, after),
                _effect(one, scale, before, after),
            ),
            _remark(trend, one, scale, before, after),
        )


def scale_of(one: Series) -> Scale:
    """The same for all of its levels."""
    numbers = (value for level in one.levels for value in (level.median, level.low95, level.high95))
    return Scale.fitting(one.unit, numbers)


def _counts(scale: Scale, *levels: Stretch) -> tuple[str, str, str]:
    runs, samples = ([str(getattr(one, name)) for one in levels] for name in ("runs", "samples"))
    return scale.unit, " + ".join(runs), " + ".join(samples)


def _level(scale: Scale, level: Stretch) -> str:
    median, low, high = (
        number(value / scale.size, scale.decimals)
        for value in (level.median, level.low95, level.high95)
    )
    return f"{median} ({low} to {high})" if level.runs >= LEAST else f"{median} (-)"


def _effect(one: Series, scale: Scale, before: Stretch, after: Stretch) -> str:
    """In the unit, and as a share of what it was; an error's share of itself says nothing."""
    effect = (after.median - before.median) / scale.size
    sign = "+" if effect > 0 else ""
    text = f"{sign}{number(effect, scale.decimals)}"
    if one.figure in ERRORS or before.median <= 0:
        return text
    return f"{text} ({(after.median / before.median - 1) * 100:+,.0f} %)"


def _remark(trend: Trend, one: Series, scale: Scale, before: Stretch, after: Stretch) -> str:
    pair = (one.table["seal"].iloc[after.first - 1], one.table["seal"].iloc[after.first])
    is_release = one.table["git_commit"].iloc[after.first - 1] != after.commit
    word = "with" if is_release else "within"
    text = f"{word} {release_name(trend.tags, after.commit)}, {day(after.started_ns)}"
    text += f", run {after.first + 1} of {len(one.table)}"
    others = trend.together.get(pair, ())
    text += f"; changed too: {', '.join(others)}" if others else ""
    if abs(after.median - before.median) < one.uncertainty:
        limit = number(one.uncertainty / scale.size, scale.decimals)
        text += f"; less than the observer can be off, {limit} {scale.unit}"
    return text


def headline(trend: Trend) -> str:
    """How much of a past this is, in one line."""
    tables = [one.table for one in trend.series]
    runs = pd.concat([table[["seal", "git_commit", "started_ns"]] for table in tables])
    began, ended = int(runs["started_ns"].min()), int(runs["started_ns"].max())
    commits = counted(runs["git_commit"].nunique(), "release")
    return f"{counted(runs['seal'].nunique(), 'run')} of {commits}, {day(began)} to {day(ended)}"


def notes(trend: Trend) -> Iterator[str]:
    """What one must know to believe the table."""
    yield (
        f"~ no change: chance alone shows one in at most {LEVEL:.0%} of all series; "
        f"these are {len(trend.series)}"
    )
    if any(one.is_short for one in trend.series):
        yield f"- too few runs to tell: it takes {LEAST} before a change and {LEAST} after it"
    yield (
        "each run counts with its median; the interval is that of the median of these, and holds "
        "for runs that do not depend on each other"
    )
    if trend.left_out:
        yield (
            f"{counted(trend.left_out, 'run')} left out: edges are missing, or the bench stalled"
        )


def to_text(trend: Trend, *, shows_releases: bool = False) -> str:
    """The table as plain text; with each release of each figure if wanted."""
    lines = [f"Trend: {headline(trend)}"]
    found = list(groups(trend))
    widths = _widths(row.cells for group in found for row in group.rows)
    first = max(len(row.figure) for group in found for row in group.rows)
    lines += ["", "  ".join([" " * (first + 2), *_padded(HEADS, widths)]).rstrip()]
    for group in found:
        lines += [group.name, f"  {group.where}"]
        for row in group.rows:
            cells = "  ".join(_padded(row.cells, widths))
            lines.append(f"    {row.figure:<{first}}  {cells}".rstrip())
            lines += [_wrapped(row.remark, 6)] if row.remark else []
    lines += [_wrapped(note, 2) for note in notes(trend)]
    if shows_releases:
        lines += ["", *_release_lines(trend)]
    lines += ["", summary(trend)]
    return "\n".join(lines) + "\n"


def _wrapped(text: str, indent: int) -> str:
    return fill(text, 100, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))


def summary(trend: Trend) -> str:
    """How many changes there are, in one line."""
    changes = sum(1 for one in trend.series for _ in one.changes)
    figures = counted(len(trend.series), "figure")
    return f"{counted(changes, 'change')}, in {len(trend.changed)} of {figures}."


def _widths(rows: Iterable[tuple[str, ...]]) -> list[int]:
    return [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]


def _padded(cells: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    """Counts to the right, all else to the left."""
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        yield cell.rjust(width) if place in (1, 2) else cell.ljust(width)


def _release_lines(trend: Trend) -> Iterator[str]:
    """A line for each release of each series."""
    for one in trend.series:
        scale = scale_of(one)
        yield f"{one.name}, {one.figure}, {one.where}"
        for release in one.releases:
            counts = f"{counted(release.runs, 'run')}, {counted(release.samples, 'sample')}"
            name = release_name(trend.tags, release.commit)
            when = day(release.started_ns)
            yield f"  {name}  {when}  {_level(scale, release)} {scale.unit}  {counts}"


def release_name(tags: Mapping[str, str], commit: str) -> str:
    """The tag, if there is one, and the commit, short."""
    short = commit[:12] + ("-dirty" if commit.endswith("-dirty") else "")
    return f"{tags[commit]} ({short})" if commit in tags else short


def day(time_ns: int) -> str:
    """In UTC: `2026-01-02`."""
    return datetime.fromtimestamp(time_ns // _NS_PER_S, UTC).strftime("%Y-%m-%d")
