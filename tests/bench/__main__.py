# SPDX-License-Identifier: ISC
"""Measure all figures, show them, and write them to results/bench/<UTC time>.csv."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rig.errors import RigError
from tests.bench import measure, sampling
from tests.bench.figure import Figure, table, write_csv
from tests.bench.hosts import Host, this_machine, virtual_pi, why_no_kvm
from tests.bench.judging import judging
from tests.bench.reporting import reporting
from tests.bench.trending import trending

RESULTS = Path("results/bench")
RUNS = 15


def take(progress: Progress, host: Host, what: str, count: int) -> list[Figure]:
    """One measurement, with a bar."""
    task = progress.add_task(f"{host.name}: {what.replace('_', ' ')}", total=count)
    runs = measure.Runs(count, lambda: progress.advance(task))
    figures: list[Figure] = getattr(measure, what)(host, runs)
    return figures


def on_this_machine(progress: Progress, count: int) -> Iterator[Figure]:
    """Figures 1 to 4 with this machine's KVM, or why not."""
    reason = why_no_kvm()
    if reason:
        yield Figure(1, "x86_64", "figures 1 to 4", "", None, note=reason)
        return
    with this_machine() as host:
        for what in ("start_to_exit", "hypercalls", "memory"):
            yield from take(progress, host, what, count)


def on_virtual_pi(progress: Progress, count: int) -> Iterator[Figure]:
    """Figures 1 to 4 and 6 in the virtual Pi."""
    with virtual_pi() as pi:
        for what in ("start_to_exit", "hypercalls", "memory", "first_edge"):
            yield from take(progress, pi, what, count)


def of_judging(progress: Progress, count: int) -> list[Figure]:
    """Figure 10."""
    task = progress.add_task("judging", total=count)
    return judging(measure.Runs(count, lambda: progress.advance(task)))


def of_reporting(progress: Progress, count: int) -> list[Figure]:
    """Figure 11."""
    task = progress.add_task("reporting", total=count)
    return reporting(measure.Runs(count, lambda: progress.advance(task)))


def of_trending(progress: Progress, count: int) -> list[Figure]:
    """Figures 12 and 13."""
    task = progress.add_task("trend", total=count)
    return trending(measure.Runs(count, lambda: progress.advance(task)))


def of_samples(progress: Progress, count: int) -> Iterator[Figure]:
    """Figures 7 to 9, which need neither tender nor virtual Pi."""
    task = progress.add_task("samples to edges", total=sampling.MEASUREMENTS * count)
    yield from sampling.measured(measure.Runs(count, lambda: progress.advance(task)))


def of_tender(progress: Progress, count: int) -> Iterator[Figure]:
    """Figures 1 to 6."""
    yield from on_this_machine(progress, count)
    yield from measure.size()
    yield from on_virtual_pi(progress, count)


GROUPS = {
    "tender": of_tender,
    "samples": of_samples,
    "judging": of_judging,
    "report": of_reporting,
    "trend": of_trending,
}


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0, whatever the figures are."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="of each thing (%(default)s)")
    parser.add_argument("--only", choices=GROUPS, help="(default: all)")
    options = parser.parse_args(arguments)
    groups = [GROUPS[options.only]] if options.only else list(GROUPS.values())
    console = Console(width=None if sys.stdout.isatty() else 150)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.csv"
    print(path)
    with Progress(console=console) as progress, path.open("w", encoding="utf-8") as stream:
        measured = (figure for group in groups for figure in group(progress, options.runs))
        figures = write_csv(measured, stream)
    console.print(table(sorted(figures, key=lambda figure: figure.number)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (RigError, RuntimeError, subprocess.TimeoutExpired) as error:
        sys.exit(f"bench: {error}")
