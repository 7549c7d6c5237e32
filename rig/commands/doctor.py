"""`rig doctor`: what is right with a bench, what is wrong, and what to do."""

import sys
from contextlib import closing
from typing import Annotated

import typer

from rig.bench import load_bench
from rig.commands.arguments import BenchFile, known_lines
from rig.commands.printing import print_coloured
from rig.commands.progress import progress
from rig.commands.status import Status
from rig.doctor import Row, Rows, State, examine

Lines = Annotated[
    list[str] | None,
    typer.Option(
        "--line",
        metavar="NAME",
        help="A line to drive, by its name there; may be repeated. Otherwise it is led.",
        show_default=False,
    ),
]


def doctor(bench_file: BenchFile, line: Lines = None) -> None:
    """Check a bench by using it: target, GPIO, images, observer and wiring.

    Each --line is driven high and low some times, so what hangs on it moves. Nothing else may
    use the bench meanwhile. The exit status is 0 only if a suite may start, otherwise 4.
    """
    bench = load_bench(bench_file)
    with closing(examine(bench, known_lines(bench, line or ["led"]))) as rows:
        wrong = _print_all(rows, f"bench {bench.name}")
    if wrong:
        print(f"rig: bench {bench.name}: {wrong} wrong; no suite should start", file=sys.stderr)
        raise typer.Exit(Status.TROUBLE)
    print(f"Bench {bench.name} is ready: a suite may start.")


def _print_all(rows: Rows[None], what: str) -> int:
    """Each row as soon as it is known; returns how many are not all right."""
    bad = 0
    while True:
        with progress(f"doctor: {what}: looking"):
            row = next(rows, None)
        if row is None:
            return bad
        bad += row.state is not State.OK
        print_coloured(text_of(row))


def text_of(row: Row) -> str:
    """One row of the table, with what to do below it."""
    text = f"{row.state:<11}  {row.what:<16}  {row.found}\n"
    return text + (f"{'':<11}  {'':<16}  -> {row.remedy}\n" if row.remedy else "")
