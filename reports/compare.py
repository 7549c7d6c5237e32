# SPDX-License-Identifier: ISC
"""Two results -> for each figure: better, worse, or no difference that one can tell.

The unit of comparison is the run: each gives one value per figure and statistic, as
`reports.statistics` sums it up. Every figure is better the nearer it is to zero.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.figures import ONCE_PER_RUN, UNITS, Figure
from reports.load import Results, Run, load_results
from reports.shift import ALPHA, holm, least_p, p_beyond, shift, shift_interval
from reports.statistics import summarize
from rig.findings import Outcome, counted, ms

LEAST_RUNS = 8
"""Of one test on each side; with fewer, hardly any difference outlives the correction."""

COMPARED = tuple(figure for figure in Figure if figure not in (Figure.PERIOD, Figure.DEPLOY))
"""Not the period, which is as good as its error is small, and not the deployment, which all
runs of a session share."""

STATISTICS = ("median", "p95")
"""Of the samples of one run: what is typical, and how far the tail reaches."""

_BY_GUEST = (Figure.CALL_LATENESS, Figure.ROUND_TRIP)
"""What the guest's own counter measured, so that no observer is uncertain about it."""

_LIKE = ("board", "kernel", "machine", "gpio_chip")
"""What two targets must have in common."""


class Change(StrEnum):
    """What can be said of one figure."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "~"
    MISSING = "missing"
    TOO_FEW = "too few"


@dataclass(frozen=True)
class Side:
    """One of the two results."""

    results: Results
    summary: pd.DataFrame

    @cached_property
    def tests(self) -> dict[str, list[Run]]:
        """The proofs by `Suite / Test`. A suite that ran among others has their names before
        its own, which says nothing about it."""
        tests: dict[str, list[Run]] = {}
        for run in self.results.proofs:
            record = run.evidence.run
            tests.setdefault(test_name(record.suite, record.test), []).append(run)
        return tests

    def conclusive(self) -> "Side":
        """The same without INCONCLUSIVE runs: what is odd about their figures may be the bench."""
        kept = tuple(run for run in self.results.runs if not _is_doubtful(run))
        names = {"", *(run.name for run in kept)}
        summary = self.summary[self.summary["run"].isin(names)]
        return Side(replace(self.results, runs=kept), summary)

    def rows(self, test: str, figure: Figure) -> pd.DataFrame:
        """The summary of one figure: a row for each run of this test."""
        return self._rows.get((test, str(figure)), self.summary.iloc[:0])

    @cached_property
    def _rows(self) -> dict[tuple[str, str], pd.DataFrame]:
        of_runs = self.summary[self.summary["run"] != ""]
        names = [test_name(*row) for row in of_runs[["suite", "test"]].itertuples(index=False)]
        grouped = of_runs.groupby([pd.Series(names, of_runs.index, dtype=object), "figure"])
        return {(str(test), str(figure)): rows for (test, figure), rows in grouped}


class Sizes(NamedTuple):
    """One value of each run that has it: how far from zero it is, which is where it should be."""

    seen: NDArray[np.float64]
    off: NDArray[np.float64]
    """By how much the observer may have moved it, either way."""

    @property
    def least(self) -> NDArray[np.float64]:
        """What they may be in truth, at least."""
        return self.seen - self.off

    @property
    def most(self) -> NDArray[np.float64]:
        """What they may be in truth, at most."""
        return self.seen + self.off


@dataclass(frozen=True, eq=False)
class Pair:
    """One statistic of one figure on both sides, in `unit`."""

    test: str
    figure: Figure
    statistic: str
    baseline: Sizes
    candidate: Sizes
    missing: str = ""
    """Which runs do not have it, for people; empty if all do."""

    @property
    def unit(self) -> str:
        """Of the values."""
        return UNITS[self.figure]

    @property
    def name(self) -> str:
        """For people."""
        return figure_name(self.figure, self.statistic)

    @property
    def is_known(self) -> bool:
        """Whether both sides have a value at all."""
        return bool(self.baseline.seen.size and self.candidate.seen.size)

    @property
    def least(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both sides with the least shift that the observers allow for."""
        return self.baseline.most, self.candidate.least

    @property
    def most(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both sides with the greatest shift that the observers allow for."""
        return self.baseline.least, self.candidate.most

    @property
    def shift(self) -> float:
        """As seen."""
        return shift(self.baseline.seen, self.candidate.seen)

    @property
    def uncertainty(self) -> float:
        """By how much the observers may have moved the shift, either way."""
        return max(shift(*self.most) - self.shift, self.shift - shift(*self.least))


@dataclass(frozen=True)
class Comparison:
    """What became of one figure."""

    pair: Pair
    shift: float
    """Candidate minus baseline; NaN where nothing could be compared, as the next four."""
    low95: float
    """From here to `high95` the shift lies, 95 times in 100, as the observers saw it."""
    high95: float
    uncertainty: float
    """By how much the observers may have moved it, either way."""
    p: float
    """Adjusted for the number of figures: of no shift but what the observers may have made."""
    change: Change


@dataclass(frozen=True)
class Compared:
    """All figures of two results."""

    baseline: Side
    candidate: Side
    rows: tuple[Comparison, ...]
    refusals: tuple[str, ...]
    """What could not be judged though it should have been, and why."""
    skipped: tuple[str, ...]
    """Tests that ran too rarely on both sides to be meant for a comparison."""

    def of(self, *changes: Change) -> tuple[Comparison, ...]:
        """The rows of these kinds."""
        return tuple(row for row in self.rows if row.change in changes)

    @property
    def outcome(self) -> Outcome:
        """FAIL if a figure is worse; PASS only if every figure was judged and none is."""
        if self.of(Change.WORSE):
            return Outcome.FAIL
        judged = self.of(Change.BETTER, Change.SAME)
        whole = judged and not self.refusals and len(judged) == len(self.rows)
        return Outcome.PASS if whole else Outcome.INCONCLUSIVE


def read_side(folder: Path) -> Side:
    """Read a results folder.

    Raises `EvidenceError` if it does not exist or has no run that can be used.
    """
    results = load_results(folder)
    return Side(results, summarize(results))


def compare(baseline: Side, candidate: Side) -> Compared:
    """Compare each figure of each test that both sides ran often enough."""
    unlike = unlike_benches(baseline, candidate)
    if unlike:
        return Compared(baseline, candidate, (), unlike, ())
    lost = tuple(_lost(baseline, candidate))
    rows, refusals, skipped = _compare(baseline.conclusive(), candidate.conclusive())
    return Compared(baseline, candidate, rows, (*lost, *refusals), skipped)


def judge_pairs(pairs: Sequence[Pair]) -> tuple[Comparison, ...]:
    """Judge figures that belong together, corrected for their number."""
    raw = np.full(len(pairs), np.nan)
    for places in _alike(pairs):
        both = [(pairs[place].baseline, pairs[place].candidate) for place in places]
        raw[places] = p_beyond(
            np.stack([before.seen for before, _ in both]),
            np.stack([after.seen for _, after in both]),
            np.stack([before.off for before, _ in both]),
            np.stack([after.off for _, after in both]),
        )
    known = np.isfinite(raw)
    raw[known] = holm(raw[known])
    return tuple(_judged(pair, float(p), known.sum()) for pair, p in zip(pairs, raw, strict=True))


def pair_of(
    baseline: Side, candidate: Side, test: str, figure: Figure, statistic: str = "median"
) -> Pair:
    """One statistic of one figure from both sides."""
    before, after = (sizes(side, test, figure, statistic) for side in (baseline, candidate))
    missing = (
        describe_missing("baseline", baseline, test, len(before.seen)),
        describe_missing("candidate", candidate, test, len(after.seen)),
    )
    return Pair(test, figure, statistic, before, after, " and ".join(filter(None, missing)))


def describe_missing(name: str, side: Side, test: str, found: int) -> str:
    """In how many runs of one side a figure is missing, for people; empty if in none."""
    count = len(side.tests.get(test, ()))
    return f"in {count - found} of {count} runs of the {name}" if found < count else ""


def sizes(side: Side, test: str, figure: Figure, statistic: str) -> Sizes:
    """One value of each run of a test that has it."""
    rows = side.rows(test, figure)
    seen, off = rows[statistic].to_numpy(float), rows["uncertainty"].to_numpy(float)
    if figure in _BY_GUEST:
        off = np.zeros_like(seen)
    known = ~np.isnan(seen + off)
    return Sizes(np.abs(seen[known]), off[known])


def unlike_benches(baseline: Side, candidate: Side) -> tuple[str, ...]:
    """Each thing in which the benches differ, with both values; none if they are alike."""
    sides = [_identity(side) for side in (baseline, candidate)]
    return tuple(
        f"unlike benches: {key} is {_listed(before)} in the baseline and {_listed(after)} in "
        "the candidate"
        for key in sides[0]
        if len((before := sides[0][key]) | (after := sides[1][key])) > 1
    )


def why_not(baseline: Side, candidate: Side, test: str) -> str:
    """Why this test cannot be compared; empty if it can."""
    for name, side in (("baseline", baseline), ("candidate", candidate)):
        if test not in side.tests:
            return f"is missing from the {name}"
    patterns = [_patterns(side.tests[test]) for side in (baseline, candidate)]
    if len(patterns[0] | patterns[1]) > 1:
        before, after = map(_listed, patterns)
        return f"unlike patterns: {before} in the baseline and {after} in the candidate"
    if _is_rare(baseline, test) or _is_rare(candidate, test):
        return f"too few runs: {_counts(baseline, candidate, test)}; {LEAST_RUNS} each are needed"
    return ""


def test_name(suite: str, test: str) -> str:
    """`Suite / Test`, the same whether the suite ran alone or among others."""
    return f"{suite.rpartition('.')[2]} / {test}"


def figure_name(figure: Figure, statistic: str) -> str:
    """The figure, and the statistic where a run has more than one sample: `jitter, p99.9`."""
    once = figure in ONCE_PER_RUN
    return str(figure) if once else f"{figure}, {statistic.replace('_', '.')}"


def _compare(
    baseline: Side, candidate: Side
) -> tuple[tuple[Comparison, ...], tuple[str, ...], tuple[str, ...]]:
    """Rows, refusals and tests that were skipped."""
    tests = sorted(baseline.tests.keys() | candidate.tests.keys())
    rare = {test for test in tests if _is_rare(baseline, test) and _is_rare(candidate, test)}
    wanted = [test for test in tests if test not in rare]
    refused = {test: why for test in wanted if (why := why_not(baseline, candidate, test))}
    pairs = [
        pair for test in wanted if test not in refused for pair in _pairs(baseline, candidate, test)
    ]
    skipped = tuple(_rarely(baseline, candidate, test) for test in sorted(rare))
    told = tuple(f"{test}: {why}" for test, why in refused.items())
    if not pairs and not told:
        told = (f"no test ran {LEAST_RUNS} times on either side, so nothing can be compared",)
    return judge_pairs(pairs), told, skipped


def _alike(pairs: Sequence[Pair]) -> Iterable[list[int]]:
    """Places of the pairs that are known, those of as many values together: one call is quick."""
    places: dict[tuple[int, int], list[int]] = {}
    for place, pair in enumerate(pairs):
        if pair.is_known:
            sizes = (pair.baseline.seen.size, pair.candidate.seen.size)
            places.setdefault(sizes, []).append(place)
    return places.values()


def _lost(baseline: Side, candidate: Side) -> Iterator[str]:
    """What is missing from every figure."""
    for name, side in (("baseline", baseline), ("candidate", candidate)):
        yield from (f"evidence of the {name}: {problem}" for problem in side.results.problems)
        doubtful = sum(map(_is_doubtful, side.results.proofs))
        if doubtful:
            told = f"{doubtful} of {counted(len(side.results.proofs), 'run')} of the {name}"
            yield f"{told} are INCONCLUSIVE, so their figures do not count"


def _is_doubtful(run: Run) -> bool:
    return run.verdict.outcome is Outcome.INCONCLUSIVE


def _pairs(baseline: Side, candidate: Side, test: str) -> Iterator[Pair]:
    """Of every figure that either side knows."""
    for figure in COMPARED:
        for statistic in STATISTICS[:1] if figure in ONCE_PER_RUN else STATISTICS:
            pair = pair_of(baseline, candidate, test, figure, statistic)
            if pair.baseline.seen.size or pair.candidate.seen.size:
                yield pair


def _judged(pair: Pair, p: float, count: int) -> Comparison:
    if not pair.is_known:
        nothing = float("nan")
        return Comparison(pair, nothing, nothing, nothing, nothing, p, Change.MISSING)
    interval = shift_interval(pair.baseline.seen, pair.candidate.seen)
    change = _change(pair, p, count)
    return Comparison(pair, pair.shift, *interval, pair.uncertainty, p, change)


def _change(pair: Pair, p: float, count: int) -> Change:
    """What is worse is told even where values are missing: those would not make it good."""
    if p <= ALPHA and pair.shift > 0:
        return Change.WORSE
    if pair.missing:
        return Change.MISSING
    if p <= ALPHA:
        return Change.BETTER
    can_tell = least_p(len(pair.baseline.seen), len(pair.candidate.seen)) * count <= ALPHA
    return Change.SAME if can_tell else Change.TOO_FEW


def _identity(side: Side) -> dict[str, set[str]]:
    runs = [run.evidence for run in side.results.proofs]
    facts = {
        key.replace("_", " "): {str(run.run.target.get(key, "unknown")) for run in runs}
        for key in _LIKE
    }
    return {
        "bench": {run.run.bench for run in runs},
        **facts,
        "the observer's clock": {str(run.capture.clock.kind) for run in runs},
        "QEMU": {run.run.tools.get("qemu", "none") for run in runs},
    }


def _patterns(runs: Sequence[Run]) -> set[str]:
    return {_pattern(run) for run in runs}


def _pattern(run: Run) -> str:
    if not run.is_pattern:
        return "none: it was ended early"
    wanted = run.pattern
    end = "on" if wanted.final_level else "off"
    return f"{wanted.cycles} x {ms(wanted.on_ns)} on, {ms(wanted.off_ns)} off, then {end}"


def _listed(values: set[str]) -> str:
    return " and ".join(sorted(values)) or "unknown"


def _is_rare(side: Side, test: str) -> bool:
    return len(side.tests.get(test, ())) < LEAST_RUNS


def _rarely(baseline: Side, candidate: Side, test: str) -> str:
    return f"{test} ({_counts(baseline, candidate, test)})"


def _counts(baseline: Side, candidate: Side, test: str) -> str:
    before, after = (len(side.tests.get(test, ())) for side in (baseline, candidate))
    return f"{before} in the baseline, {after} in the candidate"
