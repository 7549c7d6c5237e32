# SPDX-License-Identifier: ISC
"""A history -> each figure over the releases: where its level changed, from what to what.

A series is one figure of one test on one bench, board, kernel, observer's clock and pattern;
nothing else shares it. Of each run it has the median. Runs are in the order of their releases,
which are commits, by the time at which each was first run.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.changes import LEAST, change_points
from reports.figures import Figure
from reports.history import PATTERN, History, Past
from reports.order import in_order, median_interval

_IDENTITY = ["suite", "test", "bench", "board", "kernel", "clock", "line", *PATTERN]
"""The columns of a history whose values a series' runs share."""
_CIRCUMSTANCES = {"tender": "tender", "unikernel": "unikernel", "bench_sha256": "bench file"}
"""Columns that can change together with a figure, and what they are called."""


class Stretch(NamedTuple):
    """Some runs of a series that follow each other: a level, or a release."""

    first: int
    """The place of the first run in the series."""
    runs: int
    samples: int
    median: float
    """Of the runs' medians, in the series' unit."""
    low95: float
    """From here to `high95` it lies 95 times in 100; NaN for too few runs."""
    high95: float
    commit: str
    """Of the first run."""
    started_ns: int


@dataclass(frozen=True)
class Series:
    """One figure, over all runs that can be compared."""

    suite: str
    test: str
    where: str
    """Bench, board, kernel, observer's clock and pattern."""
    figure: str
    unit: str
    table: pd.DataFrame
    """A row for each run, in order: the columns of both tables of `Past`."""

    @property
    def name(self) -> str:
        """Suite and test."""
        return f"{self.suite} / {self.test}"

    @cached_property
    def medians(self) -> NDArray[np.float64]:
        """One for each run, in `unit`."""
        return self.table["median"].to_numpy()

    @property
    def is_short(self) -> bool:
        """Whether it has too few runs for any change to be told."""
        return len(self.table) < 2 * LEAST

    @cached_property
    def levels(self) -> tuple[Stretch, ...]:
        """From change to change; one if nothing changed."""
        return self._stretches(change_points(self.medians, self._is_release))

    @cached_property
    def releases(self) -> tuple[Stretch, ...]:
        """From commit to commit."""
        return self._stretches(np.flatnonzero(self._is_release)[1:].tolist())

    @property
    def changes(self) -> Iterator[tuple[Stretch, Stretch]]:
        """The levels before and after each change."""
        return pairwise(self.levels)

    @property
    def uncertainty(self) -> float:
        """How far the observer can be off, at most; NaN if it has no part in the figure."""
        return float(self.table["uncertainty"].max())

    @cached_property
    def _is_release(self) -> NDArray[np.bool_]:
        commits = self.table["git_commit"].to_numpy()
        return np.concatenate(([True], commits[1:] != commits[:-1]))

    def _stretches(self, inner: list[int]) -> tuple[Stretch, ...]:
        return tuple(self._stretch(*ends) for ends in pairwise([0, *inner, len(self.table)]))

    def _stretch(self, begin: int, end: int) -> Stretch:
        medians, first = self.medians[begin:end], self.table.iloc[begin]
        return Stretch(
            begin,
            end - begin,
            int(self.table["count"].iloc[begin:end].sum()),
            float(np.median(medians)),
            *median_interval(in_order(medians)),
            first["git_commit"],
            int(first["started_ns"]),
        )


@dataclass(frozen=True)
class Trend:
    """All series of a history, or of a part of it."""

    series: tuple[Series, ...]
    """By test, bench and pattern; their figures in the order of a report."""
    left_out: int
    """Runs whose figures cannot be compared: edges are missing, or the bench had stalled."""
    tags: Mapping[str, str]
    """Names of releases, by commit."""
    together: Mapping[tuple[str, str], tuple[str, ...]]
    """What else changed from one run to the next, by their seals, where a figure changed."""

    @property
    def changed(self) -> tuple[Series, ...]:
        """Those with a change."""
        return tuple(series for series in self.series if len(series.levels) > 1)

    def of(self, seals: Iterable[str]) -> "Trend":
        """Only the series to which one of these runs belongs."""
        wanted = set(seals)
        kept = (one for one in self.series if not wanted.isdisjoint(one.table["seal"]))
        return replace(self, series=tuple(kept))


def read_trend(
    history: History,
    tags: Mapping[str, str],
    *,
    bench: str | None = None,
    figure: str | None = None,
    since_ns: int = 0,
) -> Trend:
    """The trend of one bench, one figure, or since a time; else of all.

    Without a series if the history holds nothing of that. Raises `HistoryError` if it cannot
    be read.
    """
    past = history.read(bench, since_ns)
    series = tuple(_series(past, figure))
    left_out = len(past.runs) - int(_comparable(past.runs).sum())
    trend = Trend(series, left_out, tags, {})
    return replace(trend, together=_together(history, trend.changed))


def _comparable(runs: pd.DataFrame) -> "pd.Series[bool]":
    return runs["is_complete"] & (runs["stalls"] == 0)


def _series(past: Past, figure: str | None) -> Iterator[Series]:
    runs = past.runs[_comparable(past.runs)]
    released_ns = runs.groupby([*_IDENTITY, "git_commit"])["started_ns"].transform("min")
    ordered = runs.assign(released_ns=released_ns).sort_values(
        ["released_ns", "git_commit", "started_ns", "seal"]
    )
    figures = past.figures.dropna(subset="median")
    chosen = figures if figure is None else figures[figures["figure"] == figure]
    joined = ordered.merge(chosen, on="seal")
    found = [
        _one(dict(zip(_IDENTITY, key[:-1], strict=True)), str(key[-1]), table)
        for key, table in joined.groupby([*_IDENTITY, "figure"])
    ]
    order = {str(name): place for place, name in enumerate(Figure)}
    return iter(sorted(found, key=lambda one: (one.name, one.where, order.get(one.figure, 99))))


def _one(identity: dict[str, Any], figure: str, table: pd.DataFrame) -> Series:
    final = ", ends on" if identity["final_level"] else ""
    where = (
        f"{identity['bench']}, {identity['board']}, kernel {identity['kernel']}, "
        f"{identity['clock']} clock; {identity['line']} {identity['cycles']} × "
        f"{identity['on_ns'] / 1e6:g} ms on, {identity['off_ns'] / 1e6:g} ms off{final}"
    )
    unit = str(table["unit"].iloc[0])
    return Series(identity["suite"], identity["test"], where, figure, unit, table)


def _together(
    history: History, changed: Iterable[Series]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Looks only at the two runs on either side of each change."""
    pairs = [
        (one.table.iloc[after.first - 1], one.table.iloc[after.first])
        for one in changed
        for _, after in one.changes
    ]
    if not pairs:
        return {}
    facts = history.facts({row["seal"] for pair in pairs for row in pair})
    told = {
        str(seal): dict(zip(group["name"], group["value"], strict=True))
        for seal, group in facts.groupby("seal")
    }
    return {
        (before["seal"], after["seal"]): tuple(_differences(before, after, told))
        for before, after in pairs
    }


def _differences(
    before: "pd.Series[Any]", after: "pd.Series[Any]", told: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    for column, name in _CIRCUMSTANCES.items():
        if before[column] != after[column]:
            yield name
    old, new = told.get(before["seal"], {}), told.get(after["seal"], {})
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{name} ({old.get(name, 'none')} to {new.get(name, 'none')})"
