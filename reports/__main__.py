# SPDX-License-Identifier: ISC
"""`python -m reports RESULTS_FOLDER`: write a report and print what it says.

Exit status 0: a report was written, whatever its verdict. 2: none could be written.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from reports import write_report
from rig.errors import EvidenceError

_STYLES = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "NOT CAUGHT": "bold red",
    "INCONCLUSIVE": "bold yellow",
}


_HELP = "results/<UTC time>-<bench>, or the folder that holds such folders: then the newest"


def main(arguments: list[str] | None = None) -> int:
    """Report on the folder named on the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m reports", description="Report on what runs left."
    )
    parser.add_argument("results", type=Path, metavar="RESULTS_FOLDER", help=_HELP)
    try:
        report = write_report(parser.parse_args(arguments).results)
    except (EvidenceError, OSError) as error:
        print(f"reports: {error}", file=sys.stderr)
        return 2
    _print(report.text)
    return 0


def _print(text: str) -> None:
    """In colour on a terminal, byte for byte the same text elsewhere."""
    coloured = Text(text)
    for word, style in _STYLES.items():
        coloured.highlight_regex(rf"\b{word}\b", style)
    Console(soft_wrap=True).print(coloured, end="")


if __name__ == "__main__":
    sys.exit(main())
