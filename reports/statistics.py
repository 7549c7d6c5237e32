# SPDX-License-Identifier: ISC
"""Tidy tables -> one summary: count, median with its interval, percentiles and max of each figure.

A percentile is one of the samples (the nearest rank), and it is missing when fewer samples
were taken than it needs for one to lie beyond it. Of an error, percentiles are of its size,
without sign; max is the error farthest from zero, with its sign. The interval holds the
median in 95 of 100 cases if the samples are independent; it is made of two of the samples
(order statistics), so no shape of their distribution is assumed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.distributions import Distribution, points, ranks_of
from reports.figures import DISTRIBUTED, ERRORS, ONCE_PER_RUN, UNITS, Figure
from reports.load import Results, Run
from reports.order import PER_MILLE, Values, in_order, median_interval, percentiles
from reports.tidy import Tables, tidy
from rig.capture import Clock
from rig.load import Load

COLUMNS = ("count", "median", "low95", "high95", *PER_MILLE, "max", "uncertainty")
"""The numbers of the summary, in the row's `unit`; missing ones are NaN."""

IDENTITY = ("run", "label", "suite", "test", "bench", "outcome", "repeats")
"""Whose figure it is. Over all runs: `run`, `suite`, `test` and `outcome` are empty."""

_NS_PER_US = 1000

_Record = dict[str, Any]
"""One row of `Tables.runs` or of the summary."""


class _Samples(NamedTuple):
    """All of one figure of one run, or of all runs."""

    figure: Figure
    values: Values
    """In nanoseconds, or in the figure's unit if that is no time."""
    uncertainty: float
    """In the same."""
    limit: float | None = None
    """In the same: what the verdict allows to either side; None if it asks nothing."""


class _Ordered(NamedTuple):
    """The samples of one figure `in_order`."""

    values: Values
    sizes: Values
    """Of an error without sign, else the same."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that is known of the samples, without the samples."""

    summary: pd.DataFrame
    """One row per run and figure: `IDENTITY`, `figure`, `unit`, `COLUMNS` and `note`.

    After the runs follow the figures of all runs together, of those that a run has once.
    `note` says what the reader must know to believe the row, or is empty."""
    distributions: tuple[Distribution, ...]
    """One for each run and figure with samples, of those that a run has many of."""


def analyse(results: Results) -> Analysis:
    """Sum up all runs but those with a planted defect, which say nothing about the target.

    Left out are also those that were ended early or ran in time-lapse, and of all runs together
    those under load.
    """
    rows: list[_Record] = []
    runs: list[pd.DataFrame] = []
    spread: list[Distribution] = []
    # One after the other: their edges need not fit into memory together.
    for run in (run for run in results.proofs if run.is_timed):
        tables = tidy([run])
        if run.evidence.run.load is Load.IDLE:
            runs.append(tables.runs)
        for row, distribution in _figures_of(run, tables):
            rows.append(row)
            spread += [distribution] if distribution else []
    for together in _alike(runs):
        rows += _rows_over(together, len(runs))
    summary = pd.DataFrame(rows, columns=[*IDENTITY, "figure", "unit", *COLUMNS, "note"])
    return Analysis(summary, tuple(spread))


def summarize(results: Results) -> pd.DataFrame:
    """The summary alone (see `Analysis`)."""
    return analyse(results).summary


def _figures_of(run: Run, tables: Tables) -> Iterator[tuple[_Record, Distribution | None]]:
    """Each figure's row, and its distribution if it has one."""
    (row,) = tables.runs.to_dict("records")
    known: _Record = {str(column): value for column, value in row.items()}
    for samples in _of_edges(tables, run.evidence.capture.clock, run):
        is_drawn = samples.figure in DISTRIBUTED and len(samples.values) > 0
        ordered = _ordered(samples, ranks_of(len(samples.values)) if is_drawn else ())
        distribution = _distribution(run.name, samples, ordered.sizes) if is_drawn else None
        yield _row(known, samples, ordered, _notes(known, samples)), distribution
    for figure in ONCE_PER_RUN:
        samples = _once(tables.runs, figure)
        yield _row(known, samples, _ordered(samples), _notes(known, samples)), None


def _ordered(samples: _Samples, ranks: Iterable[int] = ()) -> _Ordered:
    """With those sizes in their places, too, that have one of these ranks."""
    if samples.figure not in ERRORS:
        values = in_order(samples.values, ranks)
        return _Ordered(values, values)
    return _Ordered(in_order(samples.values), in_order(np.abs(samples.values), ranks))


def _distribution(run: str, samples: _Samples, sizes: Values) -> Distribution:
    figure, values, uncertainty, limit = samples
    scale = _scale(figure)
    ranks, kept, largest = points(sizes)
    return Distribution(
        run=run,
        figure=figure,
        unit=UNITS[figure],
        count=len(values),
        ranks=ranks,
        values=kept / scale,
        largest=largest / scale,
        uncertainty=uncertainty / scale,
        limit=None if limit is None else limit / scale,
    )


def _of_edges(tables: Tables, clock: Clock, run: Run) -> Iterator[_Samples]:
    """The figures of which every edge or hypercall is a sample."""
    expected = run.pattern
    edges, calls = tables.edges, tables.hypercalls
    rises, falls = edges["level"] == 1, edges["level"] == 0
    on_ns, off_ns = _known(edges["length_ns"][rises]), _known(edges["length_ns"][falls])
    period_ns = _known(edges["period_ns"])
    jitter_ns = np.diff(period_ns)
    for figure, errors, lengths_ns, nominal_ns in (
        (Figure.ON_ERROR, edges["error_ns"][rises], on_ns, expected.on_ns),
        (Figure.OFF_ERROR, edges["error_ns"][falls], off_ns, expected.off_ns),
        (Figure.PERIOD_ERROR, edges["period_error_ns"], period_ns, expected.period_ns),
    ):
        samples = _timed(figure, _known(errors), lengths_ns, clock)
        yield samples._replace(limit=expected.tolerance_of(nominal_ns))
    yield _duty(run, on_ns[: len(period_ns)], period_ns, clock)
    four_stamps_ns = clock.interval_uncertainty_ns(0)
    jitter = _timed(Figure.JITTER, jitter_ns, jitter_ns, clock)
    yield jitter._replace(uncertainty=jitter.uncertainty + four_stamps_ns)
    yield _timed(Figure.PERIOD, period_ns, period_ns, clock)
    pin_ns = _largest(tables.runs["call_to_pin_uncertainty_ns"])
    yield _Samples(Figure.EDGE_LATENESS, _known(edges["edge_late_ns"]), pin_ns)
    yield _Samples(Figure.CALL_LATENESS, calls["call_late_ns"].to_numpy(), float("nan"))
    yield _Samples(Figure.CALL_TO_PIN, _known(edges["call_to_pin_ns"]), pin_ns)
    yield _Samples(Figure.ROUND_TRIP, calls["round_trip_ns"].to_numpy(), float("nan"))


def _timed(
    figure: Figure, values: NDArray[np.int64], lengths_ns: NDArray[np.int64], clock: Clock
) -> _Samples:
    """Between two stamps each: the uncertainty is that of the longest."""
    longest_ns = int(np.abs(lengths_ns).max(initial=0))
    uncertainty_ns = clock.interval_uncertainty_ns(longest_ns) if len(values) else float("nan")
    return _Samples(figure, values, uncertainty_ns)


def _duty(
    run: Run, on_ns: NDArray[np.int64], period_ns: NDArray[np.int64], clock: Clock
) -> _Samples:
    """The share of each period that the line was on, less the commanded share.

    Three stamps, each late by 0 to L: the on-time and the share of the period move the
    result by L / period at most. An error of the clock's rate cancels out.
    """
    expected = run.pattern
    with np.errstate(divide="ignore", invalid="ignore"):
        error = (on_ns / period_ns - expected.on_ns / expected.period_ns) * 100
    stamps_ns = clock.latency_ns + clock.resolution_ns
    shortest_ns = int(period_ns.min(initial=expected.period_ns))
    uncertainty = stamps_ns / shortest_ns * 100 if shortest_ns and len(error) else float("nan")
    return _Samples(Figure.DUTY_ERROR, error[np.isfinite(error)], uncertainty)


_ONCE = {
    Figure.DRIFT: ("drift_ppm", "drift_uncertainty_ppm"),
    Figure.DEPLOY: ("deploy_ns", None),
    Figure.FIRST_EDGE: ("first_edge_ns", "first_edge_uncertainty_ns"),
    Figure.TENDER_START: ("tender_start_ns", "tender_start_uncertainty_ns"),
    Figure.GUEST_BOOT: ("guest_boot_ns", "guest_boot_uncertainty_ns"),
    Figure.MAIN_TO_EDGE: ("main_to_edge_ns", "main_to_edge_uncertainty_ns"),
}
"""The columns of `Tables.runs` that hold a figure and its uncertainty."""


def _once(runs: pd.DataFrame, figure: Figure) -> _Samples:
    column, uncertainty = _ONCE[figure]
    values = runs[column].dropna().to_numpy(dtype=float)
    return _Samples(figure, values, _largest(runs[uncertainty]) if uncertainty else float("nan"))


def _known(column: pd.Series) -> NDArray[np.int64]:
    return column.dropna().to_numpy(dtype=np.int64)


def _largest(column: pd.Series) -> float:
    known = column.dropna()
    return float(known.max()) if len(known) else float("nan")


def _alike(runs: list[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The runs, those of the same images together."""
    if runs:
        grouped = pd.concat(runs, ignore_index=True).groupby(["tender", "unikernel"], sort=False)
        yield from (group for _, group in grouped)


def _rows_over(runs: pd.DataFrame, count: int) -> Iterator[_Record]:
    """All runs of the same images together; `count` are all there are.

    Runs that share one deployment tell the same time of it, which counts once.
    """
    some = "" if len(runs) == count else f" of tender {runs['tender'].iloc[0][:12]}"
    label = f"Once per run: {len(runs)} run{'s' if len(runs) > 1 else ''}{some}"
    nobody: _Record = dict.fromkeys(IDENTITY, "")
    nobody |= {"label": label, "bench": runs["bench"].iloc[0], "repeats": 0}
    once = runs.assign(deploy_ns=runs["deploy_ns"].mask(runs["deploy_ns"].duplicated()))
    records = [dict(zip(runs.columns, row, strict=True)) for row in runs.itertuples(index=False)]
    for figure in ONCE_PER_RUN:
        notes: dict[str, int] = {}
        for known in records:
            for note in _notes(known, _once(pd.DataFrame([known]), figure)):
                notes[note] = notes.get(note, 0) + 1
        told = [
            note if times == len(runs) else f"{note} ({times} of {len(runs)} runs)"
            for note, times in notes.items()
        ]
        samples = _once(once, figure)
        yield _row(nobody, samples, _ordered(samples), told)


def _row(known: _Record, samples: _Samples, ordered: _Ordered, notes: Iterable[str]) -> _Record:
    figure = samples.figure
    scale = _scale(figure)
    numbers = _numbers(ordered, figure in ERRORS)
    return {
        **{column: known[column] for column in IDENTITY},
        "figure": str(figure),
        "unit": UNITS[figure],
        "count": len(samples.values),
        **{column: number / scale for column, number in numbers.items()},
        "uncertainty": samples.uncertainty / scale,
        "note": "; ".join(notes),
    }


def _scale(figure: Figure) -> int:
    """What the figure's unit has of the samples' own."""
    return _NS_PER_US if UNITS[figure] == "us" else 1


def _numbers(all_ordered: _Ordered, is_error: bool) -> dict[str, float]:
    ordered, sizes = all_ordered
    if not len(ordered):
        return dict.fromkeys((column for column in COLUMNS[1:-1]), float("nan"))
    low95, high95 = median_interval(ordered)
    least, most = float(ordered[0]), float(ordered[-1])
    return {
        "median": float(np.median(ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1])),
        "low95": low95,
        "high95": high95,
        **percentiles(sizes),
        "max": least if is_error and -least >= most else most,
    }


_OF_GUEST = (Figure.CALL_LATENESS, Figure.ROUND_TRIP)
_OF_BOTH = (Figure.EDGE_LATENESS, Figure.CALL_TO_PIN, Figure.DRIFT)
_NO_BEGIN = "the guest did not say when it began"


def _notes(known: _Record, samples: _Samples) -> Iterator[str]:
    """What the reader of one row of one run must know."""
    figure, count = samples.figure, len(samples.values)
    if not count:
        yield _why_none(known, figure)
    if figure in _OF_GUEST and count:
        yield "timed by the guest's own counter: the observer's uncertainty does not apply"
    elif figure is Figure.DEPLOY:
        yield from ["what lies there already is only compared"] if count else []
        return
    elif count and not known["is_complete"]:
        yield "edges are missing from the capture"
    if count and known["stalls"]:
        yield "the bench stalled during the run"


def _why_none(known: _Record, figure: Figure) -> str:
    if figure is Figure.DEPLOY:
        return "the rig did not record it"
    if figure in _OF_GUEST:
        return "the guest recorded no hypercall"
    if figure is Figure.FIRST_EDGE:
        return str(known["why_no_start"])
    if figure is Figure.TENDER_START:
        return str(known["why_no_parts"] or known["why_no_start"])
    if figure is Figure.GUEST_BOOT:
        return str(known["why_no_parts"] or known["why_no_relation"] or _NO_BEGIN)
    if figure is Figure.MAIN_TO_EDGE:
        return str(known["why_no_relation"] or _NO_BEGIN)
    if figure in _OF_BOTH:
        return str(known["why_no_relation"] or "one edge alone does not tell it")
    if figure is Figure.JITTER:
        return "no two periods to compare"
    return "no interval between two commanded edges"
