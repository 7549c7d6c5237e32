"""A process that stores runs: `writer.py LOCATION FIRST COUNT TIMES [pause]`.

It stores COUNT runs from number FIRST on, in TIMES transactions. With `pause` it says `half`
when all is written but not yet committed, and waits.
"""

import sys

import sqlalchemy as sa
from pasts import past_run

from reports.figures import Figure
from reports.history import History


def pause_before_commit() -> None:
    @sa.event.listens_for(sa.Engine, "commit")
    def _(connection: sa.Connection) -> None:
        print("half", flush=True)
        sys.stdin.read()


def spill_to_disk() -> None:
    """Let SQLite write pages of an unfinished transaction into the file, as for a large one."""

    @sa.event.listens_for(sa.Engine, "begin")
    def _(connection: sa.Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA cache_size = 1")


def main(location: str, first: str, count: str, times: str, pause: str = "") -> None:
    if pause:
        spill_to_disk()
        pause_before_commit()
    runs = [
        past_run(number, dict.fromkeys(Figure, float(number)))
        for number in range(int(first), int(first) + int(count))
    ]
    share = len(runs) // int(times)
    for begin in range(0, len(runs), share):
        History(location).add(runs[begin : begin + share])


main(*sys.argv[1:])
