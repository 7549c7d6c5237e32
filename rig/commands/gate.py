"""`rig report gate`: whether results are those of a release that can be accepted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rig.commands.printing import print_coloured
from rig.commands.progress import progress
from rig.commands.status import Status

if TYPE_CHECKING:
    from reports.gate import Gate

JUNIT = "acceptance.xml"
"""Name of the file that is left in the results folder."""

Results = Annotated[Path, typer.Argument(help="Results folder of the candidate.")]
Baseline = Annotated[
    Path | None,
    typer.Option(help="Results folder of a release that was accepted.", show_default=False),
]
Robot = Annotated[
    Path | None,
    typer.Option(help="The output.xml that Robot wrote meanwhile.", show_default=False),
]
LimitsFile = Annotated[Path, typer.Option("--limits", help="What the release must keep to.")]


def gate(
    results: Results,
    baseline: Baseline = None,
    robot: Robot = None,
    limits: LimitsFile = Path("robot/acceptance.yaml"),
) -> None:
    """Decide on a release: the last line says ACCEPTED, REJECTED or UNDECIDED, and why.

    The exit status is 0, 1 or 3. `acceptance.xml` in the results folder is the same for a CI.
    """
    with progress(f"gate: {results}"):
        from reports.gate_tables import to_text

        decided = _decide(results, baseline, robot, limits)
    print_coloured(to_text(decided))
    raise typer.Exit(
        {"ACCEPTED": Status.PASS, "REJECTED": Status.FAIL}.get(
            decided.decision, Status.INCONCLUSIVE
        )
    )


def _decide(results: Path, baseline: Path | None, robot: Path | None, limits: Path) -> "Gate":
    """Read everything, decide, and leave the decision beside the results."""
    from reports.compare import read_side  # pandas takes a second, so only when it is needed
    from reports.gate import decide
    from reports.gate_tables import to_junit
    from reports.limits import load_limits
    from reports.robot_result import read_robot_result

    asked = load_limits(limits)
    candidate = read_side(results)
    decided = decide(
        candidate,
        read_side(baseline) if baseline else None,
        read_robot_result(robot) if robot else None,
        asked,
    )
    (candidate.results.folder / JUNIT).write_bytes(to_junit(decided))
    return decided
