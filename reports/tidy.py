# SPDX-License-Identifier: ISC
"""Runs -> tidy tables: one row per edge, per hypercall, per run, all that is known in columns.

Every table has the columns `run`, `suite`, `test` and `purpose`. Times are nanoseconds; a
column's name ends in its unit. What is not known is missing, never a number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from reports.clocks import Moments, Relation, calls_to_pin, relate
from reports.load import Run
from rig.capture import Capture
from rig.course import Course, Edges
from rig.expectation import Expectation

_Ns = NDArray[np.int64]
_INTEGER = pd.ArrowDtype(pa.int64())
"""Columns in which a number can be missing."""


@dataclass(frozen=True)
class Tables:
    """All observations of some runs."""

    edges: pd.DataFrame
    """One row per commanded edge that was seen, on the observer's clock: `seqno`, `level`,
    `time_ns`. `length_ns` of the level that it begins, and `error_ns` of that: of a rise the
    on-time, of a fall the off-time. Of a rise, `period_ns` until the next rise, and its
    `period_error_ns`. With both clocks side by side: `call_to_pin_ns` from the start of its
    hypercall, `edge_late_ns` from the guest's deadline."""
    hypercalls: pd.DataFrame
    """One row per hypercall, on the guest's clock: `seqno`, `level`, `deadline_ns`,
    `before_ns`, `after_ns`, `call_late_ns` from the deadline to the call, `round_trip_ns`."""
    runs: pd.DataFrame
    """One row per run: `label`, `outcome`, `bench`, `tender` and `unikernel` (SHA-256),
    `repeats`, `is_complete`, `stalls`, `edges` of the line, `clock`, `started_ns` and `ended_ns`
    on the rig's clock.

    Of the start: `deploy_ns` of both images; `first_edge_ns` from the command to the first
    edge, and its parts: `tender_start_ns` until the tender took the line, `guest_boot_ns` from
    there to the first instruction of the unikernel's own program, `main_to_edge_ns` from there
    on. Of both clocks: `drift_ppm`, by how much faster the observer's counts. The name with
    `uncertainty` before the unit says how far each can be off; also `call_to_pin`'s.

    What is missing is explained in `why_no_start`, `why_no_parts` and `why_no_relation`, which
    are empty if there is nothing to explain."""


def tidy(runs: Sequence[Run]) -> Tables:
    """Lay out these runs, one at least.

    10 million edges take about 1 GB; who only wants numbers of each run lays out one run
    after the other, as `reports.statistics` does.
    """
    dtypes = _dtypes(runs)
    seen = [_Observation(run) for run in runs]

    def stack(table: Callable[[_Observation], pd.DataFrame]) -> pd.DataFrame:
        tagged = [_tag(table(one), one.run, dtypes) for one in seen]
        return pd.concat(tagged, ignore_index=True) if len(tagged) > 1 else tagged[0]

    return Tables(stack(_edges), stack(_hypercalls), stack(_run))


def _identity(run: Run) -> dict[str, str]:
    record = run.evidence.run
    return {"run": run.name, "suite": record.suite, "test": record.test, "purpose": record.purpose}


def _dtypes(runs: Sequence[Run]) -> dict[str, pd.CategoricalDtype]:
    rows = [_identity(run) for run in runs]
    return {key: pd.CategoricalDtype(list(dict.fromkeys(r[key] for r in rows))) for key in rows[0]}


def _tag(table: pd.DataFrame, run: Run, dtypes: dict[str, pd.CategoricalDtype]) -> pd.DataFrame:
    """Put who it is before everything else, at a byte a row when there are few runs."""
    for place, (column, name) in enumerate(_identity(run).items()):
        dtype = dtypes[column]
        codes = np.full(len(table), dtype.categories.get_loc(name), dtype=np.int32)
        table.insert(place, column, pd.Series(pd.Categorical.from_codes(codes, dtype=dtype)))
    return table


@dataclass(frozen=True)
class _Span:
    """A time and how far it can be off, either way."""

    time_ns: int
    uncertainty_ns: int


class _Observation:
    """One run, taken apart once for all of its tables."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.capture: Capture = run.evidence.capture
        self.expected: Expectation = run.pattern

    @cached_property
    def edges(self) -> Edges:
        """Those of the commanded edges that came, as the verdict takes them."""
        return Course(self.capture, self.expected).pattern

    @cached_property
    def calls(self) -> dict[str, NDArray[np.int64]]:
        """The columns of the guest's record."""
        guest = self.run.evidence.guest
        return {name: guest[name].to_numpy() for name in guest.column_names}

    @cached_property
    def moments(self) -> Moments | None:
        """The edges on both clocks; None if they are not those of the guest's record."""
        levels = self.calls["level"]
        if not len(levels) or not np.array_equal(levels, self.edges.levels):
            return None
        return Moments(self.edges.times, self.calls["before_ns"], self.calls["after_ns"])

    @cached_property
    def relation(self) -> Relation | None:
        """How the guest's clock and the observer's belong together."""
        return relate(self.moments, self.capture.clock) if self.moments else None

    @cached_property
    def calls_to_pin(self) -> tuple[_Ns, int] | None:
        """From each hypercall to its edge, and how far that can be off."""
        if not self.moments or not self.relation:
            return None
        return calls_to_pin(self.moments, self.relation, self.capture.clock)

    @property
    def first_edge(self) -> _Span | None:
        """From the command to the first edge."""
        return self._since_command(int(self.edges.times[0])) if len(self.edges) else None

    @property
    def tender_start(self) -> _Span | None:
        """From the command until the tender made the line an output."""
        taken_ns = self._taken_ns
        return self._since_command(taken_ns) if self.first_edge and taken_ns else None

    @property
    def main_to_edge(self) -> _Span | None:
        """From the first instruction of the unikernel's program to the first edge."""
        metadata = self.run.evidence.guest.schema.metadata or {}
        if b"app_start_ns" not in metadata or not self.calls_to_pin:
            return None
        to_pin_ns, uncertainty_ns = self.calls_to_pin
        main_ns = int(metadata[b"app_start_ns"])
        called_ns = int(self.calls["before_ns"][0]) - main_ns
        return _Span(called_ns + int(to_pin_ns[0]), uncertainty_ns)

    @property
    def guest_boot(self) -> _Span | None:
        """From the taken line to the first instruction of the unikernel's program."""
        taken_ns, rest = self._taken_ns, self.main_to_edge
        if not taken_ns or not rest:
            return None
        whole_ns = int(self.edges.times[0]) - taken_ns
        stamps_ns = self.capture.clock.interval_uncertainty_ns(whole_ns)
        return _Span(whole_ns - rest.time_ns, stamps_ns + rest.uncertainty_ns)

    @property
    def _taken_ns(self) -> int | None:
        """When the line became an output, before the first edge."""
        changes = [c for c in self.capture.modes if c.line == self.expected.line]
        taken = [c.time_ns for c in changes[:1] if c.mode == "out" and len(self.edges)]
        return next((time_ns for time_ns in taken if time_ns <= self.edges.times[0]), None)

    def _since_command(self, time_ns: int) -> _Span | None:
        """What was seen before the command shows that this is not known after all."""
        commanded = self.capture.commanded
        if commanded is None or time_ns < commanded.time_ns:
            return None
        passed_ns = time_ns - commanded.time_ns
        stamps_ns = self.capture.clock.interval_uncertainty_ns(passed_ns)
        return _Span(passed_ns, stamps_ns + commanded.uncertainty_ns)

    @property
    def why_no_start(self) -> str:
        """Why `first_edge` is missing."""
        if self.first_edge:
            return ""
        unknown = f"the observer's clock ({self.capture.clock.kind}) does not tell the command"
        return unknown if len(self.edges) else "the line never moved"

    @property
    def why_no_relation(self) -> str:
        """Why `calls_to_pin`, and what follows from it, is missing."""
        if self.relation:
            return ""
        if not len(self.calls["seqno"]):
            return "the guest recorded no hypercall"
        uneven = "the guest's clock and the observer's did not run evenly beside each other"
        return uneven if self.moments else "the edges are not those that the guest recorded"

    @property
    def why_no_parts(self) -> str:
        """Why `tender_start` and `guest_boot` are missing, be the start known or not."""
        if self._taken_ns:
            return ""
        if not len(self.edges):
            return "the line never moved"
        return "the observer did not see the line taken, so this is known only with what follows"


def _edges(seen: _Observation) -> pd.DataFrame:
    edges, expected = seen.edges, seen.expected
    rises = edges.levels == 1
    lengths_ns = np.append(np.diff(edges.times), 0)[: len(edges)]
    nominal_ns = np.where(rises, expected.on_ns, expected.off_ns)
    is_last, ends_none = _from_end(len(edges), 1), _from_end(len(edges), 2) | ~rises
    periods_ns = np.zeros(len(edges), np.int64)
    periods_ns[:-2] = edges.times[2:] - edges.times[:-2]
    columns = {
        "seqno": edges.seqnos,
        "level": edges.levels,
        "time_ns": edges.times,
        "length_ns": _optional(lengths_ns, is_last),
        "error_ns": _optional(lengths_ns - nominal_ns, is_last),
        "period_ns": _optional(periods_ns, ends_none),
        "period_error_ns": _optional(periods_ns - expected.period_ns, ends_none),
        **_latency(seen),
    }
    return pd.DataFrame(columns)


def _from_end(count: int, last: int) -> NDArray[np.bool_]:
    """Marks the `last` ones."""
    return np.arange(count) >= count - last


def _optional(values: _Ns, missing: NDArray[np.bool_]) -> pd.Series:
    return pd.Series(pa.array(values, pa.int64(), mask=missing), dtype=_INTEGER)


def _latency(seen: _Observation) -> dict[str, pd.Series]:
    """Where the time from the guest's deadline to the pin went, if the clocks tell."""
    if not seen.calls_to_pin:
        nothing = np.zeros(len(seen.edges), np.int64)
        missing = _optional(nothing, np.ones(len(seen.edges), np.bool_))
        return {"call_to_pin_ns": missing, "edge_late_ns": missing}
    to_pin_ns, _ = seen.calls_to_pin
    late_ns = seen.calls["before_ns"] - seen.calls["deadline_ns"] + to_pin_ns
    known = np.zeros(len(seen.edges), np.bool_)
    return {
        "call_to_pin_ns": _optional(to_pin_ns, known),
        "edge_late_ns": _optional(late_ns, known),
    }


def _hypercalls(seen: _Observation) -> pd.DataFrame:
    calls = seen.calls
    return pd.DataFrame(
        {
            **calls,
            "call_late_ns": calls["before_ns"] - calls["deadline_ns"],
            "round_trip_ns": calls["after_ns"] - calls["before_ns"],
        }
    )


def _run(seen: _Observation) -> pd.DataFrame:
    record, capture = seen.run.evidence.run, seen.capture
    row = {
        "label": seen.run.label,
        "outcome": str(seen.run.verdict.outcome),
        "bench": record.bench,
        "tender": record.images["tender"].sha256,
        "unikernel": record.images["unikernel"].sha256,
        "repeats": record.repeats,
        "is_complete": capture.is_complete,
        "stalls": len(capture.heartbeat.stalls) if capture.heartbeat else 0,
        "edges": len(seen.edges),
        "clock": str(capture.clock.kind),
        "started_ns": record.started_ns,
        "ended_ns": record.ended_ns,
        "why_no_start": seen.why_no_start,
        "why_no_parts": seen.why_no_parts,
        "why_no_relation": seen.why_no_relation,
    }
    whole = _whole_numbers(seen)
    table = pd.DataFrame([row | whole | _drift(seen)])
    return table.astype(dict.fromkeys(whole, _INTEGER))


def _whole_numbers(seen: _Observation) -> dict[str, int | None]:
    """The times of one run that may be missing, each with its uncertainty."""
    spans = {
        "first_edge": seen.first_edge,
        "tender_start": seen.tender_start,
        "guest_boot": seen.guest_boot,
        "main_to_edge": seen.main_to_edge,
    }
    deployed = [image.deploy_ns for image in seen.run.evidence.run.images.values()]
    known = [time_ns for time_ns in deployed if time_ns is not None]
    deploy_ns = sum(known) if len(known) == len(deployed) else None
    numbers: dict[str, int | None] = {"deploy_ns": deploy_ns}
    for name, span in spans.items():
        numbers[f"{name}_ns"] = span.time_ns if span else None
        numbers[f"{name}_uncertainty_ns"] = span.uncertainty_ns if span else None
    to_pin = seen.calls_to_pin
    return {**numbers, "call_to_pin_uncertainty_ns": to_pin[1] if to_pin else None}


def _drift(seen: _Observation) -> dict[str, float]:
    relation, nothing = seen.relation, float("nan")
    if not relation or relation.drift_ppm is None or relation.drift_uncertainty_ppm is None:
        return {"drift_ppm": nothing, "drift_uncertainty_ppm": nothing}
    return {
        "drift_ppm": relation.drift_ppm,
        "drift_uncertainty_ppm": relation.drift_uncertainty_ppm,
    }
