"""Records of runs that never ran: a past to be made of any figures."""

from collections.abc import Sequence
from typing import Any

from reports.figures import Figure
from reports.history import Record

BEGAN_NS = 1_767_323_045 * 10**9
"""2026-01-02 03:04:05 UTC."""
HOUR_NS = 3600 * 10**9


def seal(number: int) -> str:
    return f"{number:064x}"


def commit(number: int) -> str:
    """Differs in its first letters, as those of git do."""
    return f"{number + 1:02x}" * 20


def past_run(
    number: int,
    figures: dict[Figure, float | None],
    facts: dict[str, str] | None = None,
    **fields: Any,
) -> Record:
    """One run, an hour after the one before, with these medians in us."""
    key = {"seal": seal(number)}
    run = {
        **key,
        "results": "20260102T030405Z-virtual",
        "run": f"led/{number}",
        "suite": "Led",
        "test": "Blinks",
        "purpose": "proof",
        "outcome": "PASS",
        "repeats": 0,
        "is_complete": True,
        "stalls": 0,
        "bench": "virtual",
        "bench_sha256": "be" * 32,
        "board": "Raspberry Pi 3 Model B",
        "kernel": "6.1.0-56-arm64",
        "clock": "emulator",
        "line": "led",
        "cycles": 10,
        "on_ns": 200_000_000,
        "off_ns": 300_000_000,
        "final_level": 0,
        "tender": "7e" * 32,
        "unikernel": "1e" * 32,
        "git_commit": commit(0),
        "started_ns": BEGAN_NS + number * HOUR_NS,
        "ended_ns": BEGAN_NS + number * HOUR_NS + 10**10,
    }
    rows = tuple(key | _figure(figure, median) for figure, median in figures.items())
    told = (facts or {"qemu": "7.2.22"}).items()
    return Record(
        run | fields,
        rows,
        tuple(key | {"kind": "tool", "name": name, "value": value} for name, value in told),
    )


def _figure(figure: Figure, median: float | None) -> dict[str, Any]:
    numbers = ("low95", "high95", "p95", "p99", "p99_9", "max")
    return {
        "figure": str(figure),
        "unit": "us",
        "count": 0 if median is None else 20,
        "median": median,
        **dict.fromkeys(numbers, median),
        "uncertainty": 4.0,
        "note": "",
    }


def past_of(
    values: Sequence[float], figure: Figure = Figure.CALL_TO_PIN, per_release: int = 1
) -> list[Record]:
    """A run for each value, so many of each release."""
    return [
        past_run(number, {figure: float(value)}, git_commit=commit(number // per_release))
        for number, value in enumerate(values)
    ]
