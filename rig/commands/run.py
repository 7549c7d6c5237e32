"""`rig run`: Robot suites on a bench."""

from pathlib import Path
from typing import Annotated

import typer
from robot.run import run_cli

from rig.bench import load_bench
from rig.commands.arguments import BenchFile, complete_suite, default_suites
from rig.commands.status import Status
from rig.evidence import new_folder

Suites = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[SUITE]...",
        help="Suites or folders of them; without any, all of robot/.",
        show_default=False,
        autocompletion=complete_suite,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--outputdir",
        help="Where Robot's log and report go, over older ones; without it, a new folder in "
        "results/robot.",
        show_default=False,
    ),
]
Tests = Annotated[
    list[str] | None,
    typer.Option("--test", metavar="NAME", help="Only tests of this name.", show_default=False),
]

MOST_FAILED = 250
"""Robot's exit status counts failed tests up to this; what is above is another trouble."""
STOPPED = 253
"""By Ctrl-C."""


def run(
    bench_file: BenchFile,
    suites: Suites = None,
    outputdir: Output = None,
    test: Tests = None,
) -> None:
    """Run Robot suites on a bench; the same as `robot --variable BENCH:... SUITE...`.

    Several of these may run at once, each on a bench of its own.
    The exit status is 0 if every test passed, 1 if some did not, 4 if Robot could not run them.
    """
    bench = load_bench(bench_file)
    chosen = suites or default_suites()
    for suite in chosen:
        if not suite.exists():
            known = ", ".join(path.name for path in default_suites())
            raise typer.BadParameter(f"there is no suite {suite}; robot/ has {known}")
    output = outputdir or new_folder(Path("results/robot"), bench.name)
    names = [word for name in test or [] for word in ("--test", name)]
    status = run_cli(
        [
            *("--variable", f"BENCH:{bench.file}", "--outputdir", str(output)),
            *names,
            *map(str, chosen),
        ],
        exit=False,
    )
    raise typer.Exit(status_of_robot(status))


def status_of_robot(status: int) -> Status:
    """Of Robot's own exit statuses (User Guide, 3.1.3) the one of this command."""
    if status == 0:
        return Status.PASS
    if status == STOPPED:
        return Status.INTERRUPTED
    return Status.FAIL if status <= MOST_FAILED else Status.TROUBLE
