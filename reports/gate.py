# SPDX-License-Identifier: ISC
"""Results, a baseline and limits -> whether a release is accepted, and why not.

Like a verdict, a check has three outcomes. ACCEPTED: surely inside of its limit. REJECTED: surely
outside. UNDECIDED: neither, or something is missing that it takes to tell. The worst check decides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from reports.compare import (
    Pair,
    Side,
    describe_missing,
    figure_name,
    pair_of,
    sizes,
    unlike_benches,
    why_not,
)
from reports.figures import UNITS
from reports.limits import BenchLimits, Limit, Limits
from reports.load import Run
from reports.order import in_order, median_interval
from reports.robot_result import RobotResult, RobotTest
from reports.shift import ALPHA, holm, p_above, shift_interval
from reports.tables import in_fitting_unit, plural
from rig.findings import Outcome, counted

CLOCK_SLACK_NS = 1_000_000_000
"""By how much Robot's stamps and the rig's, of one host, may disagree."""


class Decision(StrEnum):
    """What can be said of a release, from good to bad."""

    ACCEPTED = "ACCEPTED"
    UNDECIDED = "UNDECIDED"
    REJECTED = "REJECTED"


_DECISIONS = {
    Outcome.PASS: Decision.ACCEPTED,
    Outcome.INCONCLUSIVE: Decision.UNDECIDED,
    Outcome.FAIL: Decision.REJECTED,
}


@dataclass(frozen=True)
class Check:
    """One thing that a release must be."""

    about: str
    """What kind of check, one word."""
    name: str
    decision: Decision
    text: str
    """What was found, for people."""


@dataclass(frozen=True)
class Gate:
    """All checks of one candidate."""

    checks: tuple[Check, ...]
    compared_with: str
    """The baseline, or that there is none."""

    @property
    def decision(self) -> Decision:
        """The worst of all checks."""
        return max((check.decision for check in self.checks), key=list(Decision).index)

    @property
    def line(self) -> str:
        """The decision and why."""
        if self.decision is Decision.ACCEPTED:
            return f"ACCEPTED: all {len(self.checks)} checks passed, {self.compared_with}"
        reasons = [check for check in self.checks if check.decision is self.decision]
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        return f"{self.decision}: {reasons[0].name}: {reasons[0].text}{more}"


def decide(
    candidate: Side, baseline: Side | None, robot: RobotResult | None, limits: Limits
) -> Gate:
    """Hold a candidate against everything that is asked of a release."""
    judge = _Judge(candidate, baseline, robot, limits)
    with_what = f"compared with {baseline.results.folder}" if baseline else "compared with nothing"
    return Gate(tuple(judge.checks()), with_what)


@dataclass(frozen=True)
class _Judge:
    """Makes the checks, in the order in which they are read."""

    candidate: Side
    baseline: Side | None
    robot: RobotResult | None
    limits: Limits

    def checks(self) -> Iterator[Check]:
        yield from _evidence(self.candidate)
        for test, runs in self.candidate.tests.items():
            yield _verdict(test, runs)
        yield from _defects(self.candidate, self.limits)
        yield from self._robot()
        yield from self._suites()
        yield from _identity(self.candidate, self.limits)
        for test in self.limits.measured:
            yield _measured(test, self._measured.tests.get(test, []), self.limits)
        yield from self._figures()
        yield from self._compared()

    @cached_property
    def _measured(self) -> Side:
        """The runs whose figures count."""
        return self.candidate.conclusive()

    def _robot(self) -> Iterator[Check]:
        if self.robot is None:
            yield _undecided(
                "robot",
                "Robot's own result",
                "was not given, so tests that failed without evidence are unknown; give --robot",
            )
            return
        yield _same_time(self.candidate, self.robot)
        may_skip = {name for bench in self._benches() for name in bench.may_skip}
        for test in self.robot.tests:
            if test.status != "PASS":
                yield _not_passed(test, may_skip)

    def _suites(self) -> Iterator[Check]:
        passed = [test.name for test in (self.robot.tests if self.robot else ()) if _passed(test)]
        there = {name.partition(" / ")[0] for name in (*passed, *self.candidate.tests)}
        for suite in self.limits.suites:
            if suite in there:
                yield Check("suite", f"suite {suite}", Decision.ACCEPTED, "ran")
            else:
                yield _undecided("suite", f"suite {suite}", "did not run, or none of it passed")

    def _benches(self) -> list[BenchLimits]:
        """What is asked on the bench that was used."""
        return [it for name, it in self.limits.benches.items() if self._names() == {name}]

    def _names(self) -> set[str]:
        return {run.evidence.run.bench for run in self.candidate.results.proofs}

    def _figures(self) -> Iterator[Check]:
        if not self._benches():
            used = " and ".join(sorted(self._names())) or "no bench"
            known = ", ".join(self.limits.benches)
            told = f"{self.limits.file} has none for {used}, but for: {known}"
            yield _undecided("limit", "limits", told)
        for test, limit in self._limited():
            if limit.at_most is not None:
                yield _at_most(self._measured, test, limit, limit.in_unit_of_figure(limit.at_most))

    def _limited(self) -> list[tuple[str, Limit]]:
        """Each figure that must keep to a limit, of each measured test that ran."""
        return [
            (test, limit)
            for test in self.limits.measured
            if test in self._measured.tests
            for bench in self._benches()
            for limit in bench.limits
        ]

    def _compared(self) -> Iterator[Check]:
        if self.baseline is None:
            yield _first_release(self.limits)
            return
        troubles = list(_unfit(self.baseline, self.candidate))
        yield from troubles
        if troubles:
            return
        yield from _gone(self.baseline, self.candidate)
        yield from self._worsenings(self.baseline)

    def _worsenings(self, baseline: Side) -> Iterator[Check]:
        """Each figure that may become worse by so much only, corrected for their number."""
        refused = {
            test: why
            for test in self.limits.measured
            if (why := why_not(baseline, self._measured, test))
        }
        for test, why in refused.items():
            yield _undecided("change", f"change of {test}", why)
        pairs = [
            (pair_of(baseline, self._measured, test, limit.figure, limit.of), limit)
            for test, limit in self._limited()
            if limit.worse_by is not None and test not in refused
        ]
        yield from judge_worsenings(pairs)


def _evidence(side: Side) -> Iterator[Check]:
    results = side.results
    if not results.problems:
        told = f"{counted(len(results.runs), 'run')}, all of it whole"
        yield Check("evidence", "evidence", Decision.ACCEPTED, told)
    for problem in results.problems:
        yield _undecided("evidence", "evidence", problem)


def _verdict(test: str, runs: Sequence[Run]) -> Check:
    """Of all runs of one test."""
    outcomes = [run.verdict.outcome for run in runs]
    worst = max(outcomes, key=list(Outcome).index)
    told = ", ".join(f"{outcomes.count(kind)} {kind}" for kind in Outcome if kind in outcomes)
    if worst is not Outcome.PASS:
        bad = next(run for run in runs if run.verdict.outcome is worst)
        finding = next((f for f in bad.verdict.not_passed() if f.outcome is worst), None)
        told += f"; {bad.name}: {finding.text if finding else 'nothing was found out'}"
    return Check("verdict", f"verdict of {test}", _DECISIONS[worst], told)


def _defects(side: Side, limits: Limits) -> Iterator[Check]:
    """A suite that misses a planted defect proves nothing by its passes."""
    defects = side.results.defects
    missed = [run for run in defects if not run.is_caught]
    for run in missed:
        yield _undecided("defect", f"planted defect of {run.label}", "was not caught")
    caught = len(defects) - len(missed)
    told = f"{caught} of {len(defects)} caught, {limits.least_defects} must be"
    enough = caught >= limits.least_defects
    decision = Decision.ACCEPTED if enough else Decision.UNDECIDED
    yield Check("defect", "planted defects", decision, told)


def _same_time(side: Side, robot: RobotResult) -> Check:
    """Results of another day must not be taken for those of this Robot run."""
    strangers = [
        run.name
        for run in side.results.runs
        if run.evidence.run.started_ns < robot.started_ns - CLOCK_SLACK_NS
        or run.evidence.run.ended_ns > robot.ended_ns + CLOCK_SLACK_NS
    ]
    name = "Robot's own result"
    if strangers:
        told = f"these are not the results of this Robot run: {strangers[0]} is of another time"
        return _undecided("robot", name, told)
    passed = sum(map(_passed, robot.tests))
    told = f"{passed} of {plural(len(robot.tests), 'test')} passed"
    return Check("robot", name, Decision.ACCEPTED, told)


def _not_passed(test: RobotTest, may_skip: set[str]) -> Check:
    """Only a verdict rejects; a test can break for the bench's sake as well."""
    lines = [line.strip() for line in test.message.splitlines()] or ["without a word"]
    name = f"test {test.name}"
    if test.status == "SKIP" and test.name in may_skip:
        told = f"skipped, as this bench may: {lines[0]}"
        return Check("robot", name, Decision.ACCEPTED, told)
    if lines[0] == Outcome.FAIL:  # a verdict's findings stand below it
        return Check("robot", name, Decision.REJECTED, " ".join(lines[:2]))
    return _undecided("robot", name, f"{test.status}: {' '.join(lines[:2])}")


def _passed(test: RobotTest) -> bool:
    return test.status == "PASS"


def _identity(side: Side, limits: Limits) -> Iterator[Check]:
    """One release is one tender, of one commit."""
    runs = [run.evidence.run for run in side.results.proofs]
    tenders = {run.images["tender"].sha256 for run in runs}
    commits = {run.git_commit for run in runs}
    known = not any(commit == "unknown" or commit.endswith("-dirty") for commit in commits)
    is_one = len(tenders) == 1 and len(commits) == 1 and (known or limits.uncommitted)
    told = f"tender {_named(tenders)}, commit {_named(commits)}"
    if not is_one:
        told += "; a release is one tender of one commit, without changes beside it"
    decision = Decision.ACCEPTED if is_one else Decision.UNDECIDED
    yield Check("identity", "identity", decision, told)


def _named(hashes: set[str]) -> str:
    dirty = "-dirty"
    short = {h[:12] + (dirty if h.endswith(dirty) else "") for h in hashes}
    return " and ".join(sorted(short)) or "none"


def _measured(test: str, runs: Sequence[Run], limits: Limits) -> Check:
    edges = min((run.pattern.commanded if run.is_pattern else 0 for run in runs), default=0)
    told = (
        f"{counted(len(runs), 'run')} of {counted(edges, 'edge')} or more; "
        f"{limits.least_runs} of {limits.least_edges} must be"
    )
    enough = len(runs) >= limits.least_runs and edges >= limits.least_edges
    decision = Decision.ACCEPTED if enough else Decision.UNDECIDED
    return Check("samples", f"samples of {test}", decision, told)


def _at_most(side: Side, test: str, limit: Limit, most: float) -> Check:
    """Hold the typical run, widened by all that is not known of it, against a limit."""
    values = sizes(side, test, limit.figure, limit.of)
    name = f"{figure_name(limit.figure, limit.of)} of {test}"
    if missing := describe_missing("candidate", side, test, len(values.seen)):
        return _undecided("limit", name, f"missing {missing}")
    low, _ = median_interval(in_order(values.least))
    _, high = median_interval(in_order(values.most))
    typical, allowed = _numbers(limit, float(np.median(values.seen)), low, high, most)
    told = f"{typical} in {counted(len(values.seen), 'run')}; at most {allowed}"
    return Check("limit", name, _inside(low, high, most), told)


def _inside(low: float, high: float, most: float) -> Decision:
    """NaN, for what is not known, is inside of nothing."""
    if high <= most:
        return Decision.ACCEPTED
    return Decision.REJECTED if low > most else Decision.UNDECIDED


def judge_worsenings(pairs: Sequence[tuple[Pair, Limit]]) -> Iterator[Check]:
    """Hold what became worse against what may, corrected for the number of figures.

    A release in which nothing is too much worse is rejected at most as often as `ALPHA` says,
    and one in which a figure is, is accepted for it at most half as often.
    """
    known = [(pair.least, _allowed(limit)) for pair, limit in pairs if pair.is_known]
    raw = [p_above(before + allowed, after) for (before, after), allowed in known]
    adjusted = iter(holm(np.array(raw)) if raw else ())
    for pair, limit in pairs:
        name = f"change of {pair.name} of {pair.test}"
        if pair.is_known:
            yield _worsening(name, pair, limit, float(next(adjusted)))
        else:
            yield _undecided("change", name, f"missing {pair.missing}")


def _worsening(name: str, pair: Pair, limit: Limit, p: float) -> Check:
    """Surely too much worse, surely not, or nobody can tell from so few runs."""
    allowed = _allowed(limit)
    low, _ = shift_interval(*pair.least)
    _, high = shift_interval(*pair.most)
    inside = high <= allowed and not pair.missing
    decision = Decision.ACCEPTED if inside else Decision.UNDECIDED
    if p <= ALPHA:
        decision = Decision.REJECTED
    shifted, most = _numbers(limit, pair.shift, low, high, allowed)
    missing = f"; missing {pair.missing}" if pair.missing else ""
    return Check("change", name, decision, f"{shifted}; worse by at most {most}{missing}")


def _allowed(limit: Limit) -> float:
    return limit.in_unit_of_figure(limit.worse_by or 0.0)


def _numbers(limit: Limit, *numbers: float) -> tuple[str, str]:
    """What was measured, from where to where it lies in truth, and the limit."""
    unit, (value, low, high, most) = in_fitting_unit(UNITS[limit.figure], numbers)
    return f"{value} {unit} ({low} to {high})", f"{most} {unit}"


def _first_release(limits: Limits) -> Check:
    if limits.first_release:
        told = "none; first_release allows it"
        return Check("baseline", "baseline", Decision.ACCEPTED, told)
    told = (
        "none, so nothing is known of regressions; give the results of an accepted release, "
        f"or say first_release: true in {limits.file}"
    )
    return _undecided("baseline", "baseline", told)


def _unfit(baseline: Side, candidate: Side) -> Iterator[Check]:
    """Why this baseline cannot serve."""
    if {_seal(run) for run in baseline.results.runs} & {_seal(r) for r in candidate.results.runs}:
        yield _undecided("baseline", "baseline", "holds runs of the candidate itself")
    if baseline.results.outcome is not Outcome.PASS:
        told = f"{baseline.results.folder} is {baseline.results.outcome}, so it is no measure"
        yield _undecided("baseline", "baseline", told)
    for why in unlike_benches(baseline, candidate):
        yield _undecided("baseline", "baseline", why)


def _seal(run: Run) -> str:
    return run.evidence.run.seal


def _gone(baseline: Side, candidate: Side) -> Iterator[Check]:
    """What the baseline proved must be proven again."""
    gone = sorted(baseline.tests.keys() - candidate.tests.keys())
    for test in gone:
        yield _undecided("baseline", f"test {test}", "ran in the baseline and is missing now")
    if not gone:
        told = f"each of its {plural(len(baseline.tests), 'test')} ran again"
        yield Check("baseline", "baseline", Decision.ACCEPTED, told)


def _undecided(about: str, name: str, text: str) -> Check:
    return Check(about, name, Decision.UNDECIDED, text)
