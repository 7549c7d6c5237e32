# SPDX-License-Identifier: ISC
"""Evidence folders in, a report out: what the runs proved, and how late everything was."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rig.errors import HistoryError
from rig.identity import release_tags

if TYPE_CHECKING:
    import pandas as pd

    from reports.load import Results
    from reports.trend_page import Section

__all__ = ["PAGE", "Report", "write_report"]

PAGE = "report.html"
"""Name of the page in the results folder."""


@dataclass(frozen=True)
class Report:
    """What was written, and the same for a terminal."""

    html: Path
    csv: Path
    parquet: Path
    json: Path
    text: str
    """Verdicts, latency table, footnotes and where the page lies; plain."""
    trouble: str = ""
    """Why the runs are not in the history, in one line; empty if nothing went wrong."""


def write_report(results: Path, history: str = "") -> Report:
    """Write `report.html`, `report.json`, `summary.csv` and `figures.parquet`.

    They go into the results folder. `results` is `results/<UTC time>-<bench>`, or the folder
    that holds such folders; of these the newest is reported. The same evidence gives the same
    files, byte for byte; with a `history`, a path or URL, the runs are stored in it, and the page
    shows the trend that it then holds. Raises `EvidenceError` if there is no evidence that can
    be used, `OSError` if a file cannot be written.
    """
    # What it takes comes with pandas, SciPy and matplotlib: only when it is needed.
    from reports.document import to_json
    from reports.load import load_results
    from reports.page import to_html
    from reports.statistics import analyse
    from reports.tables import to_csv, to_text, write_parquet

    loaded = load_results(results)
    analysis = analyse(loaded)
    summary = analysis.summary
    page, csv, parquet, json = (
        loaded.folder / name for name in (PAGE, "summary.csv", "figures.parquet", "report.json")
    )
    trend, trouble = _remembered(loaded, summary, history) if history else (None, "")
    _replace(page, lambda draft: _write(draft, to_html(loaded, analysis, trend)))
    _replace(csv, lambda draft: _write(draft, to_csv(summary)))
    _replace(parquet, lambda draft: write_parquet(summary, draft))
    _replace(json, lambda draft: _write(draft, to_json(loaded, summary)))
    return Report(page, csv, parquet, json, to_text(loaded, summary, page), trouble)


def _remembered(
    loaded: "Results", summary: "pd.DataFrame", location: str
) -> tuple["Section | None", str]:
    """The trend, or why there is none: a history that does not work stops no report."""
    from reports.history import History, records
    from reports.trend import read_trend
    from reports.trend_page import section

    try:
        history = History(location)
        history.add(records(loaded, summary))
        bench = loaded.runs[0].evidence.run.bench
        trend = read_trend(history, release_tags(), bench=bench)
    except HistoryError as error:
        return None, f"{error}. The report is written; later: rig report store {loaded.folder}"
    own = trend.of(run.evidence.run.seal for run in loaded.runs)
    return section(own) if own.series else None, ""


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
