# SPDX-License-Identifier: ISC
"""Results, tables and pictures -> one HTML file that needs no network and no other file."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from reports.closeups import closeup
from reports.curves import curves, series_of
from reports.lanes import Picture
from reports.load import Results, Run
from reports.plots import histograms, timing_diagram
from reports.soak_section import soak_section
from reports.statistics import Analysis
from reports.tables import HEADS, RULES, TOO_FEW, counted, latency
from reports.zoom import Waveform, waveform
from rig.capture import Capture, Clock, ClockKind
from rig.expectation import Expectation
from rig.findings import Finding
from rig.verdict import Outcome, ms

Facts = dict[str, str]
"""What is known about a run, in the order of the page: name -> value."""

CLOCKS = {
    ClockKind.HARDWARE: "hardware: the instrument stamps each edge",
    ClockKind.KERNEL: "kernel: the interrupt handler of the observing machine stamps each edge",
    ClockKind.HOST: "host: a program on the rig's host stamps each edge when it hears of it",
    ClockKind.EMULATOR: "emulator: QEMU stamps each write to the GPIO block with the host's clock",
    ClockKind.TIME_LAPSE: "time-lapse: QEMU skips idle time, so its stamps only order the edges",
}
"""Where the stamps of each kind of clock come from."""


@dataclass(frozen=True)
class _Failing:
    """One finding that keeps a run from PASS."""

    anchor: str
    finding: Finding
    closeup: Picture | None
    """None: it is about no moment of the line."""


@dataclass(frozen=True)
class _Section:
    """One run on the page."""

    anchor: str
    run: Run
    failing: list[_Failing]
    timing: Picture | None
    """None: there is no pattern to draw beside it; nor is there in the next."""
    zoom: Waveform | None
    spread: list[Picture]
    facts: Facts
    """What is not as for the other runs."""


def anchor(run: str) -> str:
    """The id on the page of the run of this name: the same in every report."""
    return f"run/{run}"


def to_html(results: Results, analysis: Analysis, trend: object = None) -> str:
    """The whole page, with what `reports.trend_page.section` made of a history, if there is one."""
    common = results.proofs or results.runs
    shared = _shared([identity(run) for run in common])
    measured = _shared([measurement(run) for run in common])
    sections = [_section(run, shared | measured) for run in results.runs]
    timed = [run for run in results.proofs if run.is_timed]
    lines, script = series_of(timed), _script()
    return template("page.html.j2").render(
        results=results,
        record=results.runs[0].evidence.run,
        started=_utc(results.runs[0].evidence.run.started_ns),
        counted=counted(results),
        proofs=[section for section in sections if not section.run.is_defect],
        defects=[section for section in sections if section.run.is_defect],
        latency=latency(analysis.summary),
        lines=lines,
        curves=curves(lines, analysis.distributions),
        script=Markup(script),
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        columns=HEADS,
        too_few=TOO_FEW,
        rules=RULES,
        identity=shared,
        measurement=measured,
        PASS=Outcome.PASS,
        trend=trend,
        soak=soak_section(results),
    )


def identity(run: Run) -> Facts:
    """What ran, where, and with what."""
    record = run.evidence.run
    facts = {
        "Bench": record.bench,
        "Bench file": f"{record.bench_file}, SHA-256 {record.bench_sha256}",
    }
    facts |= {f"Target: {name}": str(value) for name, value in record.target.items()}
    for name, image in record.images.items():
        facts[name.capitalize()] = f"{image.source} as {image.path}, SHA-256 {image.sha256}"
    facts["Command line"] = record.command
    facts["Commit"] = record.git_commit
    return facts | {f"Tool: {name}": version for name, version in record.tools.items()}


def measurement(run: Run) -> Facts:
    """How the edges were seen, and how far that can be believed."""
    capture, clock = run.evidence.capture, run.evidence.capture.clock
    seen = {
        "Observer's clock": CLOCKS[clock.kind],
        "Resolution": f"{clock.resolution_ns:,} ns",
        "Latency budget": f"a stamp is late by 0 to {ms(clock.latency_ns)}",
        "Rate": f"within {clock.accuracy_ppm:g} ppm",
        "Lines watched": str(len(capture.lines)),
        "Completeness": _completeness(capture),
        "Not seen": "; ".join(unseen.text for unseen in run.verdict.unseen) or "nothing of it",
        "Host": _heartbeat(capture),
        "Runs repeated": str(run.evidence.run.repeats),
    }
    return seen | (_timing(run.pattern, clock) if run.is_timed else {})


def _timing(expected: Expectation, clock: Clock) -> Facts:
    uncertainty_ns = clock.interval_uncertainty_ns(expected.period_ns)
    return {"Uncertainty": f"{ms(uncertainty_ns)} for one period", "Limits": _limits(expected)}


def _limits(expected: Expectation) -> str:
    nominal_ns = {
        "on-time": expected.on_ns,
        "off-time": expected.off_ns,
        "period": expected.period_ns,
    }
    return ", ".join(
        f"every {kind} {ms(time_ns)} within {ms(expected.tolerance_of(time_ns))}"
        for kind, time_ns in nominal_ns.items()
    )


def _completeness(capture: Capture) -> str:
    if capture.overrun:
        return "the observer's buffer overflowed: any number of edges may be missing"
    if capture.lost:
        return f"{capture.lost} edges are known to be missing"
    return "every edge between start and end of the capture is in it"


def _heartbeat(capture: Capture) -> str:
    beat = capture.heartbeat
    if beat is None:
        return "not watched: this observer does not share its clock with the host"
    return f"{beat.beats} heartbeats, the latest by {ms(beat.worst_ns)}; stalls: {len(beat.stalls)}"


def _section(run: Run, shared: Facts) -> _Section:
    """A planted defect shows its edges; errors would say nothing.

    In time-lapse there is a picture only if something is wrong: edges all pass in a moment.
    """
    facts = identity(run) | measurement(run)
    failing = [_failing(run, finding) for finding in run.verdict.not_passed()]
    is_shown = run.is_timed or (run.is_pattern and failing)
    return _Section(
        anchor=anchor(run.name),
        run=run,
        failing=failing,
        timing=timing_diagram(run) if is_shown else None,
        zoom=waveform(run) if run.is_timed else None,
        spread=histograms(run) if run.is_timed and not run.is_defect else [],
        facts={name: value for name, value in facts.items() if shared.get(name) != value},
    )


def _failing(run: Run, finding: Finding) -> _Failing:
    place = run.verdict.findings.index(finding) + 1
    shown = closeup(run, finding) if run.is_pattern else None
    return _Failing(f"{anchor(run.name)}/finding-{place}", finding, shown)


def _shared(facts: Iterable[Facts]) -> Facts:
    """What these runs have in common, so that it is said once."""
    first, *others = facts
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }


def _utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _script() -> str:
    """As it stands in the page: the policy of the page lets no other script run."""
    return (Path(__file__).parent / "page.js").read_text(encoding="utf-8")


def template(name: str) -> Template:
    """One of the templates beside this module."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["anchor"] = anchor
    return environment.get_template(name)
