"""Exit statuses of `rig`, for all of its commands; see rig/cli.py."""

from enum import IntEnum

from rig.findings import Outcome


class Status(IntEnum):
    """Exit statuses beside typer's own 2."""

    PASS = 0
    FAIL = 1
    INCONCLUSIVE = 3
    TROUBLE = 4
    INTERRUPTED = 130


def status_of(outcome: Outcome) -> Status:
    """What a verdict is for the shell."""
    return Status[outcome.name]
