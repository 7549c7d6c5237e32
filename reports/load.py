# SPDX-License-Identifier: ISC
"""Evidence folders -> runs: which there are, what they say, and which cannot be used."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rig.course import keeps_time
from rig.errors import EvidenceError, SoakError
from rig.evidence import PARTIAL, SPOILED, Evidence, read_evidence
from rig.expectation import Expectation
from rig.soak import RECORD, SoakRecord, Topic, judge_soak, read_record
from rig.verdict import Outcome, Verdict

READERS = 2
"""Runs that are read at a time; each needs room for its console."""

_MARKS = ("run.json", "capture.json", "verdict.json")
"""A folder with one of these holds evidence, even if the others are gone."""


@dataclass(frozen=True)
class Run:
    """One run: its evidence and the verdict that follows from it."""

    name: str
    """Its folder below the results, such as `led/the-led-blinks`; unique."""
    label: str
    """Suite and test, for people; unique."""
    evidence: Evidence
    """Without the console, which nobody reads any more and which can be the largest part."""
    verdict: Verdict

    @property
    def is_pattern(self) -> bool:
        """Whether it came to the end of a pattern."""
        return isinstance(self.evidence.run.expectation, Expectation)

    @property
    def is_timed(self) -> bool:
        """The same, and the times of its edges are those of the target; so there are figures."""
        return self.is_pattern and keeps_time(self.evidence.capture)

    @property
    def pattern(self) -> Expectation:
        """What its pin should have shown. Raises `TypeError` if it is not timed."""
        expected = self.evidence.run.expectation
        if not isinstance(expected, Expectation):
            raise TypeError(f"{self.label} has no pattern")
        return expected

    @property
    def is_defect(self) -> bool:
        """Whether a defect was planted, which the verdict must catch."""
        return self.evidence.run.purpose == "defect"

    @property
    def is_caught(self) -> bool:
        """Whether the verdict is FAIL: of a planted defect, that it was caught."""
        return self.verdict.outcome is Outcome.FAIL


@dataclass(frozen=True)
class Results:
    """All runs of one results folder, by time, and what could not be used."""

    folder: Path
    runs: tuple[Run, ...]
    problems: tuple[str, ...]
    """One line for each folder that is damaged, cut short or contradicts itself."""
    soak: SoakRecord | None = None
    """Of which the runs are chunks; None: they are not, or the record is damaged."""

    @property
    def proofs(self) -> tuple[Run, ...]:
        """The runs whose verdict is about the target."""
        return tuple(run for run in self.runs if not run.is_defect)

    @property
    def defects(self) -> tuple[Run, ...]:
        """The runs with a planted defect."""
        return tuple(run for run in self.runs if run.is_defect)

    @cached_property
    def topics(self) -> tuple[Topic, ...]:
        """What is judged over all chunks of a soak; empty without one."""
        return judge_soak(self.soak) if self.soak else ()

    @property
    def outcome(self) -> Outcome:
        """The worst verdict of the proofs, and of what is judged over all chunks of a soak.

        A PASS is not believed, and becomes INCONCLUSIVE, when evidence cannot be
        used, when nothing was proven, or when a planted defect was not caught.
        """
        ranks = list(Outcome)
        outcomes = [run.verdict.outcome for run in self.proofs]
        outcomes += [topic.outcome for topic in self.topics if topic.outcome]
        all_caught = all(run.is_caught for run in self.defects)
        if self.problems or not outcomes or not all_caught:
            outcomes.append(Outcome.INCONCLUSIVE)
        return max(outcomes, key=ranks.index)


def load_results(folder: Path) -> Results:
    """Read every run of one results folder; of several, those of the newest.

    `folder` is `results/<UTC time>-<bench>`, or the folder that holds such folders.
    Raises `EvidenceError` if it does not exist or has no run that can be used.
    """
    if not folder.is_dir():
        raise EvidenceError(
            f"{folder}: no such folder; give one that runs left, results/<UTC time>-<bench>"
        )
    root = _newest(folder)
    sealed, partial = _find(root)
    with ThreadPoolExecutor(READERS) as pool:  # hashes, Parquet and NumPy let others run
        read = list(pool.map(lambda path: _read(root, path), sealed))
    runs = [run for run, _ in read if run]
    problems = [problem for _, problem in read if problem]
    problems += [f"{path.relative_to(root)}: was cut short, never sealed" for path in partial]
    if not runs:
        raise EvidenceError(_nothing_usable(root, problems))
    soak, problem = _read_soak(root)
    problems += [problem] if problem else []
    return Results(root, _sorted(runs), tuple(problems), soak)


def _newest(folder: Path) -> Path:
    """The folder of the newest run: evidence lies two levels below it."""
    sealed, partial = _find(folder)
    parts = [path.relative_to(folder).parts for path in sealed + partial]
    names = [path[0] for path in parts if len(path) > 2]
    return folder / max(names) if names else folder


def _find(root: Path) -> tuple[list[Path], list[Path]]:
    """Folders of sealed evidence, and of evidence that was cut short; not of spoiled runs."""
    marked = {path.parent for mark in _MARKS for path in root.rglob(mark)}
    partial = {path for path in root.rglob(f"*{PARTIAL}") if path.is_dir()}
    sealed = [path for path in marked - partial if SPOILED not in path.name]
    return sorted(sealed), sorted(partial)


def _read(root: Path, path: Path) -> tuple[Run | None, str | None]:
    """One run and what is wrong with it: either can be missing."""
    name = str(path.relative_to(root))
    try:
        evidence = read_evidence(path)
        verdict = evidence.judge()
        problem = _contradiction(path, verdict)
    except EvidenceError as error:
        return None, f"{name}: {_one_line(error, path)}"
    label = f"{evidence.run.suite} / {evidence.run.test}"
    run = Run(name, label, replace(evidence, console=""), verdict)
    return run, f"{name}: {problem}" if problem else None


def _read_soak(root: Path) -> tuple[SoakRecord | None, str | None]:
    """The record of a soak, or what is wrong with it; neither where there was no soak."""
    if not (root / RECORD).exists():
        return None, None
    try:
        return read_record(root), None
    except SoakError as error:
        return None, f"{RECORD}: {_one_line(error, root)}"


def _one_line(error: Exception, path: Path) -> str:
    """The error without the folder, which the reader knows, and without line ends."""
    lines = [line.strip() for line in str(error).splitlines() if "http" not in line]
    return " ".join(lines).replace(f"{path}: ", "").replace(f"{path}/", "")


def _contradiction(path: Path, verdict: Verdict) -> str | None:
    """A verdict that was recorded by a rig that judged differently."""
    recorded = json.loads((path / "verdict.json").read_text()).get("outcome")
    if recorded == verdict.outcome:
        return None
    return f"verdict.json says {recorded}, but the evidence gives {verdict.outcome}"


def _nothing_usable(root: Path, problems: list[str]) -> str:
    if not problems:
        return f"{root}: holds no evidence; run a suite first, it writes results/<UTC time>-<bench>"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{root}: no run can be used: {problems[0]}{more}"


def _sorted(runs: list[Run]) -> tuple[Run, ...]:
    """By time; a label that several runs share is told apart by the folder."""
    count = Counter(run.label for run in runs)
    unique = [
        run if count[run.label] == 1 else replace(run, label=f"{run.label} ({run.name})")
        for run in runs
    ]
    return tuple(sorted(unique, key=lambda run: (run.evidence.run.started_ns, run.name)))
