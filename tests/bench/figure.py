# SPDX-License-Identifier: ISC
"""Figures, and how they are written: as a table to read and as CSV."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

from rich.table import Table

from tests.bench.samples import Estimate


class Verdict(StrEnum):
    """Whether a figure is what it should be."""

    REACHED = "reached"
    MISSED = "missed"
    UNCERTAIN = "~"
    """The limit lies within the interval, or there are too few samples for one."""
    REPORTED = "reported"
    """There is no limit."""
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Figure:
    """One number of the bench. A ratio has the unit "x"."""

    number: int
    """Of the figure in docs/bench.md; several rows may belong to one."""
    where: str
    what: str
    unit: str
    estimate: Estimate | None
    """None if it could not be measured; `note` says why."""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Judged by the whole interval, so that noise alone decides nothing."""
        if self.estimate is None:
            return Verdict.NOT_MEASURED
        limit = self.at_most if self.at_most is not None else self.at_least
        if limit is None:
            return Verdict.REPORTED
        if self._beyond(limit, self.estimate.low) and self._beyond(limit, self.estimate.high):
            return Verdict.MISSED
        if self._within(limit, self.estimate.low) and self._within(limit, self.estimate.high):
            return Verdict.REACHED
        return Verdict.UNCERTAIN

    @property
    def limit(self) -> str:
        """As a reader says it."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return f"at least {self.at_least:g}" if self.at_least is not None else ""

    def _within(self, limit: float, value: float) -> bool:
        return value <= limit if self.at_most is not None else value >= limit

    def _beyond(self, limit: float, value: float) -> bool:
        return value > limit if self.at_most is not None else value < limit


COLUMNS = (
    *("figure", "where", "what", "value", "low95", "high95", "unit", "samples"),
    *("limit", "verdict", "note"),
)


def write_csv(figures: Iterable[Figure], stream: TextIO) -> list[Figure]:
    """One row per figure; a number that is not known is an empty field.

    `figures` may still be measuring: each is written at once, so that an end half
    way loses none that is known. Returns them all.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    written = []
    for figure in figures:
        writer.writerow(_fields(figure))
        stream.flush()
        written.append(figure)
    return written


def table(figures: Iterable[Figure]) -> Table:
    """The same, for a terminal."""
    text = Table(title="Figures, median with 95 % interval")
    for column in ("", "where", "what", "median", "interval", "samples", "limit", "verdict"):
        text.add_column(column)
    for figure in figures:
        fields = dict(zip(COLUMNS, _fields(figure), strict=True))
        interval = f"{fields['low95']} to {fields['high95']}" if fields["low95"] else ""
        value = f"{fields['value']} {figure.unit}" if figure.estimate else figure.note
        cells = (fields["figure"], figure.where, figure.what, value, interval)
        text.add_row(*cells, fields["samples"], figure.limit, figure.verdict.value)
    return text


def _fields(figure: Figure) -> tuple[str, ...]:
    estimate = figure.estimate
    numbers = (estimate.value, estimate.low, estimate.high) if estimate else (math.nan,) * 3
    value, low, high = ("" if math.isnan(number) else f"{number:.4g}" for number in numbers)
    return (
        *(str(figure.number), figure.where, figure.what, value, low, high, figure.unit),
        *(str(estimate.samples) if estimate else "", figure.limit, figure.verdict, figure.note),
    )
