"""Arguments that several commands share, with what a shell completes for them."""

from pathlib import Path
from typing import Annotated

import typer

from rig.bench import Bench
from rig.identity import REPOSITORY


def complete_bench(incomplete: str) -> list[str]:
    """Bench files below the current folder's `benches/`, and those of the path typed so far."""
    return _files("benches", ".yaml", incomplete)


def complete_suite(incomplete: str) -> list[str]:
    """Robot suites, likewise below `robot/`."""
    return _files("robot", ".robot", incomplete)


def _files(folder: str, ending: str, incomplete: str) -> list[str]:
    """Paths that start as typed; a folder is offered with its slash, so that one goes on there."""
    typed = Path(incomplete)
    inside = typed if incomplete.endswith("/") else typed.parent
    found = [*Path(folder).glob(f"*{ending}"), *inside.glob(f"*{ending}")]
    found += [path for path in inside.glob("*") if path.is_dir() and path.name[0] != "."]
    names = {f"{path}/" if path.is_dir() else str(path) for path in found}
    return sorted(name for name in names if name.startswith(incomplete))


BenchFile = Annotated[
    Path,
    typer.Argument(
        metavar="BENCH",
        help="The bench file, for example benches/virtual.yaml.",
        autocompletion=complete_bench,
    ),
]


def known_lines(bench: Bench, wanted: list[str]) -> list[str]:
    """The lines that were asked for. Raises `BadParameter` if the bench does not have one."""
    for line in wanted:
        if line not in bench.lines:
            known = ", ".join(bench.lines)
            raise typer.BadParameter(f"{bench.file} has no line {line!r}, but: {known}")
    return wanted


def default_suites() -> list[Path]:
    """Every suite of this rig."""
    return sorted((REPOSITORY / "robot").glob("*.robot"))
