"""`rig judge`: the verdict on a stored run or on any recording, offline."""

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rig.capture import Capture
from rig.commands.printing import print_coloured
from rig.commands.progress import progress
from rig.commands.status import Status, status_of
from rig.errors import EvidenceError
from rig.evidence import Evidence, read_evidence, verdict_json
from rig.expectation import Expectation, load_expectation
from rig.recordings.opening import read_recording
from rig.recordings.supplement import Supplement
from rig.verdict import Outcome, Verdict
from rig.verdict import judge as judge_capture


class TimeUnit(StrEnum):
    """Units that `--time-unit` knows."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"


Source = Annotated[
    Path, typer.Argument(help="An evidence folder, or a recording: VCD, sigrok session (.sr), CSV.")
]
Expect = Annotated[
    Path | None,
    typer.Option(help="Expectation file; an evidence folder has its own.", show_default=False),
]
Lines = Annotated[
    list[str] | None,
    typer.Option(
        "--line",
        metavar="NAME=CHANNEL",
        help="Judge this channel of the recording under this name, and no other channel.",
        show_default=False,
    ),
]
AccuracyPpm = Annotated[
    float | None, typer.Option(min=0, help="Largest error of the instrument's clock rate.")
]
LatencyNs = Annotated[
    int | None, typer.Option(min=0, help="How late the instrument's stamps may be.")
]
SampleRateHz = Annotated[
    int | None, typer.Option(help="Of the instrument, where the recording does not say it.")
]
Unit = Annotated[
    TimeUnit | None, typer.Option(help="Of a CSV's times, where their column does not say it.")
]
EndNs = Annotated[
    int | None, typer.Option(help="When the recording ended, if that is after its last time.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what verdict.json holds.")]


def judge(
    source: Source,
    expect: Expect = None,
    line: Lines = None,
    accuracy_ppm: AccuracyPpm = None,
    latency_ns: LatencyNs = None,
    sample_rate_hz: SampleRateHz = None,
    time_unit: Unit = None,
    end_ns: EndNs = None,
    as_json: AsJson = False,
) -> None:
    """Judge a stored run or any recording; the exit status is the verdict's."""
    expected = load_expectation(expect) if expect else None
    unit = time_unit.value if time_unit else None
    wiring = _wiring(line or [])
    added = Supplement(wiring, accuracy_ppm, latency_ns, sample_rate_hz, unit, end_ns)
    with progress(f"judge: {source}"):
        if source.is_dir():
            capture, verdict, same = _judge_folder(source, expected, added)
        else:
            capture, verdict, same = *_judge_file(source, expected, added), True
    if as_json:
        sys.stdout.buffer.write(verdict_json(verdict))
    else:
        print_coloured(_text(source, capture, verdict))
    if not same:
        print(f"rig: {source}: verdict.json says something else", file=sys.stderr)
    raise typer.Exit(status_of(verdict.outcome) if same else Status.TROUBLE)


def _wiring(texts: list[str]) -> dict[str, str]:
    wiring: dict[str, str] = {}
    for text in texts:
        name, _, channel = text.partition("=")
        if not name or not channel or name in wiring:
            raise typer.BadParameter(f"--line {text}: must be NAME=CHANNEL, each NAME once")
        wiring[name] = channel
    return wiring


def _judge_folder(
    folder: Path, expected: Expectation | None, added: Supplement
) -> tuple[Capture, Verdict, bool]:
    """Capture, verdict, and whether the stored verdict is the same."""
    if added != Supplement():
        raise typer.BadParameter("an evidence folder says all itself; leave out all but --expect")
    evidence = _evidence(folder)
    if expected:
        run = evidence.run.model_copy(update={"expectation": expected})
        return evidence.capture, _known_line(folder, replace(evidence, run=run)), True
    verdict = _known_line(folder, evidence)
    same = verdict_json(verdict) == (folder / "verdict.json").read_bytes()
    return evidence.capture, verdict, same


def _evidence(folder: Path) -> Evidence:
    if not (folder / "run.json").exists():
        below = sorted(str(path.parent) for path in folder.rglob("run.json"))
        more = f" and {len(below) - 10} more" if len(below) > 10 else ""
        there = f"below it are {', '.join(below[:10])}{more}" if below else "nor is one below it"
        raise EvidenceError(f"{folder}: is not an evidence folder, it has no run.json; {there}")
    return read_evidence(folder)


def _known_line(source: Path, evidence: Evidence) -> Verdict:
    try:
        return evidence.judge()
    except ValueError as error:
        raise EvidenceError(f"{source}: {error}") from error


def _judge_file(
    path: Path, expected: Expectation | None, added: Supplement
) -> tuple[Capture, Verdict]:
    if expected is None:
        raise typer.BadParameter("a recording does not say what was expected; give --expect")
    capture = read_recording(path, added)
    if expected.line not in capture.lines:
        raise EvidenceError(
            f"{path}: has no line {expected.line!r}; name its channel, as in "
            f"--line {expected.line}={capture.lines[0]} (there are: {', '.join(capture.lines)})"
        )
    return capture, judge_capture(capture, expected)


def _text(source: Path, capture: Capture, verdict: Verdict) -> str:
    """The outcome, what keeps it from PASS, the rest, and what was measured with."""
    passed = [f for f in verdict.findings if f.outcome is Outcome.PASS]
    findings = [f"  {f.outcome}: {f.text}" for f in (*verdict.not_passed(), *passed)]
    findings += [f"  not seen: {unseen.kind}: {unseen.text}" for unseen in verdict.unseen]
    clock = capture.clock
    measured = (
        f"{len(capture.edges)} edges on {len(capture.lines)} lines in "
        f"{(capture.end_ns - capture.start_ns) / 1e9:.3f} s, by a clock with a resolution of "
        f"{clock.resolution_ns} ns, an accuracy of {clock.accuracy_ppm:g} ppm and a latency of "
        f"{clock.latency_ns} ns ({clock.kind})"
    )
    return "\n".join([f"{verdict.outcome}: {source}", *findings, f"Judged: {measured}", ""])
